/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of both versions of nydusd's configuration, in the order in which nydusd shows them. */
#include "nydus/tables.h"

#include <string.h>

#define ANY UINT64_MAX
#define U32 UINT32_MAX

#define AT(of, member) .offset = offsetof(struct of, member)
#define TEXT(n, of, member, how)                                                                                       \
	{                                                                                                              \
		.name = n, .kind = FIELD_TEXT, .flags = how, AT(of, member)                                            \
	}
#define WORD(n, of, member, word)                                                                                      \
	{                                                                                                              \
		.name = n, .kind = FIELD_TEXT, .text = word, AT(of, member)                                            \
	}
#define FLAG(n, of, member, how)                                                                                       \
	{                                                                                                              \
		.name = n, .kind = FIELD_BOOL, .flags = how, AT(of, member)                                            \
	}
#define YES(n, of, member)                                                                                             \
	{                                                                                                              \
		.name = n, .kind = FIELD_BOOL, .number = 1, AT(of, member)                                             \
	}
#define NUMBER(n, of, member, most, dflt)                                                                              \
	{                                                                                                              \
		.name = n, .kind = FIELD_NUMBER, .max = most, .number = dflt, AT(of, member)                           \
	}
#define TEXTS(n, of, member)                                                                                           \
	{                                                                                                              \
		.name = n, .kind = FIELD_TEXTS, AT(of, member)                                                         \
	}
#define VALUE(n, of, member, how)                                                                                      \
	{                                                                                                              \
		.name = n, .kind = FIELD_VALUE, .flags = how, AT(of, member)                                           \
	}
#define OBJECT(n, of, member, how, table)                                                                              \
	{                                                                                                              \
		.name = n, .kind = FIELD_OBJECT, .flags = how, .sub = table, AT(of, member)                            \
	}
#define END                                                                                                            \
	{                                                                                                              \
		.name = NULL                                                                                           \
	}

/* backends */

static const struct field proxy[] = {
	TEXT("url", nydus_proxy, url, FIELD_URL),
	TEXT("ping_url", nydus_proxy, ping_url, FIELD_URL),
	YES("fallback", nydus_proxy, fallback),
	NUMBER("check_interval", nydus_proxy, check_interval, ANY, 5),
	FLAG("use_http", nydus_proxy, use_http, 0),
	NUMBER("check_pause_elapsed", nydus_proxy, check_pause_elapsed, ANY, 300),
	TEXT("dragonfly_scheduler_endpoint", nydus_proxy, dragonfly_scheduler_endpoint, FIELD_URL),
	END,
};

#define HTTP(of)                                                                                                       \
	FLAG("skip_verify", of, http.skip_verify, 0), TEXTS("ca_cert_files", of, http.ca_cert_files),                  \
		NUMBER("timeout", of, http.timeout, U32, 5),                                                           \
		NUMBER("connect_timeout", of, http.connect_timeout, U32, 5),                                           \
		NUMBER("retry_limit", of, http.retry_limit, UINT8_MAX, 0)
#define PROXY(of) OBJECT("proxy", of, http.proxy, FIELD_ALWAYS, proxy)

static const struct field localdisk[] = {
	TEXT("device_path", nydus_localdisk, device_path, 0),
	FLAG("disable_gpt", nydus_localdisk, disable_gpt, 0),
	END,
};

static const struct field localfs[] = {
	TEXT("blob_file", nydus_localfs, blob_file, 0),
	TEXT("dir", nydus_localfs, dir, 0),
	TEXTS("alt_dirs", nydus_localfs, alt_dirs),
	/* nydusd no longer knows it, so it may be anything there. */
	VALUE("readahead", nydus_localfs, readahead, FIELD_UNSHOWN | FIELD_NULLABLE),
	END,
};

#define STORE_KEYS                                                                                                     \
	TEXT("bucket_name", nydus_store, bucket_name, FIELD_REQUIRED),                                                 \
		TEXT("object_prefix", nydus_store, object_prefix, 0),                                                  \
		TEXT("access_key_id", nydus_store, access_key_id, FIELD_SECRET),                                       \
		TEXT("access_key_secret", nydus_store, access_key_secret, FIELD_SECRET), HTTP(nydus_store),            \
		PROXY(nydus_store), END

static const struct field oss[] = {
	WORD("scheme", nydus_store, scheme, "https"),
	TEXT("endpoint", nydus_store, endpoint, FIELD_REQUIRED),
	STORE_KEYS,
};

static const struct field s3[] = {
	WORD("scheme", nydus_store, scheme, "https"),
	TEXT("endpoint", nydus_store, endpoint, FIELD_REQUIRED),
	TEXT("region", nydus_store, region, FIELD_REQUIRED),
	STORE_KEYS,
};

static const struct field registry[] = {
	WORD("scheme", nydus_registry, scheme, "https"),
	TEXT("host", nydus_registry, host, FIELD_REQUIRED),
	TEXT("repo", nydus_registry, repo, FIELD_REQUIRED),
	TEXT("auth", nydus_registry, auth, FIELD_NULLABLE | FIELD_SECRET),
	HTTP(nydus_registry),
	TEXT("registry_token", nydus_registry, registry_token, FIELD_NULLABLE | FIELD_SECRET),
	TEXT("blob_url_scheme", nydus_registry, blob_url_scheme, 0),
	TEXT("blob_redirected_host", nydus_registry, blob_redirected_host, 0),
	PROXY(nydus_registry),
	END,
};

static const struct field http_proxy[] = {
	TEXT("addr", nydus_http_proxy, addr, FIELD_REQUIRED | FIELD_URL),
	TEXT("path", nydus_http_proxy, path, 0),
	HTTP(nydus_http_proxy),
	PROXY(nydus_http_proxy),
	END,
};

static const struct field v2_backend[] = {
	TEXT("type", nydus_backend, type, FIELD_REQUIRED),
	OBJECT("localdisk", nydus_backend, localdisk, FIELD_NULLABLE, localdisk),
	OBJECT("localfs", nydus_backend, localfs, FIELD_NULLABLE, localfs),
	OBJECT("oss", nydus_backend, oss, FIELD_NULLABLE, oss),
	OBJECT("s3", nydus_backend, s3, FIELD_NULLABLE, s3),
	OBJECT("registry", nydus_backend, registry, FIELD_NULLABLE, registry),
	OBJECT("http-proxy", nydus_backend, http_proxy, FIELD_NULLABLE, http_proxy),
	END,
};

#define BACKEND(n, member, known, built)                                                                               \
	{                                                                                                              \
		n, member, offsetof(struct nydus_backend, member), known, built                                        \
	}

const struct nydus_backend_type *nydus_backend_type(const char *name)
{
	static const struct nydus_backend_type types[] = {
		BACKEND("localfs", localfs, true, true),    BACKEND("localdisk", localdisk, true, true),
		BACKEND("oss", oss, true, false),           BACKEND("s3", s3, true, false),
		BACKEND("registry", registry, true, false), BACKEND("http-proxy", http_proxy, false, false),
	};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (!strcmp(name, types[i].name))
			return &types[i];
	return NULL;
}

/* caches */

const struct field nydus_filecache_fields[] = {
	WORD("work_dir", nydus_filecache, work_dir, "."),
	FLAG("disable_indexed_map", nydus_filecache, disable_indexed_map, 0),
	FLAG("enable_encryption", nydus_filecache, enable_encryption, 0),
	FLAG("enable_convergent_encryption", nydus_filecache, enable_convergent_encryption, 0),
	TEXT("encryption_key", nydus_filecache, encryption_key, FIELD_SECRET),
	END,
};

const struct field nydus_fscache_fields[] = {
	WORD("work_dir", nydus_fscache, work_dir, "."),
	END,
};

/* version 2 */

static const struct field v2_prefetch[] = {
	FLAG("enable", nydus_prefetch, enable, FIELD_REQUIRED),
	NUMBER("threads", nydus_prefetch, threads, ANY, 8),
	NUMBER("batch_size", nydus_prefetch, batch_size, ANY, 1 << 20),
	NUMBER("bandwidth_limit", nydus_prefetch, bandwidth_limit, U32, 0),
	FLAG("prefetch_all", nydus_prefetch, prefetch_all, 0),
	FLAG("stream_prefetch", nydus_prefetch, stream_prefetch, 0),
	END,
};

static const struct field v2_cache[] = {
	TEXT("type", nydus_cache, type, 0),
	FLAG("compressed", nydus_cache, compressed, 0),
	FLAG("validate", nydus_cache, validate, 0),
	OBJECT("prefetch", nydus_cache, prefetch, 0, v2_prefetch),
	OBJECT("filecache", nydus_cache, filecache, FIELD_NULLABLE, nydus_filecache_fields),
	OBJECT("fscache", nydus_cache, fscache, FIELD_NULLABLE, nydus_fscache_fields),
	END,
};

static const struct field v2_rafs[] = {
	WORD("mode", nydus_rafs, mode, "direct"),
	NUMBER("batch_size", nydus_rafs, batch_size, ANY, 1 << 20),
	FLAG("validate", nydus_rafs, validate, 0),
	FLAG("enable_xattr", nydus_rafs, enable_xattr, 0),
	FLAG("iostats_files", nydus_rafs, iostats_files, 0),
	FLAG("access_pattern", nydus_rafs, access_pattern, 0),
	FLAG("latest_read_files", nydus_rafs, latest_read_files, 0),
	OBJECT("prefetch", nydus_rafs, prefetch, 0, v2_prefetch),
	END,
};

static const struct field v2_overlay[] = {
	TEXT("upper_dir", nydus_overlay, upper_dir, FIELD_REQUIRED),
	TEXT("work_dir", nydus_overlay, work_dir, FIELD_REQUIRED),
	END,
};

const struct field nydus_v2_fields[] = {
	{ .name = "version", .kind = FIELD_NUMBER, .flags = FIELD_REQUIRED, .max = U32, AT(nydus_v2, c.version) },
	TEXT("id", nydus_v2, c.id, 0),
	OBJECT("backend", nydus_v2, c.backend, FIELD_NULLABLE, v2_backend),
	VALUE("external_backends", nydus_v2, c.external_backends, 0),
	OBJECT("cache", nydus_v2, c.cache, FIELD_NULLABLE, v2_cache),
	OBJECT("rafs", nydus_v2, c.rafs, FIELD_NULLABLE, v2_rafs),
	OBJECT("overlay", nydus_v2, c.overlay, FIELD_NULLABLE, v2_overlay),
	VALUE("id_mapping", nydus_v2, idmap, FIELD_NULLABLE | FIELD_UNSHOWN),
	END,
};

/* version 1 */

static const struct field v1_prefetch[] = {
	FLAG("enable", nydus_prefetch, enable, 0),
	NUMBER("threads_count", nydus_prefetch, threads, ANY, 8),
	NUMBER("merging_size", nydus_prefetch, batch_size, ANY, 1 << 20),
	NUMBER("bandwidth_rate", nydus_prefetch, bandwidth_limit, U32, 0),
	YES("prefetch_all", nydus_prefetch, prefetch_all),
	FLAG("stream_prefetch", nydus_prefetch, stream_prefetch, 0),
	END,
};

static const struct field v1_backend[] = {
	TEXT("type", nydus_v1_backend, type, FIELD_REQUIRED),
	VALUE("config", nydus_v1_backend, config, FIELD_REQUIRED),
	END,
};

static const struct field v1_cache[] = {
	TEXT("type", nydus_v1_cache, type, 0),
	FLAG("compressed", nydus_v1_cache, compressed, 0),
	FLAG("validate", nydus_v1_cache, validate, 0),
	VALUE("config", nydus_v1_cache, config, 0),
	END,
};

static const struct field v1_device[] = {
	TEXT("id", nydus_v1_device, id, 0),
	OBJECT("backend", nydus_v1_device, backend, FIELD_REQUIRED, v1_backend),
	VALUE("external_backends", nydus_v1_device, externals, 0),
	OBJECT("cache", nydus_v1_device, cache, 0, v1_cache),
	END,
};

const struct field nydus_v1_fields[] = {
	OBJECT("device", nydus_v1, device, FIELD_REQUIRED, v1_device),
	TEXT("mode", nydus_v1, rafs.mode, FIELD_REQUIRED),
	FLAG("digest_validate", nydus_v1, rafs.validate, 0),
	FLAG("iostats_files", nydus_v1, rafs.iostats_files, 0),
	FLAG("enable_xattr", nydus_v1, rafs.enable_xattr, 0),
	FLAG("access_pattern", nydus_v1, rafs.access_pattern, 0),
	FLAG("latest_read_files", nydus_v1, rafs.latest_read_files, 0),
	NUMBER("amplify_io", nydus_v1, rafs.batch_size, ANY, 1 << 20),
	OBJECT("fs_prefetch", nydus_v1, prefetch, 0, v1_prefetch),
	VALUE("id_mapping", nydus_v1, idmap, FIELD_NULLABLE),
	END,
};
