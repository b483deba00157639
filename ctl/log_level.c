/* SPDX-License-Identifier: Apache-2.0 */
/* graftctl log-level: shows or sets what the server writes to its log. */
#include "ctl/command.h"

#include "ctl/text.h"
#include "lib/options.h"

#include <string.h>

static int check(const char *level)
{
	static const char *const levels[] = { "error", "warn", "info", "debug", "trace" };
	size_t n = sizeof(levels) / sizeof(levels[0]);
	for (size_t i = 0; i < n; i++) {
		if (strcmp(levels[i], level) == 0)
			return CTL_DONE;
	}
	const char *near = options_nearest(level, levels, n);
	if (near)
		return ctl_usage(&command_log_level, "no log level '%s'; did you mean '%s'?", level, near);
	return ctl_usage(&command_log_level, "no log level '%s'; there are: error warn info debug trace", level);
}

static int set(struct ctl *ctl, const char *level)
{
	int status = check(level);
	if (status != CTL_DONE)
		return status;
	json_t *body = json_pack("{s:s}", "level", level);
	if (!body)
		return ctl_fail(CTL_FAILED, "out of memory");
	struct ctl_request request = { .method = "PUT", .path = "log-level", .body = body };
	status = ctl_call(ctl, &request, NULL);
	json_decref(body);
	return status;
}

static int run(struct ctl *ctl, const struct args *args)
{
	json_t *answer;
	if (args->nwords > 0)
		return set(ctl, args->words[0]);
	int status = ctl_get_typed(ctl, "log-level", NULL, JSON_OBJECT, &answer);
	if (status == CTL_DONE && !ctl->json) {
		text_put(stdout, ctl_text(answer, "level"));
		putchar('\n');
	}
	json_decref(answer);
	return status;
}

const struct command command_log_level = {
	.name = "log-level",
	.summary = "show or set the log level",
	.usage = "[error | warn | info | debug | trace]",
	.text = "The least important messages that are still written. Holds until the server\n"
		"ends.\n"
		"\n"
		"  graftctl log-level debug\n",
	.options = NULL,
	.min_words = 0,
	.max_words = 1,
	.run = run,
};
