/* SPDX-License-Identifier: Apache-2.0 */
/* The table of operations that stats, show and top print. */
#ifndef GRAFT_CTL_STATS_TABLE_H
#define GRAFT_CTL_STATS_TABLE_H

#include "ctl/stats_model.h"
#include "ctl/table.h"
#include "ctl/text.h"

struct stats_form {
	double seconds;   /* what the rows count was counted in; 0: since the mount, no rates */
	enum stats_by by; /* columns that the rows have in common */
	bool bytes;       /* a column of them, where there are rates */
};

/* Returns 0 or -ENOMEM. */
int stats_table_print(const struct stats *s, const struct stats_form *form, const struct table_window *window,
		      FILE *to);

#define STATS_PERCENTILE_MAX 40
/* "<=4.00us", ">1.00s" or "-". Returns to. */
const char *stats_percentile_text(char to[STATS_PERCENTILE_MAX], const struct stats *s, const struct stats_row *row,
				  double p);
/* Requests in so many seconds, "12.3" or "4567". Returns to. */
const char *stats_rate_text(char to[TEXT_TIME_MAX], uint64_t count, double seconds);

#endif
