/* SPDX-License-Identifier: Apache-2.0 */
/* nydusd's configuration of an image, JSON, version 1 or 2: each field is used, known to mean nothing here, or refused.
 */
#ifndef GRAFT_NYDUS_RAFS_CONFIG_JSON_H
#define GRAFT_NYDUS_RAFS_CONFIG_JSON_H

#include "lib/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONFIG_JSON_MAX (1u << 20) /* bytes of text */
#define CONFIG_JSON_DIRS_MAX 16
#define CONFIG_JSON_AMPLIFY UINT64_C(0x10000000) /* bytes: the greatest amplify_io and merging_size */

/* fs_prefetch of version 1, rafs.prefetch and cache.prefetch of version 2. */
struct config_prefetch {
	bool given, enable, all;
	uint64_t threads, batch; /* checked, not used: the server's workers do it, chunk by chunk */
	uint64_t bandwidth;      /* bytes a second; 0: no limit */
};

/* What a text says, both versions in one form. Texts and lists live in root. */
struct config_json {
	json_t *root;
	/* backend */
	const char *backend;                  /* "localfs" or "localdisk" */
	const char *dir, *blob_file, *device; /* NULL or absolute */
	const char *alt_dirs[CONFIG_JSON_DIRS_MAX];
	uint32_t alt_count;
	bool disable_gpt;
	/* cache */
	const char *cache;    /* "", "blobcache" or "filecache"; NULL: no cache either */
	const char *work_dir; /* NULL: no cache; may be relative */
	bool compressed, cache_validate;
	bool encrypted, convergent;
	const char *encryption_key; /* hexadecimal, or anything; NULL */
	/* rafs */
	const char *mode; /* "direct" or "cached": there is no difference here */
	bool validate;
	uint64_t amplify; /* bytes; UINT64_MAX: not given */
	struct config_prefetch prefetch, cache_prefetch;
};

/*
 * Reads and checks a text. warn is called at most once, with the names of unknown fields, which are ignored as nydusd
 * does. 0, or -EINVAL with what is wrong by the name of the field; config_json_free in every case.
 */
int config_json_read(struct config_json *c, const char *text, void (*warn)(void *arg, const char *text), void *arg,
		     struct graft_error *err);
void config_json_free(struct config_json *c);

#endif
