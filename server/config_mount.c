/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration of a mount: its own keys, its stack of plugins, and each plugin's keys by the plugin's option table. */
#include "server/config_internal.h"

#include "lib/cleanup.h"

#include <string.h>

/* What the steps below share. */
struct mount_build {
	struct mount_config *m;
	const struct ini_file *file;
	const struct ini_section *section;
	struct plugin_registry *registry;
};

static const struct graft_opt *find_option(const struct graft_opt *table, const char *key)
{
	for (; table->key; table++)
		if (strcmp(table->key, key) == 0)
			return table;
	return NULL;
}

/* Puts the place of a key of the section before err's text. */
static int at_line(const struct mount_build *b, uint32_t line, struct graft_error *err)
{
	char where[CONFIG_WHERE_MAX];
	return error_wrap(err, "%s", ini_where(b->file, line, where));
}

static int at_section(const struct mount_build *b, struct graft_error *err)
{
	if (b->section->line == 0)
		return error_wrap(err, "%s", b->m->where);
	return error_wrap(err, "%s: [%s]", b->m->where, b->section->text);
}

static int at_key(const struct mount_build *b, const char *key, struct graft_error *err)
{
	return error_wrap(err, "%s", options_where(b->m->options, key));
}

/* The unknown key that was most likely meant to be `missing`, NULL if there is none. */
static const struct ini_key *misspelt(const struct ini_section *s, const char *missing)
{
	for (size_t i = 0; i < s->nkeys; i++)
		if (!find_option(config_mount_options, s->keys[i].name) &&
		    options_nearest(s->keys[i].name, &missing, 1))
			return &s->keys[i];
	return NULL;
}

/* at, type, layers. Without type no other key can be judged, so a slip of the pen there is looked for. */
static int own_keys(const struct mount_build *b, struct graft_error *err)
{
	const struct ini_section *s = b->section;
	char where[CONFIG_WHERE_MAX];

	for (size_t i = 0; i < s->nkeys; i++) {
		const struct ini_key *key = &s->keys[i];
		if (!find_option(config_mount_options, key->name))
			continue;
		ini_where(b->file, key->line, where);
		if (options_set(b->m->options, key->name, key->value, where, err) != 0)
			return error_wrap(err, "%s", where);
	}
	const struct ini_key *slip = options_where(b->m->options, "type") ? NULL : misspelt(s, "type");
	if (slip) {
		error_set(err, EINVAL, "unknown key '%.100s'; did you mean 'type'?", slip->name);
		return at_line(b, slip->line, err);
	}
	if (options_finish(b->m->options, err) != 0)
		return at_section(b, err);
	b->m->at = ((const struct mount_settings *)options_settings(b->m->options))->at;
	if (config_check_at(b->m->at, err) == 0)
		return 0;
	error_wrap(err, "at");
	return at_key(b, "at", err);
}

/* Loads a plugin and begins its options. name is copied. */
static int add_member(const struct mount_build *b, const char *type, const char *name, uint32_t kind,
		      struct graft_error *err)
{
	struct member_config *member = &b->m->members[b->m->nmembers];
	const struct plugin *plugin = plugin_load(b->registry, type, err);
	if (!plugin)
		return -EINVAL;
	if (plugin->desc.kind != kind)
		return error_set(err, EINVAL, "%s is a %s, not a %s", type, kind == GRAFT_LAYER ? "backend" : "layer",
				 kind == GRAFT_LAYER ? "layer" : "backend");
	member->plugin = plugin;
	member->name = strdup(name);
	member->options = options_new(plugin->desc.opts, plugin->desc.settings_size);
	b->m->nmembers++;
	return member->name && member->options ? 0 : config_no_memory(err);
}

/* One word of layers: PLUGIN or PLUGIN:NAME. word is changed. */
static int add_layer(const struct mount_build *b, char *word, struct graft_error *err)
{
	char *colon = strchr(word, ':');
	const char *name = colon ? colon + 1 : word;
	if (colon)
		*colon = '\0';
	/* The first dot of a key ends the layer's name. */
	if (!config_name_good(name) || strchr(name, '.'))
		return error_set(err, EINVAL,
				 "'%.100s' is not a layer's name ([A-Za-z0-9][A-Za-z0-9_-]*, at most %d bytes)", name,
				 CONFIG_NAME_MAX);
	for (uint32_t i = 0; i < b->m->nmembers; i++)
		if (strcmp(b->m->members[i].name, name) == 0)
			return error_set(err, EINVAL, "layer '%s' stands twice; give one a name of its own: %.64s:NAME",
					 name, word);
	if (b->m->nmembers + 1 == CONFIG_MEMBERS_MAX)
		return error_set(err, EINVAL, "more than %d layers", CONFIG_MEMBERS_MAX - 1);
	return add_member(b, word, name, GRAFT_LAYER, err);
}

static int add_layers(const struct mount_build *b, const char *text, struct graft_error *err)
{
	char **words = NULL;
	size_t n = 0;
	int res = config_words(text, &words, &n, err);
	for (size_t i = 0; res == 0 && i < n; i++)
		res = add_layer(b, words[i], err);
	config_words_free(words);
	if (res == 0)
		return 0;
	error_wrap(err, "layers");
	return at_key(b, "layers", err);
}

static int build_stack(const struct mount_build *b, struct graft_error *err)
{
	const struct mount_settings *set = options_settings(b->m->options);
	b->m->members = calloc(CONFIG_MEMBERS_MAX, sizeof(*b->m->members));
	if (!b->m->members)
		return config_no_memory(err);
	int res = set->layers ? add_layers(b, set->layers, err) : 0;
	if (res != 0)
		return res;
	if (add_member(b, set->type, b->m->name, GRAFT_BACKEND, err) == 0)
		return 0;
	error_wrap(err, "type");
	return at_key(b, "type", err);
}

/* "outer.uid": the layer that the key is for. */
static int find_layer(const struct mount_build *b, const char *key, size_t len, struct member_config **layer,
		      struct graft_error *err)
{
	const char *names[CONFIG_MEMBERS_MAX];
	char name[CONFIG_NAME_MAX + 1];
	uint32_t n = b->m->nmembers - 1;

	for (uint32_t i = 0; i < n; i++) {
		names[i] = b->m->members[i].name;
		if (strlen(names[i]) == len && memcmp(names[i], key, len) == 0) {
			*layer = &b->m->members[i];
			return 0;
		}
	}
	snprintf(name, sizeof(name), "%.*s", (int)(len < CONFIG_NAME_MAX ? len : CONFIG_NAME_MAX), key);
	const char *near = options_nearest(name, names, n);
	return error_set(err, EINVAL, "key '%.100s': layers names no '%s'%s%s%s", key, name,
			 near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

/* A key that neither the mount nor its backend has: the nearest of both. */
static int unknown_key(const struct mount_build *b, const struct graft_opt *table, const char *key,
		       struct graft_error *err)
{
	const char *known[2 * OPTIONS_ROWS_MAX];
	size_t n = 0;
	for (const struct graft_opt *opt = config_mount_options; opt->key; opt++)
		known[n++] = opt->key;
	for (const struct graft_opt *opt = table; opt->key; opt++)
		known[n++] = opt->key;
	const char *near = options_nearest(key, known, n);
	const char *type = b->m->members[b->m->nmembers - 1].plugin->desc.name;
	return error_set(err, EINVAL, "unknown key '%.100s' of a %s mount%s%s%s", key, type,
			 near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static int plugin_key(const struct mount_build *b, const struct ini_key *key, struct graft_error *err)
{
	struct member_config *member = &b->m->members[b->m->nmembers - 1];
	char where[CONFIG_WHERE_MAX];
	const char *dot = strchr(key->name, '.');
	const char *name = dot ? dot + 1 : key->name;

	int res = 0;
	if (dot)
		res = find_layer(b, key->name, (size_t)(dot - key->name), &member, err);
	else if (!find_option(member->plugin->desc.opts, name))
		res = unknown_key(b, member->plugin->desc.opts, name, err);
	if (res != 0)
		return at_line(b, key->line, err);
	ini_where(b->file, key->line, where);
	if (options_set(member->options, name, key->value, where, err) == 0)
		return 0;
	if (dot)
		error_wrap(err, "layer %s", member->name);
	return error_wrap(err, "%s", where);
}

static int plugin_keys(const struct mount_build *b, struct graft_error *err)
{
	for (size_t i = 0; i < b->section->nkeys; i++) {
		const struct ini_key *key = &b->section->keys[i];
		int res = find_option(config_mount_options, key->name) ? 0 : plugin_key(b, key, err);
		if (res != 0)
			return res;
	}
	for (uint32_t i = 0; i < b->m->nmembers; i++) {
		if (options_finish(b->m->members[i].options, err) == 0)
			continue;
		if (i + 1 < b->m->nmembers)
			error_wrap(err, "layer %s", b->m->members[i].name);
		return at_section(b, err);
	}
	return 0;
}

/* A plugin's key of the mount's own name could never be set. */
static int check_reserved(const struct mount_build *b, struct graft_error *err)
{
	const struct plugin *plugin = b->m->members[b->m->nmembers - 1].plugin;
	for (const struct graft_opt *opt = config_mount_options; opt->key; opt++)
		if (find_option(plugin->desc.opts, opt->key))
			return error_set(err, EINVAL, "%s: %s: its key '%s' is the mount's own", b->m->where,
					 plugin->path, opt->key);
	return 0;
}

int config_build_mount(struct mount_config *m, const struct ini_file *file, const struct ini_section *section,
		       struct plugin_registry *registry, struct graft_error *err)
{
	const struct mount_build b = { .m = m, .file = file, .section = section, .registry = registry };
	m->options = options_new(config_mount_options, sizeof(struct mount_settings));
	if (!m->options)
		return config_no_memory(err);
	int res = own_keys(&b, err);
	if (res == 0)
		res = build_stack(&b, err);
	if (res == 0)
		res = check_reserved(&b, err);
	return res == 0 ? plugin_keys(&b, err) : res;
}
