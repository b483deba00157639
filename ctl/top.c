/* SPDX-License-Identifier: Apache-2.0 */
/* graftctl top: the mounts and operations with the most to do, live. */
#include "ctl/command.h"

#include "ctl/stats_table.h"
#include "ctl/text.h"
#include "ctl/watch.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define INTERVAL 2.0 /* seconds */
#define COUNT_MOST 1000000000

/* A choice by option or by key. */
struct choice {
	const char *name;
	char key;
	int value;
};

static const struct choice groups[] = {
	{ "all", 'a', STATS_BY_BOTH },
	{ "mount", 'm', STATS_BY_MOUNT },
	{ "op", 'o', STATS_BY_OP },
	{ NULL, 0, 0 },
};

static const struct choice orders[] = {
	{ "rate", 'r', STATS_ORDER_RATE },
	{ "latency", 'l', STATS_ORDER_LATENCY },
	{ "errors", 'e', STATS_ORDER_ERRORS },
	{ "bytes", 'b', STATS_ORDER_BYTES },
	{ NULL, 0, 0 },
};

static const struct args_option options[] = {
	{ "by", 0, ARGS_VALUE, "all|mount|op", "what a line is of: an operation of a mount, or all of one" },
	{ "sort", 0, ARGS_VALUE, "rate|latency|errors|bytes", "what has most comes first" },
	{ "interval", 'i', ARGS_VALUE, "SECONDS", "between two tables, 2 by default" },
	{ "count", 'n', ARGS_VALUE, "N", "print N tables without a screen, then end" },
	{ "once", 0, ARGS_FLAG, NULL, "the same as --count 1" },
	{ NULL, 0, ARGS_FLAG, NULL, NULL },
};

struct top {
	enum stats_by by;
	enum stats_order order;
};

/* Groups and sorts; the caller frees *made. */
static int arrange(const struct top *top, const struct stats *s, struct stats *made)
{
	struct graft_error err;
	int res = stats_group(s, top->by, made, &err);
	if (res == 0)
		stats_sort(made, top->order);
	return res;
}

/* The line about all requests, into text. */
static int sum_up(const struct watch_interval *i, char text[256])
{
	char rate[TEXT_TIME_MAX], bytes[TEXT_TIME_MAX], mean[TEXT_TIME_MAX] = "-";
	char half[STATS_PERCENTILE_MAX], most[STATS_PERCENTILE_MAX];
	const struct stats_row none = { 0 };
	struct stats all = { 0 };
	struct graft_error err;
	int res = stats_group(i->stats, STATS_BY_NONE, &all, &err);
	const struct stats_row *row = res == 0 && all.n > 0 ? &all.rows[0] : &none;
	if (row->count > 0)
		text_time(mean, stats_mean(row));
	snprintf(text, 256, "%s requests/s  %" PRIu64 " errors  %s/s  mean %s  p50 %s  p99 %s",
		 stats_rate_text(rate, row->count, i->seconds), row->errors,
		 text_bytes(bytes, (double)row->bytes / i->seconds), mean,
		 stats_percentile_text(half, i->stats, row, 0.5), stats_percentile_text(most, i->stats, row, 0.99));
	stats_free(&all);
	return res;
}

static const char *choice_name(const struct choice *list, int value)
{
	while (list->name && list->value != value)
		list++;
	return list->name;
}

static int print_table(const struct top *top, const struct watch_interval *i, const struct table_window *window,
		       FILE *to)
{
	const struct stats_form form = { .seconds = i->seconds, .by = top->by, .bytes = true };
	struct stats made = { 0 };
	int res = arrange(top, i->stats, &made);
	if (res == 0)
		res = stats_table_print(&made, &form, window, to);
	stats_free(&made);
	return res;
}

static int draw(void *state, const struct watch_interval *i, const struct table_window *window, FILE *to)
{
	const struct top *top = state;
	struct table_window left = *window;
	char text[256], chosen[128];
	int res = sum_up(i, text);
	if (res != 0)
		return res;
	if (left.rows > 0) {
		table_line(window, text, to);
		left.rows--;
	}
	if (left.rows > 0) {
		snprintf(chosen, sizeof(chosen),
			 "by %s, most %s first  (a)ll (m)ount (o)p  (r)ate (l)atency (e)rrors (b)ytes",
			 choice_name(groups, (int)top->by), choice_name(orders, (int)top->order));
		table_line(window, chosen, to);
		left.rows--;
	}
	return print_table(top, i, &left, to);
}

static int print(void *state, const struct watch_interval *i, FILE *to)
{
	char text[256];
	int res = sum_up(i, text);
	if (res != 0)
		return res;
	fprintf(to, "%s\n", text);
	return print_table(state, i, NULL, to);
}

/* The upper bound of the bucket in which the share p ends: null where there is none. */
static json_t *bound(const struct stats *s, const struct stats_row *row, double p)
{
	size_t n = stats_percentile(s, row, p);
	bool bounded = n < s->nbounds && s->bounds[n] != UINT64_MAX;
	return bounded ? json_integer((json_int_t)s->bounds[n]) : json_null();
}

/* As signed as JSON's numbers are. */
static json_t *number(uint64_t n)
{
	return json_integer(n <= INT64_MAX ? (json_int_t)n : INT64_MAX);
}

static json_t *describe_row(const struct top *top, const struct stats *s, const struct stats_row *row, double seconds)
{
	json_t *json = json_object();
	if (top->by != STATS_BY_OP)
		json_object_set_new(json, "at", row->at ? json_string(row->at) : json_null());
	if (top->by != STATS_BY_MOUNT)
		json_object_set_new(json, "op", json_string(row->op));
	json_object_set_new(json, "rate", json_real((double)row->count / seconds));
	json_object_set_new(json, "count", number(row->count));
	json_object_set_new(json, "errors", number(row->errors));
	json_object_set_new(json, "bytes", number(row->bytes));
	json_object_set_new(json, "mean_ns", number(stats_mean(row)));
	json_object_set_new(json, "p50_ns", bound(s, row, 0.5));
	json_object_set_new(json, "p99_ns", bound(s, row, 0.99));
	return json;
}

static json_t *describe(void *state, const struct watch_interval *i)
{
	const struct top *top = state;
	struct stats made = { 0 };
	json_t *rows = json_array();
	int res = arrange(top, i->stats, &made);
	for (size_t k = 0; res == 0 && k < made.n; k++)
		res = json_array_append_new(rows, describe_row(top, &made, &made.rows[k], i->seconds));
	stats_free(&made);
	if (res == 0)
		return json_pack("{s:f, s:o}", "seconds", i->seconds, "rows", rows);
	json_decref(rows);
	return NULL;
}

static void key(void *state, char key)
{
	struct top *top = state;
	for (const struct choice *c = groups; c->name; c++) {
		if (c->key == key)
			top->by = (enum stats_by)c->value;
	}
	for (const struct choice *c = orders; c->name; c++) {
		if (c->key == key)
			top->order = (enum stats_order)c->value;
	}
}

/* The value of an option among its choices. 0 or CTL_USAGE, said. */
static int choose(const struct args *args, const char *option, const struct choice *list, int *value)
{
	const char *text = args_value(args, option);
	if (!text)
		return 0;
	for (; list->name; list++) {
		if (strcmp(list->name, text) == 0) {
			*value = list->value;
			return 0;
		}
	}
	return ctl_usage(&command_top, "--%s %s: must be %s", option, text,
			 strcmp(option, "by") == 0 ? "all, mount or op" : "rate, latency, errors or bytes");
}

static int take_count(const struct args *args, uint64_t *count)
{
	const char *text = args_value(args, "count");
	char *end;
	if (text && args_has(args, "once"))
		return ctl_usage(&command_top, "--once is --count 1; give one of them");
	*count = args_has(args, "once") ? 1 : 0;
	if (!text)
		return 0;
	errno = 0;
	unsigned long n = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end != '\0' || errno != 0 || n == 0 || n > COUNT_MOST)
		return ctl_usage(&command_top, "--count %s: must be a number from 1 to %d", text, COUNT_MOST);
	*count = n;
	return 0;
}

static int run(struct ctl *ctl, const struct args *args)
{
	int by = STATS_BY_BOTH, order = STATS_ORDER_RATE;
	struct watch_options watch = { .at = args->nwords > 0 ? args->words[0] : NULL,
				       .seconds = INTERVAL,
				       .patient = true };
	int status = choose(args, "by", groups, &by);
	if (status == 0)
		status = choose(args, "sort", orders, &order);
	if (status == 0)
		status = take_count(args, &watch.count);
	if (status == 0)
		status = watch_seconds(&command_top, "interval", args_value(args, "interval"), &watch.seconds);
	if (status != 0)
		return status;
	struct top top = { (enum stats_by)by, (enum stats_order)order };
	const struct watch_view view = {
		.state = &top,
		.draw = draw,
		.print = print,
		.describe = describe,
		.key = key,
		.keys = "q: quit",
	};
	watch.view = &view;
	return watch_run(ctl, &watch);
}

const struct command command_top = {
	.name = "top",
	.summary = "watch which mounts and operations have most to do",
	.usage = "[AT] [--by all|mount|op] [--sort rate|latency|errors|bytes] [--interval SECONDS]\n"
		 "[AT] --once|--count N [OPTION]...",
	.text = "A live table of what came in the last interval: requests and bytes of file data\n"
		"in a second, errors, and how long the requests took, as in graftctl stats. Keys:\n"
		"\n"
		"  a m o    a line for each operation of each mount, for each mount, for each operation\n"
		"  r l e b  most requests first, longest time, most errors, most bytes\n"
		"  q        quit\n"
		"\n"
		"A server that goes away is waited for. Without a terminal, and with --once or\n"
		"--count, a block is printed for each interval, with --json one line.\n"
		"\n"
		"  graftctl top --by mount\n"
		"  graftctl top /web --once --sort latency\n",
	.options = options,
	.min_words = 0,
	.max_words = 1,
	.run = run,
};
