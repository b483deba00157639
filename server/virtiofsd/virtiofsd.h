/* SPDX-License-Identifier: Apache-2.0 */
/* The front door of whoever starts virtiofsd: its command line, filling the configuration that an INI file fills. */
#ifndef GRAFT_SERVER_VIRTIOFSD_VIRTIOFSD_H
#define GRAFT_SERVER_VIRTIOFSD_VIRTIOFSD_H

#include "server/config.h"
#include "server/door.h"
#include "server/virtiofsd/line.h"

#define VFSD_SERVE (-1) /* as CLI_GO_ON */

extern const struct door door_virtiofsd;

/*
 * How many arguments come before virtiofsd's own: 1 where the program's name is virtiofsd, 2 where its first argument
 * is; 0: another command line.
 */
int vfsd_named(int argc, char *const *argv);
/*
 * Takes the arguments behind the name. VFSD_SERVE, or an exit status when all has been said: 0 after --help, --version
 * and --print-capabilities, 1 where that could not be written or there is no shared directory, 2 after a usage error.
 * line is empty before; vfsd_line_fini in any case. Main thread.
 */
int vfsd_parse(struct vfsd_line *line, int argc, char *const *argv);
/*
 * The configuration. VFSD_SERVE with *config and *registry, or an exit status with both NULL: 0 after --dump-config, 1
 * after one line on stderr; what is wrong with a single option vfsd_parse has said.
 */
int vfsd_read(const struct vfsd_line *line, struct config **config, struct plugin_registry **registry);

#endif
