/* SPDX-License-Identifier: Apache-2.0 */
/* A request's private memory: an embedded block that the hot path never leaves, and heap blocks behind it. */
#ifndef GRAFT_SERVER_ARENA_H
#define GRAFT_SERVER_ARENA_H

#include <stddef.h>

#define ARENA_EMBEDDED 4096 /* bytes: names of any length and the iovecs of 256 pages */

struct arena_block;
struct quota;

/* One thread at a time: whoever runs the request. */
struct arena {
	size_t used;                /* bytes of the present block (the embedded one where blocks is NULL) */
	struct arena_block *blocks; /* newest first */
	struct quota *quota;        /* heap blocks count in it, in bytes; NULL: in none. Changed only while there are none */
	_Alignas(16) unsigned char embedded[ARENA_EMBEDDED];
};

/* A point that everything allocated later can be freed back to. */
struct arena_mark {
	struct arena_block *blocks;
	size_t used;
};

void arena_init(struct arena *a);
/* 16-byte aligned, not zeroed; NULL when out of memory, or when the quota is. The caller bounds bytes. */
void *arena_alloc(struct arena *a, size_t bytes);
static inline struct arena_mark arena_mark(const struct arena *a)
{
	return (struct arena_mark){ .blocks = a->blocks, .used = a->used };
}

/* Frees what was allocated since; the last of several marks comes first. */
void arena_release(struct arena *a, struct arena_mark mark);
/* Frees everything that was allocated. */
void arena_reset(struct arena *a);

#endif
