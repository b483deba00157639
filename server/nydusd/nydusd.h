/* SPDX-License-Identifier: Apache-2.0 */
/* The front door of whoever starts nydusd: its command line, filling the configuration that an INI file fills. */
#ifndef GRAFT_SERVER_NYDUSD_NYDUSD_H
#define GRAFT_SERVER_NYDUSD_NYDUSD_H

#include "server/config.h"
#include "server/door.h"
#include "server/nydusd/line.h"

#define NYD_SERVE (-1) /* as CLI_GO_ON */

extern const struct door door_nydusd;

/*
 * How many arguments come before nydusd's own: 1 where the program's name is nydusd, 2 where its first argument is; 0:
 * another command line.
 */
int nyd_named(int argc, char *const *argv);
/*
 * Takes the arguments behind the name. NYD_SERVE, or an exit status when all has been said: 0 after --help and --version, 1 where
 * that could not be written, 2 after a usage error. line is empty before. Main thread.
 */
int nyd_parse(struct nyd_line *line, int argc, char *const *argv);
/*
 * The configuration. NYD_SERVE with *config and *registry, or an exit status with both NULL: 0 after --dump-config, 1
 * after one line on stderr; what is wrong with a single option nyd_parse has said.
 */
int nyd_read(const struct nyd_line *line, struct config **config, struct plugin_registry **registry);

#endif
