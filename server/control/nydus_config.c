/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration of an image as nydusd shows it: the text that it was given, then the mount's own keys. */
#include "server/control/nydus_config.h"

#include "lib/cleanup.h"
#include "nydus/config.h"
#include "server/control/answer.h"
#include "server/control/ask.h"

#include <string.h>

/* A field of version 2, whose holder is there. */
static void set_field(json_t *holder, const char *name, json_t *value)
{
	if (json_is_object(holder))
		json_object_set_new(holder, name, value);
	else
		json_decref(value);
}

static void set_text(json_t *holder, const char *name, const char *text)
{
	if (text)
		set_field(holder, name, answer_string(text));
}

static const char *key_of(const struct mount_info *info, const char *name)
{
	for (size_t i = 0; i < info->nkeys; i++)
		if (!strcmp(info->keys[i].name, name))
			return info->keys[i].value;
	return NULL;
}

/* *text becomes NULL where it is none. */
static struct nydus_config *read_config(const char **text)
{
	/* What a mount by keys alone has. */
	static const char none[] = "{\"device\":{\"backend\":{\"type\":\"localfs\",\"config\":{\"dir\":\"/\"}}},"
				   "\"mode\":\"direct\",\"enable_xattr\":true}";
	struct nydus_config *config = NULL;

	if (*text && nydus_config_read(&config, *text, strlen(*text), NULL) == 0 &&
	    nydus_config_mountable(config, NULL) == 0)
		return config;
	nydus_config_free(config);
	*text = NULL;
	nydus_config_read(&config, none, strlen(none), NULL);
	return config;
}

/* A key that says where blobs are makes the text's own words about it void, as in the mount. */
static void apply_backend(json_t *config, const struct mount_info *info, bool text)
{
	const char *backend = key_of(info, "backend"), *device = key_of(info, "device");
	bool files = key_of(info, "blob-dir") || key_of(info, "blob-file") || key_of(info, "alt-dirs");
	bool disk = !files && (device || (backend && !strcmp(backend, "localdisk")));
	json_t *shown = json_object_get(config, "backend"), *dirs;
	const char *name;
	json_t *value;

	if (text && !files && !disk && (!backend || !strcmp(backend, "auto")))
		return;
	json_object_foreach(shown, name, value) json_object_set(shown, name, json_null());
	set_text(shown, "type", disk ? "localdisk" : "localfs");
	if (disk) {
		set_field(
			shown, "localdisk",
			json_pack("{s:o, s:b}", "device_path", answer_string(device ? device : ""), "disable_gpt", 0));
		return;
	}
	dirs = json_array();
	for (size_t i = 0; i < info->nkeys; i++)
		if (!strcmp(info->keys[i].name, "alt-dirs"))
			json_array_append_new(dirs, answer_string(info->keys[i].value));
	set_field(shown, "localfs", json_pack("{s:s, s:s, s:o}", "blob_file", "", "dir", "", "alt_dirs", dirs));
	set_text(json_object_get(shown, "localfs"), "blob_file", key_of(info, "blob-file"));
	set_text(json_object_get(shown, "localfs"), "dir", key_of(info, "blob-dir"));
}

static void apply_cache(json_t *config, const struct mount_info *info)
{
	const char *cache = key_of(info, "cache"), *dir = key_of(info, "cache-dir");
	json_t *shown = json_object_get(config, "cache"), *type = json_object_get(shown, "type");

	if (cache && strcmp(cache, "auto") != 0)
		set_field(shown, "compressed", json_boolean(!strcmp(cache, "compressed")));
	if (dir && json_is_null(json_object_get(shown, "filecache")))
		set_field(shown, "filecache",
			  json_pack("{s:s, s:b, s:b, s:b, s:s}", "work_dir", "", "disable_indexed_map", 0,
				    "enable_encryption", 0, "enable_convergent_encryption", 0, "encryption_key", ""));
	set_text(json_object_get(shown, "filecache"), "work_dir", dir);
	if (dir && !json_string_length(type))
		set_text(shown, "type", "blobcache");
	if (cache && !strcmp(cache, "none")) {
		set_text(shown, "type", "");
		set_field(shown, "filecache", json_null());
	}
}

json_t *nydus_rafs_config(const struct mount_info *info, const json_t *texts, bool secrets)
{
	const char *given = key_of(info, "config"), *file = json_string_value(json_object_get(texts, info->at));
	const char *text = given ? given : file;
	struct nydus_config *read = read_config(&text);
	json_t *config = read ? nydus_config_show(read, secrets) : NULL;

	nydus_config_free(read);
	if (config) {
		apply_backend(config, info, text != NULL);
		apply_cache(config, info);
	}
	return config;
}

json_t *nydus_blanked(const char *text)
{
	auto_free char *blanked = NULL;
	struct nydus_config *config;

	/* What cannot be read may have them anywhere. */
	if (nydus_config_read(&config, text, strlen(text), NULL) < 0)
		return json_string("");
	json_t *open = nydus_config_show(config, true), *shown = nydus_config_show(config, false);
	if (open && shown && !json_equal(open, shown))
		blanked = json_dumps(shown, JSON_COMPACT);
	json_t *res = open && shown ? answer_string(blanked ? blanked : text) : NULL;
	json_decref(open);
	json_decref(shown);
	nydus_config_free(config);
	return res;
}

static int note_file(const struct mount_info *info, void *arg)
{
	if (!strcmp(info->type, "nydus-rafs") && key_of(info, "config-file"))
		json_object_set_new(arg, info->at, json_null());
	return 0;
}

static json_t *ask_text(const struct control_host *host, const char *at)
{
	auto_free char *text = NULL;
	size_t len = 0;

	return control_ask(host, at, "config", &text, &len) == 0 ? json_stringn(text, len) : NULL;
}

json_t *nydus_texts(const struct control_host *host)
{
	json_t *texts = json_object(), *value;
	const char *at;

	if (texts)
		host->each_mount(host->server, note_file, texts);
	/* The keys stay while their values are set. */
	json_object_foreach(texts, at, value)
	{
		json_t *text = ask_text(host, at);

		if (text)
			json_object_set_new(texts, at, text);
	}
	return texts;
}

int nydus_layers(const char *text, size_t len,
		 int (*add)(void *arg, const char *name, const char *value, struct graft_error *err), void *arg,
		 struct graft_error *err)
{
	struct nydus_config *config;
	int res = nydus_config_read(&config, text, len, err);

	if (res < 0)
		return error_wrap(err, "Failed to load config");
	res = nydus_config_layers(config, add, arg, err);
	nydus_config_free(config);
	return res;
}
