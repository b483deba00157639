/* SPDX-License-Identifier: Apache-2.0 */
/* JSON of a request to the keys of a [mount] section. */
#include "server/control/spec.h"

#include "lib/cleanup.h"
#include "nydus/config.h"
#include "server/control/body.h"

#include <stdlib.h>
#include <string.h>

#define RAFS_PLUGIN "nydus-rafs"
#define PASSTHROUGH_PLUGIN "passthrough"

const char *spec_plugin_name(const char *fs_type)
{
	static const struct {
		const char *nydus, *plugin;
	} names[] = {
		{ "rafs", RAFS_PLUGIN },
		{ "passthrough_fs", PASSTHROUGH_PLUGIN },
		{ "passthroughfs", PASSTHROUGH_PLUGIN },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(fs_type, names[i].nydus))
			return names[i].plugin;
	return fs_type;
}

void spec_fini(struct spec *s)
{
	for (size_t i = 0; i < s->mount.nkeys; i++) {
		free((char *)s->keys[i].name);
		free((char *)s->keys[i].value);
	}
	free(s->keys);
	memset(s, 0, sizeof(*s));
}

static int no_memory(struct graft_error *err)
{
	return error_set(err, ENOMEM, "out of memory");
}

static int add(struct spec *s, const char *name, const char *value, struct graft_error *err)
{
	if (s->mount.nkeys == s->room) {
		size_t room = s->room ? s->room * 2 : 16;

		if (s->room >= SPEC_KEYS_MAX)
			return error_set(err, E2BIG, "a mount of more than %d keys", SPEC_KEYS_MAX);
		struct mount_key *keys = reallocarray(s->keys, room, sizeof(*keys));
		if (!keys)
			return no_memory(err);
		s->keys = keys;
		s->room = room;
	}
	struct mount_key key = { strdup(name), strdup(value) };
	if (!key.name || !key.value) {
		free((char *)key.name);
		free((char *)key.value);
		return no_memory(err);
	}
	s->keys[s->mount.nkeys++] = key;
	s->mount.keys = s->keys;
	return 0;
}

static int begin(struct spec *s, const char *at, const char *type, struct graft_error *err)
{
	memset(s, 0, sizeof(*s));
	int res = add(s, "at", at, err);
	return res < 0 ? res : add(s, "type", type, err);
}

/* A text, number or boolean as it would stand in the INI file. */
static int add_value(struct spec *s, const char *name, const json_t *value, struct graft_error *err)
{
	if (json_is_string(value))
		return add(s, name, json_string_value(value), err);
	if (!json_is_number(value) && !json_is_boolean(value))
		return error_set(err, EINVAL,
				 "config: '%.100s' must be a text, a number, a boolean or an array of these", name);
	auto_free char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
	return text ? add(s, name, text, err) : no_memory(err);
}

static int add_values(struct spec *s, const char *name, const json_t *value, struct graft_error *err)
{
	size_t i;
	const json_t *item;

	if (!json_is_array(value))
		return add_value(s, name, value, err);
	json_array_foreach(value, i, item) {
		int res = add_value(s, name, item, err);

		if (res < 0)
			return res;
	}
	return 0;
}

static int add_layer_keys(struct spec *s, const char *layer, json_t *members, struct graft_error *err)
{
	const char *key;
	json_t *value;

	json_object_foreach(members, key, value) {
		auto_free char *name = NULL;

		if (asprintf(&name, "%s.%s", layer, key) < 0) {
			name = NULL;
			return no_memory(err);
		}
		int res = add_values(s, name, value, err);
		if (res < 0)
			return res;
	}
	return 0;
}

static int check_key(const char *key, struct graft_error *err)
{
	static const char *const elsewhere[] = { "at", "type", "layers" };

	for (size_t i = 0; i < sizeof(elsewhere) / sizeof(elsewhere[0]); i++)
		if (!strcmp(key, elsewhere[i]))
			return error_set(err, EINVAL, "config: '%s' does not belong there", key);
	for (const char *c = key; *c; c++)
		if ((unsigned char)*c <= ' ' || *c == '=' || *c == 0x7f)
			return error_set(err, EINVAL, "config: a key is made of letters, digits, '-' and '.'");
	return *key ? 0 : error_set(err, EINVAL, "config: a key is empty");
}

static int add_config(struct spec *s, json_t *config, struct graft_error *err)
{
	const char *key;
	json_t *value;

	if (!json_is_object(config))
		return error_set(err, EINVAL, "config must be a JSON object");
	json_object_foreach(config, key, value) {
		int res = check_key(key, err);

		if (res == 0)
			res = json_is_object(value) ? add_layer_keys(s, key, value, err)
						    : add_values(s, key, value, err);
		if (res < 0)
			return res;
	}
	return 0;
}

/* The words of an array, joined as the INI file has them. */
static int add_layers(struct spec *s, const json_t *layers, struct graft_error *err)
{
	size_t i, len = 0;
	const json_t *item;
	auto_free char *text = NULL;

	if (json_is_string(layers))
		return add(s, "layers", json_string_value(layers), err);
	if (!json_is_array(layers))
		return error_set(err, EINVAL, "layers must be an array of texts");
	FILE *to = open_memstream(&text, &len);
	if (!to)
		return no_memory(err);
	bool texts = true;
	json_array_foreach(layers, i, item) {
		texts = texts && json_is_string(item);
		fprintf(to, "%s%s", i ? " " : "", texts ? json_string_value(item) : "");
	}
	if (fclose(to) != 0)
		return no_memory(err);
	if (!texts)
		return error_set(err, EINVAL, "layers must be an array of texts");
	return len ? add(s, "layers", text, err) : 0;
}

static int check_members(json_t *body, struct graft_error *err)
{
	static const char *const known[] = { "type", "config", "layers", "name" };
	const char *key;
	json_t *value;

	if (!json_is_object(body))
		return error_set(err, EINVAL, "the body must be a JSON object with type and config");
	json_object_foreach(body, key, value) {
		bool found = false;

		for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
			found = found || !strcmp(key, known[i]);
		if (!found)
			return error_set(err, EINVAL,
					 "unknown member '%.100s' of the body; there are type, config, layers and name",
					 key);
	}
	if (!json_is_string(json_object_get(body, "type")))
		return error_set(err, EINVAL, "type is missing: the name of a loaded plugin");
	value = json_object_get(body, "name");
	if (value && !json_is_string(value))
		return error_set(err, EINVAL, "name must be a text");
	return 0;
}

int spec_from_graft(struct spec *s, const char *at, const json_t *body, struct graft_error *err)
{
	json_t *layers = json_object_get(body, "layers"), *config = json_object_get(body, "config");

	memset(s, 0, sizeof(*s));
	int res = check_members((json_t *)body, err);
	if (res < 0)
		return res;
	res = begin(s, at, spec_plugin_name(json_string_value(json_object_get(body, "type"))), err);
	if (res == 0 && layers)
		res = add_layers(s, layers, err);
	if (res == 0 && config)
		res = add_config(s, config, err);
	s->mount.name = json_string_value(json_object_get(body, "name"));
	return res;
}

static int add_prefetch(struct spec *s, const json_t *files, bool rafs, struct graft_error *err)
{
	size_t i;
	const json_t *item;

	json_array_foreach(files, i, item) {
		const char *path = json_string_value(item);

		if (!path || path[0] != '/')
			return error_set(err, EINVAL, "invalid prefetch file list");
		/* nydusd looks at the paths of others, too, and then not at the files. */
		int res = rafs ? add(s, "prefetch-files", path, err) : 0;
		if (res < 0)
			return res;
	}
	return 0;
}

static int add_layer_key(void *to, const char *name, const char *value, struct graft_error *err)
{
	return add(to, name, value, err);
}

/* What is wrong with a text that cannot be read, the mount says. */
static int add_nydus_layers(struct spec *s, const char *text, struct graft_error *err)
{
	struct nydus_config *config;

	if (nydus_config_read(&config, text, strlen(text), NULL) < 0)
		return 0;
	int res = nydus_config_layers(config, add_layer_key, s, err);
	nydus_config_free(config);
	return res;
}

/*
 * A text: rafs gets it as it is, and the layers that it asks for; passthrough ignores it as nydusd does; for others it is
 * the JSON of an object.
 */
static int add_config_text(struct spec *s, const char *type, const char *text, struct graft_error *err)
{
	struct body_error e;

	if (!text[0] || !strcmp(type, PASSTHROUGH_PLUGIN))
		return 0;
	if (!strcmp(type, RAFS_PLUGIN)) {
		int res = add(s, "config", text, err);
		return res < 0 ? res : add_nydus_layers(s, text, err);
	}
	json_t *config = body_parse(text, strlen(text), &e);
	if (!config)
		return error_set(err, EINVAL, "config is not JSON: %s at line %d column %d", e.text, e.line, e.column);
	int res = add_config(s, config, err);
	json_decref(config);
	return res;
}

int spec_from_nydus(struct spec *s, const char *at, const json_t *body, struct graft_error *err)
{
	const char *type = spec_plugin_name(json_string_value(json_object_get(body, "fs_type")));
	const char *source = json_string_value(json_object_get(body, "source"));
	json_t *config = json_object_get(body, "config");
	bool rafs = !strcmp(type, RAFS_PLUGIN);
	int res = begin(s, at, type, err);

	if (res == 0 && (source[0] || rafs || !strcmp(type, PASSTHROUGH_PLUGIN)))
		res = add(s, "source", source, err);
	if (res == 0)
		res = json_is_object(config) ? add_config(s, config, err)
					     : add_config_text(s, type, json_string_value(config), err);
	if (res == 0)
		res = add_prefetch(s, json_object_get(body, "prefetch_files"), rafs, err);
	return res;
}
