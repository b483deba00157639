/* SPDX-License-Identifier: Apache-2.0 */
/* The keys that a front door makes of a command line. */
#include "server/door_keys.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void door_key(struct door_keys *k, const char *section, const char *key, const char *value, const char *where)
{
	if (k->res)
		return;
	if (k->n == k->room) {
		size_t room = k->room > 0 ? k->room * 2 : 32;
		const char **grown = reallocarray(k->places, room, sizeof(*grown));
		if (!grown) {
			k->res = config_no_memory(k->err);
			return;
		}
		k->file.places = k->places = grown;
		k->room = room;
	}
	k->places[k->n++] = where;
	k->res = ini_file_add(&k->file, section, key, value, (uint32_t)k->n, k->err);
}

void door_key_path(struct door_keys *k, const char *section, const char *key, const char *path, const char *suffix,
		   const char *where)
{
	char cwd[PATH_MAX] = "", all[2 * PATH_MAX];

	if (k->res)
		return;
	if (*path != '/' && !getcwd(cwd, sizeof(cwd))) {
		k->res = error_set(k->err, errno, "%s: no working directory: %s", where, strerror(errno));
		return;
	}
	const char *slash = *path == '/' || cwd[1] == '\0' ? "" : "/";
	snprintf(all, sizeof(all), "%s%s%.*s%s", cwd, slash, PATH_MAX, path, suffix);
	door_key(k, section, key, all, where);
}

struct config *door_keys_config(struct door_keys *k, struct plugin_registry **registry)
{
	struct config *c = NULL;

	*registry = NULL;
	if (!k->res)
		c = config_read_file(&k->file, registry, k->err);
	ini_file_free(&k->file);
	free(k->places);
	return c;
}
