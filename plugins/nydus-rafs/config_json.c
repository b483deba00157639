/* SPDX-License-Identifier: Apache-2.0 */
/* nydusd's configuration of an image: tables of its fields in both versions, and what may stand in them. */
#include "config_json.h"

#include "config_fields.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define THREADS_MAX 1024

/* What is read, and what is only needed on the way. */
struct reading {
	struct config_json c; /* first */
	struct field_reader fields;
	uint64_t version;
	const char *backend_type;
	const json_t *backend_config; /* version 1: its fields depend on the type */
	const json_t *alt_dirs;
	bool has_backend, has_cache, has_cache_config, has_rafs;
};

#define ROOM(member) .offset = offsetof(struct reading, member)
#define NOWHERE .offset = FIELD_NOWHERE
#define TEXT(n, member)                                                                                                \
	{                                                                                                              \
		.name = n, .kind = FIELD_TEXT, ROOM(member)                                                            \
	}
#define BOOL(n, member)                                                                                                \
	{                                                                                                              \
		.name = n, .kind = FIELD_BOOL, ROOM(member)                                                            \
	}
#define NUMBER(n, member)                                                                                              \
	{                                                                                                              \
		.name = n, .kind = FIELD_NUMBER, ROOM(member)                                                          \
	}
#define VALUE(n, member)                                                                                               \
	{                                                                                                              \
		.name = n, .kind = FIELD_VALUE, ROOM(member)                                                           \
	}
#define NOTHING(n)                                                                                                     \
	{                                                                                                              \
		.name = n, .kind = FIELD_NOTHING, NOWHERE                                                              \
	}
#define NO(n, text)                                                                                                    \
	{                                                                                                              \
		.name = n, .kind = FIELD_NO, NOWHERE, .why = text                                                      \
	}
#define OBJECT(n, table, member)                                                                                       \
	{                                                                                                              \
		.name = n, .kind = FIELD_OBJECT, ROOM(member), .sub = table                                            \
	}
#define END                                                                                                            \
	{                                                                                                              \
		.name = NULL                                                                                           \
	}

#define NO_STREAM "stream prefetch is not there yet"
#define NO_EXTERNAL "external backends are not there yet"
#define NO_OVERLAY "an overlay is made in the guest, of this mount and one of type passthrough"
#define NO_DEDUP "the deduplication database is not there yet"

static const struct field localfs[] = {
	TEXT("dir", c.dir),
	TEXT("blob_file", c.blob_file),
	VALUE("alt_dirs", alt_dirs),
	/* What nydusd does not look at either, and the snapshotter sends with every backend. */
	NOTHING("readahead"),
	NOTHING("readahead_sec"),
	NOTHING("proxy"),
	NOTHING("mirrors"),
	NOTHING("skip_verify"),
	NOTHING("ca_cert_files"),
	NOTHING("timeout"),
	NOTHING("connect_timeout"),
	NOTHING("retry_limit"),
	END,
};

static const struct field localdisk[] = {
	TEXT("device_path", c.device),
	BOOL("disable_gpt", c.disable_gpt),
	END,
};

static const struct field filecache[] = {
	TEXT("work_dir", c.work_dir),
	NOTHING("compressed"), /* stands beside config; nydusd's -D writes it here too, and does not read it */
	NOTHING("disable_indexed_map"),
	BOOL("enable_encryption", c.encrypted),
	BOOL("enable_convergent_encryption", c.convergent),
	TEXT("encryption_key", c.encryption_key),
	END,
};

static const struct field dedup[] = {
	NO("enable", NO_DEDUP),
	NOTHING("work_dir"),
	END,
};

/* version 1 */

static const struct field v1_prefetch[] = {
	BOOL("enable", c.prefetch.enable),
	NUMBER("threads_count", c.prefetch.threads),
	NUMBER("merging_size", c.prefetch.batch),
	NUMBER("bandwidth_rate", c.prefetch.bandwidth),
	BOOL("prefetch_all", c.prefetch.all),
	NO("stream_prefetch", NO_STREAM),
	END,
};

static const struct field v1_backend[] = {
	{ .name = "type", .kind = FIELD_TEXT, .required = true, ROOM(backend_type) },
	{ .name = "config", .kind = FIELD_VALUE, .required = true, ROOM(backend_config) },
	END,
};

static const struct field v1_cache[] = {
	TEXT("type", c.cache),
	BOOL("compressed", c.compressed),
	BOOL("validate", c.cache_validate),
	OBJECT("config", filecache, has_cache_config),
	END,
};

static const struct field v1_device[] = {
	NOTHING("id"),
	{ .name = "backend", .kind = FIELD_OBJECT, .required = true, ROOM(has_backend), .sub = v1_backend },
	NO("external_backends", NO_EXTERNAL),
	OBJECT("cache", v1_cache, has_cache),
	{ .name = "dedup", .kind = FIELD_OBJECT, NOWHERE, .sub = dedup },
	END,
};

static const struct field v1[] = {
	{ .name = "device", .kind = FIELD_OBJECT, .required = true, NOWHERE, .sub = v1_device },
	{ .name = "mode", .kind = FIELD_TEXT, .required = true, ROOM(c.mode) },
	BOOL("digest_validate", c.validate),
	NOTHING("iostats_files"),
	NOTHING("enable_xattr"),
	NOTHING("access_pattern"),
	NOTHING("latest_read_files"),
	NUMBER("amplify_io", c.amplify),
	OBJECT("fs_prefetch", v1_prefetch, c.prefetch.given),
	END,
};

/* version 2 */

#define V2_PREFETCH(member)                                                                                            \
	{                                                                                                              \
		{ .name = "enable", .kind = FIELD_BOOL, .required = true, ROOM(member.enable) },                       \
			NUMBER("threads", member.threads), NUMBER("batch_size", member.batch),                         \
			NUMBER("bandwidth_limit", member.bandwidth), BOOL("prefetch_all", member.all),                 \
			NO("stream_prefetch", NO_STREAM), END,                                                         \
	}

static const struct field v2_prefetch[] = V2_PREFETCH(c.prefetch);
static const struct field v2_cache_prefetch[] = V2_PREFETCH(c.cache_prefetch);

static const struct field v2_backend[] = {
	{ .name = "type", .kind = FIELD_TEXT, .required = true, ROOM(backend_type) },
	{ .name = "localfs", .kind = FIELD_OBJECT, NOWHERE, .sub = localfs },
	{ .name = "localdisk", .kind = FIELD_OBJECT, NOWHERE, .sub = localdisk },
	/* Looked at only where type names them, and then refused. */
	NOTHING("oss"),
	NOTHING("s3"),
	NOTHING("registry"),
	NOTHING("http-proxy"),
	END,
};

static const struct field v2_cache[] = {
	TEXT("type", c.cache),
	BOOL("compressed", c.compressed),
	BOOL("validate", c.cache_validate),
	OBJECT("prefetch", v2_cache_prefetch, c.cache_prefetch.given),
	OBJECT("filecache", filecache, has_cache_config),
	NOTHING("fscache"),
	END,
};

static const struct field v2_rafs[] = {
	TEXT("mode", c.mode),
	NUMBER("batch_size", c.amplify),
	BOOL("validate", c.validate),
	NOTHING("enable_xattr"),
	NOTHING("iostats_files"),
	NOTHING("access_pattern"),
	NOTHING("latest_read_files"),
	OBJECT("prefetch", v2_prefetch, c.prefetch.given),
	END,
};

static const struct field v2[] = {
	NUMBER("version", version),
	NOTHING("id"),
	OBJECT("backend", v2_backend, has_backend),
	NO("external_backends", NO_EXTERNAL),
	OBJECT("cache", v2_cache, has_cache),
	OBJECT("rafs", v2_rafs, has_rafs),
	NO("overlay", NO_OVERLAY),
	{ .name = "dedup", .kind = FIELD_OBJECT, NOWHERE, .sub = dedup },
	END,
};

static bool is_one_of(const char *word, const char *const *words)
{
	while (*words && strcmp(word, *words) != 0)
		words++;
	return *words != NULL;
}

static int check_backend_type(const char *type, struct graft_error *err)
{
	static const char *const here[] = { "localfs", "localdisk", NULL };
	static const char *const later[] = { "oss", "s3", "registry", "http-proxy", NULL };

	if (is_one_of(type, here))
		return 0;
	return error_set(err, EINVAL, "backend %.64s is not %s; this release reads localfs and localdisk", type,
			 is_one_of(type, later) ? "there yet" : "known");
}

/* A path that is "" is not given. */
static int take_path(const char **path, const char *name, struct graft_error *err)
{
	if (*path && !**path)
		*path = NULL;
	if (!*path || **path == '/')
		return 0;
	return error_set(err, EINVAL, "%s '%.256s' must be an absolute path", name, *path);
}

static int take_alt_dirs(struct reading *r, struct graft_error *err)
{
	size_t i;
	const json_t *item;

	if (!r->alt_dirs)
		return 0;
	if (!json_is_array(r->alt_dirs) || json_array_size(r->alt_dirs) > CONFIG_JSON_DIRS_MAX)
		return error_set(err, EINVAL, "alt_dirs must be a list of at most %d directories",
				 CONFIG_JSON_DIRS_MAX);
	json_array_foreach(r->alt_dirs, i, item)
	{
		const char *dir = json_string_value(item);
		int res = dir ? take_path(&dir, "alt_dirs:", err)
			      : error_set(err, EINVAL, "alt_dirs must be a list of texts");

		if (res < 0)
			return res;
		if (dir)
			r->c.alt_dirs[r->c.alt_count++] = dir;
	}
	return 0;
}

static int check_backend(struct reading *r, struct graft_error *err)
{
	struct config_json *c = &r->c;
	int res = check_backend_type(r->backend_type, err);

	c->backend = r->backend_type;
	if (res == 0 && r->backend_config) {
		const char *path = "device.backend.config";

		if (!json_is_object(r->backend_config))
			return error_set(err, EINVAL, "%s must be an object", path);
		res = fields_read(&r->fields, r->backend_config, strcmp(c->backend, "localfs") ? localdisk : localfs,
				  path, r);
	}
	if (res == 0)
		res = take_path(&c->dir, "dir", err);
	if (res == 0)
		res = take_path(&c->blob_file, "blob_file", err);
	if (res == 0)
		res = take_path(&c->device, "device_path", err);
	return res == 0 ? take_alt_dirs(r, err) : res;
}

static int check_cache(struct reading *r, struct graft_error *err)
{
	static const char *const types[] = { "", "dummycache", "blobcache", "filecache", NULL };
	struct config_json *c = &r->c;

	if (!c->cache)
		c->cache = "";
	if (!is_one_of(c->cache, types))
		return error_set(err, EINVAL, "cache type %.64s is not %s; blobcache is", c->cache,
				 strcmp(c->cache, "fscache") ? "known" : "there yet");
	if (!strcmp(c->cache, "dummycache"))
		c->cache = "";
	if (!*c->cache)
		return 0;
	if (!r->has_cache_config)
		return error_set(err, EINVAL, "missing field `%s`",
				 r->version ? "cache.filecache" : "device.cache.config");
	if (!c->work_dir)
		c->work_dir = ".";
	return *c->work_dir ? 0 : error_set(err, EINVAL, "work_dir is empty: the directory of the cache");
}

static int check_prefetch(const struct config_prefetch *p, struct graft_error *err)
{
	if (p->enable && (p->threads < 1 || p->threads > THREADS_MAX))
		return error_set(err, EINVAL, "prefetch: threads must be from 1 to %d", THREADS_MAX);
	if (p->batch > CONFIG_JSON_AMPLIFY)
		return error_set(err, EINVAL, "prefetch: the size of a request must be at most 256 MiB");
	return 0;
}

static int check_rafs(const struct config_json *c, struct graft_error *err)
{
	static const char *const modes[] = { "direct", "cached", NULL };
	int res;

	if (c->mode && !is_one_of(c->mode, modes))
		return error_set(err, EINVAL, "mode '%.64s' must be direct or cached", c->mode);
	if (c->amplify != UINT64_MAX && c->amplify > CONFIG_JSON_AMPLIFY)
		return error_set(err, EINVAL, "amplify_io (batch_size) must be at most 256 MiB");
	res = check_prefetch(&c->prefetch, err);
	return res == 0 ? check_prefetch(&c->cache_prefetch, err) : res;
}

static int read_version_2(struct reading *r, struct graft_error *err)
{
	int res = fields_read(&r->fields, r->c.root, v2, "", r);

	if (res < 0)
		return res;
	if (r->version != 2)
		return error_set(err, EINVAL, "version must be 2, or left out for nydusd's older form");
	if (!r->has_backend)
		return error_set(err, EINVAL, "no configuration information for backend");
	if (!r->has_cache)
		return error_set(err, EINVAL, "no configuration information for cache");
	if (!r->has_rafs)
		return error_set(err, EINVAL, "no configuration information for rafs");
	return 0;
}

static int read_root(struct reading *r, struct graft_error *err)
{
	int res;

	if (!json_is_object(r->c.root))
		return error_set(err, EINVAL, "it must be a JSON object");
	if (json_object_get(r->c.root, "version")) {
		res = read_version_2(r, err);
	} else {
		r->c.prefetch.all = true; /* version 1's default, once fs_prefetch is there */
		res = fields_read(&r->fields, r->c.root, v1, "", r);
	}
	if (res == 0)
		res = check_backend(r, err);
	if (res == 0)
		res = check_cache(r, err);
	return res == 0 ? check_rafs(&r->c, err) : res;
}

static void tell_unknown(const struct field_reader *f, void (*warn)(void *arg, const char *text), void *arg)
{
	char text[sizeof(f->unknown) + 64];

	if (!f->unknown_len && !f->unknown_more)
		return;
	snprintf(text, sizeof(text), "config: unknown fields are ignored: %s%s", f->unknown,
		 f->unknown_more ? " and more" : "");
	warn(arg, text);
}

static json_t *parse(const char *text, struct graft_error *err)
{
	size_t len = strlen(text);
	json_error_t e;
	json_t *root;

	if (len > CONFIG_JSON_MAX) {
		error_set(err, EINVAL, "failed to parse configuration information: longer than 1 MiB");
		return NULL;
	}
	root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &e);
	if (!root)
		error_set(err, EINVAL,
			  "failed to parse configuration information: it must be JSON: %s at line %d, column %d",
			  e.text, e.line, e.column);
	return root;
}

int config_json_read(struct config_json *c, const char *text, void (*warn)(void *arg, const char *text), void *arg,
		     struct graft_error *err)
{
	struct reading r = { .fields.err = err };
	int res = -EINVAL;

	r.c.amplify = UINT64_MAX;
	r.c.prefetch.threads = r.c.cache_prefetch.threads = 8;
	r.c.root = parse(text, err);
	if (r.c.root)
		res = read_root(&r, err);
	if (res == 0)
		tell_unknown(&r.fields, warn, arg);
	else
		error_wrap(err, "Failed to load config");
	*c = r.c;
	return res;
}

void config_json_free(struct config_json *c)
{
	json_decref(c->root);
	memset(c, 0, sizeof(*c));
}
