/* SPDX-License-Identifier: Apache-2.0 */
/* A request's private memory: bump allocation, embedded first. */
#include "server/arena.h"

#include "server/quota.h"

#include <stdlib.h>

#define BLOCK_MIN 16384 /* bytes of a heap block for small pieces */

struct arena_block {
	struct arena_block *next;
	size_t size;
	_Alignas(16) unsigned char bytes[];
};

static size_t round16(size_t n)
{
	return (n + 15) & ~(size_t)15;
}

void arena_init(struct arena *a)
{
	a->used = 0;
	a->blocks = NULL;
	a->quota = NULL;
}

static void *alloc_block(struct arena *a, size_t bytes)
{
	size_t size = bytes > BLOCK_MIN ? bytes : BLOCK_MIN;
	struct arena_block *b;

	if (a->quota && !quota_take(a->quota, sizeof(*b) + size))
		return NULL;
	b = malloc(sizeof(*b) + size);
	if (!b) {
		if (a->quota)
			quota_give(a->quota, sizeof(*b) + size);
		return NULL;
	}
	b->size = size;
	b->next = a->blocks;
	a->blocks = b;
	a->used = bytes;
	return b->bytes;
}

void *arena_alloc(struct arena *a, size_t bytes)
{
	size_t size = a->blocks ? a->blocks->size : sizeof(a->embedded);
	unsigned char *base = a->blocks ? a->blocks->bytes : a->embedded;

	bytes = round16(bytes ? bytes : 1);
	if (bytes > size - a->used)
		return alloc_block(a, bytes);
	a->used += bytes;
	return base + a->used - bytes;
}

void arena_release(struct arena *a, struct arena_mark mark)
{
	while (a->blocks != mark.blocks) {
		struct arena_block *b = a->blocks;

		a->blocks = b->next;
		if (a->quota)
			quota_give(a->quota, sizeof(*b) + b->size);
		free(b);
	}
	a->used = mark.used;
}

void arena_reset(struct arena *a)
{
	arena_release(a, (struct arena_mark){ 0 });
}
