/* SPDX-License-Identifier: Apache-2.0 */
/* What the plugin of a mount answers, as a text. */
#include "server/control/ask.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static void append(void *to, const char *bytes, size_t len)
{
	fwrite(bytes, 1, len, to);
}

int control_ask(const struct control_host *host, const char *at, const char *what, char **text, size_t *len)
{
	FILE *to;

	*text = NULL;
	to = open_memstream(text, len);
	if (!to)
		return -ENOMEM;
	int res = host->ask(host->server, at, what, NULL, append, to);
	bool bad = ferror(to);
	if ((fclose(to) != 0 || bad) && !res)
		res = -ENOMEM;
	if (res) {
		free(*text);
		*text = NULL;
	}
	return res;
}
