/* SPDX-License-Identifier: Apache-2.0 */
/* Slab: reserved address space, a bitmap of used items for each chunk, and lists of partly used and empty chunks. */
#include "slab.h"

#include "lib/cleanup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define WORDS (SLAB_CHUNK / 64)

struct slab_chunk {
	uint64_t used[WORDS]; /* a set bit: in use */
	uint32_t nused;
	uint32_t prev, next; /* in the partial list; next also in the empty list */
};

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

int slab_init(struct slab *s, size_t item_size, uint32_t max)
{
	size_t nchunks = ((size_t)max + SLAB_CHUNK - 1) / SLAB_CHUNK;
	size_t page = page_size();

	if (!max || max > SLAB_MAX || !item_size || item_size % 8 || item_size > 65536)
		return -EINVAL;
	memset(s, 0, sizeof(*s));
	s->item_size = item_size;
	s->max = max;
	s->partial = s->empty = s->spare = SLAB_NONE;
	s->reserved = (nchunks * SLAB_CHUNK * item_size + page - 1) / page * page;
	/* Items are not accessible yet, so not accounted: only address space. The table of chunks stands before them, as one mapping
	 * with the items in use; a heap would fill it with zeros, most of them never looked at. */
	size_t table = (nchunks * sizeof(*s->chunks) + page - 1) / page * page;
	char *all = mmap(NULL, table + s->reserved, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (all == MAP_FAILED || mprotect(all, table, PROT_READ | PROT_WRITE)) {
		if (all != MAP_FAILED)
			munmap(all, table + s->reserved);
		memset(s, 0, sizeof(*s));
		return -ENOMEM;
	}
	s->chunks = (void *)all;
	s->base = all + table;
	pthread_mutex_init(&s->lock, NULL);
	return 0;
}

void slab_fini(struct slab *s)
{
	if (!s->base)
		return;
	munmap(s->chunks, s->reserved + (size_t)(s->base - (char *)s->chunks));
	pthread_mutex_destroy(&s->lock);
	memset(s, 0, sizeof(*s));
}

static void partial_push(struct slab *s, uint32_t c)
{
	s->chunks[c].prev = SLAB_NONE;
	s->chunks[c].next = s->partial;
	if (s->partial != SLAB_NONE)
		s->chunks[s->partial].prev = c;
	s->partial = c;
}

static void partial_remove(struct slab *s, uint32_t c)
{
	struct slab_chunk *chunk = &s->chunks[c];

	if (chunk->prev != SLAB_NONE)
		s->chunks[chunk->prev].next = chunk->next;
	else
		s->partial = chunk->next;
	if (chunk->next != SLAB_NONE)
		s->chunks[chunk->next].prev = chunk->prev;
}

/* Makes one more chunk usable. Its number, or SLAB_NONE. */
static uint32_t grow(struct slab *s)
{
	uint32_t limit = atomic_load_explicit(&s->limit, memory_order_relaxed);
	size_t bytes = (size_t)SLAB_CHUNK * s->item_size;
	size_t page = page_size();
	size_t from = limit * s->item_size / page * page;
	size_t to = (limit * s->item_size + bytes + page - 1) / page * page;

	if (limit >= s->max)
		return SLAB_NONE;
	if (mprotect(s->base + from, to - from, PROT_READ | PROT_WRITE) < 0)
		return SLAB_NONE;
	/* Pairs with the acquire load in slab_at. */
	atomic_store_explicit(&s->limit, limit + SLAB_CHUNK, memory_order_release);
	return limit / SLAB_CHUNK;
}

/* A chunk with room, at the head of the partial list, or SLAB_NONE. */
static uint32_t chunk_with_room(struct slab *s)
{
	uint32_t c = s->partial;

	if (c != SLAB_NONE)
		return c;
	if (s->spare != SLAB_NONE) {
		c = s->spare;
		s->spare = SLAB_NONE;
	} else if (s->empty != SLAB_NONE) {
		c = s->empty;
		s->empty = s->chunks[c].next;
	} else {
		c = grow(s);
	}
	if (c != SLAB_NONE)
		partial_push(s, c);
	return c;
}

uint32_t slab_alloc(struct slab *s)
{
	LOCK_SCOPE(&s->lock);
	uint32_t c = s->used < s->max ? chunk_with_room(s) : SLAB_NONE;
	struct slab_chunk *chunk;
	uint32_t word = 0, bit;

	if (c == SLAB_NONE)
		return SLAB_NONE;
	chunk = &s->chunks[c];
	while (chunk->used[word] == UINT64_MAX)
		word++;
	bit = (uint32_t)__builtin_ctzll(~chunk->used[word]);
	chunk->used[word] |= UINT64_C(1) << bit;
	s->used++;
	if (++chunk->nused == SLAB_CHUNK)
		partial_remove(s, c);
	return c * SLAB_CHUNK + word * 64 + bit;
}

/* Gives back the pages that hold nothing but items of this chunk. */
static void drop_memory(struct slab *s, uint32_t c)
{
	size_t bytes = (size_t)SLAB_CHUNK * s->item_size;
	size_t page = page_size();
	size_t from = (c * bytes + page - 1) / page * page;
	size_t to = (c + 1) * bytes / page * page;

	if (from < to)
		madvise(s->base + from, to - from, MADV_DONTNEED);
}

void slab_free(struct slab *s, uint32_t index)
{
	uint32_t c = index / SLAB_CHUNK;
	uint32_t word = index % SLAB_CHUNK / 64;
	uint64_t mask = UINT64_C(1) << (index % 64);
	LOCK_SCOPE(&s->lock);
	struct slab_chunk *chunk = &s->chunks[c];

	if (!(chunk->used[word] & mask))
		return;
	if (chunk->nused == SLAB_CHUNK)
		partial_push(s, c);
	chunk->used[word] &= ~mask;
	chunk->nused--;
	s->used--;
	if (chunk->nused)
		return;
	partial_remove(s, c);
	if (s->spare == SLAB_NONE) {
		s->spare = c;
		return;
	}
	drop_memory(s, c);
	chunk->next = s->empty;
	s->empty = c;
}

uint32_t slab_next(struct slab *s, uint32_t from)
{
	LOCK_SCOPE(&s->lock);
	uint32_t limit = atomic_load_explicit(&s->limit, memory_order_relaxed);
	uint32_t i = from;

	while (i < limit) {
		const struct slab_chunk *chunk = &s->chunks[i / SLAB_CHUNK];
		uint64_t left = chunk->used[i % SLAB_CHUNK / 64] >> (i % 64);

		if (left)
			return i + (uint32_t)__builtin_ctzll(left);
		if (!chunk->nused)
			i = (i / SLAB_CHUNK + 1) * SLAB_CHUNK;
		else
			i = (i / 64 + 1) * 64;
	}
	return SLAB_NONE;
}

uint32_t slab_used(struct slab *s)
{
	LOCK_SCOPE(&s->lock);
	return s->used;
}
