/* SPDX-License-Identifier: Apache-2.0 */
/* Read-ahead and prefetch: what comes without being asked for, and how much of it. */
#include "rafs_engine_world.h"

#include "lib/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* cmocka.h wants these first */
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static unsigned char bytes[1 << 20];

static uint64_t count(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

static void wait_for_prefetch(struct world *w)
{
	for (int i = 0; i < 1000 && reader_prefetching(w->reader); i++)
		usleep(10000);
	assert_false(reader_prefetching(w->reader));
}

/* Once it has ended the last pieces may still be on their way. */
static void wait_for_plain(struct world *w, uint64_t want)
{
	const uint64_t *got = &reader_counters(w->reader)->plain_bytes;

	for (int i = 0; i < 1000 && count(got) < want; i++)
		usleep(10000);
	assert_true(count(got) >= want);
}

/* Until nobody has asked it for anything for a while. */
static void wait_for_backend(struct world *w)
{
	for (uint64_t reads = UINT64_MAX; reads != atomic_load(&w->front.reads); usleep(200000))
		reads = atomic_load(&w->front.reads);
}

static uint64_t read_in_order(struct world *w, const char *path)
{
	struct rafs_inode inode = world_inode(w, path);

	for (uint64_t off = 0; off < inode.size; off += 4096) {
		int64_t got = reader_wait(w->reader, &inode, off, bytes, 4096);

		assert_int_equal(got, inode.size - off < 4096 ? inode.size - off : 4096);
	}
	return inode.size;
}

/* A file of many small chunks: most of them come before they are asked for; off, none do. */
static void test_sequential(void **state)
{
	struct world w;

	(void)state;
	for (int on = 0; on < 2; on++) {
		world_make(&w, "v5-chunk4k");
		w.config.readahead = on ? 1 << 20 : 0;
		world_open(&w, true);
		read_in_order(&w, "chunks/dup-a");
		const struct reader_counters *c = reader_counters(w.reader);
		if (on)
			assert_true(count(&c->readahead_bytes) > 0);
		else
			assert_int_equal(count(&c->readahead_bytes), 0);
		world_close(&w);
		world_drop(&w);
	}
}

/* A first read brings its surroundings, not the blob: the window is bounded. */
static void test_window(void **state)
{
	struct world w;

	(void)state;
	world_make(&w, "v6-chunk64k");
	w.config.readahead = 128 << 10;
	world_open(&w, true);
	struct rafs_inode inode = world_inode(&w, "chunks/dup-a");
	assert_int_equal(reader_wait(w.reader, &inode, 0, bytes, 1), 1);
	usleep(300000);
	/* One chunk for the reader, and a window that ends with the chunk that fills it. */
	uint64_t plain = count(&reader_counters(w.reader)->plain_bytes);
	assert_true(plain > 0 && plain <= (64 + 128 + 64) << 10);
	world_close(&w);
	world_drop(&w);
}

static void test_prefetch_all(void **state)
{
	static const char *const images[] = {"v5-zstd", "v6-zstd", "v6-batch", "v6-zran"};
	struct world w;

	(void)state;
	for (size_t i = 0; i < sizeof(images) / sizeof(images[0]); i++) {
		world_make(&w, images[i]);
		w.front.hide_fd = true;
		world_open(&w, true);
		assert_int_equal(reader_prefetch(w.reader, NULL, 0, true), 0);
		wait_for_prefetch(&w);
		const struct reader_counters *c = reader_counters(w.reader);
		wait_for_plain(&w, 300000);
		/* All that a reader wants is there: the backend is not asked again. */
		wait_for_backend(&w);
		assert_int_equal(count(&c->prefetched_bytes), count(&c->plain_bytes));
		assert_int_equal(count(&c->misses), 0);
		uint64_t before = atomic_load(&w.front.reads);
		world_compare(&w, i == 3 ? "expected-tar.jsonl" : "expected.jsonl", 65536);
		assert_int_equal(atomic_load(&w.front.reads), before);
		assert_true(count(&c->prefetch_requests) > 0 &&
			    count(&c->prefetch_chunks) >= count(&c->prefetch_requests));
		assert_true(count(&c->prefetch_bytes) > 0 && count(&c->prefetch_bytes) <= w.front.backend.meter.bytes);
		assert_true(count(&c->prefetch_ns) > 0 && count(&c->prefetch_begin) <= count(&c->prefetch_end));
		assert_true(count(&c->cached_chunks) >= count(&c->fetched_chunks));
		world_close(&w);
		world_drop(&w);
	}
}

/* What is read in place is prefetched as well, in pieces as they lie in the blob, into the kernel's memory. */
static void test_prefetch_in_place(void **state)
{
	static const char *const images[] = { "v5-none", "v6-none" };
	struct world w;

	(void)state;
	for (size_t i = 0; i < sizeof(images) / sizeof(images[0]); i++) {
		world_make(&w, images[i]);
		world_open(&w, true);
		const struct reader_counters *c = reader_counters(w.reader);
		assert_int_equal(reader_prefetch(w.reader, NULL, 0, true), 0);
		wait_for_prefetch(&w);
		uint64_t size = world_inode(&w, "chunks/dup-a").size;
		assert_true(count(&c->prefetch_bytes) > size);
		assert_true(count(&c->prefetch_chunks) > count(&c->prefetch_requests));
		assert_int_equal(count(&c->fetched_bytes) + count(&c->cached_chunks), 0);
		/* Reads of the blob itself are the backend's, also those that need no check any more. */
		read_in_order(&w, "chunks/dup-a");
		uint64_t before = w.front.backend.meter.bytes;
		assert_int_equal(read_in_order(&w, "chunks/dup-a"), size);
		assert_int_equal(w.front.backend.meter.bytes - before, size);
		world_close(&w);
		world_drop(&w);
	}
}

/* The image's own table, and a list with a path that is not there. */
static void test_prefetch_some(void **state)
{
	static const char *const images[] = {"v5-prefetch", "v6-prefetch"};
	static const char *const paths[] = {"/nowhere", "/chunks/dup-a"};
	struct world w;

	(void)state;
	for (int i = 0; i < 4; i++) {
		world_make(&w, images[i % 2]);
		w.config.readahead = 0;
		world_open(&w, true);
		assert_int_equal(reader_prefetch(w.reader, i < 2 ? NULL : paths, i < 2 ? 0 : 2, false), 0);
		wait_for_prefetch(&w);
		wait_for_plain(&w, world_inode(&w, "chunks/dup-a").size);
		if (i >= 2)
			assert_true(world_said(&w, "/nowhere"));
		wait_for_backend(&w);
		uint64_t before = atomic_load(&w.front.reads);
		assert_true(read_in_order(&w, "chunks/dup-a") > 0);
		assert_int_equal(atomic_load(&w.front.reads), before);
		world_close(&w);
		world_drop(&w);
	}
}

/* A bound on its pace, and an end in the middle: at once. */
static void test_prefetch_ends(void **state)
{
	struct world w;

	(void)state;
	world_make(&w, "v6-lz4_block");
	w.config.bandwidth = 1; /* a byte a second */
	world_open(&w, true);
	assert_int_equal(reader_prefetch(w.reader, NULL, 0, true), 0);
	wait_for_plain(&w, 1);
	usleep(200000);
	assert_true(reader_prefetching(w.reader));
	uint64_t before = clock_ns(CLOCK_MONOTONIC);
	world_close(&w);
	assert_true(clock_ns(CLOCK_MONOTONIC) - before < UINT64_C(10000000000));
	world_drop(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sequential),        cmocka_unit_test(test_window),
		cmocka_unit_test(test_prefetch_all),      cmocka_unit_test(test_prefetch_some),
		cmocka_unit_test(test_prefetch_in_place), cmocka_unit_test(test_prefetch_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
