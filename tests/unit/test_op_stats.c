/* SPDX-License-Identifier: Apache-2.0 */
/* Statistics by opcode: sums, bucket bounds, many writers and a reader at once, and what an object costs in memory. */
#include "server/op_stats.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define THREADS (SHARD_COUNT + 2) /* one for each shard, and three for the shared one */
#define ROUNDS 20000

void *__real_mmap(void *at, size_t len, int prot, int flags, int fd, off_t off);
void *__wrap_mmap(void *at, size_t len, int prot, int flags, int fd, off_t off);

/* What op_stats_new mapped last; NULL: the next one fails. */
static struct {
	bool fails;
	void *at;
	size_t len;
} map;

void *__wrap_mmap(void *at, size_t len, int prot, int flags, int fd, off_t off)
{
	if (map.fails) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	map.at = __real_mmap(at, len, prot, flags, fd, off);
	map.len = len;
	return map.at;
}

static void test_bounds(void **state)
{
	(void)state;
	assert_int_equal(op_stats_bound(0), 1000);
	assert_int_equal(op_stats_bound(1), 4000);
	assert_int_equal(op_stats_bound(2), 16000);
	assert_int_equal(op_stats_bound(10), 1048576000);
	assert_true(op_stats_bound(11) == UINT64_MAX);
	assert_true(op_stats_bound(1000) == UINT64_MAX);
}

/* Each bucket takes its bound and what lies a nanosecond above the one before. */
static void test_buckets(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < OP_STATS_BUCKETS; i++) {
		struct op_stats *s = op_stats_new();
		struct op_sum sum;

		assert_non_null(s);
		op_stats_count(s, 0, FUSE_READ, false, i ? op_stats_bound(i - 1) + 1 : 0);
		op_stats_count(s, 0, FUSE_READ, false, op_stats_bound(i));
		op_stats_read(s, FUSE_READ, &sum);
		assert_int_equal(sum.count, 2);
		for (uint32_t k = 0; k < OP_STATS_BUCKETS; k++)
			assert_int_equal(sum.buckets[k], k == i ? 2 : 0);
		op_stats_free(s);
	}
}

/* Each class takes its bounds, and nothing else does. */
static void test_reads(void **state)
{
	static const uint64_t times[] = IO_READ_TIMES;
	struct op_stats *s = op_stats_new(), *all = op_stats_new();
	struct op_reads sum;
	struct op_sum bytes;

	(void)state;
	assert_non_null(s);
	for (uint32_t i = 0; i < IO_SIZES; i++) {
		uint64_t least = i ? io_size_bound(i - 1) + 1 : 0;

		assert_int_equal(io_size_class(least), i);
		assert_int_equal(io_size_class(io_size_bound(i)), i);
		op_stats_count_read(s, i, least, i ? times[i - 1] + 1 : 0);
		op_stats_count_read(s, UINT32_MAX, least, times[i]);
		op_stats_reads(s, &sum);
		for (uint32_t k = 0; k < IO_SIZES; k++) {
			assert_int_equal(sum.sizes[k], k <= i ? 2 : 0);
			assert_int_equal(sum.times[k], k <= i ? 2 : 0);
		}
	}
	op_stats_read(s, FUSE_READ, &bytes);
	assert_int_equal(bytes.bytes, 2 * (1 + 4 + 16 + 64 + 128 + 512 + 1024) << 10);
	op_stats_merge(all, s);
	op_stats_reads(all, &sum);
	for (uint32_t k = 0; k < IO_SIZES; k++)
		assert_int_equal(sum.sizes[k] + sum.times[k], 4);
	op_stats_free(s);
	op_stats_free(all);
}

static void test_sums(void **state)
{
	struct op_stats *s = op_stats_new();
	struct op_sum sum;

	(void)state;
	assert_non_null(s);
	op_stats_read(s, FUSE_LOOKUP, &sum);
	assert_int_equal(sum.count + sum.errors + sum.total_ns, 0);
	for (uint32_t shard = 0; shard < 2 * OP_STATS_SHARDS; shard++) {
		op_stats_count(s, shard, FUSE_LOOKUP, false, 100);
		op_stats_count(s, shard, FUSE_LOOKUP, true, 10000);
		op_stats_count_bytes(s, shard, FUSE_LOOKUP, 4096);
	}
	op_stats_read(s, FUSE_LOOKUP, &sum);
	assert_int_equal(sum.count, 4 * OP_STATS_SHARDS);
	assert_int_equal(sum.errors, 2 * OP_STATS_SHARDS);
	assert_int_equal(sum.total_ns, 2 * OP_STATS_SHARDS * 10100);
	assert_int_equal(sum.bytes, 2 * OP_STATS_SHARDS * 4096);
	assert_int_equal(sum.buckets[0], 2 * OP_STATS_SHARDS);
	assert_int_equal(sum.buckets[2], 2 * OP_STATS_SHARDS);
	op_stats_read(s, FUSE_GETATTR, &sum);
	assert_int_equal(sum.count, 0);
	/* The last opcode has its place; what is not one counts as unknown and reads as nothing. */
	op_stats_count(s, 0, GRAFT_OP_COUNT - 1, false, 1);
	op_stats_count(s, 0, GRAFT_OP_COUNT, false, 1);
	op_stats_count(s, UINT32_MAX, UINT32_MAX, true, UINT64_MAX);
	op_stats_count_bytes(s, UINT32_MAX, UINT32_MAX, 3);
	op_stats_read(s, GRAFT_OP_COUNT - 1, &sum);
	assert_int_equal(sum.count, 1);
	op_stats_read(s, 0, &sum);
	assert_int_equal(sum.count, 2);
	assert_int_equal(sum.bytes, 3);
	assert_int_equal(sum.errors, 1);
	assert_int_equal(sum.buckets[OP_STATS_BUCKETS - 1], 1);
	op_stats_read(s, GRAFT_OP_COUNT, &sum);
	assert_int_equal(sum.count, 0);
	op_stats_free(s);
	op_stats_free(NULL);
}

/* Each shard but the shared one has one owner at a time. */
static void test_claims(void **state)
{
	_Atomic uint32_t taken = 0;
	_Atomic uint64_t counter = 0;
	uint32_t seen = 0;

	(void)state;
	for (uint32_t i = 1; i < SHARD_COUNT; i++) {
		uint32_t shard = shard_claim(&taken);

		assert_in_range(shard, 1, SHARD_COUNT - 1);
		assert_false(seen & 1u << shard);
		seen |= 1u << shard;
	}
	assert_int_equal(shard_claim(&taken), SHARD_SHARED);
	shard_release(&taken, SHARD_SHARED);
	assert_int_equal(shard_claim(&taken), SHARD_SHARED);
	shard_release(&taken, 3);
	assert_int_equal(shard_claim(&taken), 3);
	shard_add(&counter, SHARD_SHARED, 2, memory_order_release);
	shard_add(&counter, 3, 3, memory_order_release);
	assert_int_equal(counter, 5);
}

static void test_merge(void **state)
{
	struct op_stats *all = op_stats_new(), *one = op_stats_new();
	struct op_sum sum;

	(void)state;
	assert_non_null(all);
	assert_non_null(one);
	op_stats_count(all, 0, FUSE_READ, false, 100);
	for (uint32_t shard = 0; shard < OP_STATS_SHARDS; shard++) {
		op_stats_count(one, shard, FUSE_READ, true, 5000);
		op_stats_count(one, shard, GRAFT_OP_COUNT - 1, false, UINT32_MAX);
		op_stats_count_bytes(one, shard, FUSE_READ, 1000);
	}
	op_stats_merge(all, one);
	op_stats_read(all, FUSE_READ, &sum);
	assert_int_equal(sum.count, 1 + OP_STATS_SHARDS);
	assert_int_equal(sum.errors, OP_STATS_SHARDS);
	assert_int_equal(sum.total_ns, 100 + OP_STATS_SHARDS * 5000);
	assert_int_equal(sum.bytes, OP_STATS_SHARDS * 1000);
	assert_int_equal(sum.buckets[0], 1);
	assert_int_equal(sum.buckets[2], OP_STATS_SHARDS);
	op_stats_read(all, GRAFT_OP_COUNT - 1, &sum);
	assert_int_equal(sum.count, OP_STATS_SHARDS);
	assert_int_equal(sum.buckets[OP_STATS_BUCKETS - 1], OP_STATS_SHARDS);
	/* What was merged is left as it was. */
	op_stats_read(one, FUSE_READ, &sum);
	assert_int_equal(sum.count, OP_STATS_SHARDS);
	op_stats_free(one);
	op_stats_free(all);
}

struct writer {
	struct op_stats *stats;
	uint32_t shard;
};

static void *write_some(void *arg)
{
	struct writer *w = arg;

	for (uint32_t i = 0; i < ROUNDS; i++)
		op_stats_count(w->stats, w->shard, i % 2 ? FUSE_READ : FUSE_WRITE, i % 8 == 1, 500);
	return NULL;
}

/* More writers than shards, and somebody who reads meanwhile: nothing gets lost and nothing counts down. */
static void test_threads(void **state)
{
	struct op_stats *s = op_stats_new();
	struct writer writers[THREADS];
	pthread_t threads[THREADS];
	struct op_sum sum;
	uint64_t before = 0;

	(void)state;
	assert_non_null(s);
	for (uint32_t i = 0; i < THREADS; i++) {
		writers[i] = (struct writer){ s, i };
		assert_int_equal(pthread_create(&threads[i], NULL, write_some, &writers[i]), 0);
	}
	do {
		op_stats_read(s, FUSE_READ, &sum);
		assert_true(sum.count >= before);
		assert_true(sum.count <= THREADS * ROUNDS / 2);
		before = sum.count;
	} while (before < THREADS * ROUNDS / 4);
	for (uint32_t i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (uint32_t op = FUSE_READ; op <= FUSE_WRITE; op++) {
		op_stats_read(s, op, &sum);
		assert_int_equal(sum.count, THREADS * ROUNDS / 2);
		assert_int_equal(sum.total_ns, THREADS * ROUNDS / 2 * 500);
		assert_int_equal(sum.errors, op == FUSE_READ ? THREADS * ROUNDS / 8 : 0);
	}
	op_stats_free(s);
}

static size_t pages_there(void)
{
	unsigned char in[64];
	size_t n = 0, pages = map.len / (size_t)sysconf(_SC_PAGESIZE);

	assert_true(pages <= sizeof(in));
	assert_int_equal(mincore(map.at, map.len, in), 0);
	for (size_t i = 0; i < pages; i++)
		n += in[i] & 1;
	return n;
}

/* An object that nobody counted in has no page; one queue's reads take one, and reading does not take more. */
static void test_memory(void **state)
{
	struct op_stats *s = op_stats_new();

	(void)state;
	assert_non_null(s);
	assert_int_equal(pages_there(), 0);
	for (uint32_t i = 0; i < 100; i++)
		op_stats_count(s, 1, FUSE_READ, false, i * 100000);
	op_stats_count_read(s, 1, 2 << 20, UINT64_MAX);
	assert_int_equal(pages_there(), 1);
	op_stats_free(s);
	map.fails = true;
	assert_null(op_stats_new());
	map.fails = false;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bounds),  cmocka_unit_test(test_buckets), cmocka_unit_test(test_reads),
		cmocka_unit_test(test_sums),    cmocka_unit_test(test_claims),  cmocka_unit_test(test_merge),
		cmocka_unit_test(test_threads), cmocka_unit_test(test_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
