/* SPDX-License-Identifier: Apache-2.0 */
/* The table of operations that stats and show print. */
#include "ctl/stats_table.h"

#include "ctl/text.h"

#include <errno.h>

static const struct table_column totals[] = {
	{ "AT", false },  { "OP", false }, { "COUNT", true }, { "ERRORS", true },
	{ "MEAN", true }, { "P50", true }, { "P99", true },
};

static const struct table_column rates[] = {
	{ "AT", false },  { "OP", false }, { "RATE/S", true }, { "ERRORS", true },
	{ "MEAN", true }, { "P50", true }, { "P99", true },
};

/* A histogram knows only between which bounds: say the upper one, or the lower one of the last. */
static void add_percentile(struct table *t, const struct stats *s, const struct stats_row *row, double p)
{
	char text[TEXT_TIME_MAX];
	size_t i = stats_percentile(s, row, p);
	if (i == s->nbounds)
		table_own(t, "-");
	else if (s->bounds[i] != UINT64_MAX)
		table_own(t, "<=%s", text_time(text, s->bounds[i]));
	else
		table_own(t, ">%s", text_time(text, i > 0 ? s->bounds[i - 1] : 0));
}

static void add_row(struct table *t, const struct stats *s, const struct stats_row *row, double seconds)
{
	char text[TEXT_TIME_MAX];
	double rate = seconds > 0 ? (double)row->count / seconds : 0;
	table_text(t, row->at ? row->at : "(other)");
	table_text(t, row->op);
	if (seconds > 0)
		table_own(t, "%.*f", rate < 100 ? 1 : 0, rate);
	else
		table_number(t, row->count);
	table_number(t, row->errors);
	if (row->count > 0)
		table_own(t, "%s", text_time(text, row->total_ns / row->count));
	else
		table_own(t, "-");
	add_percentile(t, s, row, 0.5);
	add_percentile(t, s, row, 0.99);
}

int stats_table_print(const struct stats *s, double seconds, const struct table_window *window, FILE *to)
{
	const struct table_column *columns = seconds > 0 ? rates : totals;
	struct table *t = table_new(columns, sizeof(totals) / sizeof(totals[0]));
	if (!t)
		return -ENOMEM;
	for (size_t i = 0; i < s->n; i++)
		add_row(t, s, &s->rows[i], seconds);
	int res = table_print(t, window, to);
	table_free(t);
	return res;
}
