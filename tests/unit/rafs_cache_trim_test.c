/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of rafs/cache/cache_trim: what is counted and removed, in which order, and what is not while it is in use. */
#include "rafs/cache/cache_file.h"

#include "rafs/cache/internal.h"
#include "rafs_cache_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define KIB UINT64_C(1024)

static struct cache_dir *get(const struct folder *f, uint64_t limit)
{
	struct graft_error err;
	struct cache_dir *dir;

	if (cache_dir_get(&dir, open(f->path, O_PATH | O_CLOEXEC), f->path, limit, &err) < 0)
		fail_msg("%s", err.text);
	return dir;
}

static void trim(struct cache_dir *dir)
{
	dir->next_trim = 0;
	cache_dir_trim(dir);
}

static const char *const suffixes[] = { ".blob.data.chunk_map", ".blob.data", ".blob.raw",  ".blob.meta",
					".blob.digest",         ".blob.toc",  ".image.boot" };
#define SUFFIXES 7

/* A blob with every file it can have, 8 KiB each, all last used then. */
static void put_blob(const struct folder *f, const char *id, long used)
{
	for (size_t i = 0; i < SUFFIXES; i++) {
		char name[128];

		snprintf(name, sizeof(name), "%s%s", id, suffixes[i]);
		folder_fill(f, name, 1, 8 * KIB);
		folder_age(f, name, used - (long)i);
	}
}

/* How many of its files are there. */
static unsigned int files_of(const struct folder *f, const char *id)
{
	unsigned int n = 0;

	for (size_t i = 0; i < SUFFIXES; i++) {
		char name[128];

		snprintf(name, sizeof(name), "%s%s", id, suffixes[i]);
		n += folder_has(f, name);
	}
	return n;
}

static void test_order(void **state)
{
	const struct folder *f = *state;
	struct cache_dir *dir = get(f, 0);
	uint64_t blobs, bytes;

	put_blob(f, "middle", 2000);
	put_blob(f, "oldest", 1000);
	put_blob(f, "newest", 3000);
	put_blob(f, DIGITS32 DIGITS32, 2500);
	/* What is not ours does not count, however large, and stays. */
	folder_fill(f, "movie.mkv", 1, 4096 * KIB);
	folder_fill(f, ".blob.data", 1, 4096 * KIB);
	folder_fill(f, "x.blob.data.bak", 1, 4096 * KIB);
	assert_int_equal(mkdirat(f->fd, "old.blob.data", 0700), 0);
	assert_int_equal(symlinkat("movie.mkv", f->fd, "link.blob.data"), 0);
	trim(dir);
	assert_int_equal(folder_count(f), 4 * SUFFIXES + 5);
	cache_dir_put(dir);

	dir = get(f, 4 * SUFFIXES * 8 * KIB);
	trim(dir);
	assert_int_equal(folder_count(f), 4 * SUFFIXES + 5);
	/* One byte too much: one blob goes, all of it. */
	cache_dir_put(get(f, 4 * SUFFIXES * 8 * KIB - 1));
	trim(dir);
	assert_int_equal(files_of(f, "oldest"), 0);
	assert_int_equal(folder_count(f), 3 * SUFFIXES + 5);
	cache_dir_counts(dir, &blobs, &bytes);
	assert_int_equal(blobs, 1);
	assert_int_equal(bytes, SUFFIXES * 8 * KIB);
	cache_dir_put(get(f, 2 * SUFFIXES * 8 * KIB - 1));
	trim(dir);
	assert_int_equal(files_of(f, "middle") + files_of(f, DIGITS32 DIGITS32), 0);
	assert_int_equal(files_of(f, "newest"), SUFFIXES);
	/* Nothing but foreign files is left in the end. */
	cache_dir_put(get(f, 1));
	trim(dir);
	assert_int_equal(folder_count(f), 5);
	cache_dir_counts(dir, &blobs, &bytes);
	assert_int_equal(blobs, 4);
	assert_int_equal(bytes, 4 * SUFFIXES * 8 * KIB);
	cache_dir_put(dir);
}

/* A look at most every second, whoever calls. */
static void test_seldom(void **state)
{
	const struct folder *f = *state;
	struct cache_dir *dir = get(f, 1);

	trim(dir);
	put_blob(f, "a", 1000);
	dir->next_trim = UINT64_MAX;
	cache_dir_trim(dir);
	assert_int_equal(files_of(f, "a"), SUFFIXES);
	trim(dir);
	assert_int_equal(files_of(f, "a"), 0);
	assert_true(dir->next_trim > 0);
	cache_dir_put(dir);
}

/* A blob in use without a map on the disk has its lock on the data. */
static void test_in_use_unmapped(void **state)
{
	static unsigned char bytes[64 * 1024];
	const enum cache_form forms[] = { CACHE_UNMAPPED, (enum cache_form)(CACHE_UNMAPPED | CACHE_RAW) };
	const struct folder *f = *state;

	for (size_t i = 0; i < 2; i++) {
		const char *name = i ? "ours.blob.raw" : "ours.blob.data";
		struct cache_dir *dir = get(f, 1);
		struct cache_file *file;

		assert_int_equal(cache_file_open(&file, dir, "ours", forms[i], 64 * KIB, 16, NULL), 0);
		assert_int_equal(cache_file_write(file, bytes, sizeof(bytes), 0), 0);
		folder_age(f, name, 1000);
		trim(dir);
		assert_true(folder_has(f, name));
		cache_file_close(file);
		trim(dir);
		assert_false(folder_has(f, name));
		cache_dir_put(dir);
	}
}

static struct cache_file *open_blob(struct cache_dir *dir, const char *id)
{
	struct graft_error err;
	struct cache_file *file;

	if (cache_file_open(&file, dir, id, CACHE_PLAIN, 64 * KIB, 16, &err) < 0)
		fail_msg("%s", err.text);
	return file;
}

static void test_in_use(void **state)
{
	static unsigned char bytes[64 * 1024];
	const struct folder *f = *state;
	struct cache_dir *dir = get(f, 1);
	struct cache_file *file = open_blob(dir, "ours");
	struct stat st;

	assert_int_equal(cache_file_write(file, bytes, sizeof(bytes), 0), 0);
	cache_file_set_ready(file, 0);
	folder_age(f, "ours.blob.data.chunk_map", 1000);
	folder_age(f, "ours.blob.data", 1000);
	put_blob(f, "free", 4000);
	trim(dir);
	assert_int_equal(files_of(f, "free"), 0);
	assert_int_equal(files_of(f, "ours"), 2);
	/* It was used after the folder was looked at: closing it counts as use. */
	cache_file_close(file);
	assert_int_equal(fstatat(f->fd, "ours.blob.data.chunk_map", &st, 0), 0);
	assert_true(st.st_mtim.tv_sec > 1000);
	trim(dir);
	assert_int_equal(files_of(f, "ours"), 0);
	file = open_blob(dir, "ours");
	assert_int_equal(cache_file_count_ready(file), 0);
	cache_file_close(file);
	cache_dir_put(dir);
}

static void test_in_use_elsewhere(void **state)
{
	static unsigned char bytes[64 * 1024];
	const struct folder *f = *state;
	struct cache_dir *dir = get(f, 1);
	int ready[2], end[2], status;
	pid_t child;
	char c;

	assert_int_equal(pipe(ready) | pipe(end), 0);
	child = fork();
	if (child == 0) {
		struct cache_file *file;

		if (cache_file_open(&file, dir, "theirs", CACHE_PLAIN, 64 * KIB, 16, NULL) < 0 ||
		    cache_file_write(file, bytes, sizeof(bytes), 0) < 0)
			_exit(1);
		close(end[1]);
		if (write(ready[1], "x", 1) != 1 || read(end[0], &c, 1) != 0)
			_exit(1);
		/* Ends without closing anything, as if it had been killed. */
		_exit(0);
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	trim(dir);
	assert_int_equal(files_of(f, "theirs"), 2);
	close(end[1]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	trim(dir);
	assert_int_equal(files_of(f, "theirs"), 0);
	close(ready[0]);
	close(ready[1]);
	close(end[0]);
	cache_dir_put(dir);
}

/* While another process has the folder's lock nothing goes, and nothing is counted as gone. */
static void test_locked(void **state)
{
	const struct folder *f = *state;
	struct cache_dir *dir = get(f, 1);
	uint64_t blobs, bytes;
	int lock = cache_lock(dir, 0);

	assert_true(lock >= 0);
	put_blob(f, "a", 1000);
	put_blob(f, "b", 1000);
	trim(dir);
	assert_int_equal(files_of(f, "a") + files_of(f, "b"), 2 * SUFFIXES);
	cache_unlock(lock);
	cache_dir_counts(dir, &blobs, &bytes);
	assert_int_equal(blobs + bytes, 0);
	trim(dir);
	assert_int_equal(files_of(f, "a") + files_of(f, "b"), 0);
	cache_dir_put(dir);
}

/* Meta alone (no map) goes by its own time; opening it for a mapping is a use. */
static void test_meta_alone(void **state)
{
	const struct folder *f = *state;
	struct cache_dir *dir = get(f, 12 * KIB);
	uint64_t size;
	int fd;

	folder_fill(f, "a.blob.meta", 1, 8 * KIB);
	folder_fill(f, "b.blob.meta", 1, 8 * KIB);
	folder_age(f, "a.blob.meta", 1000);
	folder_age(f, "b.blob.meta", 2000);
	fd = cache_dir_open(dir, "a.blob.meta", &size);
	assert_true(fd >= 0);
	close(fd);
	trim(dir);
	assert_true(folder_has(f, "a.blob.meta"));
	assert_false(folder_has(f, "b.blob.meta"));
	cache_dir_put(dir);
}

static void test_left_behind(void **state)
{
	const struct folder *f = *state;
	struct cache_dir *dir = get(f, 1);

	folder_put(f, ".graftfs-0123456789abcdef.tmp", "x", 1);
	folder_put(f, ".graftfs-0123456789abcdee.tmp", "x", 1);
	folder_age(f, ".graftfs-0123456789abcdee.tmp", time(NULL) - 7200);
	trim(dir);
	assert_true(folder_has(f, ".graftfs-0123456789abcdef.tmp"));
	assert_false(folder_has(f, ".graftfs-0123456789abcdee.tmp"));
	cache_dir_put(dir);
}

#define RACE_ROUNDS 300

/* Opens, fills and closes; while it is open its files have their names and what was written is there. */
static unsigned int race_user(struct cache_dir *dir)
{
	static unsigned char bytes[4096] = { 1 };
	unsigned int wrong = 0;

	for (int i = 0; i < RACE_ROUNDS; i++) {
		struct cache_file *file;
		unsigned char got[4096];
		struct stat st;

		if (cache_file_open(&file, dir, i % 2 ? "one" : "two", CACHE_PLAIN, 64 * KIB, 16, NULL) < 0)
			return 1000;
		for (uint32_t k = 0; k < 16; k++) {
			if (!cache_file_ready(file, k)) {
				wrong += cache_file_write(file, bytes, 4096, k * 4096) < 0;
				cache_file_set_ready(file, k);
			}
			wrong += cache_file_read(file, got, 4096, k * 4096) < 0 || got[0] != 1;
		}
		wrong += fstat(cache_file_fd(file), &st) < 0 || st.st_nlink != 1;
		cache_file_close(file);
	}
	return wrong;
}

static void test_race(void **state)
{
	struct cache_dir *dir = get(*state, 1);
	pid_t children[2];
	uint64_t blobs, bytes;
	int status, left = 2;

	for (int i = 0; i < 2; i++) {
		children[i] = fork();
		if (children[i] == 0)
			_exit(race_user(dir) ? 1 : 0);
	}
	while (left > 0) {
		pid_t done = waitpid(-1, &status, WNOHANG);

		if (done > 0) {
			assert_int_equal(status, 0);
			left--;
		}
		trim(dir);
		usleep(200);
	}
	cache_dir_counts(dir, &blobs, &bytes);
	assert_true(blobs > 0);
	trim(dir);
	assert_int_equal(folder_count(*state), 0);
	cache_dir_put(dir);
}

#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_setup, folder_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FOLDER(test_order),       WITH_FOLDER(test_seldom),
		WITH_FOLDER(test_in_use_unmapped), WITH_FOLDER(test_in_use),      WITH_FOLDER(test_in_use_elsewhere),
		WITH_FOLDER(test_locked),      WITH_FOLDER(test_meta_alone),
		WITH_FOLDER(test_left_behind), WITH_FOLDER(test_race),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
