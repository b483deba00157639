/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: any lines as the arguments of nydusd. A refusal has one line of text; what is taken dumps as an INI
 * file, which read again dumps the same.
 */
#include "server/config_internal.h"
#include "server/nydusd/settings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ARGS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_refusal(const struct graft_error *err)
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
	check_refusal(&err);
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

static void configure(const struct nyd_line *line)
{
	struct plugin_registry *registry = NULL;
	struct graft_error err = { 0 };
	struct config *c = nyd_config(line, &registry, &err);

	if (!c) {
		check_refusal(&err);
		if (registry)
			abort();
		return;
	}
	char *once = dump_of(c, registry);
	if (once)
		compare(once);
	free(once);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct nyd_line line = { 0 };
	struct graft_error err = { 0 };
	char *argv[ARGS_MAX], *text = strndup((const char *)data, size), *rest = text, *word;
	int argc = 0;

	if (!text)
		abort();
	while (argc < ARGS_MAX && (word = strsep(&rest, "\n")))
		argv[argc++] = word;
	int res = nyd_line_parse(&line, argc, argv, &err);
	if (res < 0)
		check_refusal(&err);
	else if (res == NYD_GO_ON)
		configure(&line);
	free(text);
	return 0;
}
