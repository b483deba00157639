/* SPDX-License-Identifier: Apache-2.0 */
/* What the fuzz targets of other daemons' command lines share. */
#include "fuzz_line.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void fuzz_check_refusal(const struct graft_error *err)
{
	if (err->code <= 0 || err->text[0] == '\0' || strchr(err->text, '\n'))
		abort();
}

/* The dump of a configuration, NULL where an INI file cannot carry it. c is dropped. */
static char *dump_of(struct config *c, struct plugin_registry *registry)
{
	struct graft_error err = { 0 };
	char *dump = NULL;
	size_t size = 0;
	FILE *to = open_memstream(&dump, &size);

	if (!to)
		abort();
	int res = config_dump(c, to, &err);
	fclose(to);
	config_free(c);
	plugin_registry_free(registry);
	if (res == 0)
		return dump;
	free(dump);
	fuzz_check_refusal(&err);
	return NULL;
}

static void compare(const char *once)
{
	struct plugin_registry *registry = NULL;
	struct graft_error err = { 0 };
	struct config *c = config_read_text("f.ini", once, strlen(once), NULL, &registry, &err);

	if (!c)
		abort();
	char *twice = dump_of(c, registry);
	if (!twice || strcmp(once, twice) != 0)
		abort();
	free(twice);
}

void fuzz_check_config(struct config *c, struct plugin_registry *registry, const struct graft_error *err)
{
	if (!c) {
		fuzz_check_refusal(err);
		if (registry)
			abort();
		return;
	}
	char *once = dump_of(c, registry);
	if (once)
		compare(once);
	free(once);
}

int fuzz_words(const uint8_t *data, size_t size, char **text, char *argv[FUZZ_ARGS_MAX])
{
	char *rest = *text = strndup((const char *)data, size), *word;
	int argc = 0;

	if (!rest)
		abort();
	while (argc < FUZZ_ARGS_MAX && (word = strsep(&rest, "\n")))
		argv[argc++] = word;
	return argc;
}
