/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of a mount of type nydus-rafs, as the server fills them in. */
#ifndef GRAFT_NYDUS_RAFS_OPTIONS_H
#define GRAFT_NYDUS_RAFS_OPTIONS_H

#include <graftfs/plugin.h>

#define NR_THREADS_MAX 64
#define NR_READAHEAD_MAX (UINT64_C(64) << 20) /* bytes */

/* "auto", the first choice of each: as the other keys and nydusd's configuration want it. */
enum nr_opt_backend { NR_OPT_BACKEND_AUTO, NR_OPT_BACKEND_LOCALFS, NR_OPT_BACKEND_LOCALDISK };
enum nr_opt_cache { NR_OPT_CACHE_AUTO, NR_OPT_CACHE_NONE, NR_OPT_CACHE_PLAIN, NR_OPT_CACHE_COMPRESSED };
enum nr_opt_validate {
	NR_OPT_VALIDATE_AUTO,
	NR_OPT_VALIDATE_NONE,
	NR_OPT_VALIDATE_CRC,
	NR_OPT_VALIDATE_DIGEST,
	NR_OPT_VALIDATE_FULL
};
enum nr_opt_prefetch {
	NR_OPT_PREFETCH_AUTO,
	NR_OPT_PREFETCH_OFF,
	NR_OPT_PREFETCH_TABLE,
	NR_OPT_PREFETCH_LIST,
	NR_OPT_PREFETCH_ALL
};

/* Constant. Texts that were not given are NULL, numbers without a default UINT64_MAX. */
struct nr_settings {
	const char *source;
	uint32_t backend; /* enum nr_opt_backend */
	const char *blob_dir, *blob_file, *device;
	struct graft_list alt_dirs;
	uint32_t cache; /* enum nr_opt_cache */
	const char *cache_dir;
	uint64_t cache_limit; /* bytes; 0: none */
	const char *dedup_db;
	uint32_t validate;    /* enum nr_opt_validate */
	uint32_t prefetch;    /* enum nr_opt_prefetch */
	struct graft_list prefetch_list, prefetch_files;
	uint64_t prefetch_limit; /* bytes a second; 0: none */
	uint64_t threads;        /* 0: by the number of processors */
	uint64_t readahead;      /* bytes; 0: none */
	const char *config;      /* nydusd's configuration */
	const char *config_file; /* the same in a file; only one of the two may be given */
};

extern const struct graft_opt nr_options[];

#endif
