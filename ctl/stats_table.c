/* SPDX-License-Identifier: Apache-2.0 */
/* The table of operations that stats, show and top print. */
#include "ctl/stats_table.h"

#include <errno.h>

enum field { AT, OP, COUNT, RATE, ERRORS, BYTES, MEAN, P50, P99, NFIELDS };

static const struct table_column columns[NFIELDS] = {
	[AT] = { "AT", false },      [OP] = { "OP", false },        [COUNT] = { "COUNT", true },
	[RATE] = { "RATE/S", true }, [ERRORS] = { "ERRORS", true }, [BYTES] = { "BYTES/S", true },
	[MEAN] = { "MEAN", true },   [P50] = { "P50", true },       [P99] = { "P99", true },
};

static bool wanted(enum field f, const struct stats_form *form)
{
	const bool unwanted[NFIELDS] = {
		[AT] = form->by == STATS_BY_OP || form->by == STATS_BY_NONE,
		[OP] = form->by == STATS_BY_MOUNT || form->by == STATS_BY_NONE,
		[COUNT] = form->seconds > 0,
		[RATE] = form->seconds == 0,
		[BYTES] = form->seconds == 0 || !form->bytes,
	};
	return !unwanted[f];
}

/* A histogram knows only between which bounds: say the upper one, or the lower one of the last. */
const char *stats_percentile_text(char to[STATS_PERCENTILE_MAX], const struct stats *s, const struct stats_row *row,
				  double p)
{
	char text[TEXT_TIME_MAX];
	size_t i = stats_percentile(s, row, p);
	if (i == s->nbounds)
		snprintf(to, STATS_PERCENTILE_MAX, "-");
	else if (s->bounds[i] != UINT64_MAX)
		snprintf(to, STATS_PERCENTILE_MAX, "<=%s", text_time(text, s->bounds[i]));
	else
		snprintf(to, STATS_PERCENTILE_MAX, ">%s", text_time(text, i > 0 ? s->bounds[i - 1] : 0));
	return to;
}

const char *stats_rate_text(char to[TEXT_TIME_MAX], uint64_t count, double seconds)
{
	double rate = (double)count / seconds;
	snprintf(to, TEXT_TIME_MAX, "%.*f", rate < 100 ? 1 : 0, rate);
	return to;
}

static void add_field(struct table *t, enum field f, const struct stats *s, const struct stats_row *row, double seconds)
{
	char text[TEXT_TIME_MAX], share[STATS_PERCENTILE_MAX];
	if (f == AT)
		table_text(t, row->at ? row->at : "(other)");
	else if (f == OP)
		table_text(t, row->op);
	else if (f == COUNT)
		table_number(t, row->count);
	else if (f == RATE)
		table_own(t, "%s", stats_rate_text(text, row->count, seconds));
	else if (f == ERRORS)
		table_number(t, row->errors);
	else if (f == BYTES)
		table_own(t, "%s", row->bytes > 0 ? text_bytes(text, (double)row->bytes / seconds) : "-");
	else if (f == MEAN)
		table_own(t, "%s", row->count > 0 ? text_time(text, stats_mean(row)) : "-");
	else
		table_own(t, "%s", stats_percentile_text(share, s, row, f == P50 ? 0.5 : 0.99));
}

int stats_table_print(const struct stats *s, const struct stats_form *form, const struct table_window *window, FILE *to)
{
	struct table_column shown[NFIELDS];
	size_t n = 0;
	for (enum field f = 0; f < NFIELDS; f++) {
		if (wanted(f, form))
			shown[n++] = columns[f];
	}
	struct table *t = table_new(shown, n);
	if (!t)
		return -ENOMEM;
	for (size_t i = 0; i < s->n; i++) {
		for (enum field f = 0; f < NFIELDS; f++) {
			if (wanted(f, form))
				add_field(t, f, s, &s->rows[i], form->seconds);
		}
	}
	int res = table_print(t, window, to);
	table_free(t);
	return res;
}
