/* SPDX-License-Identifier: Apache-2.0 */
/* What goes wrong while reading: bad, short and missing blobs, a bad cache, a backend that fails, a reader that ends. */
#include "rafs_engine_world.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
/* cmocka.h wants these first */
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static unsigned char bytes[1 << 20], right[1 << 20];

/* The place of a file's first chunk in its blob and in the cache. */
static struct rafs_chunk chunk_of(struct world *w, const char *path)
{
	struct rafs_inode inode = world_inode(w, path);
	struct rafs_extent e;

	assert_int_equal(rafs_extent_at(w->image, &inode, 0, &e), 0);
	return e.chunk;
}

static int64_t read_file(struct world *w, const char *path)
{
	struct rafs_inode inode = world_inode(w, path);

	return reader_wait(w->reader, &inode, 0, bytes, inode.size);
}

/* v5 has a CRC for each chunk: a bad byte is EIO for its file, and for no other. */
static void test_bad_chunk(void **state)
{
	char blob[WORLD_PATH_MAX];
	struct world w;

	(void)state;
	world_make(&w, "v5-lz4_block");
	w.config.readahead = 0;
	world_open(&w, true);
	struct rafs_chunk chunk = chunk_of(&w, "chunks/dup-a");
	world_blob(&w, blob);
	world_spoil(blob, chunk.c_off + chunk.c_size / 2);
	assert_int_equal(read_file(&w, "chunks/dup-a"), -EIO);
	assert_true(world_said(&w, "(/chunks/dup-a)"));
	assert_true(world_said(&w, "reads of it fail"));
	/* Once is enough. */
	w.log[0] = '\0';
	assert_int_equal(read_file(&w, "chunks/dup-a"), -EIO);
	assert_false(world_said(&w, "chunk"));
	assert_true(reader_counters(w.reader)->bad_chunks >= 2);
	assert_true(read_file(&w, "links/hard-a") > 0);
	/* Mended, it can be read: nothing bad was kept. */
	world_spoil(blob, chunk.c_off + chunk.c_size / 2);
	assert_true(read_file(&w, "chunks/dup-a") > 0);
	world_close(&w);
	world_drop(&w);
}

/*
 * Without validation a raw chunk's bad byte goes unseen: that is what was asked for. With it, a v6 blob whose chunks have no
 * check is compared with the digests that the bootstrap keeps.
 */
static void test_no_validation(void **state)
{
	char blob[WORLD_PATH_MAX];
	struct world w;

	(void)state;
	for (int i = 0; i < 8; i++) {
		int validate = i % 2;

		world_make(&w, i / 2 % 2 ? "v6-none" : "v5-none");
		w.config.validate = validate ? READER_VALIDATE_CRC : READER_VALIDATE_NONE;
		world_open(&w, i / 4);
		world_blob(&w, blob);
		world_spoil(blob, chunk_of(&w, "chunks/dup-a").c_off + 10);
		int64_t got = read_file(&w, "chunks/dup-a");
		assert_true(validate ? got == -EIO : got > 0);
		world_close(&w);
		world_drop(&w);
	}
}

static ino_t number_of(const char *path)
{
	struct stat st;

	return stat(path, &st) < 0 ? 0 : st.st_ino;
}

/* The file of the bootstrap's digests is written once, and anew only where it is not what it should be. */
static void test_digests_kept(void **state)
{
	char path[WORLD_PATH_MAX];
	ino_t first = 0;
	struct world w;

	(void)state;
	world_make(&w, "v6-none");
	for (int i = 0; i < 3; i++) {
		world_open(&w, true);
		assert_true(read_file(&w, "chunks/dup-a") > 0);
		world_cached(&w, ".blob.digest", path);
		first = first ? first : number_of(path);
		assert_true(first && (number_of(path) == first) == (i < 2));
		world_close(&w);
		if (i == 1)
			world_spoil(path, 5);
	}
	world_drop(&w);
}

/* The place of a digest in an image's bootstrap. */
static uint64_t find_digest(const char *boot, const unsigned char *digest)
{
	static unsigned char text[1 << 20];
	int fd = open(boot, O_RDONLY | O_CLOEXEC);
	ssize_t size = read(fd, text, sizeof(text));

	close(fd);
	assert_true(size > 0);
	unsigned char *found = memmem(text, (size_t)size, digest, RAFS_DIGEST_SIZE);
	assert_non_null(found);
	return (uint64_t)(found - text);
}

/* Two images of one blob in one folder share what is known of it; the second makes nothing. One that says otherwise is alone. */
static void test_twins(void **state)
{
	char path[WORLD_PATH_MAX], other[WORLD_PATH_MAX + 8], cache[WORLD_PATH_MAX + 8];
	unsigned char digest[RAFS_DIGEST_SIZE];
	struct world w, twin;

	(void)state;
	for (int differs = 0; differs < 2; differs++) {
		world_make(&w, "v6-none");
		world_open(&w, true);
		assert_true(read_file(&w, "chunks/dup-a") > 0);
		world_cached(&w, ".blob.digest", path);
		uint32_t index = chunk_of(&w, "chunks/dup-a").index;
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		assert_int_equal(pread(fd, digest, sizeof(digest), (off_t)index * RAFS_DIGEST_SIZE), sizeof(digest));
		close(fd);
		assert_int_equal(unlink(path), 0);
		world_make(&twin, "v6-none");
		snprintf(cache, sizeof(cache), "%s/cache", w.dir);
		snprintf(other, sizeof(other), "%s/cache", twin.dir);
		assert_int_equal(rmdir(other) | symlink(cache, other), 0);
		snprintf(other, sizeof(other), "%s/boot", twin.dir);
		if (differs)
			world_spoil(other, find_digest(other, digest));
		world_open(&twin, true);
		assert_int_equal(read_file(&twin, "chunks/dup-a") > 0, !differs);
		assert_int_equal(number_of(path) != 0, differs);
		assert_true(read_file(&w, "chunks/dup-a") > 0);
		world_close(&w);
		assert_int_equal(read_file(&twin, "chunks/dup-a") > 0, !differs);
		world_close(&twin);
		world_drop(&twin);
		world_drop(&w);
	}
}

/* A digest array is as good as CRCs. */
static void test_digest_only(void **state)
{
	char blob[WORLD_PATH_MAX];
	struct world w;

	(void)state;
	world_make(&w, "v6-inline-toc");
	w.config.readahead = 0;
	world_open(&w, true);
	struct rafs_inode inode = world_inode(&w, "chunks/dup-a");
	assert_int_equal(reader_wait(w.reader, &inode, 0, right, inode.size), inode.size);
	world_close(&w);
	/* Bad bytes that another process left in the cache are found, and fetched anew. */
	world_cached(&w, ".blob.data", blob);
	world_open(&w, true);
	world_spoil(blob, chunk_of(&w, "chunks/dup-a").u_off + 100);
	assert_int_equal(reader_wait(w.reader, &inode, 0, bytes, inode.size), inode.size);
	assert_memory_equal(bytes, right, inode.size);
	assert_true(world_said(&w, "bad in the cache"));
	world_close(&w);
	/* And it is right in the cache again. */
	world_open(&w, true);
	w.log[0] = '\0';
	assert_int_equal(reader_wait(w.reader, &inode, 0, bytes, inode.size), inode.size);
	assert_memory_equal(bytes, right, inode.size);
	assert_false(world_said(&w, "bad"));
	world_close(&w);
	world_drop(&w);
}

static void test_missing_blob(void **state)
{
	char blob[WORLD_PATH_MAX], aside[WORLD_PATH_MAX + 8];
	struct world w;

	(void)state;
	for (int cache = 0; cache < 2; cache++) {
		world_make(&w, "v5-zstd");
		world_blob(&w, blob);
		snprintf(aside, sizeof(aside), "%s.aside", blob);
		assert_int_equal(rename(blob, aside), 0);
		world_open(&w, cache);
		assert_int_equal(read_file(&w, "chunks/dup-a"), -EIO);
		assert_true(world_said(&w, strrchr(blob, '/') + 1));
		/* It is looked for again. */
		assert_int_equal(rename(aside, blob), 0);
		int64_t got = -EIO;
		for (int i = 0; i < 50 && got < 0; i++) {
			usleep(100000);
			got = read_file(&w, "chunks/dup-a");
		}
		assert_true(got > 0);
		world_close(&w);
		world_drop(&w);
	}
}

static void test_short_blob(void **state)
{
	char blob[WORLD_PATH_MAX];
	struct world w;

	(void)state;
	world_make(&w, "v5-zstd");
	world_blob(&w, blob);
	assert_int_equal(truncate(blob, 20), 0); /* within the first chunk */
	world_open(&w, true);
	assert_int_equal(read_file(&w, "chunks/dup-a"), -EIO);
	assert_true(world_said(&w, "cut short"));
	world_close(&w);
	world_drop(&w);
}

/* A backend that fails for a while. */
static void test_failing_backend(void **state)
{
	struct world w;

	(void)state;
	world_make(&w, "v6-zstd");
	w.config.readahead = 0;
	world_open(&w, true);
	assert_true(read_file(&w, "links/hard-a") >= 0);
	atomic_store(&w.front.fail, true);
	assert_int_equal(read_file(&w, "chunks/dup-a"), -EIO);
	const struct backend_meter *m = &w.front.backend.meter;
	assert_true(reader_counters(w.reader)->backend_errors >= 1);
	assert_true(m->errors >= 1 && m->errors < w.front.reads);
	atomic_store(&w.front.fail, false);
	assert_true(read_file(&w, "chunks/dup-a") > 0);
	uint64_t reads = 0;
	for (size_t i = 0; i < IO_SIZES * IO_TIMES; i++)
		reads += m->reads[i / IO_TIMES][i % IO_TIMES];
	assert_int_equal(reads, w.front.reads);
	world_close(&w);
	world_drop(&w);
}

struct late {
	struct reader_read read; /* first */
	struct iovec iov;
	_Atomic int ended;
};

static void late_done(struct reader_read *read, int64_t res)
{
	(void)res;
	atomic_store(&((struct late *)(void *)read)->ended, 1);
}

/* One mount's backend fails while another mount of the blob waits for the same chunk: that one tries its own. */
static void test_anothers_failure(void **state)
{
	struct world w, x;
	struct late late = {0};

	(void)state;
	world_make(&w, "v6-zstd");
	w.config.readahead = 0;
	world_open(&w, true);
	x = w;
	pthread_mutex_init(&x.lock, NULL);
	world_open(&x, true);
	assert_true(read_file(&w, "links/hard-a") >= 0);
	assert_true(read_file(&x, "links/hard-a") >= 0);
	atomic_store(&w.front.nap_ms, 300);
	atomic_store(&w.front.fail, true);
	late.read.inode = world_inode(&w, "chunks/dup-a");
	late.read.len = late.read.inode.size;
	late.iov = (struct iovec){right, late.read.len};
	late.read.iov = &late.iov;
	late.read.n = 1;
	late.read.done = late_done;
	reader_start(w.reader, &late.read);
	usleep(100000);
	assert_true(read_file(&x, "chunks/dup-a") > 0);
	while (!atomic_load(&late.ended))
		usleep(1000);
	world_close(&w);
	world_close(&x);
	pthread_mutex_destroy(&x.lock);
	world_drop(&w);
}

/* A full disk: everything is served, nothing is kept. */
static void test_full_disk(void **state)
{
	char command[2 * WORLD_PATH_MAX];
	struct world w;

	(void)state;
	if (geteuid() != 0) {
		print_message("SKIP: a small file system of its own needs root\n");
		skip();
	}
	world_make(&w, "v6-lz4_block");
	snprintf(command, sizeof(command), "mount -t tmpfs -o size=64k none %s/cache 2>/dev/null", w.dir);
	if (system(command) != 0) {
		world_drop(&w);
		print_message("SKIP: no tmpfs can be mounted here\n");
		skip();
	}
	world_open(&w, true);
	world_compare(&w, "expected.jsonl", 50000);
	assert_true(world_said(&w, "without caching"));
	assert_true(reader_counters(w.reader)->cache_errors > 0);
	world_close(&w);
	snprintf(command, sizeof(command), "umount %s/cache", w.dir);
	assert_int_equal(system(command), 0);
	world_drop(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad_chunk),      cmocka_unit_test(test_no_validation),
		cmocka_unit_test(test_digests_kept),   cmocka_unit_test(test_twins),
		cmocka_unit_test(test_digest_only),    cmocka_unit_test(test_missing_blob),
		cmocka_unit_test(test_short_blob),     cmocka_unit_test(test_failing_backend),
		cmocka_unit_test(test_anothers_failure), cmocka_unit_test(test_full_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
