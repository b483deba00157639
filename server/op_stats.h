/* SPDX-License-Identifier: Apache-2.0 */
/* Statistics of requests by opcode: count, errors, latency histogram. One for each mount, one for the server's own. */
#ifndef GRAFT_SERVER_OP_STATS_H
#define GRAFT_SERVER_OP_STATS_H

#include "lib/io_class.h"
#include "server/shard.h"

#include <graftfs/fuse.h>
#include <stdbool.h>
#include <stdint.h>

/* Written by many queues without a shared cache line: a block of counters for each shard (shard.h); readers sum up. */
#define OP_STATS_SHARDS SHARD_COUNT
#define OP_STATS_BUCKETS 12 /* upper bounds 1, 4, 16 us ... 1 s (4^i us, i = 0..10), and everything above */

struct op_stats;

/* Zeroed; NULL when out of memory. Pages that nobody counts in take no memory. */
struct op_stats *op_stats_new(void);
void op_stats_free(struct op_stats *s);

/* The shard's thread, any for SHARD_SHARED; opcode below GRAFT_OP_COUNT (0: unknown ones). */
void op_stats_count(struct op_stats *s, uint32_t shard, uint32_t opcode, bool error, uint64_t ns);

/* Any thread: file data that a request moved, if it was any. */
void op_stats_count_bytes(struct op_stats *s, uint32_t shard, uint32_t opcode, uint64_t bytes);
/* The same for a READ that succeeded, which took ns; it is counted by size and time as well. */
void op_stats_count_read(struct op_stats *s, uint32_t shard, uint64_t bytes, uint64_t ns);

/* Sums over the shards; not a snapshot: a request may be counted in one field and not yet in another. */
struct op_sum {
	uint64_t count, errors, total_ns;
	uint64_t bytes; /* of file data read or written */
	uint64_t buckets[OP_STATS_BUCKETS]; /* of this bucket alone, not cumulative */
};
void op_stats_read(const struct op_stats *s, uint32_t opcode, struct op_sum *sum);
/* READs that succeeded, by the bytes they gave and by the time they took (IO_READ_TIMES). */
struct op_reads {
	uint64_t sizes[IO_SIZES], times[IO_TIMES];
};
void op_stats_reads(const struct op_stats *s, struct op_reads *sum);
void op_sum_add(struct op_sum *to, const struct op_sum *from);
/* Adds what was counted in from; nobody counts in it any more, others may in the one it goes to. */
void op_stats_merge(struct op_stats *to, const struct op_stats *from);
/* Upper bound of a bucket in nanoseconds; UINT64_MAX for the last. */
uint64_t op_stats_bound(uint32_t bucket);

#endif
