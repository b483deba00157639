/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: any bytes as a configuration, and as the path of a mount. A refusal has one line of text; what is taken
 * dumps to a fixed point, and its mounts come out of their own keys again.
 */
#include "server/config_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void compare_keys(const struct mount_key *a, size_t na, const struct mount_config *m)
{
	size_t nb = 0;
	struct mount_key *b = config_mount_keys(m, &nb);
	if (!b || na != nb)
		abort();
	for (size_t i = 0; i < na; i++)
		if (strcmp(a[i].name, b[i].name) != 0 || strcmp(a[i].value, b[i].value) != 0)
			abort();
	free(b);
}

static void make_again(const struct mount_config *m, struct plugin_registry *registry)
{
	struct mount_spec spec = { .name = m->name, .where = "again" };
	struct mount_key *keys = config_mount_keys(m, &spec.nkeys);
	spec.keys = keys;
	struct mount_config *again = config_mount_new(&spec, registry, NULL);
	if (!again || strcmp(again->at, m->at) != 0)
		abort();
	compare_keys(keys, spec.nkeys, again);
	config_mount_free(again);
	free(keys);
}

static void check_path(const uint8_t *data, size_t size)
{
	struct graft_error err = { 0 };
	char *at = strndup((const char *)data, size);
	if (!at)
		abort();
	int res = config_check_at(at, &err);
	if (res == 0 && (at[0] != '/' || strstr(at, "//") || strstr(at, "/../") || strlen(at) > 4096))
		abort();
	if (res != 0 && (res != -EINVAL || err.code != EINVAL || err.text[0] == '\0' || strchr(err.text, '\n')))
		abort();
	free(at);
}

/* The dump of a configuration, NULL if the text is refused. */
static char *dump_of(const char *text, size_t len)
{
	struct plugin_registry *registry = NULL;
	struct graft_error err = { 0 };
	struct config *c = config_read_text("f.ini", text, len, NULL, &registry, &err);
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
	plugin_registry_seal(registry);
	for (uint32_t i = 0; i < c->nmounts; i++)
		make_again(&c->mounts[i], registry);
	config_free(c);
	plugin_registry_free(registry);
	return dump;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* A folder out of thin air might hold libraries that do anything when loaded. */
	if (memmem(data, size, "plugin-dir", 10))
		return 0;
	check_path(data, size);
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
