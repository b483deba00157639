/* SPDX-License-Identifier: Apache-2.0 */
/* Plugin libraries: search the folders, open, and take over only a description that this release understands. */
#include "server/plugin_loader.h"

#include "lib/cleanup.h"
#include "lib/options.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#define PLUGINS_MAX 64
#define NAME_MAX_BYTES 64
#define OPS_MAX 65536              /* entries of an operations table: opcodes are far below */
#define SETTINGS_MAX (1024 * 1024) /* bytes */

/* What the first release's description held: nothing smaller was ever built. */
#define FIRST_SIZE (offsetof(struct graft_plugin, destroy) + sizeof(void (*)(void)))

struct library {
	struct plugin plugin;
	char *path;
	void *handle;
};

struct plugin_registry {
	char **dirs; /* NULL-terminated */
	struct library *libraries[PLUGINS_MAX]; /* each at an address of its own: struct plugin is handed out */
	size_t n;
	/* Set last by the main thread (release); who sees it (acquire) sees all libraries, which no longer change. */
	_Atomic bool sealed;
};

static void library_free(struct library *l)
{
	if (!l)
		return;
	if (l->handle)
		dlclose(l->handle);
	free(l->path);
	free(l);
}

static void cleanup_library(struct library **l)
{
	library_free(*l);
}
#define auto_library __attribute__((cleanup(cleanup_library)))

static bool copy_dirs(struct plugin_registry *r, const char *const *dirs)
{
	size_t n = 0;
	while (dirs[n])
		n++;
	r->dirs = calloc(n + 1, sizeof(*r->dirs));
	for (size_t i = 0; r->dirs && i < n; i++) {
		r->dirs[i] = strdup(dirs[i]);
		if (!r->dirs[i])
			return false;
	}
	return r->dirs != NULL;
}

struct plugin_registry *plugin_registry_new(const char *const *dirs)
{
	struct plugin_registry *r = calloc(1, sizeof(*r));
	if (r && copy_dirs(r, dirs))
		return r;
	plugin_registry_free(r);
	return NULL;
}

void plugin_registry_free(struct plugin_registry *r)
{
	if (!r)
		return;
	while (r->n > 0)
		library_free(r->libraries[--r->n]);
	for (size_t i = 0; r->dirs && r->dirs[i]; i++)
		free(r->dirs[i]);
	free(r->dirs);
	free(r);
}

static int no_memory(struct graft_error *err)
{
	return error_set(err, ENOMEM, "out of memory");
}

static bool good_name(const char *name)
{
	size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");
	return len > 0 && len <= NAME_MAX_BYTES && name[len] == '\0' && name[0] != '-';
}

/* Names of the plugins that lie in the folders, for the message: at most PLUGINS_MAX, each to be freed. */
static size_t list_names(const struct plugin_registry *r, char **names)
{
	size_t n = 0;
	for (size_t i = 0; r->dirs[i]; i++) {
		DIR *dir = opendir(r->dirs[i]);
		const struct dirent *e;
		while (dir && n < PLUGINS_MAX && (e = readdir(dir))) {
			size_t len = strlen(e->d_name);
			if (len > 3 && strcmp(e->d_name + len - 3, ".so") == 0)
				names[n] = strndup(e->d_name, len - 3);
			n += names[n] != NULL;
		}
		if (dir)
			closedir(dir);
	}
	return n;
}

static int not_found(const struct plugin_registry *r, const char *name, struct graft_error *err)
{
	char folders[512] = "";
	size_t len = 0;
	for (size_t i = 0; r->dirs[i] && len < sizeof(folders); i++) {
		int part = snprintf(folders + len, sizeof(folders) - len, "%s%s", i > 0 ? ", " : "", r->dirs[i]);
		len += part > 0 ? (size_t)part : 0;
	}
	char *names[PLUGINS_MAX] = { NULL };
	size_t n = list_names(r, names);
	const char *near = options_nearest(name, (const char *const *)names, n);
	int res = error_set(err, ENOENT, "no plugin '%s' in %s%s%s%s", name, r->dirs[0] ? folders : "no folder at all",
			    near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
	for (size_t i = 0; i < n; i++)
		free(names[i]);
	return res;
}

/* *path of the first folder that has the file. */
static int search(const struct plugin_registry *r, const char *name, char **path, struct graft_error *err)
{
	for (size_t i = 0; r->dirs[i]; i++) {
		auto_free char *try = NULL;
		struct stat st;
		if (asprintf(&try, "%s/%s.so", r->dirs[i], name) < 0) {
			try = NULL;
			return no_memory(err);
		}
		/* A file that is there but cannot be opened is dlopen's to complain about. */
		if (stat(try, &st) == 0 || (errno != ENOENT && errno != ENOTDIR)) {
			*path = steal_ptr(try);
			return 0;
		}
	}
	return not_found(r, name, err);
}

/* Why a description is no good, NULL if it is. */
static const char *desc_fault(const struct graft_plugin *d)
{
	if (d->kind != GRAFT_BACKEND && d->kind != GRAFT_LAYER)
		return "it is neither a backend nor a layer";
	if (d->threads < GRAFT_SERIAL_PLUGIN || d->threads > GRAFT_PARALLEL)
		return "its thread model is unknown";
	if (!d->create || !d->destroy)
		return "it has no create or no destroy";
	if (d->nops > OPS_MAX || (d->nops > 0 && !d->ops))
		return "its table of operations is missing or too long";
	if (d->settings_size > SETTINGS_MAX)
		return "its settings are larger than 1 MiB";
	return NULL;
}

/* Takes over what library and server both know of the description; the rest stays zero. */
static int take_desc(struct plugin *p, const struct graft_plugin *from, const char *name, struct graft_error *err)
{
	static const struct graft_opt no_options[] = { { .key = NULL } };
	if (from->abi_major != GRAFT_ABI_MAJOR)
		return error_set(err, EINVAL, "%s: made for plugin ABI %u, this server has ABI %d", p->path,
				 from->abi_major, GRAFT_ABI_MAJOR);
	if (from->size < FIRST_SIZE)
		return error_set(err, EINVAL, "%s: its description has %u bytes, fewer than the %zu of ABI %d.0",
				 p->path, from->size, FIRST_SIZE, GRAFT_ABI_MAJOR);
	size_t known = from->size < sizeof(p->desc) ? from->size : sizeof(p->desc);
	memcpy(&p->desc, from, known);
	p->desc.size = (uint32_t)known;
	if (!p->desc.opts)
		p->desc.opts = no_options;

	if (!p->desc.name || strcmp(p->desc.name, name) != 0)
		return error_set(err, EINVAL, "%s: calls itself '%.64s'; name and file name must agree", p->path,
				 p->desc.name ? p->desc.name : "");
	const char *fault = desc_fault(&p->desc);
	if (fault)
		return error_set(err, EINVAL, "%s: %s", p->path, fault);
	if (options_check(p->desc.opts, p->desc.settings_size, err) != 0)
		return error_wrap(err, "%s", p->path);
	return 0;
}

static int open_library(struct library *l, const char *name, struct graft_error *err)
{
	l->handle = dlopen(l->path, RTLD_NOW | RTLD_LOCAL);
	if (!l->handle)
		return error_set(err, EINVAL, "%s", dlerror()); /* names the file itself */
	const struct graft_plugin *from = dlsym(l->handle, GRAFT_PLUGIN_SYMBOL);
	if (!from)
		return error_set(err, EINVAL, "%s: not a plugin of graftfs (it has no %s)", l->path,
				 GRAFT_PLUGIN_SYMBOL);
	l->plugin.path = l->path;
	return take_desc(&l->plugin, from, name, err);
}

static int not_loaded(const struct plugin_registry *r, const char *name, struct graft_error *err)
{
	char names[512] = "none";
	size_t len = 0;
	for (size_t i = 0; i < r->n && len < sizeof(names); i++) {
		int part = snprintf(names + len, sizeof(names) - len, "%s%s", i > 0 ? ", " : "",
				    r->libraries[i]->plugin.desc.name);
		len += part > 0 ? (size_t)part : 0;
	}
	return error_set(err, EINVAL, "%s: not loaded; loaded are %s (name it in [server] plugins to load it at start)",
			 name, names);
}

void plugin_registry_seal(struct plugin_registry *r)
{
	atomic_store_explicit(&r->sealed, true, memory_order_release); /* pairs with plugin_load */
}

int plugin_registry_each(const struct plugin_registry *r, int (*fn)(const struct plugin *, void *), void *arg)
{
	for (size_t i = 0; i < r->n; i++) {
		int res = fn(&r->libraries[i]->plugin, arg);
		if (res != 0)
			return res;
	}
	return 0;
}

void plugin_registry_before_sandbox(const struct plugin_registry *r)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->libraries[i]->plugin.desc.before_sandbox)
			r->libraries[i]->plugin.desc.before_sandbox();
}

const struct plugin *plugin_load(struct plugin_registry *r, const char *name, struct graft_error *err)
{
	bool sealed = atomic_load_explicit(&r->sealed, memory_order_acquire); /* pairs with plugin_registry_seal */
	for (size_t i = 0; i < r->n; i++)
		if (strcmp(r->libraries[i]->plugin.desc.name, name) == 0)
			return &r->libraries[i]->plugin;
	if (!good_name(name)) {
		error_set(err, EINVAL, "'%.100s' is not a plugin's name ([a-z0-9][a-z0-9-]*, at most 64 bytes)", name);
		return NULL;
	}
	if (sealed) {
		not_loaded(r, name, err);
		return NULL;
	}
	if (r->n == PLUGINS_MAX) {
		error_set(err, EINVAL, "more than %d plugins", PLUGINS_MAX);
		return NULL;
	}
	auto_library struct library *l = calloc(1, sizeof(*l));
	if (!l) {
		no_memory(err);
		return NULL;
	}
	if (search(r, name, &l->path, err) != 0 || open_library(l, name, err) != 0)
		return NULL;
	r->libraries[r->n++] = l;
	return &steal_ptr(l)->plugin;
}
