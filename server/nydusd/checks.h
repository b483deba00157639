/* SPDX-License-Identifier: Apache-2.0 */
/* What nydusd's command line and environment ask for and do not get, said in the log. */
#ifndef GRAFT_SERVER_NYDUSD_CHECKS_H
#define GRAFT_SERVER_NYDUSD_CHECKS_H

#include "server/config.h"
#include "server/nydusd/line.h"

/* The version, then a warning for each thing that has no effect. Main thread; the log is where it shall be. */
void nyd_check_run(const struct nyd_line *line);

#endif
