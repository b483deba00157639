/* SPDX-License-Identifier: Apache-2.0 */
/* The files a client was shown, in the order of its listings, and what was done about each. Not thread-safe. */
#ifndef GRAFT_NYDUS_RAFS_TAPE_H
#define GRAFT_NYDUS_RAFS_TAPE_H

#include <stdbool.h>
#include <stdint.h>

#define TAPE_FIRST 1024  /* files that there is room for at first */
#define TAPE_MAX   65536 /* and at most: 768 KiB. Older ones are forgotten */
#define TAPE_NODE_MAX (UINT32_MAX >> 1)

/* Zeroed: empty. Positions count up without end; those from tape_begin on are there. */
struct tape {
	uint32_t *nodes;  /* by position % room; the highest bit is the mark */
	uint32_t *places; /* 2 * room: position + 1, lowest 32 bits, by node; 0: none */
	uint32_t room;    /* a power of two; 0 before the first */
	uint64_t end;     /* behind the last */
};

void tape_free(struct tape *t);
/* Adds a file, unmarked. Left out: a node above TAPE_NODE_MAX, or memory is out. */
void tape_add(struct tape *t, uint64_t node);
/* Where it was added last. False: it is not there. */
bool tape_find(const struct tape *t, uint64_t node, uint64_t *at);

static inline uint64_t tape_begin(const struct tape *t)
{
	return t->end > t->room ? t->end - t->room : 0;
}

/* at: tape_begin <= at < end. */
static inline uint64_t tape_node(const struct tape *t, uint64_t at)
{
	return t->nodes[at % t->room] & TAPE_NODE_MAX;
}

static inline bool tape_marked(const struct tape *t, uint64_t at)
{
	return t->nodes[at % t->room] > TAPE_NODE_MAX;
}

static inline void tape_mark(struct tape *t, uint64_t at, bool mark)
{
	t->nodes[at % t->room] = (uint32_t)tape_node(t, at) | (mark ? TAPE_NODE_MAX + 1 : 0);
}

#endif
