/* SPDX-License-Identifier: Apache-2.0 */
/* graftctl umount: a file system leaves. */
#include "ctl/command.h"

static const struct args_option options[] = {
	{ "strict", 0, ARGS_FLAG, NULL, "refuse while clients hold files or directories of it" },
	{ NULL, 0, ARGS_FLAG, NULL, NULL },
};

static int run(struct ctl *ctl, const struct args *args)
{
	struct ctl_request request = {
		.method = "DELETE",
		.path = "mounts",
		.params = { { "at", args->words[0] }, { "strict", args_has(args, "strict") ? "true" : NULL } },
	};
	return ctl_call(ctl, &request, NULL);
}

const struct command command_umount = {
	.name = "umount",
	.summary = "take a mount away",
	.usage = "AT [--strict]",
	.text = "The mount is gone at once: new look-ups do not find it, and what clients still\n"
		"have open in it is stale. With --strict it stays, and the exit status is 5,\n"
		"while clients hold anything of it.\n"
		"\n"
		"  graftctl umount /web --strict || graftctl umount /web\n",
	.options = options,
	.min_words = 1,
	.max_words = 1,
	.run = run,
};
