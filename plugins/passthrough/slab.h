/* SPDX-License-Identifier: Apache-2.0 */
/* Slab: items of one size under 32-bit indices, at addresses that never move, found without a lock. */
#ifndef GRAFT_PASSTHROUGH_SLAB_H
#define GRAFT_PASSTHROUGH_SLAB_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define SLAB_CHUNK 1024u       /* items that are made usable, and given back, at once */
#define SLAB_NONE  UINT32_MAX  /* no index */
#define SLAB_MAX   (1u << 30)  /* items in one slab */

struct slab_chunk;

/*
 * Address space for max items is reserved at the start; memory comes with use and goes when a whole chunk is free.
 * The slab never writes into an item: a new item holds what its last user left, or zeros. An address that slab_at gave
 * stays readable until slab_fini, so a stale index may be looked at, with atomic loads only: it must be validated by
 * something in the item before anything is written there.
 */
struct slab {
	char *base; /* constant, like item_size and max */
	size_t item_size, reserved; /* bytes */
	uint32_t max;
	_Atomic uint32_t limit; /* items below it may be touched; only grows */
	pthread_mutex_t lock;
	/* Protected by lock. */
	struct slab_chunk *chunks;
	uint32_t partial; /* list of chunks with items in use and items free */
	uint32_t empty;   /* list of chunks without an item in use, their memory given back */
	uint32_t spare;   /* a chunk without an item in use that keeps its memory: one item may come and go */
	uint32_t used;
};

/* At most max items (1 .. SLAB_MAX) of item_size bytes, a multiple of 8. 0 or -ENOMEM, -EINVAL. */
int slab_init(struct slab *s, size_t item_size, uint32_t max);
/* Nothing of the slab may be in use any more; items are not looked at. */
void slab_fini(struct slab *s);
/* Index of an item that was free; SLAB_NONE when max are in use or memory is short. Any thread. */
uint32_t slab_alloc(struct slab *s);
/* Any thread. Gives memory back when the item's chunk is empty now. */
void slab_free(struct slab *s, uint32_t index);
/* The first index in use at or behind from, SLAB_NONE at the end. */
uint32_t slab_next(struct slab *s, uint32_t from);
uint32_t slab_used(struct slab *s);

/* Address of an item, in use or not; NULL for an index that was never given out. Lock-free. */
static inline void *slab_at(const struct slab *s, uint32_t index)
{
	/* Pairs with the release store in slab.c: below limit the memory is readable. */
	if (index >= atomic_load_explicit(&s->limit, memory_order_acquire))
		return NULL;
	return s->base + (size_t)index * s->item_size;
}

/* Index of an item at an address that slab_at gave. */
static inline uint32_t slab_index(const struct slab *s, const void *item)
{
	return (uint32_t)((size_t)((const char *)item - s->base) / s->item_size);
}

#endif
