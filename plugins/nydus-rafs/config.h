/* SPDX-License-Identifier: Apache-2.0 */
/* How an image is to be served: keys and nydusd's configuration put together, keys first. */
#ifndef GRAFT_NYDUS_RAFS_CONFIG_H
#define GRAFT_NYDUS_RAFS_CONFIG_H

#include "nydus/config.h"
#include "options.h"
#include "rafs/blob/backend.h"
#include "rafs/engine/reader.h"

#define NR_READAHEAD UINT32_C(0x800000) /* bytes, where nothing is said */
#define NR_DIRS_MAX 16                  /* alt_dirs */

enum nr_prefetch { NR_PREFETCH_OFF, NR_PREFETCH_TABLE, NR_PREFETCH_LIST };

/* Constant. Texts are the settings' and nydus's: they live until nr_config_drop_texts. */
struct nr_config {
	struct nydus_config *nydus;  /* owned; NULL: there is none */
	const char **alt_dirs;       /* owned; backend's */
	struct backend_spec backend; /* localfs without dir and file: beside an image that is inlined in its blob */
	const char *cache_dir;       /* NULL: no cache; relative: of the configuration's, without a sandbox only */
	bool cache_raw;
	bool cache_unmapped; /* of v5 images: without a chunk map */
	bool cache_all; /* as nydusd, which copies what can be read in place, too */
	struct reader_secret secret;
	uint64_t cache_limit; /* bytes; 0: none */
	uint32_t validate;    /* enum reader_validate, of v5 images */
	uint32_t validate_v6; /* the same, of v6 images */
	uint32_t prefetch;    /* enum nr_prefetch */
	bool prefetch_all;    /* and after it everything else */
	const char **paths;   /* of NR_PREFETCH_LIST; owned */
	size_t npaths;
	uint32_t file_stats; /* enum file_stats_what, or'ed */
	uint64_t bandwidth; /* bytes a second; 0: no limit */
	uint32_t threads, readahead;
};

/* Who hears what is worth a line of the log. */
struct nr_log {
	void (*say)(void *arg, int level, const char *text); /* enum graft_log_level */
	void *arg;
};

/*
 * text: nydusd's configuration, len bytes; NULL: none. The log gets one line with the names of what in it is not used,
 * if there is any. 0, or -EINVAL, -ENOMEM with err; nr_config_free in every case.
 */
int nr_config_settle(struct nr_config *c, const struct nr_settings *set, const char *text, size_t len,
		     const struct nr_log *log, struct graft_error *err);
/* What only opening the image needed; backend.kind and paths stay. */
void nr_config_drop_texts(struct nr_config *c);
void nr_config_free(struct nr_config *c);

#endif
