/* SPDX-License-Identifier: Apache-2.0 */
/* graftctl retry: mounts again what could not be restored. */
#include "ctl/command.h"

static int run(struct ctl *ctl, const struct args *args)
{
	struct ctl_request request = {
		.method = "POST",
		.path = "mounts/retry",
		.params = { { "at", args->nwords > 0 ? args->words[0] : NULL } },
	};
	return ctl_call(ctl, &request, NULL);
}

const struct command command_retry = {
	.name = "retry",
	.summary = "try again to restore mounts that failed",
	.usage = "[AT]",
	.text = "A server that was restarted mounts again what was mounted while it ran. One\n"
		"that fails is kept and listed as 'failed'; this tries it, or all of them,\n"
		"again. The exit status is 4 if none failed.\n"
		"\n"
		"  graftctl retry /web\n",
	.options = NULL,
	.min_words = 0,
	.max_words = 1,
	.run = run,
};
