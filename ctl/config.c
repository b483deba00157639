/* SPDX-License-Identifier: Apache-2.0 */
/* graftctl config: the effective configuration, as an INI file. */
#include "ctl/command.h"

#include "ctl/text.h"
#include "lib/cleanup.h"

#include <string.h>

/* Line by line: the ends of lines are to stay. */
static void put_lines(const char *ini)
{
	while (*ini) {
		size_t len = strcspn(ini, "\n");
		auto_free char *line = strndup(ini, len);
		if (line)
			text_put(stdout, line);
		putchar('\n');
		ini += len + (ini[len] == '\n');
	}
}

static int run(struct ctl *ctl, const struct args *args)
{
	json_t *answer;
	(void)args;
	int status = ctl_get_typed(ctl, "config", NULL, JSON_OBJECT, &answer);
	if (status == CTL_DONE && !ctl->json) {
		const char *ini = ctl_text(answer, "config");
		/* In a file each byte counts: the server must be able to read it. */
		if (isatty(STDOUT_FILENO))
			put_lines(ini);
		else
			fputs(ini, stdout);
	}
	json_decref(answer);
	return status;
}

const struct command command_config = {
	.name = "config",
	.summary = "print the configuration in full",
	.usage = "",
	.text = "The configuration the server works with, every default included, as an INI file\n"
		"that graftfsd can read.\n"
		"\n"
		"  graftctl config > web1.ini\n",
	.options = NULL,
	.min_words = 0,
	.max_words = 0,
	.run = run,
};
