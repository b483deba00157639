/* SPDX-License-Identifier: Apache-2.0 */
/* graftctl remount: another source or other keys at a path where something is mounted. */
#include "ctl/mount_request.h"

static int run(struct ctl *ctl, const struct args *args)
{
	return mount_request(ctl, &command_remount, "PUT", args);
}

const struct command command_remount = {
	.name = "remount",
	.summary = "replace what is mounted at a path",
	.usage = "SOURCE AT [-o KEY=VALUE]...\n"
		 "AT --type PLUGIN [--source SOURCE] [-o KEY=VALUE]... [--layers 'A B'] [--name NAME]",
	.text = "The new mount takes the path; files that are open stay with the old one until\n"
		"they are closed. Nothing of the old configuration is kept: give all keys that\n"
		"are to hold.\n"
		"\n"
		"  graftctl remount /srv/web-2 /web -o cache=never\n",
	.options = mount_request_options,
	.min_words = 1,
	.max_words = 2,
	.run = run,
};
