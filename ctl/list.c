/* SPDX-License-Identifier: Apache-2.0 */
/* graftctl list: all mounts as a table. */
#include "ctl/command.h"

#include "ctl/mounts_table.h"
#include "ctl/text.h"

static const struct args_option options[] = {
	{ "paths", 0, ARGS_FLAG, NULL, "print nothing but where they are mounted, a line for each" },
	{ NULL, 0, ARGS_FLAG, NULL, NULL },
};

static int run(struct ctl *ctl, const struct args *args)
{
	json_t *mounts, *mount;
	size_t i;
	int status = ctl_get_typed(ctl, "mounts", NULL, JSON_ARRAY, &mounts);
	if (status != CTL_DONE || ctl->json) {
		json_decref(mounts);
		return status;
	}
	if (!args_has(args, "paths")) {
		status = mounts_table_print(mounts);
	} else {
		json_array_foreach (mounts, i, mount) {
			text_put(stdout, ctl_text(mount, "at"));
			putchar('\n');
		}
	}
	json_decref(mounts);
	return status;
}

const struct command command_list = {
	.name = "list",
	.summary = "list the mounts",
	.usage = "[--paths]",
	.text = "NODES are files and directories that clients know of, HANDLES those they have\n"
		"open. A mount of state 'failed' could not be restored after a restart:\n"
		"'graftctl show AT' says why, 'graftctl retry AT' tries again.\n"
		"\n"
		"  graftctl list\n",
	.options = options,
	.min_words = 0,
	.max_words = 0,
	.run = run,
};
