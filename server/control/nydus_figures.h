/* SPDX-License-Identifier: Apache-2.0 */
/* What mounts of type nydus-rafs count by themselves: of their backend, cache and prefetch. */
#ifndef GRAFT_SERVER_CONTROL_NYDUS_FIGURES_H
#define GRAFT_SERVER_CONTROL_NYDUS_FIGURES_H

#include "server/control/api.h"

#include <jansson.h>

/* Of one image, or the sums over several. Zeroed: of none. */
struct nydus_figures {
	uint32_t images;
	char backend[32];                   /* "localfs"; the last one's */
	uint64_t reads[IO_SIZES][IO_TIMES]; /* of the backend, by size and time (IO_BACKEND_TIMES) */
	uint64_t read_ns[IO_SIZES];
	uint64_t read_bytes, read_errors;
	json_t *files;         /* names of cache files, as an object's; NULL: none. Owned */
	uint64_t hits, misses; /* reads of clients that were at hand, and those that were not */
	uint64_t checked;      /* chunks taken from the cache with a check */
	uint64_t cached;       /* chunks brought into it */
	/* Pieces of blobs that prefetch asked for, their bytes and chunks there, and the ns that each took */
	uint64_t prefetch_requests, prefetch_bytes, prefetch_chunks, prefetch_ns;
	uint64_t prefetch_begin, prefetch_end; /* ns since 1970; 0: not yet */
};

/* The plugin's answer to "figures"; adds what the image mounted at that path counted. 0, -ENOENT, -EOPNOTSUPP, -ENOMEM,
 * -EIO. */
int nydus_figures_add(const struct control_host *host, const char *at, struct nydus_figures *f);
void nydus_figures_fini(struct nydus_figures *f);

/* A mount that has them. */
bool nydus_is_image(const struct mount_info *info);
json_t *nydus_numbers(const uint64_t *from, size_t n);
/* The answer where res is the reason that there are none; what: "GlobalMetrics". */
void nydus_no_figures(struct request *req, const char *what, int res);

#endif
