/* SPDX-License-Identifier: Apache-2.0 */
/* The front door of graftfsd itself, and what every door's level of the log is. */
#include "server/door.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const struct door door_graftfsd = {
	.name = "graftfsd",
	.log_form = LOG_FORM_PLAIN,
	.ready = "graftfsd: ready",
	.signal_status = 0,
	.hangup_ends = false,
	.log_variable = NULL,
};

/* Of a word of len bytes; below LOG_OFF for one that is no level. */
static int level_of(const char *word, size_t len)
{
	static const char *const words[] = { "off", "error", "warn", "info", "debug", "trace" };

	for (int i = 0; i < 6; i++)
		if (strlen(words[i]) == len && strncasecmp(word, words[i], len) == 0)
			return i + LOG_OFF;
	return LOG_OFF - 1;
}

struct choice {
	size_t len; /* of the module that was named; the longest one that the program's name begins with counts */
	int level;
	bool any; /* directive could be understood */
	bool ours; /* and was for this program */
};

/* One directive of len bytes: "LEVEL", "MODULE" or "MODULE=LEVEL". */
static void take_directive(struct choice *c, const char *program, const char *text, size_t len)
{
	const char *equals = memchr(text, '=', len);
	size_t name = equals ? (size_t)(equals - text) : len;
	int level = equals ? level_of(equals + 1, len - name - 1) : level_of(text, len);

	if (!equals && level >= LOG_OFF)
		name = 0;
	else if (!equals && len > 0)
		level = GRAFT_LOG_TRACE;
	if (level < LOG_OFF)
		return;
	c->any = true;
	if (name < c->len || strncmp(program, text, name) != 0)
		return;
	c->ours = true;
	c->len = name;
	c->level = level;
}

int door_log_level(const struct door *door, int configured)
{
	const char *text = door->log_variable ? getenv(door->log_variable) : NULL;

	struct choice choice = { .level = LOG_OFF };

	/* Behind a slash stands a pattern for texts. */
	while (text) {
		size_t len = strcspn(text, ",/");

		take_directive(&choice, door->name, text, len);
		text = text[len] == ',' ? text + len + 1 : NULL;
	}
	if (!choice.any || (door->log_lowers && (!choice.ours || choice.level > configured)))
		return configured;
	return choice.level;
}

int door_end_stdout(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return 0;
	fprintf(stderr, "error: cannot write to standard output: %s\n", strerror(errno));
	return 1;
}
