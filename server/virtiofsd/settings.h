/* SPDX-License-Identifier: Apache-2.0 */
/* From virtiofsd's command line to the checked configuration, through the same keys that an INI file has. */
#ifndef GRAFT_SERVER_VIRTIOFSD_SETTINGS_H
#define GRAFT_SERVER_VIRTIOFSD_SETTINGS_H

#include "server/config.h"
#include "server/virtiofsd/line.h"

/*
 * The configuration of a line that vfsd_line_parse took and that has a shared directory. Relative paths become absolute
 * ones; nothing is opened but the plugins. NULL with err, whose text begins with the option. Main thread.
 */
struct config *vfsd_config(const struct vfsd_line *line, struct plugin_registry **registry, struct graft_error *err);

#endif
