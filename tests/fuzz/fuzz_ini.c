/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: any bytes as a configuration. A refusal has one line of text; what is taken dumps to a fixed point. */
#include "server/config_internal.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The dump of a configuration, NULL if the text is refused. */
static char *dump_of(const char *text, size_t len)
{
	struct plugin_registry *registry = NULL;
	struct graft_error err = { 0 };
	struct config *c = config_read_text("f.ini", text, len, &registry, &err);
	char *dump = NULL;
	size_t size = 0;

	if (!c) {
		if (err.code <= 0 || err.text[0] == '\0' || strchr(err.text, '\n') || registry)
			abort();
		return NULL;
	}
	FILE *to = open_memstream(&dump, &size);
	if (!to || config_dump(c, to, &err) != 0)
		abort();
	fclose(to);
	config_free(c);
	plugin_registry_free(registry);
	return dump;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* A folder out of thin air might hold libraries that do anything when loaded. */
	if (memmem(data, size, "plugin-dir", 10))
		return 0;
	char *once = dump_of((const char *)data, size);
	if (!once)
		return 0;
	char *twice = dump_of(once, strlen(once));
	if (!twice || strcmp(once, twice) != 0)
		abort();
	free(once);
	free(twice);
	return 0;
}
