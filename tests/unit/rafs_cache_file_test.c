/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of rafs/cache/cache_file and chunk_map: the layout on disk, what is not believed, two processes, full disks. */
#include "rafs/cache/cache_file.h"

#include "rafs/cache/chunk_map.h"
#include "rafs/cache/internal.h"
#include "rafs_cache_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define ID DIGITS32 DIGITS32
#define DATA ID ".blob.data"
#define RAW ID ".blob.raw"
#define MAP ID ".blob.data.chunk_map"
#define CHUNK 4096
#define CHUNKS 100
#define SIZE ((uint64_t)CHUNK * CHUNKS)

static const unsigned char header[16] = { 'P', 'A', 'M', 'B', 1, 0, 0, 0, 'P', 'A', 'M', 'C' };

static struct cache_dir *get(const struct folder *f)
{
	struct graft_error err;
	struct cache_dir *dir;

	if (cache_dir_get(&dir, open(f->path, O_PATH | O_CLOEXEC), f->path, 0, &err) < 0)
		fail_msg("%s", err.text);
	return dir;
}

static struct cache_file *open_file(struct cache_dir *dir, enum cache_form form, uint64_t size, uint32_t chunks)
{
	struct graft_error err;
	struct cache_file *file;

	if (cache_file_open(&file, dir, ID, form, size, chunks, &err) < 0)
		fail_msg("%s", err.text);
	return file;
}

static void put_chunk(struct cache_file *file, uint32_t i)
{
	unsigned char bytes[CHUNK];

	memset(bytes, (int)(i + 1), sizeof(bytes));
	assert_int_equal(cache_file_write(file, bytes, sizeof(bytes), (uint64_t)i * CHUNK), 0);
	cache_file_set_ready(file, i);
}

static bool chunk_right(const struct cache_file *file, uint32_t i)
{
	unsigned char bytes[CHUNK];

	if (cache_file_read(file, bytes, sizeof(bytes), (uint64_t)i * CHUNK) < 0)
		return false;
	return bytes[0] == (unsigned char)(i + 1) && memcmp(bytes, bytes + 1, sizeof(bytes) - 1) == 0;
}

static void read_map(const struct folder *f, unsigned char *map, size_t size)
{
	int fd = openat(f->fd, MAP, O_RDONLY | O_CLOEXEC);
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, size);
	assert_int_equal(pread(fd, map, size, 0), size);
	close(fd);
}

/* Byte by byte what nydusd reads and writes. */
static void test_layout(void **state)
{
	static unsigned char want[4096 + 13], got[4096 + 13];
	const struct folder *f = *state;
	struct cache_dir *dir = get(f);
	struct cache_file *file = open_file(dir, CACHE_PLAIN, SIZE + 5, CHUNKS);
	int fd = cache_file_fd(file);
	struct stat st;

	memcpy(want, header, sizeof(header));
	read_map(f, got, sizeof(got));
	assert_memory_equal(got, want, sizeof(want));
	assert_int_equal(folder_count(f), 2);
	assert_int_equal(fstatat(f->fd, DATA, &st, 0), 0);
	assert_int_equal(st.st_size, SIZE + 5);
	assert_int_equal(st.st_blocks, 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(lseek(fd, 0, SEEK_DATA), -1);
	assert_int_equal(cache_file_count_ready(file), 0);

	put_chunk(file, 0);
	put_chunk(file, 9);
	put_chunk(file, 99);
	want[4096] = 0x80;
	want[4097] = 0x40;
	want[4096 + 12] = 0x10;
	read_map(f, got, sizeof(got));
	assert_memory_equal(got, want, sizeof(want));
	assert_int_equal(cache_file_count_ready(file), 3);
	assert_true(cache_file_ready(file, 9));
	assert_false(cache_file_ready(file, 8));
	assert_false(cache_file_ready(file, 10));
	/* Nothing but chunks in the data file. */
	assert_int_equal(lseek(fd, 0, SEEK_HOLE), CHUNK);
	assert_int_equal(lseek(fd, CHUNK, SEEK_DATA), 9 * CHUNK);
	assert_int_equal(lseek(fd, 9 * CHUNK, SEEK_HOLE), 10 * CHUNK);
	assert_int_equal(lseek(fd, 10 * CHUNK, SEEK_DATA), 99 * CHUNK);

	cache_file_clear_ready(file, 9);
	want[4097] = 0;
	read_map(f, got, sizeof(got));
	assert_memory_equal(got, want, sizeof(want));
	cache_file_close(file);
	file = open_file(dir, CACHE_PLAIN, SIZE + 5, CHUNKS);
	assert_int_equal(cache_file_count_ready(file), 2);
	assert_true(cache_file_ready(file, 0) && cache_file_ready(file, 99));
	assert_true(chunk_right(file, 0) && chunk_right(file, 99));
	cache_file_close(file);
	cache_dir_put(dir);
}

/* "All are ready" in the header counts for nothing, and goes away before nydusd can believe it of a chunk taken back.
 */
static void test_all_ready(void **state)
{
	static unsigned char map[4096 + 13];
	const struct folder *f = *state;
	struct cache_dir *dir = get(f);
	struct cache_file *file;

	memcpy(map, header, sizeof(header));
	memcpy(map + 12, "PAMM", 4);
	memset(map + 4096, 0xff, 13);
	map[4096 + 1] = 0;
	folder_put(f, MAP, map, sizeof(map));
	folder_fill(f, DATA, 1, SIZE);
	file = open_file(dir, CACHE_PLAIN, SIZE, CHUNKS);
	assert_true(cache_file_ready(file, 7));
	assert_false(cache_file_ready(file, 8));
	assert_int_equal(cache_file_count_ready(file), CHUNKS - 8);
	cache_file_set_ready(file, 8);
	read_map(f, map, sizeof(map));
	assert_memory_equal(map + 12, "PAMM", 4);
	cache_file_clear_ready(file, 0);
	read_map(f, map, sizeof(map));
	assert_memory_equal(map + 12, "\0\0\0\0", 4);
	assert_int_equal(map[4096], 0x7f);
	assert_int_equal(map[4097], 0x80);
	cache_file_close(file);
	cache_dir_put(dir);
}

static void test_arguments(void **state)
{
	struct cache_dir *dir = get(*state);
	struct graft_error err;
	struct cache_file *file;
	unsigned char bytes[CHUNK] = { 0 };

	assert_int_equal(cache_file_open(&file, dir, "a/b", CACHE_PLAIN, SIZE, CHUNKS, &err), -EINVAL);
	assert_int_equal(cache_file_open(&file, dir, "..", CACHE_PLAIN, SIZE, CHUNKS, &err), -EINVAL);
	assert_int_equal(cache_file_open(&file, dir, ID "0", CACHE_PLAIN, SIZE, CHUNKS, &err), -EINVAL);
	assert_int_equal(cache_file_open(&file, dir, ID, CACHE_PLAIN, 0, CHUNKS, &err), -EINVAL);
	assert_int_equal(cache_file_open(&file, dir, ID, CACHE_PLAIN, SIZE, 0, &err), -EINVAL);
	assert_int_equal(cache_file_open(&file, dir, ID, CACHE_PLAIN, SIZE, (1 << 24) + 1, &err), -EINVAL);
	assert_int_equal(cache_file_open(&file, dir, ID, CACHE_PLAIN, UINT64_MAX, CHUNKS, &err), -EINVAL);
	/* More than a file can have. */
	assert_true(cache_file_open(&file, dir, ID, CACHE_PLAIN, INT64_MAX, CHUNKS, &err) < 0 || file);
	cache_file_close(file);
	file = open_file(dir, CACHE_PLAIN, SIZE, CHUNKS);
	assert_int_equal(cache_file_write(file, bytes, CHUNK, SIZE - CHUNK + 1), -EINVAL);
	assert_int_equal(cache_file_write(file, bytes, CHUNK, UINT64_MAX), -EINVAL);
	assert_int_equal(cache_file_read(file, bytes, CHUNK, SIZE - CHUNK + 1), -EIO);
	assert_int_equal(cache_file_read(file, bytes, CHUNK, UINT64_MAX - 1), -EIO);
	assert_int_equal(cache_file_read(file, bytes, CHUNK, SIZE - CHUNK), 0);
	/* Cut short by somebody: no zeros are made up, and no signal comes. */
	assert_int_equal(ftruncate(cache_file_fd(file), CHUNK), 0);
	assert_int_equal(cache_file_read(file, bytes, CHUNK, CHUNK), -EIO);
	assert_int_equal(cache_file_read(file, bytes, CHUNK, 0), 0);
	cache_file_close(file);
	cache_file_close(NULL);
	cache_dir_put(dir);
}

/* The map is cut under its mapping: what was ready is not, and bits set afterwards are this process's alone. */
static void test_torn_map(void **state)
{
	const struct folder *f = *state;
	struct cache_dir *dir = get(f);
	struct cache_file *file = open_file(dir, CACHE_PLAIN, SIZE, CHUNKS);
	int fd = openat(f->fd, MAP, O_RDWR | O_CLOEXEC);

	put_chunk(file, 3);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_false(cache_file_ready(file, 3));
	cache_file_set_ready(file, 4);
	cache_file_clear_ready(file, 5);
	assert_int_equal(cache_file_count_ready(file), 1);
	cache_file_close(file);
	file = open_file(dir, CACHE_PLAIN, SIZE, CHUNKS);
	assert_int_equal(cache_file_count_ready(file), 0);
	cache_file_close(file);
	close(fd);
	cache_dir_put(dir);
}

/* Each makes of a good pair with all chunks ready one that must not be believed. */

static void flip(const struct folder *f, off_t at, unsigned char value)
{
	int fd = openat(f->fd, MAP, O_RDWR | O_CLOEXEC);

	assert_int_equal(pwrite(fd, &value, 1, at), 1);
	close(fd);
}

static void cut(const struct folder *f, const char *name, off_t size)
{
	int fd = openat(f->fd, name, O_RDWR | O_CLOEXEC);

	assert_int_equal(ftruncate(fd, size), 0);
	close(fd);
}

static void bad_magic(const struct folder *f)
{
	flip(f, 0, 'Q');
}

static void bad_version(const struct folder *f)
{
	flip(f, 4, 0);
}

static void bad_magic2(const struct folder *f)
{
	flip(f, 11, 0);
}

static void bad_all_ready(const struct folder *f)
{
	flip(f, 12, 1);
}

static void bad_rest(const struct folder *f)
{
	flip(f, 4095, 1);
}

static void map_short(const struct folder *f)
{
	cut(f, MAP, 4096 + 12);
}

static void map_long(const struct folder *f)
{
	cut(f, MAP, 4096 + 14);
}

static void map_empty(const struct folder *f)
{
	cut(f, MAP, 0);
}

static void data_short(const struct folder *f)
{
	cut(f, DATA, SIZE - 1);
}

static void data_long(const struct folder *f)
{
	cut(f, DATA, SIZE + 1);
}

static void no_map(const struct folder *f)
{
	assert_int_equal(unlinkat(f->fd, MAP, 0), 0);
}

static void no_data(const struct folder *f)
{
	assert_int_equal(unlinkat(f->fd, DATA, 0), 0);
}

static void map_link(const struct folder *f)
{
	assert_int_equal(renameat(f->fd, MAP, f->fd, "elsewhere"), 0);
	assert_int_equal(symlinkat("elsewhere", f->fd, MAP), 0);
}

static void data_link(const struct folder *f)
{
	assert_int_equal(renameat(f->fd, DATA, f->fd, "elsewhere"), 0);
	assert_int_equal(symlinkat("elsewhere", f->fd, DATA), 0);
}

static void map_fifo(const struct folder *f)
{
	no_map(f);
	assert_int_equal(mkfifoat(f->fd, MAP, 0600), 0);
}

static void data_fifo(const struct folder *f)
{
	no_data(f);
	assert_int_equal(mkfifoat(f->fd, DATA, 0600), 0);
}

static void other_form(const struct folder *f)
{
	folder_put(f, RAW, "x", 1);
}

static void (*const spoilers[])(const struct folder *) = {
	bad_magic, bad_version, bad_magic2, bad_all_ready, bad_rest,  map_short, map_long,  map_empty,  data_short,
	data_long, no_map,      no_data,    map_link,      data_link, map_fifo,  data_fifo, other_form,
};

static void put_pair(const struct folder *f)
{
	static unsigned char map[4096 + 13];

	memcpy(map, header, sizeof(header));
	memset(map + 4096, 0xff, 13);
	folder_put(f, MAP, map, sizeof(map));
	folder_fill(f, DATA, 7, SIZE);
}

static void test_not_believed(void **state)
{
	const struct folder *f = *state;
	struct cache_dir *dir = get(f);

	for (size_t i = 0; i < sizeof(spoilers) / sizeof(spoilers[0]); i++) {
		struct stat before, after, now;
		struct cache_file *file;
		int data;

		put_pair(f);
		file = open_file(dir, CACHE_PLAIN, SIZE, CHUNKS);
		assert_int_equal(cache_file_count_ready(file), CHUNKS);
		cache_file_close(file);
		data = openat(f->fd, DATA, O_RDONLY | O_CLOEXEC);
		spoilers[i](f);
		assert_int_equal(fstat(data, &before), 0);
		file = open_file(dir, CACHE_PLAIN, SIZE, CHUNKS);
		if (cache_file_count_ready(file))
			fail_msg("case %zu: believed", i);
		assert_int_equal(fstat(cache_file_fd(file), &now), 0);
		assert_int_equal(now.st_blocks, 0);
		assert_int_equal(now.st_size, SIZE);
		/* Whoever has the old file open keeps it as it was. */
		assert_int_equal(fstat(data, &after), 0);
		assert_true(after.st_ino != now.st_ino);
		assert_int_equal(after.st_size, before.st_size);
		assert_int_equal(after.st_blocks, before.st_blocks);
		assert_false(folder_has(f, RAW));
		put_chunk(file, 1);
		cache_file_close(file);
		file = open_file(dir, CACHE_PLAIN, SIZE, CHUNKS);
		assert_int_equal(cache_file_count_ready(file), 1);
		cache_file_close(file);
		close(data);
		unlinkat(f->fd, "elsewhere", 0);
		assert_int_equal(unlinkat(f->fd, DATA, 0) | unlinkat(f->fd, MAP, 0), 0);
	}
	assert_int_equal(folder_count(f), 0);
	cache_dir_put(dir);
}

static void test_folders_in_the_way(void **state)
{
	static const char *const names[] = { DATA, MAP, RAW };
	const struct folder *f = *state;
	struct cache_dir *dir = get(f);
	struct graft_error err;
	struct cache_file *file;

	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(mkdirat(f->fd, names[i], 0700), 0);
		assert_int_equal(cache_file_open(&file, dir, ID, CACHE_PLAIN, SIZE, CHUNKS, &err), -EISDIR);
		assert_null(file);
		assert_non_null(strstr(err.text, ID));
		assert_non_null(strstr(err.text, f->path));
		assert_int_equal(unlinkat(f->fd, names[i], AT_REMOVEDIR), 0);
		assert_int_equal(folder_count(f), 0);
	}
	cache_dir_put(dir);
}

/* One object for the same; others, and those whose files were replaced, are apart and go on as they were. */
static void test_sharing(void **state)
{
	const struct folder *f = *state;
	struct cache_dir *dir = get(f);
	struct cache_file *a = open_file(dir, CACHE_PLAIN, SIZE, CHUNKS);
	struct cache_file *b = open_file(dir, CACHE_PLAIN, SIZE, CHUNKS), *c, *d;

	assert_ptr_equal(a, b);
	put_chunk(a, 2);
	cache_file_close(b);
	assert_true(chunk_right(a, 2));
	/* Another size: the same id must be another image's. */
	c = open_file(dir, CACHE_PLAIN, SIZE + 1, CHUNKS);
	assert_ptr_not_equal(a, c);
	assert_int_equal(cache_file_count_ready(c), 0);
	assert_true(cache_file_ready(a, 2) && chunk_right(a, 2));
	put_chunk(a, 5);
	assert_int_equal(cache_file_count_ready(c), 0);
	/* Other form: again anew, and back. */
	d = open_file(dir, CACHE_RAW, SIZE, CHUNKS);
	assert_true(folder_has(f, RAW) && !folder_has(f, DATA));
	put_chunk(d, 1);
	b = open_file(dir, CACHE_PLAIN, SIZE, CHUNKS);
	assert_ptr_not_equal(a, b);
	assert_int_equal(cache_file_count_ready(b), 0);
	assert_true(folder_has(f, DATA) && !folder_has(f, RAW));
	assert_true(chunk_right(d, 1) && cache_file_ready(d, 1) && chunk_right(a, 5));
	cache_file_close(a);
	cache_file_close(b);
	cache_file_close(c);
	cache_file_close(d);
	cache_dir_put(dir);
}

/* Memory that processes share, for them to meet. */
struct meeting {
	_Atomic unsigned int at;
	_Atomic unsigned int failed;
};

static struct meeting *meeting_new(void)
{
	struct meeting *m = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_true(m != MAP_FAILED);
	return m;
}

static void meet(struct meeting *m, unsigned int n)
{
	atomic_fetch_add(&m->at, 1);
	while (atomic_load(&m->at) < n)
		usleep(50);
}

#define ROUNDS 40
#define PROCESSES 4

/* One process: opens when all do, fills every fourth chunk, and looks at the others' as they become ready. */
static void fill_share(struct cache_dir *dir, struct meeting *m, unsigned int me)
{
	for (unsigned int round = 0; round < ROUNDS; round++) {
		struct cache_file *file;
		char id[16];

		snprintf(id, sizeof(id), "round%u", round);
		meet(m, PROCESSES * (round + 1));
		if (cache_file_open(&file, dir, id, CACHE_PLAIN, SIZE, CHUNKS, NULL) < 0) {
			atomic_fetch_add(&m->failed, 1);
			continue;
		}
		for (uint32_t i = me; i < CHUNKS; i += PROCESSES)
			put_chunk(file, i);
		for (uint32_t i = 0; i < CHUNKS; i++)
			atomic_fetch_add(&m->failed, cache_file_ready(file, i) && !chunk_right(file, i));
		cache_file_close(file);
	}
}

static void test_processes(void **state)
{
	struct cache_dir *dir = get(*state);
	struct meeting *m = meeting_new();
	pid_t children[PROCESSES];
	int status;

	for (unsigned int i = 0; i < PROCESSES; i++) {
		children[i] = fork();
		if (children[i] == 0) {
			fill_share(dir, m, i);
			_exit(0);
		}
	}
	for (unsigned int i = 0; i < PROCESSES; i++) {
		assert_int_equal(waitpid(children[i], &status, 0), children[i]);
		assert_int_equal(status, 0);
	}
	assert_int_equal(m->failed, 0);
	/* They all had the same files: nobody's chunks are missing. */
	for (unsigned int round = 0; round < ROUNDS; round++) {
		struct cache_file *file;
		char id[16];

		snprintf(id, sizeof(id), "round%u", round);
		assert_int_equal(cache_file_open(&file, dir, id, CACHE_PLAIN, SIZE, CHUNKS, NULL), 0);
		assert_int_equal(cache_file_count_ready(file), CHUNKS);
		for (uint32_t i = 0; i < CHUNKS; i++)
			assert_true(chunk_right(file, i));
		cache_file_close(file);
	}
	assert_int_equal(folder_count(*state), 2 * ROUNDS);
	munmap(m, 4096);
	cache_dir_put(dir);
}

/* Another process has the folder's lock: for a while, and for too long. */
static void test_lock(void **state)
{
	const struct folder *f = *state;
	struct cache_dir *dir = get(f);
	struct graft_error err;
	struct cache_file *file;
	int ready[2], status;
	pid_t child;

	assert_int_equal(pipe(ready), 0);
	child = fork();
	if (child == 0) {
		int fd = open(f->path, O_RDONLY);

		if (flock(fd, LOCK_EX) < 0 || write(ready[1], "x", 1) != 1)
			_exit(1);
		usleep(200000);
		_exit(0);
	}
	assert_int_equal(read(ready[0], &err, 1), 1);
	dir->open_wait_ms = 20;
	assert_int_equal(cache_file_open(&file, dir, ID, CACHE_PLAIN, SIZE, CHUNKS, &err), -ETIMEDOUT);
	assert_non_null(strstr(err.text, "another process holds its lock"));
	assert_non_null(strstr(err.text, f->path));
	dir->open_wait_ms = 60000;
	file = open_file(dir, CACHE_PLAIN, SIZE, CHUNKS);
	cache_file_close(file);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	close(ready[0]);
	close(ready[1]);
	cache_dir_put(dir);
}

/* Without a map: nothing is ready at first, the bytes stay, and a map beside them is neither made nor touched. */
static void test_unmapped(void **state)
{
	const enum cache_form plain = CACHE_UNMAPPED, raw = (enum cache_form)(CACHE_UNMAPPED | CACHE_RAW);
	const struct folder *f = *state;
	struct cache_dir *dir = get(f);
	struct cache_file *file = open_file(dir, plain, SIZE, CHUNKS), *same = open_file(dir, plain, SIZE, CHUNKS);

	assert_ptr_equal(file, same);
	cache_file_close(same);
	assert_false(folder_has(f, MAP));
	assert_false(cache_file_written(file, 0, SIZE));
	put_chunk(file, 7);
	assert_true(cache_file_written(file, 7 * CHUNK, CHUNK) && cache_file_ready(file, 7));
	cache_file_close(file);
	file = open_file(dir, plain, SIZE, CHUNKS);
	assert_false(cache_file_ready(file, 7));
	assert_true(chunk_right(file, 7));
	/* Who has a map does not believe a file without, and makes both anew; the old bytes go on here. */
	same = open_file(dir, CACHE_PLAIN, SIZE, CHUNKS);
	assert_false(chunk_right(same, 7));
	put_chunk(same, 8);
	cache_file_close(same);
	assert_true(chunk_right(file, 7));
	cache_file_close(file);
	/* The map stays true. */
	file = open_file(dir, plain, SIZE, CHUNKS);
	assert_true(chunk_right(file, 8));
	put_chunk(file, 9);
	cache_file_close(file);
	same = open_file(dir, CACHE_PLAIN, SIZE, CHUNKS);
	assert_true(cache_file_ready(same, 8) && !cache_file_ready(same, 9));
	cache_file_close(same);
	/* A file of another size is not taken, nor is the map that spoke of it. */
	file = open_file(dir, plain, SIZE + CHUNK, CHUNKS + 1);
	assert_false(folder_has(f, MAP) || chunk_right(file, 8));
	cache_file_close(file);
	file = open_file(dir, raw, SIZE, CHUNKS);
	put_chunk(file, 1);
	assert_true(folder_has(f, RAW));
	cache_file_close(file);
	cache_dir_put(dir);
}

#define THREADS 4

/* For the threads: all of them fill and read one file, each through an open of its own. */
struct crowd {
	struct cache_dir *dir;
	pthread_barrier_t start;
	_Atomic unsigned int wrong;
	_Atomic unsigned int number;
};

static void *crowd_work(void *arg)
{
	struct crowd *c = arg;
	unsigned int me = atomic_fetch_add(&c->number, 1);
	struct cache_file *file;

	for (unsigned int round = 0; round < 10; round++) {
		pthread_barrier_wait(&c->start);
		if (cache_file_open(&file, c->dir, ID, CACHE_PLAIN, SIZE, CHUNKS, NULL) < 0) {
			atomic_fetch_add(&c->wrong, 1);
			continue;
		}
		for (uint32_t i = 0; i < CHUNKS; i++) {
			uint32_t mine = (i * 7 + round) % CHUNKS;

			if (mine % THREADS == me)
				put_chunk(file, mine);
			if (cache_file_ready(file, i) && !chunk_right(file, i))
				atomic_fetch_add(&c->wrong, 1);
		}
		if (me == 0)
			cache_file_clear_ready(file, round);
		pthread_barrier_wait(&c->start);
		/* One chunk is taken back each round, by thread 0 after its own were written. */
		if (cache_file_count_ready(file) < CHUNKS - 1)
			atomic_fetch_add(&c->wrong, 1);
		pthread_barrier_wait(&c->start);
		cache_file_close(file);
	}
	return NULL;
}

static void test_threads(void **state)
{
	struct crowd c = { .dir = get(*state) };
	pthread_t threads[THREADS];

	pthread_barrier_init(&c.start, NULL, THREADS);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, crowd_work, &c), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(c.wrong, 0);
	assert_null(c.dir->files);
	assert_int_equal(c.dir->refs, 1);
	pthread_barrier_destroy(&c.start);
	cache_dir_put(c.dir);
}

/* A disk of 256 KiB: writes fail, then fail at once, and go on when there is room again. */
static void test_full(void **state)
{
	const struct folder *f = *state;
	struct folder full = { .fd = -1 };
	unsigned char bytes[CHUNK] = { 1 };
	struct cache_file *file, *other;
	struct graft_error err;
	struct cache_dir *dir;
	uint64_t off = 0;
	int res;

	if (mount("graftfs-test", f->path, "tmpfs", 0, "size=256k,nr_inodes=100") < 0)
		skip();
	memcpy(full.path, f->path, sizeof(full.path));
	full.fd = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = get(&full);
	file = open_file(dir, CACHE_PLAIN, SIZE, CHUNKS);
	while ((res = cache_file_write(file, bytes, CHUNK, off)) == 0)
		off += CHUNK;
	assert_int_equal(res, -ENOSPC);
	assert_true(off > 0 && off < SIZE);
	/* What is there stays, the map still takes bits, and no second try is made. */
	assert_int_equal(cache_file_read(file, bytes, CHUNK, off - CHUNK), 0);
	cache_file_set_ready(file, 0);
	assert_true(cache_file_ready(file, 0));
	assert_int_equal(cache_file_open(&other, dir, "other", CACHE_PLAIN, SIZE, CHUNKS, &err), -ENOSPC);
	assert_non_null(strstr(err.text, "blob other"));
	assert_non_null(strstr(err.text, f->path));
	assert_int_equal(folder_count(&full), 2);
	assert_int_equal(fallocate(cache_file_fd(file), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, CHUNK * 8), 0);
	assert_int_equal(cache_file_write(file, bytes, CHUNK, off), -ENOSPC);
	dir->full_until = 1;
	assert_int_equal(cache_file_write(file, bytes, CHUNK, off), 0);
	cache_file_close(file);
	cache_dir_put(dir);
	close(full.fd);
	assert_int_equal(umount2(f->path, MNT_DETACH), 0);
}

/* Limits of the process fail as what they are, not as a full disk, and leave nothing behind. */
static void limited(const struct folder *f, struct cache_dir *dir)
{
	const struct rlimit limit = { CHUNK * 4, CHUNK * 4 };
	struct cache_file *file = open_file(dir, CACHE_PLAIN, SIZE, CHUNKS), *other;
	unsigned char bytes[CHUNK] = { 1 };
	struct graft_error err;
	bool ok;

	signal(SIGXFSZ, SIG_IGN);
	ok = setrlimit(RLIMIT_FSIZE, &limit) == 0 && cache_file_write(file, bytes, CHUNK, CHUNK * 5) == -EFBIG &&
	     cache_file_write(file, bytes, CHUNK, CHUNK * 3 + 1) == -EFBIG &&
	     cache_file_write(file, bytes, CHUNK, CHUNK * 3) == 0 &&
	     cache_file_open(&other, dir, "other", CACHE_PLAIN, SIZE, CHUNKS, &err) == -EFBIG &&
	     strstr(err.text, "blob other") && folder_count(f) == 2;
	_exit(!ok);
}

static void test_limited(void **state)
{
	struct cache_dir *dir = get(*state);
	pid_t child = fork();
	int status;

	if (child == 0)
		limited(*state, dir);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	cache_dir_put(dir);
}

/* Opening and closing are what the trim goes by. */
static void test_last_use(void **state)
{
	const struct folder *f = *state;
	struct cache_dir *dir = get(f);
	struct cache_file *file = open_file(dir, CACHE_PLAIN, SIZE, CHUNKS);
	struct stat st;

	folder_age(f, MAP, 1000);
	cache_file_close(file);
	assert_int_equal(fstatat(f->fd, MAP, &st, 0), 0);
	assert_true(st.st_mtim.tv_sec > 1000);
	folder_age(f, MAP, 1000);
	file = open_file(dir, CACHE_PLAIN, SIZE, CHUNKS);
	assert_int_equal(fstatat(f->fd, MAP, &st, 0), 0);
	assert_true(st.st_mtim.tv_sec > 1000);
	cache_file_close(file);
	cache_dir_put(dir);
}

#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_setup, folder_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		/* First: cmocka takes SIGBUS at the beginning of every test, mapping_open at its first call alone. */
		WITH_FOLDER(test_torn_map),  WITH_FOLDER(test_layout),       WITH_FOLDER(test_all_ready),
		WITH_FOLDER(test_arguments), WITH_FOLDER(test_not_believed), WITH_FOLDER(test_folders_in_the_way),
		WITH_FOLDER(test_sharing),   WITH_FOLDER(test_processes),    WITH_FOLDER(test_lock), WITH_FOLDER(test_unmapped),
		WITH_FOLDER(test_threads),   WITH_FOLDER(test_full),         WITH_FOLDER(test_limited),
		WITH_FOLDER(test_last_use),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
