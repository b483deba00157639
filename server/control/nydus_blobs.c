/* SPDX-License-Identifier: Apache-2.0 */
/* Entries of nydusd's /api/v2/blobs. */
#include "server/control/nydus_blobs.h"

#include "lib/cleanup.h"
#include "nydus/config.h"
#include "server/control/api.h"
#include "server/control/nydus_body.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define V6_MAGIC_AT 1024 /* bytes from a bootstrap's start */
#define V6_MAGIC UINT32_C(0xe0f5e1e2)

struct nydus_blobs {
	pthread_mutex_t lock;
	json_t *entries; /* by "DOMAIN/ID", or "ID" where the domain is "". Protected by lock */
};

struct nydus_blobs *nydus_blobs_new(void)
{
	struct nydus_blobs *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	pthread_mutex_init(&b->lock, NULL);
	b->entries = json_object();
	if (b->entries)
		return b;
	nydus_blobs_free(b);
	return NULL;
}

void nydus_blobs_free(struct nydus_blobs *b)
{
	if (!b)
		return;
	json_decref(b->entries);
	pthread_mutex_destroy(&b->lock);
	free(b);
}

static const char *text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : "";
}

/* --- an entry's configuration */

/* config, which is older than both versions, as version 1. */
static json_t *as_v1(const json_t *config)
{
	json_t *prefetch = json_object_get(config, "prefetch_config");
	json_t *v1 = json_pack("{s:{s:O?, s:{s:O?, s:O?}, s:{s:O?, s:O?}}, s:s}", "device", "id",
			       json_object_get(config, "id"), "backend", "type", json_object_get(config, "backend_type"),
			       "config", json_object_get(config, "backend_config"), "cache", "type",
			       json_object_get(config, "cache_type"), "config", json_object_get(config, "cache_config"),
			       "mode", "direct");

	if (v1 && prefetch)
		json_object_set(v1, "fs_prefetch", prefetch);
	return v1;
}

/* NULL: none that can be read. */
static struct nydus_config *config_of(const json_t *entry)
{
	json_t *given = json_object_get(entry, "config_v2");
	bool v2 = json_is_object(given);
	json_t *config = v2 ? json_incref(given) : as_v1(json_object_get(entry, "config"));
	auto_free char *text = config ? json_dumps(config, JSON_COMPACT) : NULL;
	struct nydus_config *made = NULL;
	struct graft_error err;

	json_decref(config);
	if (!text || nydus_config_read(&made, text, strlen(text), &err) < 0)
		return NULL;
	if (made->backend.given && made->cache.given)
		return made;
	nydus_config_free(made);
	return NULL;
}

bool nydus_blobs_good(const json_t *entry)
{
	struct nydus_config *config = config_of(entry);

	nydus_config_free(config);
	return config;
}

static const char *metadata_path(const json_t *entry)
{
	const json_t *v2 = json_object_get(entry, "config_v2");

	return text_of(json_is_object(v2) ? v2 : json_object_get(entry, "config"), "metadata_path");
}

/* 0 or an errno value: a regular file that is a bootstrap of version 6. */
static int check_bootstrap(const char *path)
{
	auto_close int fd = path[0] ? open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC) : -1;
	struct stat st;
	uint32_t magic;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return EINVAL;
	if (pread(fd, &magic, sizeof(magic), V6_MAGIC_AT) != sizeof(magic) || le32toh(magic) != V6_MAGIC)
		return EINVAL;
	return 0;
}

static int check_work_dir(const struct nydus_cache *cache)
{
	const char *dir = cache->fscache.given ? cache->fscache.work_dir : cache->filecache.work_dir;
	struct stat st;

	if (!cache->fscache.given && !cache->filecache.given)
		return EINVAL;
	if (stat(dir, &st) < 0)
		return EIO;
	return S_ISDIR(st.st_mode) ? 0 : EINVAL;
}

static int check_entry(const json_t *entry, const struct nydus_config *config)
{
	if (strcmp(text_of(entry, "type"), "bootstrap") != 0)
		return EINVAL;
	if (strchr(text_of(entry, "id"), '/') || strchr(text_of(entry, "domain_id"), '/'))
		return EINVAL;
	int code = check_bootstrap(metadata_path(entry));
	return code ? code : check_work_dir(&config->cache);
}

static json_t *show_entry(const json_t *entry, const struct nydus_config *config)
{
	json_t *shown = nydus_config_show(config, false);

	if (shown)
		json_object_set_new(shown, "metadata_path", json_string(metadata_path(entry)));
	return json_pack("{s:s, s:s, s:s, s:o}", "type", "bootstrap", "id", text_of(entry, "id"), "domain_id",
			 text_of(entry, "domain_id"), "config_v2", shown);
}

/* --- the table */

/* The caller frees it. */
static char *key_of(const char *domain, const char *id)
{
	char *key = NULL;

	return asprintf(&key, "%s%s%s", domain, domain[0] ? "/" : "", id) < 0 ? NULL : key;
}

static int insert(struct nydus_blobs *b, const char *key, json_t *shown, struct graft_error *err)
{
	LOCK_SCOPE(&b->lock);
	if (json_object_get(b->entries, key))
		return error_set(err, EEXIST, "blob_cache: bootstrap blob already exists");
	if (json_object_size(b->entries) >= NYDUS_BLOBS_MAX)
		return error_set(err, ENOSPC, "blob_cache: more than %d blobs", NYDUS_BLOBS_MAX);
	return json_object_set(b->entries, key, shown) < 0 ? error_set(err, ENOMEM, "out of memory") : 0;
}

int nydus_blobs_add(struct nydus_blobs *b, const json_t *entry, struct graft_error *err)
{
	struct nydus_config *config = config_of(entry);
	const char *domain = text_of(entry, "domain_id"), *id = text_of(entry, "id");
	auto_free char *key = key_of(domain, id);

	if (!config || !key) {
		nydus_config_free(config);
		return error_set(err, config ? ENOMEM : EBADMSG, "no configuration");
	}
	int code = check_entry(entry, config);
	int res = code ? error_set(err, code, "%s (os error %d)", strerrordesc_np(code), code) : 0;
	json_t *shown = show_entry(entry, config);
	if (!res)
		res = shown ? insert(b, key, shown, err) : error_set(err, ENOMEM, "out of memory");
	json_decref(shown);
	nydus_config_free(config);
	return res;
}

int nydus_blobs_remove(struct nydus_blobs *b, const char *domain, const char *id)
{
	auto_free char *key = key_of(domain, id);
	const char *name;
	void *next;
	json_t *entry;

	if (!key)
		return -ENOMEM;
	LOCK_SCOPE(&b->lock);
	if (id[0] || !domain[0])
		return json_object_del(b->entries, key) < 0 ? -ENOENT : 0;
	json_object_foreach_safe(b->entries, next, name, entry)
		if (!strncmp(name, key, strlen(key)))
			json_object_del(b->entries, name);
	return 0;
}

json_t *nydus_blobs_list(struct nydus_blobs *b, const char *domain, const char *id)
{
	json_t *list = json_array(), *entry;
	const char *key;

	LOCK_SCOPE(&b->lock);
	json_object_foreach(b->entries, key, entry)
		if (!strcmp(text_of(entry, "domain_id"), domain) && (!id[0] || !strcmp(text_of(entry, "id"), id)))
			json_array_append(list, entry);
	return list;
}

/* --- requests */

/* The query's value; "" where there is none, and *found false. The caller frees it; NULL: out of memory. */
static char *query(const struct request *req, const char *name, bool *found)
{
	char *value = NULL;

	*found = uri_query(&req->uri, name, &value) == 1;
	return value ? value : strdup("");
}

static void refuse(struct request *req, const char *what, const char *text)
{
	answer_nydus(&req->answer, 500, what, text, ")))");
}

void nydus_blobs_get(const struct api *api, struct request *req)
{
	bool has_domain, has_id;
	auto_free char *domain = query(req, "domain_id", &has_domain), *id = query(req, "blob_id", &has_id);

	if (!has_domain || !domain || !id)
		answer_nydus(&req->answer, 400, "BadRequest", NULL, NULL);
	else if (nydus_form_of(api) != NYDUS_SINGLETON)
		answer_nydus(&req->answer, 501, "GetBlobObjects(DaemonAbnormal(Unsupported))", NULL, NULL);
	else
		answer_json(&req->answer, 200, nydus_blobs_list(api->blobs, domain, id));
}

void nydus_blobs_put(const struct api *api, struct request *req)
{
	static const struct nydus_member members[] = {
		{ "type", NYDUS_TEXT, true },
		{ "id", NYDUS_TEXT, true },
		{ "config", NYDUS_OBJECT, false },
		{ "config_v2", NYDUS_OBJECT, false },
		{ "domain_id", NYDUS_TEXT, false },
	};
	static const struct nydus_shape form = { "struct BlobCacheEntry", members, 5 };
	struct graft_error err;
	json_t *entry = nydus_body(req, &form);

	if (!entry)
		return;
	if (!nydus_blobs_good(entry))
		answer_nydus(&req->answer, 400, "BadRequest", NULL, NULL);
	else if (nydus_form_of(api) != NYDUS_SINGLETON)
		answer_nydus(&req->answer, 501, "CreateBlobObject(DaemonAbnormal(Unsupported))", NULL, NULL);
	else if (nydus_blobs_add(api->blobs, entry, &err) < 0)
		refuse(req, "CreateBlobObject(DaemonAbnormal(Other(", err.text);
	else
		answer_empty(&req->answer, 204);
	json_decref(entry);
}

static void remove_blobs(const struct api *api, struct request *req, const char *domain, const char *id)
{
	if (nydus_form_of(api) != NYDUS_SINGLETON)
		answer_nydus(&req->answer, 501, "DeleteBlobObject(DaemonAbnormal(Unsupported))", NULL, NULL);
	else if (nydus_blobs_remove(api->blobs, domain, id) < 0)
		refuse(req, "DeleteBlobObject(DaemonAbnormal(Other(", "No such file or directory (os error 2)");
	else
		answer_empty(&req->answer, 204);
}

/* A blob alone stands for its file in the kernel's cache, of which there is none here. */
static void remove_file(const struct api *api, struct request *req)
{
	if (nydus_form_of(api) == NYDUS_SINGLETON)
		answer_nydus(&req->answer, 501, "DeleteBlobFile(DaemonAbnormal(Unsupported))", NULL, NULL);
	else
		answer_empty(&req->answer, 204);
}

void nydus_blobs_delete(const struct api *api, struct request *req)
{
	bool has_domain, has_id;
	auto_free char *domain = query(req, "domain_id", &has_domain), *id = query(req, "blob_id", &has_id);

	if (has_domain && domain && id)
		remove_blobs(api, req, domain, id);
	else if (has_id)
		remove_file(api, req);
	else
		answer_nydus(&req->answer, 400, "BadRequest", NULL, NULL);
}
