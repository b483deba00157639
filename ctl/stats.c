/* SPDX-License-Identifier: Apache-2.0 */
/* graftctl stats: requests by mount and operation, once or again and again. */
#include "ctl/command.h"

#include "ctl/stats_table.h"
#include "ctl/watch.h"

#include <math.h>
#include <stdlib.h>

#define SECONDS_LEAST 0.1
#define SECONDS_MOST 86400.0

static const struct args_option options[] = {
	{ "watch", 'w', ARGS_MAYBE_NUMBER, "SECONDS", "again and again, every second or as said" },
	{ NULL, 0, ARGS_FLAG, NULL, NULL },
};

static int print_once(struct ctl *ctl, const char *at)
{
	struct stats stats = { 0 };
	json_t *answer;
	int status = ctl_get_typed(ctl, "stats", at, JSON_OBJECT, &answer);
	if (status != CTL_DONE || ctl->json) {
		json_decref(answer);
		return status;
	}
	if (stats_read(&stats, answer, &ctl->error) != 0)
		status = CTL_UNREACHABLE;
	else if (stats_table_print(&stats, 0, NULL, stdout) != 0)
		status = ctl_fail(CTL_FAILED, "out of memory");
	stats_free(&stats);
	return status;
}

static int run(struct ctl *ctl, const struct args *args)
{
	const char *at = args->nwords > 0 ? args->words[0] : NULL, *text = args_value(args, "watch");
	double seconds = 1;
	if (!args_has(args, "watch"))
		return print_once(ctl, at);
	if (text) {
		char *end;
		seconds = strtod(text, &end);
		if (end == text || *end != '\0' || !isfinite(seconds) || seconds < SECONDS_LEAST ||
		    seconds > SECONDS_MOST)
			return ctl_usage(&command_stats, "--watch %s: must be seconds from 0.1 to 86400", text);
	}
	return watch_run(ctl, at, seconds);
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
