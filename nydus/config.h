/* SPDX-License-Identifier: Apache-2.0 */
/* nydusd's configuration of an image: JSON of version 1 or 2, or TOML of version 2, in one form. */
#ifndef GRAFT_NYDUS_CONFIG_H
#define GRAFT_NYDUS_CONFIG_H

#include "lib/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NYDUS_CONFIG_MAX (1u << 20)          /* bytes of a text */
#define NYDUS_BATCH_MAX UINT64_C(0x10000000) /* bytes: the greatest amplify_io and merging_size */

/*
 * Constant once read; any thread. Texts are the config's own, never NULL but where that is said, and may be "". A
 * struct that was not given is all zero, false and "", unless its members' own defaults are named here. Lists of texts
 * are JSON arrays of texts (nydus_config_item), NULL if empty.
 */

struct nydus_proxy { /* fallback true, check_interval 5, check_pause_elapsed 300 where not given */
	bool given;
	const char *url, *ping_url;
	bool fallback;
	uint64_t check_interval; /* seconds */
	bool use_http;
	uint64_t check_pause_elapsed; /* seconds */
	const char *dragonfly_scheduler_endpoint;
};

/* What all backends that are reached by HTTP have. */
struct nydus_http {
	bool skip_verify;
	const json_t *ca_cert_files;       /* paths */
	uint64_t timeout, connect_timeout; /* seconds, 5 where not given; 0: none */
	uint64_t retry_limit;              /* 0..255 */
	struct nydus_proxy proxy;
};

struct nydus_localdisk {
	bool given;
	const char *device_path;
	bool disable_gpt;
};

struct nydus_localfs {
	bool given;
	const char *blob_file, *dir;
	const json_t *alt_dirs;
	const json_t *readahead; /* any value, NULL if not given: nydusd no longer knows it */
};

/* oss, which has no region, and s3. */
struct nydus_store {
	bool given;
	const char *scheme; /* "https" where not given */
	const char *endpoint, *region, *bucket_name, *object_prefix;
	const char *access_key_id, *access_key_secret; /* secrets */
	struct nydus_http http;
};

struct nydus_registry {
	bool given;
	const char *scheme; /* "https" where not given */
	const char *host, *repo;
	const char *auth, *registry_token; /* secrets; NULL: not given */
	const char *blob_url_scheme, *blob_redirected_host;
	struct nydus_http http;
};

struct nydus_http_proxy {
	bool given;
	const char *addr; /* http://, https:// or an absolute path. That such a path exists is for the mount to see */
	const char *path;
	struct nydus_http http;
};

struct nydus_backend {
	bool given;
	const char *type; /* one of the names of the members below, whose given is true */
	struct nydus_localdisk localdisk;
	struct nydus_localfs localfs;
	struct nydus_store oss, s3;
	struct nydus_registry registry;
	struct nydus_http_proxy http_proxy;
};

/* threads 8, batch_size 1 MiB where the table is there and does not say; else all 0. */
struct nydus_prefetch {
	bool given, enable;
	uint64_t threads, batch_size; /* batch_size: bytes */
	uint64_t bandwidth_limit;     /* bytes a second; 0: no limit */
	bool prefetch_all, stream_prefetch;
};

struct nydus_filecache {
	bool given;
	const char *work_dir; /* "." where not given */
	bool disable_indexed_map, enable_encryption, enable_convergent_encryption;
	const char *encryption_key; /* secret; hexadecimal */
};

struct nydus_fscache {
	bool given;
	const char *work_dir;
};

struct nydus_cache {
	bool given;
	const char *type; /* "blobcache" or "filecache", which are one, "fscache", "dummycache" or "" */
	bool compressed, validate;
	struct nydus_prefetch prefetch; /* version 1: that of rafs, where it is enabled, else none but prefetch_all */
	struct nydus_filecache filecache;
	struct nydus_fscache fscache;
};

struct nydus_rafs {
	bool given;
	const char *mode;    /* "direct" or "cached" */
	uint64_t batch_size; /* bytes; 1 MiB where not given */
	bool validate, enable_xattr, iostats_files, access_pattern, latest_read_files;
	struct nydus_prefetch prefetch;
};

struct nydus_overlay {
	bool given;
	const char *upper_dir, *work_dir;
};

/* id_mapping: [inside, outside, count]. Users and groups inside.. of the image are shown as outside.. */
struct nydus_idmap {
	bool given; /* and count is not 0 */
	uint32_t inside, outside, count;
};

struct nydus_config {
	uint64_t version; /* 2, whatever the text's was */
	const char *id;   /* device.id of version 1 */
	struct nydus_backend backend;
	const json_t *external_backends; /* list of {patch, type, config}, NULL if empty */
	struct nydus_cache cache;
	struct nydus_rafs rafs;
	struct nydus_overlay overlay;
	struct nydus_idmap idmap;
	const char *unused; /* one line: names of the fields of the text that nothing uses, ", " between; "" if none */
	json_t *root;       /* holds the texts */
};

/*
 * Reads and checks a text of len bytes: JSON of version 2, TOML of version 2, JSON of version 1, in this order; as
 * nydusd does, unknown fields are ignored and wrong types are not. 0, or -EINVAL with "failed to parse configuration
 * information: ..." or "invalid configuration: ...", -ENOMEM. Opens nothing. Any thread.
 */
int nydus_config_read(struct nydus_config **config, const char *text, size_t len, struct graft_error *err);
/* NULL is fine. */
void nydus_config_free(struct nydus_config *config);

/*
 * Can an image be mounted with it? It needs backend, cache and rafs, and a backend that is built in. 0 or -EINVAL with
 * the sentence for who asked for the mount.
 */
int nydus_config_mountable(const struct nydus_config *config, struct graft_error *err);

size_t nydus_config_count(const json_t *texts);
/* i < count. */
const char *nydus_config_item(const json_t *texts, size_t i);

/*
 * The whole as an object of version 2, every field in nydusd's order. secrets false: passwords, keys and tokens are ""
 * or null, and URLs have no user and password. The caller's to drop; NULL when out of memory.
 */
json_t *nydus_config_show(const struct nydus_config *config, bool secrets);

/*
 * Layers that the mount of an image with this configuration needs, as keys of a [mount] section: `add` gets "layers"
 * first, outermost first, then the layers' own ("idmap.uid", "overlay.upper-dir"); it is not called where there is
 * none. Texts are valid during the call. A result of add other than 0 ends it and is returned. 0, -EINVAL with err.
 */
int nydus_config_layers(const struct nydus_config *config,
			int (*add)(void *arg, const char *name, const char *value, struct graft_error *err), void *arg,
			struct graft_error *err);

#endif
