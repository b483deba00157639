/* SPDX-License-Identifier: Apache-2.0 */
/* What ring.c and the two ring formats share. Rings are little-endian and so is every machine these tests run on. */
#ifndef GRAFT_TESTS_VRING_RING_INTERNAL_H
#define GRAFT_TESTS_VRING_RING_INTERNAL_H

#include "tests/vring/ring.h"

struct ring_slot {
	void *cookie; /* NULL: not in flight */
	uint16_t next; /* free list */
	uint16_t ndesc;
	uint32_t room;  /* writable bytes */
	uint64_t table; /* indirect table, 0 until one is needed */
};

/* A chain as both formats take it: its parts, or one part that is the indirect table. */
struct ring_chain {
	const struct ring_buf *in, *out;
	unsigned nin, nout;
	bool table;
	void *cookie;
	uint32_t room;
};

/* The operations of a format; arguments and results as in ring.h. */
void split_clear(struct ring *r);
int split_add(struct ring *r, const struct ring_chain *c);
bool split_wants_kick(const struct ring *r);
bool split_has_used(const struct ring *r);
int split_take(struct ring *r, struct ring_used *used);
void split_arm(struct ring *r);

void packed_clear(struct ring *r);
int packed_add(struct ring *r, const struct ring_chain *c);
bool packed_wants_kick(const struct ring *r);
bool packed_has_used(const struct ring *r);
int packed_take(struct ring *r, struct ring_used *used);
void packed_arm(struct ring *r);

/* Address of the indirect table of an id, allocated at its first use; 0 when memory is out. */
uint64_t ring_table(struct ring *r, uint16_t id);

/* ThreadSanitizer has no fences; what this one orders is another process's business, of which it knows nothing. */
static inline void ring_full_fence(void)
{
#if defined(__SANITIZE_THREAD__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wtsan"
#endif
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
#if defined(__SANITIZE_THREAD__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
}

/* Part i of a chain and whether the device may write it. */
static inline struct ring_buf ring_part(const struct ring_chain *c, unsigned i)
{
	return i < c->nin ? c->in[i] : c->out[i - c->nin];
}

#endif
