/* SPDX-License-Identifier: Apache-2.0 */
/* graftctl stats: requests by mount and operation, once or again and again. */
#include "ctl/command.h"

#include "ctl/stats_table.h"
#include "ctl/watch.h"

static const struct args_option options[] = {
	{ "watch", 'w', ARGS_MAYBE_NUMBER, "SECONDS", "again and again, every second or as said" },
	{ NULL, 0, ARGS_FLAG, NULL, NULL },
};

static int draw(void *state, const struct watch_interval *i, const struct table_window *window, FILE *to)
{
	const struct stats_form form = { .seconds = i->seconds };
	(void)state;
	return stats_table_print(i->stats, &form, window, to);
}

static int print(void *state, const struct watch_interval *i, FILE *to)
{
	return draw(state, i, NULL, to);
}

static const struct watch_view view = { .draw = draw, .print = print, .keys = "q: quit" };

static int print_once(struct ctl *ctl, const char *at)
{
	const struct stats_form form = { 0 };
	struct stats stats = { 0 };
	json_t *answer;
	int status = ctl_get_typed(ctl, "stats", at, JSON_OBJECT, &answer);
	if (status != CTL_DONE || ctl->json) {
		json_decref(answer);
		return status;
	}
	if (stats_read(&stats, answer, &ctl->error) != 0)
		status = CTL_UNREACHABLE;
	else if (stats_table_print(&stats, &form, NULL, stdout) != 0)
		status = ctl_fail(CTL_FAILED, "out of memory");
	stats_free(&stats);
	return status;
}

static int run(struct ctl *ctl, const struct args *args)
{
	struct watch_options watch = { .at = args->nwords > 0 ? args->words[0] : NULL, .seconds = 1, .view = &view };
	if (!args_has(args, "watch"))
		return print_once(ctl, watch.at);
	int status = watch_seconds(&command_stats, "watch", args_value(args, "watch"), &watch.seconds);
	return status == 0 ? watch_run(ctl, &watch) : status;
}

const struct command command_stats = {
	.name = "stats",
	.summary = "show how many requests came, and how long they took",
	.usage = "[AT] [--watch [SECONDS]]",
	.text = "A line for each operation of each mount; '(other)' counts what reached no\n"
		"mount, and what mounts that are gone had counted. P50 and P99 come from a\n"
		"histogram whose bounds are a factor of 4 apart: half of the requests, and 99 of\n"
		"100, took at most so long.\n"
		"\n"
		"With --watch a terminal shows a live table of what came in the last interval,\n"
		"the most frequent first; q or Ctrl-C ends it. Elsewhere a block is printed for\n"
		"each interval; with --json the server's counts, on one line.\n"
		"\n"
		"  graftctl stats /web --watch 5\n",
	.options = options,
	.min_words = 0,
	.max_words = 1,
	.run = run,
};
