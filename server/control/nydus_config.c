/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration of an image in nydusd's version 2: defaults, then the JSON text, then the mount's own keys. */
#include "server/control/nydus_config.h"

#include "server/control/answer.h"
#include "server/control/body.h"

#include <string.h>

#define PREFETCH "{s:b, s:i, s:i, s:i, s:b, s:b}"
#define NO_PREFETCH                                                                                                    \
	"enable", 0, "threads", 0, "batch_size", 0, "bandwidth_limit", 0, "prefetch_all", 0, "stream_prefetch", 0

/* A field in both versions. Passwords of remote backends have no place here: such mounts do not exist. */
static const struct {
	const char *v1, *v2;
} fields[] = {
	{ "device.id", "id" },
	{ "device.backend.config.dir", "backend.localfs.dir" },
	{ "device.backend.config.blob_file", "backend.localfs.blob_file" },
	{ "device.backend.config.alt_dirs", "backend.localfs.alt_dirs" },
	{ "device.backend.config.device_path", "backend.localdisk.device_path" },
	{ "device.cache.type", "cache.type" },
	{ "device.cache.compressed", "cache.compressed" },
	{ "device.cache.validate", "cache.validate" },
	{ "device.cache.config.work_dir", "cache.filecache.work_dir" },
	{ "device.cache.config.disable_indexed_map", "cache.filecache.disable_indexed_map" },
	{ "mode", "rafs.mode" },
	{ "amplify_io", "rafs.batch_size" },
	{ "digest_validate", "rafs.validate" },
	{ "enable_xattr", "rafs.enable_xattr" },
	{ "iostats_files", "rafs.iostats_files" },
	{ "access_pattern", "rafs.access_pattern" },
	{ "latest_read_files", "rafs.latest_read_files" },
};

static const struct {
	const char *v1, *v2;
} prefetch_fields[] = {
	{ "enable", "enable" },
	{ "threads_count", "threads" },
	{ "merging_size", "batch_size" },
	{ "bandwidth_rate", "bandwidth_limit" },
	{ "prefetch_all", "prefetch_all" },
};

/* The value at "a.b.c"; NULL where a part is missing. */
static json_t *value_at(json_t *object, const char *path)
{
	while (object && *path) {
		size_t len = strcspn(path, ".");

		object = json_object_getn(object, path, len);
		path += len + (path[len] == '.');
	}
	return object;
}

/* Sets what is there already, and only to another of its kind. */
static void set_at(json_t *config, const char *path, json_t *value)
{
	const char *name = strrchr(path, '.');
	json_t *was = value_at(config, path), *holder = config;

	if (!was || !value || (json_is_boolean(was) ? !json_is_boolean(value) : json_typeof(was) != json_typeof(value)))
		return;
	if (name) {
		char above[64];

		memcpy(above, path, (size_t)(name - path));
		above[name - path] = '\0';
		holder = value_at(config, above);
	}
	json_object_set(holder, name ? name + 1 : path, value);
}

static void set_text(json_t *config, const char *path, const char *text)
{
	json_t *value = text ? answer_string(text) : NULL;

	set_at(config, path, value);
	json_decref(value);
}

static void set_prefetch(json_t *to, json_t *from, bool v1)
{
	if (!json_is_object(from) || !json_is_object(to))
		return;
	json_object_set_new(to, "threads", json_integer(8));
	json_object_set_new(to, "batch_size", json_integer(1 << 20));
	json_object_set_new(to, "prefetch_all", json_boolean(v1));
	for (size_t i = 0; i < sizeof(prefetch_fields) / sizeof(prefetch_fields[0]); i++)
		set_at(to, prefetch_fields[i].v2,
		       json_object_get(from, v1 ? prefetch_fields[i].v1 : prefetch_fields[i].v2));
}

static const char *key_of(const struct mount_info *info, const char *name)
{
	for (size_t i = 0; i < info->nkeys; i++)
		if (!strcmp(info->keys[i].name, name))
			return info->keys[i].value;
	return NULL;
}

/* Says whether blobs are on a disk, by the keys or else by the text. */
static bool on_disk(const struct mount_info *info, json_t *text, bool v1)
{
	static const char *const localfs[] = { "blob-dir", "blob-file", "alt-dirs" };
	const char *backend = key_of(info, "backend");
	const char *type = json_string_value(value_at(text, v1 ? "device.backend.type" : "backend.type"));

	for (size_t i = 0; i < sizeof(localfs) / sizeof(localfs[0]); i++)
		if (key_of(info, localfs[i]))
			return false;
	if (key_of(info, "device"))
		return true;
	if (backend && strcmp(backend, "auto") != 0)
		return !strcmp(backend, "localdisk");
	return type && !strcmp(type, "localdisk");
}

static json_t *defaults(bool disk)
{
	json_t *localfs = disk ? json_null() : json_pack("{s:s, s:s, s:[]}", "blob_file", "", "dir", "", "alt_dirs");
	json_t *localdisk = disk ? json_pack("{s:s, s:b}", "device_path", "", "disable_gpt", 0) : json_null();
	json_t *backend = json_pack("{s:s, s:o, s:o, s:n, s:n, s:n, s:n}", "type", disk ? "localdisk" : "localfs",
				    "localdisk", localdisk, "localfs", localfs, "oss", "s3", "registry", "http-proxy");
	json_t *filecache = json_pack("{s:s, s:b, s:b, s:b, s:s}", "work_dir", "", "disable_indexed_map", 0,
				      "enable_encryption", 0, "enable_convergent_encryption", 0, "encryption_key", "");
	json_t *cache = json_pack("{s:s, s:b, s:b, s:o, s:o, s:n}", "type", "", "compressed", 0, "validate", 0,
				  "prefetch", json_pack(PREFETCH, NO_PREFETCH), "filecache", filecache, "fscache");
	json_t *rafs = json_pack("{s:s, s:i, s:b, s:b, s:b, s:b, s:b, s:o}", "mode", "direct", "batch_size", 1 << 20,
				 "validate", 0, "enable_xattr", 1, "iostats_files", 0, "access_pattern", 0,
				 "latest_read_files", 0, "prefetch", json_pack(PREFETCH, NO_PREFETCH));

	return json_pack("{s:i, s:s, s:o, s:[], s:o, s:o, s:n}", "version", 2, "id", "", "backend", backend,
			 "external_backends", "cache", cache, "rafs", rafs, "overlay");
}

static void apply_text(json_t *config, json_t *text, bool v1)
{
	json_t *prefetch = value_at(text, v1 ? "fs_prefetch" : "rafs.prefetch");
	json_t *own = v1 ? NULL : value_at(text, "cache.prefetch");

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		set_at(config, fields[i].v2, value_at(text, v1 ? fields[i].v1 : fields[i].v2));
	set_prefetch(value_at(config, "rafs.prefetch"), prefetch, v1);
	set_prefetch(value_at(config, "cache.prefetch"), json_is_object(own) ? own : prefetch, v1);
}

/* A key that says where blobs are makes the text's own words about it void. */
static void apply_backend(json_t *config, const struct mount_info *info)
{
	json_t *dirs = value_at(config, "backend.localfs.alt_dirs");

	if (key_of(info, "blob-dir") || key_of(info, "blob-file") || key_of(info, "alt-dirs")) {
		set_text(config, "backend.localfs.dir", "");
		set_text(config, "backend.localfs.blob_file", "");
		json_array_clear(dirs);
	}
	set_text(config, "backend.localfs.dir", key_of(info, "blob-dir"));
	set_text(config, "backend.localfs.blob_file", key_of(info, "blob-file"));
	set_text(config, "backend.localdisk.device_path", key_of(info, "device"));
	for (size_t i = 0; i < info->nkeys; i++)
		if (!strcmp(info->keys[i].name, "alt-dirs"))
			json_array_append_new(dirs, answer_string(info->keys[i].value));
}

static void apply_cache(json_t *config, const struct mount_info *info)
{
	const char *cache = key_of(info, "cache");
	json_t *type = value_at(config, "cache.type");

	set_text(config, "cache.filecache.work_dir", key_of(info, "cache-dir"));
	if (cache && !strcmp(cache, "none"))
		set_text(config, "cache.type", "");
	else if (key_of(info, "cache-dir") && !json_string_length(type))
		set_text(config, "cache.type", "blobcache");
	if (cache && strcmp(cache, "auto") != 0)
		set_at(config, "cache.compressed", !strcmp(cache, "compressed") ? json_true() : json_false());
	if (!json_string_length(value_at(config, "cache.type")))
		json_object_set_new(value_at(config, "cache"), "filecache", json_null());
}

json_t *nydus_rafs_config(const struct mount_info *info)
{
	const char *given = key_of(info, "config");
	struct body_error e;
	json_t *text = given ? body_parse(given, strlen(given), &e) : NULL;
	bool v1 = !json_object_get(text, "version");
	json_t *config = defaults(on_disk(info, text, v1));

	if (config && text)
		apply_text(config, text, v1);
	json_decref(text);
	if (config) {
		apply_backend(config, info);
		apply_cache(config, info);
	}
	return config;
}
