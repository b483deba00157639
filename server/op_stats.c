/* SPDX-License-Identifier: Apache-2.0 */
/* Statistics of requests by opcode: a block of counters for each shard, in pages that are only there once counted in.
 */
#include "server/op_stats.h"

#include <stdalign.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>

/*
 * The number of requests is the sum of the buckets, so a request costs two additions, one that moves data three. All that a
 * request of up to 256 us touches lies in the first of the two cache lines.
 */
struct op_cell {
	alignas(64) _Atomic uint64_t total_ns;
	_Atomic uint64_t errors;
	_Atomic uint64_t bytes;
	_Atomic uint64_t buckets[OP_STATS_BUCKETS];
};

/* reads: in the page of READ's own cell. One counter is both distributions. */
struct shard {
	alignas(4096) _Atomic uint64_t reads[IO_SIZES][IO_TIMES];
	struct op_cell cells[GRAFT_OP_COUNT];
};

struct op_stats {
	struct shard shards[OP_STATS_SHARDS];
};

struct op_stats *op_stats_new(void)
{
	struct op_stats *s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (s == MAP_FAILED)
		return NULL;
	/* Objects of many mounts lie side by side: one huge page would fill them all. Where there are none this fails.
	 */
	madvise(s, sizeof(*s), MADV_NOHUGEPAGE);
	return s;
}

void op_stats_free(struct op_stats *s)
{
	if (s)
		munmap(s, sizeof(*s));
}

/* Bounds are 1000 * 4^i ns: half the bit length of the whole microseconds below ns, rounded up. */
static uint32_t bucket_of(uint64_t ns)
{
	uint64_t us = ns ? (ns - 1) / 1000 : 0;
	uint32_t i = us ? (64 - (uint32_t)__builtin_clzll(us) + 1) / 2 : 0;

	return i < OP_STATS_BUCKETS ? i : OP_STATS_BUCKETS - 1;
}

/* *shard: made one that is there. */
static struct op_cell *cell_of(struct op_stats *s, uint32_t *shard, uint32_t opcode)
{
	if (*shard >= OP_STATS_SHARDS)
		*shard = SHARD_SHARED;
	return &s->shards[*shard].cells[opcode < GRAFT_OP_COUNT ? opcode : 0];
}

void op_stats_count(struct op_stats *s, uint32_t shard, uint32_t opcode, bool error, uint64_t ns)
{
	struct op_cell *c = cell_of(s, &shard, opcode);

	shard_add(&c->buckets[bucket_of(ns)], shard, 1, memory_order_relaxed);
	shard_add(&c->total_ns, shard, ns, memory_order_relaxed);
	if (error)
		shard_add(&c->errors, shard, 1, memory_order_relaxed);
}

void op_stats_count_bytes(struct op_stats *s, uint32_t shard, uint32_t opcode, uint64_t bytes)
{
	struct op_cell *c = cell_of(s, &shard, opcode);

	shard_add(&c->bytes, shard, bytes, memory_order_relaxed);
}

static const uint64_t read_times[] = IO_READ_TIMES;

void op_stats_count_read(struct op_stats *s, uint32_t shard, uint64_t bytes, uint64_t ns)
{
	struct op_cell *c = cell_of(s, &shard, FUSE_READ);

	shard_add(&c->bytes, shard, bytes, memory_order_relaxed);
	shard_add(&s->shards[shard].reads[io_size_class(bytes)][io_time_class(read_times, ns)], shard, 1,
		  memory_order_relaxed);
}

void op_stats_reads(const struct op_stats *s, struct op_reads *sum)
{
	*sum = (struct op_reads){ 0 };
	for (uint32_t i = 0; i < OP_STATS_SHARDS * IO_SIZES * IO_TIMES; i++) {
		uint32_t size = i / IO_TIMES % IO_SIZES, time = i % IO_TIMES;
		uint64_t n = atomic_load_explicit(&s->shards[i / (IO_SIZES * IO_TIMES)].reads[size][time],
						  memory_order_relaxed);

		sum->sizes[size] += n;
		sum->times[time] += n;
	}
}

void op_stats_read(const struct op_stats *s, uint32_t opcode, struct op_sum *sum)
{
	*sum = (struct op_sum){ 0 };
	if (opcode >= GRAFT_OP_COUNT)
		return;
	for (uint32_t shard = 0; shard < OP_STATS_SHARDS; shard++) {
		const struct op_cell *c = &s->shards[shard].cells[opcode];

		sum->errors += atomic_load_explicit(&c->errors, memory_order_relaxed);
		sum->bytes += atomic_load_explicit(&c->bytes, memory_order_relaxed);
		sum->total_ns += atomic_load_explicit(&c->total_ns, memory_order_relaxed);
		for (uint32_t i = 0; i < OP_STATS_BUCKETS; i++)
			sum->buckets[i] += atomic_load_explicit(&c->buckets[i], memory_order_relaxed);
	}
	for (uint32_t i = 0; i < OP_STATS_BUCKETS; i++)
		sum->count += sum->buckets[i];
}

uint64_t op_stats_bound(uint32_t bucket)
{
	return bucket < OP_STATS_BUCKETS - 1 ? (uint64_t)1000 << (2 * bucket) : UINT64_MAX;
}

static void add(_Atomic uint64_t *to, const _Atomic uint64_t *from)
{
	uint64_t n = atomic_load_explicit(from, memory_order_relaxed);

	/* Zeros would only bring pages into memory. */
	if (n)
		shard_add(to, SHARD_SHARED, n, memory_order_relaxed);
}

void op_stats_merge(struct op_stats *to, const struct op_stats *from)
{
	for (uint32_t i = 0; i < OP_STATS_SHARDS * GRAFT_OP_COUNT; i++) {
		/* The other shards have owners, who add without locking. */
		struct op_cell *t = &to->shards[SHARD_SHARED].cells[i % GRAFT_OP_COUNT];
		const struct op_cell *f = &from->shards[i / GRAFT_OP_COUNT].cells[i % GRAFT_OP_COUNT];

		add(&t->total_ns, &f->total_ns);
		add(&t->errors, &f->errors);
		add(&t->bytes, &f->bytes);
		for (uint32_t b = 0; b < OP_STATS_BUCKETS; b++)
			add(&t->buckets[b], &f->buckets[b]);
	}
	for (uint32_t i = 0; i < OP_STATS_SHARDS * IO_SIZES * IO_TIMES; i++) {
		uint32_t size = i / IO_TIMES % IO_SIZES, time = i % IO_TIMES;

		add(&to->shards[SHARD_SHARED].reads[size][time],
		    &from->shards[i / (IO_SIZES * IO_TIMES)].reads[size][time]);
	}
}

void op_sum_add(struct op_sum *to, const struct op_sum *from)
{
	to->count += from->count;
	to->errors += from->errors;
	to->total_ns += from->total_ns;
	to->bytes += from->bytes;
	for (uint32_t i = 0; i < OP_STATS_BUCKETS; i++)
		to->buckets[i] += from->buckets[i];
}
