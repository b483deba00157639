/* SPDX-License-Identifier: Apache-2.0 */
/* From nydusd's command line to the checked configuration, through the same keys that an INI file has. */
#ifndef GRAFT_SERVER_NYDUSD_SETTINGS_H
#define GRAFT_SERVER_NYDUSD_SETTINGS_H

#include "server/config.h"
#include "server/nydusd/line.h"

/*
 * The configuration of a line that nyd_line_parse took. Relative paths become absolute ones, and the mount point's links are
 * followed; --config and --prefetch-files are read, nothing else is opened but the plugins. NULL with err, whose text
 * begins with the option. Main thread.
 */
struct config *nyd_config(const struct nyd_line *line, struct plugin_registry **registry, struct graft_error *err);
/*
 * The limit of open files that --rlimit-nofile means here, for the key of that name; 0: the server's own way. *asked is what was
 * asked for, where that is not what can be had; else 0. The limit of this process may be raised to find out.
 */
uint64_t nyd_rlimit(const struct nyd_line *line, uint64_t *asked);

#endif
