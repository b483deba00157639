/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of rafs/cache and the local backends with each allocation and each call on a folder failing once, and
 * fallbacks. */
#include "rafs/blob/backend.h"
#include "rafs/cache/cache_file.h"
#include "rafs/cache/internal.h"
#include "rafs_cache_fixture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* Calls are counted while armed; the one with this number fails. */
static bool armed;
static unsigned int calls, fail_at;
/* What the kernel or the file system does not have. */
static bool no_nameless, no_empty_path, no_link;

static bool fails(void)
{
	return armed && ++calls == fail_at;
}

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__real_reallocarray(void *p, size_t n, size_t size);
void *__wrap_reallocarray(void *p, size_t n, size_t size);
char *__real_strdup(const char *s);
char *__wrap_strdup(const char *s);
char *__real_strndup(const char *s, size_t n);
char *__wrap_strndup(const char *s, size_t n);
int __real_openat(int dir, const char *path, int flags, ...);
int __wrap_openat(int dir, const char *path, int flags, ...);
int __real_linkat(int from_dir, const char *from, int to_dir, const char *to, int flags);
int __wrap_linkat(int from_dir, const char *from, int to_dir, const char *to, int flags);
int __real_renameat(int from_dir, const char *from, int to_dir, const char *to);
int __wrap_renameat(int from_dir, const char *from, int to_dir, const char *to);
int __real_ftruncate(int fd, off_t size);
int __wrap_ftruncate(int fd, off_t size);

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_reallocarray(void *p, size_t n, size_t size)
{
	return fails() ? NULL : __real_reallocarray(p, n, size);
}

char *__wrap_strdup(const char *s)
{
	return fails() ? NULL : __real_strdup(s);
}

char *__wrap_strndup(const char *s, size_t n)
{
	return fails() ? NULL : __real_strndup(s, n);
}

static int io_error(void)
{
	errno = EIO;
	return -1;
}

int __wrap_openat(int dir, const char *path, int flags, ...)
{
	va_list ap;
	mode_t mode;

	va_start(ap, flags);
	mode = flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(ap, mode_t) : 0;
	va_end(ap);
	if (no_nameless && (flags & O_TMPFILE) == O_TMPFILE) {
		errno = EOPNOTSUPP;
		return -1;
	}
	return fails() ? io_error() : __real_openat(dir, path, flags, mode);
}

int __wrap_linkat(int from_dir, const char *from, int to_dir, const char *to, int flags)
{
	if (no_link || (no_empty_path && flags & AT_EMPTY_PATH)) {
		errno = ENOENT;
		return -1;
	}
	return fails() ? io_error() : __real_linkat(from_dir, from, to_dir, to, flags);
}

int __wrap_renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	return fails() ? io_error() : __real_renameat(from_dir, from, to_dir, to);
}

int __wrap_ftruncate(int fd, off_t size)
{
	return fails() ? io_error() : __real_ftruncate(fd, size);
}

/* Everything in it goes; none may have a temporary name. */
static void clear(const struct folder *f)
{
	struct dirent *e;
	DIR *d = opendir(f->path);

	assert_non_null(d);
	while ((e = readdir(d))) {
		if (strncmp(e->d_name, CACHE_TEMP_PREFIX, sizeof(CACHE_TEMP_PREFIX) - 1) == 0)
			fail_msg("call %u: %s was left behind", fail_at, e->d_name);
		unlinkat(f->fd, e->d_name, 0);
	}
	closedir(d);
}

/* From 1 on, each call of what run does fails once, until one run has none that failed. */
static void each_call(void **state, void (*run)(const struct folder *f))
{
	const struct folder *f = *state;

	for (fail_at = 1; fail_at < 500; fail_at++) {
		calls = 0;
		run(f);
		armed = false;
		clear(f);
		if (calls < fail_at)
			break;
	}
	assert_true(fail_at > 10 && fail_at < 500);
}

static int fill(void *arg, int fd)
{
	(void)arg;
	return write(fd, "text", 4) == 4 ? 0 : -EIO;
}

static void use_file(struct cache_dir *dir, enum cache_form form)
{
	struct graft_error err = { 0 };
	struct cache_file *file;
	char got[4];
	int res = cache_file_open(&file, dir, "id", form, 8192, 2, &err);

	if (res < 0) {
		assert_null(file);
		assert_int_equal(err.code, -res);
		assert_non_null(strstr(err.text, "blob id"));
		return;
	}
	assert_int_equal(cache_file_write(file, "text", 4, 4096), 0);
	cache_file_set_ready(file, 1);
	assert_int_equal(cache_file_read(file, got, 4, 4096), 0);
	assert_memory_equal(got, "text", 4);
	cache_file_close(file);
}

static void run_cache(const struct folder *f)
{
	struct graft_error err = { 0 };
	struct cache_dir *dir;
	uint64_t size;
	int fd = open(f->path, O_PATH | O_CLOEXEC), res;

	armed = true;
	res = cache_dir_get(&dir, fd, f->path, 1, &err);
	if (res < 0) {
		assert_null(dir);
		assert_int_equal(err.code, -res);
		assert_non_null(strstr(err.text, f->path));
		return;
	}
	fd = cache_dir_replace(dir, "id.blob.meta", fill, NULL);
	if (fd >= 0)
		close(fd);
	fd = cache_dir_open(dir, "id.blob.meta", &size);
	if (fd >= 0)
		close(fd);
	use_file(dir, CACHE_PLAIN);
	use_file(dir, CACHE_PLAIN);
	use_file(dir, CACHE_RAW);
	cache_dir_trim(dir);
	cache_dir_put(dir);
}

static void test_cache(void **state)
{
	each_call(state, run_cache);
}

static void test_cache_named(void **state)
{
	no_nameless = true;
	each_call(state, run_cache);
	no_nameless = false;
}

/* Without the failing calls: what the other ways of making files leave is the same. */
static void run_whole(const struct folder *f, bool named)
{
	struct cache_dir *dir;
	char text[8];
	int fd;

	assert_int_equal(cache_dir_get(&dir, open(f->path, O_PATH | O_CLOEXEC), f->path, 0, NULL), 0);
	assert_int_equal(dir->named, named);
	for (int i = 0; i < 2; i++) {
		fd = cache_dir_replace(dir, "id.blob.meta", fill, NULL);
		assert_true(fd >= 0);
		assert_int_equal(read(fd, text, sizeof(text)), 4);
		close(fd);
		use_file(dir, i ? CACHE_RAW : CACHE_PLAIN);
	}
	assert_int_equal(folder_count(f), 3);
	cache_dir_put(dir);
	clear(f);
}

static void test_fallbacks(void **state)
{
	no_empty_path = true;
	run_whole(*state, false);
	no_empty_path = false;
	no_link = true;
	run_whole(*state, true);
	no_link = false;
	no_nameless = true;
	run_whole(*state, true);
	no_nameless = false;
	run_whole(*state, false);
}

static int open_path(void *arg, const char *path, int flags, struct graft_error *err)
{
	int fd = openat(AT_FDCWD, path, flags);

	(void)arg;
	return fd < 0 ? error_set(err, errno, "%s", strerror(errno)) : fd;
}

static const struct path_opener opener = { open_path, NULL };

static void run_backend(const struct backend_spec *spec, const char *id)
{
	struct graft_error err = { 0 };
	struct blob_file *file;
	struct backend *b;
	char byte;
	int res;

	armed = true;
	res = backend_open(&b, spec, &opener, &err);
	if (res < 0) {
		assert_null(b);
		assert_int_equal(err.code, -res);
		armed = false;
		return;
	}
	res = blob_open(b, id, &file, &err);
	if (res < 0) {
		assert_null(file);
		assert_int_equal(err.code, -res);
	} else {
		assert_int_equal(blob_read_buffer(file, 0, &byte, 1), 0);
		blob_close(file);
	}
	backend_free(b);
	armed = false;
}

static void run_backends(const struct folder *f)
{
	static const struct disk_partition one = { .name = "x", .basic = true, .first = 20, .last = 20 };
	static const struct disk_layout layout = { 512, 64, 128, 4, &one, 1 };
	const char *const alts[] = { f->path };
	unsigned char *image = disk_make(&layout);
	char path[256];

	snprintf(path, sizeof(path), "%s/disk", f->path);
	folder_put(f, "disk", image, (size_t)64 * 512);
	free(image);
	run_backend(&(struct backend_spec){ .dir = "/", .alt_dirs = alts, .alt_count = 1 }, "disk");
	run_backend(&(struct backend_spec){ .file = path }, "any");
	run_backend(&(struct backend_spec){ .kind = BACKEND_LOCALDISK, .device = path }, "x");
}

static void test_backends(void **state)
{
	each_call(state, run_backends);
}

#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_setup, folder_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FOLDER(test_cache),
		WITH_FOLDER(test_cache_named),
		WITH_FOLDER(test_fallbacks),
		WITH_FOLDER(test_backends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
