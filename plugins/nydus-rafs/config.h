/* SPDX-License-Identifier: Apache-2.0 */
/* How an image is to be served: keys and nydusd's JSON text put together, keys first. */
#ifndef GRAFT_NYDUS_RAFS_CONFIG_H
#define GRAFT_NYDUS_RAFS_CONFIG_H

#include "config_json.h"
#include "options.h"
#include "rafs/blob/backend.h"
#include "rafs/engine/reader.h"

#define NR_READAHEAD UINT32_C(0x800000) /* bytes, where nothing is said */

enum nr_prefetch { NR_PREFETCH_OFF, NR_PREFETCH_TABLE, NR_PREFETCH_LIST };

/* Constant. Texts are the settings' and the JSON's: they live until nr_config_free. */
struct nr_config {
	struct config_json json;
	struct backend_spec backend; /* localfs without dir and file: beside an image that is inlined in its blob */
	const char *cache_dir;       /* NULL: no cache */
	char *own_dir;               /* cache_dir, if it was relative */
	bool cache_raw;
	bool cache_all; /* as nydusd, which copies what can be read in place, too */
	struct reader_secret secret;
	uint64_t cache_limit; /* bytes; 0: none */
	uint32_t validate;    /* enum reader_validate, of v5 images */
	uint32_t validate_v6; /* the same, of v6 images */
	uint32_t prefetch;    /* enum nr_prefetch */
	bool prefetch_all;    /* and after it everything else */
	const char **paths;   /* of NR_PREFETCH_LIST; owned */
	size_t npaths;
	uint64_t bandwidth; /* bytes a second; 0: no limit */
	uint32_t threads, readahead;
};

/* warn as in config_json_read. 0, or -EINVAL, -ENOMEM with err; nr_config_free in every case. */
int nr_config_settle(struct nr_config *c, const struct nr_settings *set, void (*warn)(void *arg, const char *text),
		     void *arg, struct graft_error *err);
void nr_config_free(struct nr_config *c);

#endif
