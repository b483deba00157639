/* SPDX-License-Identifier: Apache-2.0 */
/* Finds, opens (libdl) and checks plugin libraries; one registry for the process, filled before the sandbox. */
#ifndef GRAFT_SERVER_PLUGIN_LOADER_H
#define GRAFT_SERVER_PLUGIN_LOADER_H

#include "lib/error.h"

#include <graftfs/plugin.h>

struct plugin_registry;

/* A loaded plugin: desc is the library's object copied into this release's struct, what it lacks zeroed. */
struct plugin {
	struct graft_plugin desc;
	const char *path; /* of the library */
};

/* dirs: searched in order, NULL-terminated, copied; each file is DIR/NAME.so. NULL when out of memory. */
struct plugin_registry *plugin_registry_new(const char *const *dirs);
/* Closes all libraries; no instance may be alive. */
void plugin_registry_free(struct plugin_registry *r);

/*
 * Loads NAME.so, or returns what is loaded already. The name must be [a-z0-9][a-z0-9-]{0,63}, so it cannot leave the
 * folders. Refused with one line: not found (the folders are named, and the nearest name that lies there), dlopen's own
 * error, no graft_plugin_v1, another ABI major, a size below the first release's, a name that differs from the file's,
 * a kind or thread model that is unknown, a missing create or destroy, a wrong option table, more than 64 plugins. Main
 * thread only until plugin_registry_seal.
 */
const struct plugin *plugin_load(struct plugin_registry *r, const char *name, struct graft_error *err);

/*
 * From now on nothing is loaded any more (a sandbox may be up): plugin_load, from any thread now, returns what is
 * loaded, or an error (EINVAL) that names all that are. Main thread.
 */
void plugin_registry_seal(struct plugin_registry *r);
/* Calls before_sandbox of those that have one. Main thread, once. */
void plugin_registry_before_sandbox(const struct plugin_registry *r);
/* Calls fn for each loaded plugin, in the order of loading, until it returns other than 0; returns that. */
int plugin_registry_each(const struct plugin_registry *r, int (*fn)(const struct plugin *, void *), void *arg);

#endif
