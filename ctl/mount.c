/* SPDX-License-Identifier: Apache-2.0 */
/* graftctl mount: a file system joins those that are served. */
#include "ctl/mount_request.h"

static int run(struct ctl *ctl, const struct args *args)
{
	return mount_request(ctl, &command_mount, "POST", args);
}

const struct command command_mount = {
	.name = "mount",
	.summary = "mount a file system while the server runs",
	.usage = "SOURCE AT [-o KEY=VALUE]...\n"
		 "AT --type PLUGIN [--source SOURCE] [-o KEY=VALUE]... [--layers 'A B'] [--name NAME]",
	.text = "AT is the path at which clients see it: absolute, without empty, '.' or '..'\n"
		"parts. Directories on the way are made up. What lies at AT already is covered\n"
		"until the umount. 'graftctl plugins' lists the plugins and their keys.\n"
		"\n"
		"The directory /srv/web of the server's host as /web, then another with two keys\n"
		"set:\n"
		"\n"
		"  graftctl mount /srv/web /web\n"
		"  graftctl mount /srv/logs /logs -o cache=never -o xattr=no\n",
	.options = mount_request_options,
	.min_words = 1,
	.max_words = 2,
	.run = run,
};
