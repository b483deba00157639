/* SPDX-License-Identifier: Apache-2.0 */
/* Every image of tests/images read through the reader: without a cache, with an empty and a filled one, checked and not. */
#include "full.h"
#include "rafs_engine_world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka.h wants these first */
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define STEP 100000 /* bytes of one read: no multiple of anything */

struct row {
	const char *image, *expected;
};

/* clang-format off */
static const struct row rows[] = {
	{"v5-aligned", "expected.jsonl"},      {"v5-chunk4k", "expected.jsonl"},       {"v5-lz4_block", "expected.jsonl"},
	{"v5-merged", "expected-merged.jsonl"}, {"v5-none", "expected.jsonl"},         {"v5-parent", "expected-merged.jsonl"},
	{"v5-prefetch", "expected.jsonl"},     {"v5-sha256", "expected.jsonl"},        {"v5-tar", "expected-tar.jsonl"},
	{"v5-zstd", "expected.jsonl"},         {"v6-batch", "expected.jsonl"},         {"v6-chunk64k", "expected.jsonl"},
	{"v6-dict", "expected.jsonl"},         {"v6-encrypt", "expected.jsonl"},       {"v6-encrypt-batch", "expected.jsonl"},
	{"v6-inline-meta", "expected.jsonl"},  {"v6-inline-toc", "expected.jsonl"},    {"v6-lz4_block", "expected.jsonl"},
	{"v6-merged", "expected-merged.jsonl"}, {"v6-none", "expected.jsonl"},         {"v6-parent", "expected-merged.jsonl"},
	{"v6-prefetch", "expected.jsonl"},     {"v6-sha256", "expected.jsonl"},        {"v6-tar", "expected-tar.jsonl"},
	{"v6-targz", "expected-tar.jsonl"},    {"v6-zran", "expected-tar.jsonl"},      {"v6-zstd", "expected.jsonl"},
};
/* clang-format on */

/* How a reader is set up, besides the image. */
struct mode {
	bool cache, raw, hide_fd;
	uint32_t validate;
};

/* Workers may be counting still. */
static uint64_t counted(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

static void read_image(const struct row *row, const struct mode *mode, int rounds)
{
	struct world w;

	world_make(&w, row->image);
	w.config.cache_raw = mode->raw;
	w.config.validate = mode->validate;
	w.front.hide_fd = mode->hide_fd;
	for (int i = 0; i < rounds; i++) {
		world_open(&w, mode->cache);
		world_compare(&w, row->expected, STEP);
		assert_int_equal(reader_counters(w.reader)->bad_chunks, 0);
		world_close(&w);
	}
	world_drop(&w);
}

/* Under a sanitizer each mode takes every few images, each another one first: ASan's modes together take all. */
#ifdef __SANITIZE_THREAD__
#define STRIDE 9
#else
#define STRIDE 4
#endif

static void read_all(const struct mode *mode, int rounds)
{
	static size_t first;
	size_t stride = full_count(1, STRIDE);

	for (size_t i = first++ % stride; i < sizeof(rows) / sizeof(rows[0]); i += stride)
		read_image(&rows[i], mode, rounds);
}

static void test_no_cache(void **state)
{
	(void)state;
	read_all(&(struct mode){.validate = READER_VALIDATE_CRC}, 1);
}

/* The second reader finds what the first left. */
static void test_plain_cache(void **state)
{
	(void)state;
	read_all(&(struct mode){.cache = true, .validate = READER_VALIDATE_CRC}, 2);
}

static void test_raw_cache(void **state)
{
	(void)state;
	read_all(&(struct mode){.cache = true, .raw = true, .validate = READER_VALIDATE_DIGEST}, 2);
}

static void test_full_validation(void **state)
{
	(void)state;
	read_all(&(struct mode){.cache = true, .validate = READER_VALIDATE_FULL}, 2);
}

/* As over a network: nothing can be read in place. */
static void test_far_blobs(void **state)
{
	(void)state;
	read_all(&(struct mode){.cache = true, .hide_fd = true, .validate = READER_VALIDATE_NONE}, 2);
}

/* What the cache holds is read without the blob; the table of chunks and all. */
static void test_blob_gone(void **state)
{
	static const char *const images[] = {"v5-lz4_block", "v6-zstd", "v6-batch", "v6-encrypt"};
	char command[2 * WORLD_PATH_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(images) / sizeof(images[0]); i++) {
		struct world w;

		world_make(&w, images[i]);
		world_open(&w, true);
		world_compare(&w, "expected.jsonl", STEP);
		world_close(&w);
		/* Chunks stored as they are were read in place and are not in the cache: nor need they be when far away. */
		w.front.hide_fd = true;
		world_open(&w, true);
		world_compare(&w, "expected.jsonl", STEP);
		world_close(&w);
		snprintf(command, sizeof(command), "rm %s/blobs/*", w.dir);
		assert_int_equal(system(command), 0);
		world_open(&w, true);
		world_compare(&w, "expected.jsonl", STEP);
		assert_true(world_said(&w, "only what the cache holds"));
		world_close(&w);
		world_drop(&w);
	}
}

/* Once read, a file is at hand: the next read needs no worker. */
static void test_at_hand(void **state)
{
	struct rafs_inode inode;
	unsigned char bytes[3000], again[3000];
	struct iovec iov[2] = {{again, 1000}, {again + 1000, 2000}};
	struct world w;

	(void)state;
	world_make(&w, "v6-zstd");
	world_open(&w, true);
	inode = world_inode(&w, "chunks/dup-a");
	assert_int_equal(reader_try(w.reader, &inode, 1000, iov, 2), -EAGAIN);
	assert_int_equal(reader_wait(w.reader, &inode, 1000, bytes, sizeof(bytes)), sizeof(bytes));
	int64_t got = reader_try(w.reader, &inode, 1000, iov, 2);
	/* A file system that does not know RWF_NOWAIT leaves it to workers. */
	if (got != -EAGAIN) {
		assert_int_equal(got, sizeof(again));
		assert_memory_equal(bytes, again, sizeof(bytes));
		assert_int_equal(counted(&reader_counters(w.reader)->hits), 1);
		assert_true(counted(&reader_counters(w.reader)->cached_chunks) > 0);
	}
	/* The end of the file. */
	assert_int_equal(reader_wait(w.reader, &inode, inode.size, bytes, sizeof(bytes)), 0);
	assert_int_equal(reader_wait(w.reader, &inode, inode.size - 7, bytes, sizeof(bytes)), 7);
	assert_int_equal(reader_try(w.reader, &inode, inode.size + 5, iov, 2), 0);
	world_close(&w);
	world_drop(&w);
}

#define READERS 8

struct crowd {
	struct world *w;
	pthread_barrier_t start;
	_Atomic int wrong;
};

static void *read_one(void *arg)
{
	struct crowd *c = arg;
	struct rafs_inode inode = world_inode(c->w, "chunks/dup-a");
	unsigned char *bytes = malloc(inode.size);

	pthread_barrier_wait(&c->start);
	if (reader_wait(c->w->reader, &inode, 0, bytes, inode.size) != (int64_t)inode.size)
		atomic_fetch_add(&c->wrong, 1);
	free(bytes);
	return NULL;
}

/* Concurrent readers of one chunk wait for one fetch. */
static void test_one_fetch(void **state)
{
	pthread_t threads[READERS];
	struct crowd c;
	struct world w;

	(void)state;
	world_make(&w, "v6-zstd");
	w.config.readahead = 0;
	world_open(&w, true);
	/* The table is read before. */
	struct rafs_inode other = world_inode(&w, "links/hard-a");
	char byte;
	assert_int_equal(reader_wait(w.reader, &other, 0, &byte, 1), 1);
	uint64_t before = atomic_load(&w.front.reads);
	atomic_store(&w.front.nap_ms, 200);
	c.w = &w;
	atomic_init(&c.wrong, 0);
	pthread_barrier_init(&c.start, NULL, READERS);
	for (int i = 0; i < READERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, read_one, &c), 0);
	for (int i = 0; i < READERS; i++)
		pthread_join(threads[i], NULL);
	pthread_barrier_destroy(&c.start);
	assert_int_equal(atomic_load(&c.wrong), 0);
	assert_int_equal(atomic_load(&w.front.reads) - before, 1);
	world_close(&w);
	world_drop(&w);
}

static void *compare_all(void *arg)
{
	world_compare(arg, "expected.jsonl", 5000);
	return NULL;
}

/* Two mounts of one image and a crowd on each. */
static void test_two_readers(void **state)
{
	pthread_t threads[4];
	struct world w, x;

	(void)state;
	world_make(&w, "v6-batch");
	world_open(&w, true);
	x = w;
	pthread_mutex_init(&x.lock, NULL);
	world_open(&x, true);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, compare_all, i % 2 ? &w : &x), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	world_close(&x);
	world_compare(&w, "expected.jsonl", STEP);
	world_close(&w);
	pthread_mutex_destroy(&x.lock);
	world_drop(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_cache),   cmocka_unit_test(test_plain_cache), cmocka_unit_test(test_raw_cache),
		cmocka_unit_test(test_full_validation), cmocka_unit_test(test_far_blobs), cmocka_unit_test(test_blob_gone),
		cmocka_unit_test(test_at_hand),    cmocka_unit_test(test_one_fetch),   cmocka_unit_test(test_two_readers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
