/* SPDX-License-Identifier: Apache-2.0 */
/* What may stand in a configuration that could be read, in the order in which nydusd looks at it. */
#include "nydus/check.h"

#include "nydus/tables.h"

#include <errno.h>
#include <string.h>

#define THREADS_MAX 1024

static bool is_one_of(const char *word, const char *const *words)
{
	while (*words && strcmp(word, *words) != 0)
		words++;
	return *words != NULL;
}

static int missing(struct graft_error *err, const char *backend, const char *field)
{
	return error_set(err, EINVAL, "backend %s: %s is missing", backend, field);
}

static int check_http_proxy(const char *addr, struct graft_error *err)
{
	if (!strncmp(addr, "http://", 7) || !strncmp(addr, "https://", 8) || addr[0] == '/')
		return 0;
	return error_set(err, EINVAL, "backend http-proxy: addr must begin with http://, https:// or /");
}

static int check_backend(const struct nydus_backend *b, struct graft_error *err)
{
	const struct nydus_backend_type *type = nydus_backend_type(b->type);
	const struct {
		const char *type, *field;
		bool given;
	} needed[] = {
		{ "localdisk", "device_path", b->localdisk.device_path[0] },
		{ "localfs", "dir or blob_file", b->localfs.dir[0] || b->localfs.blob_file[0] },
		{ "oss", "endpoint", b->oss.endpoint[0] },
		{ "oss", "bucket_name", b->oss.bucket_name[0] },
		{ "s3", "region", b->s3.region[0] },
		{ "s3", "bucket_name", b->s3.bucket_name[0] },
		{ "registry", "host", b->registry.host[0] },
		{ "registry", "repo", b->registry.repo[0] },
		{ "http-proxy", "addr", b->http_proxy.addr[0] },
	};

	if (!type)
		return error_set(err, EINVAL, "backend %.64s is not known", b->type);
	if (!*((const bool *)(const void *)((const char *)b + type->offset)))
		return missing(err, type->name, type->name);
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
		if (!strcmp(needed[i].type, type->name) && !needed[i].given)
			return missing(err, type->name, needed[i].field);
	return strcmp(type->name, "http-proxy") ? 0 : check_http_proxy(b->http_proxy.addr, err);
}

static int check_prefetch(const char *whose, const struct nydus_prefetch *p, struct graft_error *err)
{
	if (!p->enable)
		return 0;
	if (p->batch_size > NYDUS_BATCH_MAX)
		return error_set(err, EINVAL, "prefetch of %s: merging_size (batch_size) must be at most 256 MiB",
				 whose);
	if (p->threads < 1 || p->threads > THREADS_MAX)
		return error_set(err, EINVAL, "prefetch of %s: threads must be from 1 to %d", whose, THREADS_MAX);
	return 0;
}

static int check_cache(const struct nydus_cache *c, struct graft_error *err)
{
	static const char *const files[] = { "blobcache", "filecache", NULL };
	static const char *const none[] = { "", "dummycache", NULL };
	const char *dir = NULL;

	if (is_one_of(c->type, files))
		dir = c->filecache.work_dir;
	else if (!strcmp(c->type, "fscache"))
		dir = c->fscache.work_dir;
	else if (!is_one_of(c->type, none))
		return error_set(err, EINVAL, "cache type %.64s is not known", c->type);
	/* Where the table is missing it is "" as well. */
	if (dir && !dir[0])
		return error_set(err, EINVAL, "cache %s: work_dir is missing", c->type);
	return check_prefetch("cache", &c->prefetch, err);
}

static int check_rafs(const struct nydus_rafs *r, struct graft_error *err)
{
	static const char *const modes[] = { "direct", "cached", NULL };

	if (!is_one_of(r->mode, modes))
		return error_set(err, EINVAL, "mode '%.64s' must be direct or cached", r->mode);
	if (r->batch_size > NYDUS_BATCH_MAX)
		return error_set(err, EINVAL, "amplify_io (batch_size) must be at most 256 MiB");
	return check_prefetch("rafs", &r->prefetch, err);
}

int nydus_check(const struct nydus_config *c, struct graft_error *err)
{
	int res = 0;

	if (c->version != 2)
		return error_set(err, EINVAL, "version must be 2");
	if (c->backend.given)
		res = check_backend(&c->backend, err);
	if (res == 0 && c->cache.given)
		res = check_cache(&c->cache, err);
	return res == 0 && c->rafs.given ? check_rafs(&c->rafs, err) : res;
}

static bool is_text_map(const json_t *map)
{
	const char *key;
	json_t *value;

	if (!json_is_object(map))
		return false;
	json_object_foreach((json_t *)map, key, value) if (!json_is_string(value)) return false;
	return true;
}

int nydus_check_externals(const json_t *list, struct graft_error *err)
{
	size_t i;
	const json_t *item;

	if (list && !json_is_array(list))
		return error_set(err, EINVAL, "external_backends must be a list");
	json_array_foreach(list, i,
			   item) if (!is_text_map(json_object_get(item, "patch")) ||
				     !json_is_string(json_object_get(item, "type")) ||
				     !is_text_map(json_object_get(
					     item, "config"))) return error_set(err, EINVAL,
										"external_backends: each has patch and "
										"config, objects of texts, and a type");
	return 0;
}

int nydus_check_idmap(const json_t *list, struct nydus_idmap *map, struct graft_error *err)
{
	json_int_t n[3] = { 0 };

	if (!list)
		return 0;
	for (size_t i = 0; i < 3; i++) {
		const json_t *item = json_array_get(list, i);

		n[i] = json_integer_value(item);
		if (json_array_size(list) != 3 || !json_is_integer(item) || n[i] < 0 || n[i] > UINT32_MAX)
			return error_set(err, EINVAL,
					 "id_mapping must be a list of three numbers: inside, outside, count");
	}
	/* 2^32-1 is no id. */
	if (n[0] + n[2] > UINT32_MAX || n[1] + n[2] > UINT32_MAX)
		return error_set(err, EINVAL, "id_mapping goes beyond the last id, 4294967294");
	*map = (struct nydus_idmap){ n[2] != 0, (uint32_t)n[0], (uint32_t)n[1], (uint32_t)n[2] };
	return 0;
}
