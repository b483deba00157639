/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of graftfsd, and what it does before anything is served. */
#ifndef GRAFT_SERVER_CLI_H
#define GRAFT_SERVER_CLI_H

#include "server/config.h"
#include "server/door.h"
#include "server/nydusd/line.h"
#include "server/virtiofsd/line.h"

#include <limits.h>

#define CLI_GO_ON (-1)
#define CLI_EXIT_USAGE 2 /* exit status of a usage or configuration error */

struct cli {
	const struct door *door; /* never NULL, whatever cli_parse returned */
	enum { CLI_SERVE, CLI_CHECK, CLI_DUMP, CLI_DUMP_PLUGIN } mode;
	const char *config_path;   /* points into argv; NULL: no file was read */
	const char *plugin;        /* CLI_DUMP_PLUGIN: name or path; points into argv */
	char mountpoint[PATH_MAX]; /* of the [transport fuse], absolute; empty: what the configuration says */
	struct vfsd_line virtiofsd; /* where the door is virtiofsd's, which has no mode and no file */
	struct nyd_line nydusd;     /* the same of nydusd's */
};

/*
 * Parses the arguments, by the door that the program's name or its first argument says. CLI_GO_ON, or an exit status: 0
 * after --help and --version (printed on stdout), CLI_EXIT_USAGE after one line on stderr. Main thread only (getopt).
 */
int cli_parse(int argc, char **argv, struct cli *cli);

/*
 * Reads the configuration that cli names. CLI_GO_ON with *config and *registry set (the caller frees the config, then
 * the registry), or an exit status with both NULL: 0 after --check-config and --dump-config did their work, 1 if stdout
 * could not be written, CLI_EXIT_USAGE after one line on stderr.
 */
int cli_config(const struct cli *cli, struct config **config, struct plugin_registry **registry);

/*
 * Goes into the background where the door was asked to. CLI_GO_ON in the process that serves; an exit status in the one
 * that was started, when the other serves or has failed. Before there is a second thread.
 */
int cli_detach(const struct cli *cli);

/*
 * What the door looks at when the log is where it shall be, before anything is opened: warnings, and the host. 0 or
 * -errno with err. Main thread.
 */
int cli_check(const struct cli *cli, struct graft_error *err);
/* What cli_parse allocated. */
void cli_fini(struct cli *cli);

#endif
