/* SPDX-License-Identifier: Apache-2.0 */
/* graftctl stop: asks for an orderly end. */
#include "ctl/command.h"

static int run(struct ctl *ctl, const struct args *args)
{
	struct ctl_request request = { .method = "PUT", .path = "stop" };
	(void)args;
	return ctl_call(ctl, &request, NULL);
}

const struct command command_stop = {
	.name = "stop",
	.summary = "end the server in order",
	.usage = "",
	.text = "The server finishes what it was asked, saves its state and ends, as after\n"
		"SIGTERM. The command does not wait for that.\n"
		"\n"
		"  graftctl -s /run/graftfs/web1/api.sock stop\n",
	.options = NULL,
	.min_words = 0,
	.max_words = 0,
	.run = run,
};
