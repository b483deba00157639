/* SPDX-License-Identifier: Apache-2.0 */
/* A few decoded chunks and contexts in memory, for blobs that have no cache folder: bounded, least recently used go. */
#ifndef GRAFT_RAFS_PLAIN_CACHE_H
#define GRAFT_RAFS_PLAIN_CACHE_H

#include <stddef.h>
#include <stdint.h>

struct plain_cache;

/* One decoded piece, counted. bytes are constant. */
struct plain {
	size_t len;
	unsigned char bytes[];
};

/* limit: bytes in all. */
struct plain_cache *plain_cache_new(size_t limit);
void plain_cache_free(struct plain_cache *c);
/* owner and key name a piece (a blob, a chunk or context). Counted, or NULL. Any thread. */
struct plain *plain_cache_get(struct plain_cache *c, const void *owner, uint64_t key);
/* A new piece to fill, counted, not in any cache; NULL when out of memory. len <= RAFS_CHUNK_MAX. */
struct plain *plain_new(size_t len);
/* Keeps it (a count of the cache's own) if it fits; the first of two with the same name stays. */
void plain_cache_put(struct plain_cache *c, const void *owner, uint64_t key, struct plain *p);
void plain_put(struct plain *p); /* gives a count back; NULL: nothing */
/* Drops all of an owner's. */
void plain_cache_drop(struct plain_cache *c, const void *owner);

#endif
