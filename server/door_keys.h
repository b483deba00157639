/* SPDX-License-Identifier: Apache-2.0 */
/* The keys that a front door makes of a command line: sections of a file that nobody wrote, each key with its option. */
#ifndef GRAFT_SERVER_DOOR_KEYS_H
#define GRAFT_SERVER_DOOR_KEYS_H

#include "server/config_internal.h"

/* Keys on their way. Their lines are counted in places, so that messages name the option. */
struct door_keys {
	struct ini_file file; /* its name is the door's */
	const char **places;
	size_t n, room;
	struct graft_error *err;
	int res; /* of the first key that failed; those behind it are left out */
};

/* Adds a key; where is what messages call it, borrowed until door_keys_config. */
void door_key(struct door_keys *k, const char *section, const char *key, const char *value, const char *where);
/* The same of a path, made as it would be from any other folder, with suffix behind it. */
void door_key_path(struct door_keys *k, const char *section, const char *key, const char *path, const char *suffix,
		   const char *where);
/*
 * The configuration of the keys, which are freed either way. Nothing is opened but the plugins, through *registry. NULL with err
 * and *registry NULL. Main thread.
 */
struct config *door_keys_config(struct door_keys *k, struct plugin_registry **registry);

#endif
