/* SPDX-License-Identifier: Apache-2.0 */
/* Counters in shards: a queue that has one of its own adds to it without a locked instruction or a shared cache line. */
#ifndef GRAFT_SERVER_SHARD_H
#define GRAFT_SERVER_SHARD_H

#include <stdatomic.h>
#include <stdint.h>

/* Shard 0 is for whoever has none: further queues, and requests that went ASYNC, whose end another thread may count. */
#define SHARD_COUNT  8
#define SHARD_SHARED 0

/*
 * taken: one bit for each shard. A shard for one thread at a time until it is released, or SHARD_SHARED where none is left.
 * Acquire and release: the next owner goes on from what the last one stored.
 */
static inline uint32_t shard_claim(_Atomic uint32_t *taken)
{
	uint32_t seen = atomic_load_explicit(taken, memory_order_relaxed), bit;

	do {
		uint32_t left = ~seen & ((1u << SHARD_COUNT) - 2);

		if (!left)
			return SHARD_SHARED;
		bit = left & -left;
	} while (!atomic_compare_exchange_weak_explicit(taken, &seen, seen | bit, memory_order_acquire,
							memory_order_relaxed));
	return (uint32_t)__builtin_ctz(bit);
}

static inline void shard_release(_Atomic uint32_t *taken, uint32_t shard)
{
	if (shard != SHARD_SHARED)
		atomic_fetch_and_explicit(taken, ~(1u << shard), memory_order_release);
}

/* Adds to a counter of that shard; its owner's thread, or anybody for SHARD_SHARED. order: relaxed or release. */
static inline void shard_add(_Atomic uint64_t *counter, uint32_t shard, uint64_t n, memory_order order)
{
	if (shard == SHARD_SHARED)
		atomic_fetch_add_explicit(counter, n, order);
	else
		atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n, order);
}

#endif
