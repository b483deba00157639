/* SPDX-License-Identifier: Apache-2.0 */
/* The table of operations that stats and show print. */
#ifndef GRAFT_CTL_STATS_TABLE_H
#define GRAFT_CTL_STATS_TABLE_H

#include "ctl/stats_model.h"
#include "ctl/table.h"

/* seconds: what the rows count was counted in; 0: since the mount, no rates. Returns 0 or -ENOMEM. */
int stats_table_print(const struct stats *s, double seconds, const struct table_window *window, FILE *to);

#endif
