/* SPDX-License-Identifier: Apache-2.0 */
/* Reads nydusd's configuration: which of the three forms a text has, and all of them as version 2. */
#include "nydus/config.h"

#include "nydus/check.h"
#include "nydus/fields.h"
#include "nydus/tables.h"
#include "nydus/toml.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define UNREADABLE "failed to parse configuration information"
#define INVALID "invalid configuration"

/* A config with what it owns. */
struct owned_config {
	struct nydus_v2 v2; /* first, and its config is its first */
	char unused[FIELD_UNUSED_MAX];
};

size_t nydus_config_count(const json_t *texts)
{
	return json_array_size(texts);
}

const char *nydus_config_item(const json_t *texts, size_t i)
{
	return json_string_value(json_array_get(texts, i));
}

/* Tables of version 2 beside the one that the type names. */
static void note_others(struct field_reader *r, const struct nydus_config *c)
{
	const struct nydus_backend *b = &c->backend;
	const struct {
		const char *name;
		bool given;
	} backends[] = {
		{ "localdisk", b->localdisk.given },
		{ "localfs", b->localfs.given },
		{ "oss", b->oss.given },
		{ "s3", b->s3.given },
		{ "registry", b->registry.given },
		{ "http-proxy", b->http_proxy.given },
	};

	for (size_t i = 0; i < sizeof(backends) / sizeof(backends[0]); i++)
		if (backends[i].given && strcmp(backends[i].name, b->type) != 0)
			fields_unused(r, "backend", backends[i].name);
	if (c->cache.filecache.given && strcmp(c->cache.type, "blobcache") != 0 &&
	    strcmp(c->cache.type, "filecache") != 0)
		fields_unused(r, "cache", "filecache");
	if (c->cache.fscache.given && strcmp(c->cache.type, "fscache") != 0)
		fields_unused(r, "cache", "fscache");
}

/* What is read but has nothing to do here. */
static void note_unused(struct field_reader *r, const struct nydus_config *c, bool v1)
{
	const struct nydus_backend_type *type = c->backend.given ? nydus_backend_type(c->backend.type) : NULL;
	bool local = !type || type->built_in;

	if (nydus_config_count(c->external_backends))
		fields_unused(r, v1 ? "device" : "", "external_backends");
	/* Only a Dragonfly proxy has streams. */
	if (local && c->rafs.prefetch.stream_prefetch)
		fields_unused(r, v1 ? "fs_prefetch" : "rafs.prefetch", "stream_prefetch");
	if (local && !v1 && c->cache.prefetch.stream_prefetch)
		fields_unused(r, "cache.prefetch", "stream_prefetch");
	if (!v1)
		note_others(r, c);
}

static int read_v2(struct owned_config *o, struct field_reader *r, const json_t *root)
{
	struct nydus_config *c = &o->v2.c;
	int res = fields_read(r, root, nydus_v2_fields, "", o);

	if (res == 0)
		res = nydus_check_externals(c->external_backends, r->err);
	return res == 0 ? nydus_check_idmap(o->v2.idmap, &c->idmap, r->err) : res;
}

static int convert_backend(struct nydus_backend *b, struct field_reader *r, const struct nydus_v1_backend *v1)
{
	const struct nydus_backend_type *type = nydus_backend_type(v1->type);
	char *to;

	if (!type || !type->v1)
		return error_set(r->err, EINVAL, "backend %.64s is not known%s", v1->type, type ? " to version 1" : "");
	if (!json_is_object(v1->config))
		return error_set(r->err, EINVAL, "device.backend.config must be an object");
	to = (char *)b + type->offset;
	*(bool *)(void *)to = b->given = true;
	b->type = v1->type;
	return fields_read(r, v1->config, type->fields, "device.backend.config", to);
}

static int convert_cache(struct nydus_cache *c, struct field_reader *r, const struct nydus_v1_cache *v1)
{
	bool files = !strcmp(v1->type, "blobcache") || !strcmp(v1->type, "filecache");
	bool fscache = !strcmp(v1->type, "fscache");

	c->given = true;
	c->type = v1->type;
	c->compressed = v1->compressed;
	c->validate = v1->validate;
	if (!files && !fscache) {
		if (json_object_size(v1->config))
			fields_unused(r, "device.cache", "config");
		return 0;
	}
	if (!v1->config)
		return error_set(r->err, EINVAL, "missing field `device.cache.config`");
	if (!json_is_object(v1->config))
		return error_set(r->err, EINVAL, "device.cache.config must be an object");
	if (files)
		c->filecache.given = true;
	else
		c->fscache.given = true;
	return fields_read(r, v1->config, files ? nydus_filecache_fields : nydus_fscache_fields, "device.cache.config",
			   files ? (void *)&c->filecache : &c->fscache);
}

static int read_v1(struct owned_config *o, struct field_reader *r, const json_t *root)
{
	/* An object without a version has the defaults of version 2, texts above all. */
	struct field_reader ignored = { .err = NULL };
	struct nydus_config *c = &o->v2.c;
	struct nydus_v1 v1 = { 0 };
	json_t *empty = json_pack("{s:i}", "version", 2);
	int res = empty ? fields_read(&ignored, empty, nydus_v2_fields, "", o)
			: error_set(r->err, ENOMEM, "out of memory");

	json_decref(empty);
	if (res == 0)
		res = fields_read(r, root, nydus_v1_fields, "", &v1);
	if (res == 0)
		res = convert_backend(&c->backend, r, &v1.device.backend);
	if (res == 0)
		res = convert_cache(&c->cache, r, &v1.device.cache);
	if (res == 0)
		res = nydus_check_externals(v1.device.externals, r->err);
	if (res == 0)
		res = nydus_check_idmap(v1.idmap, &c->idmap, r->err);
	if (res < 0)
		return res;
	c->id = v1.device.id;
	c->external_backends = v1.device.externals;
	c->rafs = v1.rafs;
	c->rafs.given = true;
	c->rafs.prefetch = v1.prefetch;
	/* A cache's own has no field for it. */
	c->cache.prefetch.prefetch_all = true;
	if (v1.prefetch.enable)
		c->cache.prefetch = v1.prefetch;
	return 0;
}

/* Of what could be read. */
static int finish(struct owned_config *o, struct field_reader *r, bool v1)
{
	int res = nydus_check(&o->v2.c, r->err);

	if (res < 0)
		return res;
	note_unused(r, &o->v2.c, v1);
	memcpy(o->unused, fields_unused_text(r), sizeof(o->unused));
	o->v2.c.unused = o->unused;
	return 0;
}

/* In the order in which nydusd tries: version 2 needs a version, version 1 does not look at it. */
static int read_object(struct owned_config *o, json_t *root, bool toml, struct graft_error *err)
{
	bool version = toml || json_object_get(root, "version");
	struct field_reader r = { .err = err };
	struct graft_error second = { 0 };
	int res;

	if (version) {
		res = read_v2(o, &r, root);
		if (res == 0) {
			res = finish(o, &r, false);
			return res < 0 ? error_wrap(err, INVALID) : 0;
		}
		if (toml || !json_object_get(root, "device"))
			return error_wrap(err, UNREADABLE);
		memset(o, 0, sizeof(*o));
		r = (struct field_reader){ .err = &second };
	}
	res = read_v1(o, &r, root);
	if (res == 0)
		res = finish(o, &r, true);
	/* Where both fail it is told what is wrong with the version that it says it has. */
	return res < 0 ? error_wrap(err, UNREADABLE) : 0;
}

static json_t *parse(const char *text, size_t len, bool *toml, struct graft_error *err)
{
	size_t blanks = 0;
	json_error_t e;
	json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &e);

	*toml = !root;
	if (root && !json_is_object(root)) {
		json_decref(root);
		error_set(err, EINVAL, UNREADABLE ": it must be an object");
		return NULL;
	}
	while (blanks < len && strchr(" \t\r\n", text[blanks]) && text[blanks])
		blanks++;
	if (!root && blanks < len && text[blanks] == '{') {
		/* Behind "near" comes a piece of the text, which may be a secret. */
		const char *near = strstr(e.text, " near ");
		error_set(err, EINVAL, UNREADABLE ": %.*s at line %d, column %d",
			  (int)(near ? near - e.text : (ptrdiff_t)strlen(e.text)), e.text, e.line, e.column);
		return NULL;
	}
	if (!root) {
		root = toml_read(text, len, err);
		if (!root)
			error_wrap(err, UNREADABLE ": as TOML");
	}
	return root;
}

static int read_text(struct nydus_config **config, const char *text, size_t len, struct graft_error *err)
{
	struct owned_config *o;
	json_t *root;
	bool toml;
	int res;

	if (len > NYDUS_CONFIG_MAX)
		return error_set(err, EINVAL, UNREADABLE ": longer than 1 MiB");
	root = parse(text, len, &toml, err);
	if (!root)
		return -err->code;
	o = calloc(1, sizeof(*o));
	res = o ? read_object(o, root, toml, err) : error_set(err, ENOMEM, "out of memory");
	if (res < 0) {
		json_decref(root);
		free(o);
		return res;
	}
	o->v2.c.root = root;
	*config = &o->v2.c;
	return 0;
}

int nydus_config_read(struct nydus_config **config, const char *text, size_t len, struct graft_error *err)
{
	struct graft_error why = { 0 };
	int res;

	*config = NULL;
	res = read_text(config, text, len, &why);
	/* Words of the text go into one line of the log. */
	for (char *p = why.text; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
	if (res < 0 && err)
		*err = why;
	return res;
}

void nydus_config_free(struct nydus_config *config)
{
	if (config)
		json_decref(config->root);
	free(config);
}

int nydus_config_mountable(const struct nydus_config *c, struct graft_error *err)
{
	const struct nydus_backend_type *type;

	if (!c->cache.given)
		return error_set(err, EINVAL, "Failed to load config: no configuration information for cache");
	if (!c->rafs.given)
		return error_set(err, EINVAL, "Failed to load config: no configuration information for rafs");
	if (!c->backend.given)
		return error_set(err, EINVAL, "Failed to create device: no configuration information for backend");
	type = nydus_backend_type(c->backend.type);
	if (!type || !type->built_in)
		return error_set(
			err, EINVAL,
			"Failed to create device: backend %.64s is not built in yet; localfs and localdisk are",
			c->backend.type);
	if (!strcmp(c->cache.type, "fscache"))
		return error_set(err, EINVAL,
				 "Failed to create device: cache type fscache is not built in; blobcache is");
	return 0;
}
