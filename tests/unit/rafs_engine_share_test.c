/* SPDX-License-Identifier: Apache-2.0 */
/* Two caches of one image with a deduplication database between them, and what goes wrong with it. */
#include "full.h"
#include "rafs/cache/dedup.h"
#include "rafs_engine_world.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* cmocka.h wants these first */
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define STEP 100000

static int open_path(void *arg, const char *path, int flags, struct graft_error *err)
{
	int fd = open(path, flags | O_CLOEXEC);

	(void)arg;
	return fd < 0 ? error_set(err, errno, "%s", path) : fd;
}

/* The database lies in the first world's folder. */
static struct dedup *open_db(const struct world *w)
{
	struct path_opener opener = {.open = open_path};
	struct graft_error err = {0};
	char path[WORLD_PATH_MAX + 8];
	struct dedup *d;

	snprintf(path, sizeof(path), "%s/cas.db", w->dir);
	if (dedup_get(&d, open(w->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), path, &opener, &err) < 0)
		fail_msg("%s", err.text);
	return d;
}

struct outcome {
	uint64_t reads, bytes, shared;
};

static struct outcome read_through(struct world *w, struct dedup *d, const char *expected)
{
	w->config.dedup = d;
	world_open(w, true);
	world_compare(w, expected, STEP);
	struct reader_counters *c = reader_counters(w->reader);
	struct outcome o = {.reads = c->backend_reads, .bytes = c->fetched_bytes, .shared = c->shared_chunks};
	assert_int_equal(c->bad_chunks, 0);
	world_close(w);
	return o;
}

/* What the first cache has the second does not fetch: chunks alone, in batches, at access points, and uncompressed. */
static void test_second_cache(void **state)
{
	static const char *const images[][2] = {
		{"v5-zstd", "expected.jsonl"},  {"v6-lz4_block", "expected.jsonl"},   {"v6-batch", "expected.jsonl"},
		{"v6-none", "expected.jsonl"},  {"v6-inline-toc", "expected.jsonl"},  {"v6-zran", "expected-tar.jsonl"},
	};

	(void)state;
	/* Under a sanitizer the first and the fourth. */
	for (size_t i = 0; i < sizeof(images) / sizeof(images[0]); i += full_count(1, 3)) {
		struct world a, b;

		world_make(&a, images[i][0]);
		world_make(&b, images[i][0]);
		struct dedup *d = open_db(&a);
		struct outcome first = read_through(&a, d, images[i][1]), second = read_through(&b, d, images[i][1]);
		assert_true(first.reads > 1 && first.bytes > 100000 && first.shared < 5);
		assert_true(second.reads == 0 && second.bytes == 0 && second.shared > 5);
		dedup_put(d);
		world_drop(&a);
		world_drop(&b);
	}
}

/* Another image with some of the same chunks: what it has not is fetched. */
static void test_other_image(void **state)
{
	struct world a, b;

	(void)state;
	world_make(&a, "v6-zstd");
	world_make(&b, "v6-merged");
	struct dedup *d = open_db(&a);
	struct outcome first = read_through(&a, d, "expected.jsonl"), second = read_through(&b, d, "expected-merged.jsonl");
	assert_true(second.shared > 5 && second.reads > 0 && second.bytes < first.bytes);
	dedup_put(d);
	world_drop(&a);
	world_drop(&b);
}

/* The first cache's file was spoilt, then removed: the second reads the right bytes, and the rows go with the mount. */
static void test_source_spoilt(void **state)
{
	char data[WORLD_PATH_MAX], command[3 * WORLD_PATH_MAX];
	struct world a, b;

	(void)state;
	world_make(&a, "v6-zstd");
	world_make(&b, "v6-zstd");
	struct dedup *d = open_db(&a);
	read_through(&a, d, "expected.jsonl");
	world_cached(&a, ".blob.data", data);
	snprintf(command, sizeof(command), "head -c 200000 /dev/zero | dd of=%s bs=4096 seek=10 conv=notrunc status=none", data);
	assert_int_equal(system(command), 0);
	assert_true(read_through(&b, d, "expected.jsonl").reads > 0);
	assert_int_equal(unlink(data), 0);
	snprintf(command, sizeof(command), "rm -r %s/cache/* %s/cache/*", a.dir, b.dir);
	assert_int_equal(system(command), 0);
	assert_true(read_through(&a, d, "expected.jsonl").shared < 5);
	dedup_put(d);
	world_drop(&a);
	world_drop(&b);
}

/* A database that breaks while it is used is told of once, and nobody's read fails. */
static void test_broken(void **state)
{
	static unsigned char junk[65536];
	char path[WORLD_PATH_MAX + 16];
	struct world a;

	(void)state;
	world_make(&a, "v6-zstd");
	struct dedup *d = open_db(&a);
	memset(junk, 0xa7, sizeof(junk));
	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/cas.db%s", a.dir, i ? "-wal" : "");
		int fd = open(path, O_WRONLY | O_CLOEXEC);
		assert_true(fd >= 0);
		assert_int_equal(pwrite(fd, junk, sizeof(junk), 0), sizeof(junk));
		close(fd);
	}
	assert_true(read_through(&a, d, "expected.jsonl").reads > 5);
	assert_true(world_said(&a, "is not used any more"));
	dedup_put(d);
	world_drop(&a);
}

/* Raw and encrypted caches take and offer nothing. */
static void test_not_shared(void **state)
{
	(void)state;
	for (int raw = 0; raw < 2; raw++) {
		struct world a;

		world_make(&a, "v5-aligned");
		struct dedup *d = open_db(&a);
		a.config.cache_raw = raw;
		a.config.secret.on = !raw;
		memset(a.config.secret.key, 7, 16);
		assert_int_equal(read_through(&a, d, "expected.jsonl").shared, 0);
		a.config.cache_raw = false;
		a.config.secret.on = false;
		dedup_put(d);
		world_drop(&a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_second_cache),   cmocka_unit_test(test_other_image),
		cmocka_unit_test(test_source_spoilt),  cmocka_unit_test(test_broken),
		cmocka_unit_test(test_not_shared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
