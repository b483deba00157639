/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of rafs/cache/cache_dir: one object for a folder, files that appear whole, names, and folders that will not do.
 */
#include "rafs/cache/cache_dir.h"

#include "rafs/cache/internal.h"
#include "rafs_cache_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static struct cache_dir *get(const struct folder *f, uint64_t limit)
{
	struct graft_error err;
	struct cache_dir *dir;

	if (cache_dir_get(&dir, open(f->path, O_PATH | O_CLOEXEC), f->path, limit, &err) < 0)
		fail_msg("%s", err.text);
	return dir;
}

static void test_one_object(void **state)
{
	const struct folder *f = *state;
	struct cache_dir *a = get(f, 0), *b, *c;
	int fd = open(f->path, O_RDONLY | O_CLOEXEC);

	assert_int_equal(a->limit, 0);
	assert_int_equal(cache_dir_get(&b, fd, "/another/path", 100, NULL), 0);
	assert_ptr_equal(a, b);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	assert_string_equal(cache_dir_path(b), f->path);
	/* The smallest limit holds, and "none" is not small. */
	assert_int_equal(a->limit, 100);
	c = get(f, 200);
	assert_int_equal(a->limit, 100);
	cache_dir_put(c);
	c = get(f, 50);
	assert_int_equal(a->limit, 50);
	cache_dir_put(c);
	c = get(f, 0);
	assert_int_equal(a->limit, 50);
	assert_ptr_equal(cache_dir_ref(c), a);
	assert_int_equal(a->refs, 4);
	cache_dir_put(c);
	cache_dir_put(c);
	cache_dir_put(b);
	cache_dir_put(a);
	cache_dir_put(NULL);
	a = get(f, 7);
	assert_int_equal(a->refs, 1);
	assert_int_equal(a->limit, 7);
	assert_int_equal(folder_count(f), 0);
	cache_dir_put(a);
}

static void test_refused(void **state)
{
	const struct folder *f = *state;
	struct graft_error err;
	struct cache_dir *dir;
	pid_t child;
	int status;

	folder_put(f, "file", "x", 1);
	assert_int_equal(cache_dir_get(&dir, openat(f->fd, "file", O_PATH), "file", 0, &err), -ENOTDIR);
	assert_non_null(strstr(err.text, "file is not a folder"));
	assert_null(dir);
	assert_int_equal(cache_dir_get(&dir, -1, "none", 0, &err), -EBADF);
	if (geteuid() != 0)
		skip();
	assert_int_equal(fchmod(f->fd, 0755), 0);
	/* Not writable, and not readable, for somebody else. */
	child = fork();
	if (child == 0) {
		int fd = open(f->path, O_PATH);
		bool ok = setresuid(65534, 65534, 65534) == 0 &&
			  cache_dir_get(&dir, dup(fd), f->path, 0, &err) == -EACCES && strstr(err.text, f->path) &&
			  strstr(err.text, "cannot make files") && fchmod(f->fd, 0) < 0;
		_exit(!ok);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(fchmod(f->fd, 0), 0);
	child = fork();
	if (child == 0) {
		int fd = open(f->path, O_PATH);

		_exit(!(setresuid(65534, 65534, 65534) == 0 && cache_dir_get(&dir, fd, f->path, 0, &err) == -EACCES &&
			strstr(err.text, "cannot read")));
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(fchmod(f->fd, 0700), 0);
}

struct text {
	const char *text;
	int res;
};

static int fill(void *arg, int fd)
{
	const struct text *t = arg;

	if (write(fd, t->text, strlen(t->text)) != (ssize_t)strlen(t->text))
		return -EIO;
	return t->res;
}

static void check_content(int fd, const char *want)
{
	char got[64] = "";

	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	assert_int_equal(pread(fd, got, sizeof(got) - 1, 0), strlen(want));
	assert_string_equal(got, want);
	close(fd);
}

/* New, in place of another, of a link, of a fifo; failing ones leave what was there. */
static void replace_cases(const struct folder *f, struct cache_dir *dir)
{
	struct text one = { "one", 0 }, two = { "two!", 0 }, broken = { "bad", -EPROTO };
	uint64_t size = 0;

	check_content(cache_dir_replace(dir, "a.blob.meta", fill, &one), "one");
	check_content(cache_dir_replace(dir, "a.blob.meta", fill, &two), "two!");
	assert_int_equal(cache_dir_replace(dir, "a.blob.meta", fill, &broken), -EPROTO);
	assert_int_equal(cache_dir_replace(dir, "b.blob.meta", fill, &broken), -EPROTO);
	assert_false(folder_has(f, "b.blob.meta"));
	check_content(cache_dir_open(dir, "a.blob.meta", &size), "two!");
	assert_int_equal(size, 4);
	assert_int_equal(cache_dir_open(dir, "b.blob.meta", &size), -ENOENT);

	assert_int_equal(symlinkat("a.blob.meta", f->fd, "link") | mkfifoat(f->fd, "fifo", 0600), 0);
	assert_int_equal(mkdirat(f->fd, "folder", 0700), 0);
	assert_int_equal(cache_dir_open(dir, "link", &size), -ENOENT);
	assert_int_equal(cache_dir_open(dir, "fifo", &size), -ENOENT);
	assert_int_equal(cache_dir_open(dir, "folder", &size), -EISDIR);
	check_content(cache_dir_replace(dir, "link", fill, &one), "one");
	check_content(cache_dir_replace(dir, "fifo", fill, &one), "one");
	assert_int_equal(cache_dir_replace(dir, "folder", fill, &one), -EISDIR);
	check_content(cache_dir_open(dir, "a.blob.meta", &size), "two!");
	/* a.blob.meta, link, fifo, folder: nothing else was left behind. */
	assert_int_equal(folder_count(f), 4);
}

static void test_replace(void **state)
{
	struct cache_dir *dir = get(*state, 0);

	replace_cases(*state, dir);
	cache_dir_put(dir);
}

/* The same where the file system has no nameless files. */
static void test_replace_named(void **state)
{
	struct cache_dir *dir = get(*state, 0);

	dir->named = true;
	replace_cases(*state, dir);
	assert_true(dir->named);
	cache_dir_put(dir);
}

static void test_names(void **state)
{
	static const char *const bad[] = { "", ".", "..", "a/b", "/a", "../a" };
	const struct folder *f = *state;
	struct cache_dir *dir = get(f, 0);
	struct text one = { "one", 0 };
	char name[300];
	uint64_t size;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(cache_dir_open(dir, bad[i], &size), -EINVAL);
		assert_int_equal(cache_dir_replace(dir, bad[i], fill, &one), -EINVAL);
	}
	memset(name, 'n', sizeof(name));
	name[256] = '\0';
	assert_int_equal(cache_dir_replace(dir, name, fill, &one), -EINVAL);
	name[255] = '\0';
	check_content(cache_dir_replace(dir, name, fill, &one), "one");
	assert_int_equal(folder_count(f), 1);
	cache_dir_put(dir);
}

/* Readers see the old file or the new one, never a part, while two processes replace it. */
static void test_replace_races(void **state)
{
	const struct folder *f = *state;
	struct cache_dir *dir = get(f, 0);
	struct text one = { "11111111", 0 }, two = { "22222222", 0 };
	pid_t child;
	int status;

	check_content(cache_dir_replace(dir, "x", fill, &one), "11111111");
	child = fork();
	if (child == 0) {
		for (int i = 0; i < 300; i++) {
			int fd = cache_dir_replace(dir, "x", fill, &two);

			if (fd < 0)
				_exit(1);
			close(fd);
		}
		_exit(0);
	}
	for (int i = 0; i < 300; i++) {
		char got[16];
		uint64_t size;
		int fd = cache_dir_open(dir, "x", &size);

		assert_true(fd >= 0);
		assert_int_equal(size, 8);
		assert_int_equal(pread(fd, got, sizeof(got), 0), 8);
		assert_true(!memcmp(got, "11111111", 8) || !memcmp(got, "22222222", 8));
		close(fd);
		check_content(cache_dir_replace(dir, "x", fill, &one), "11111111");
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(folder_count(f), 1);
	cache_dir_put(dir);
}

static int fill_much(void *arg, int fd)
{
	static const char block[4096];

	(void)arg;
	for (int i = 0; i < 1024; i++) {
		ssize_t n = write(fd, block, sizeof(block));

		if (n != (ssize_t)sizeof(block))
			return n < 0 ? -errno : -ENOSPC;
	}
	return 0;
}

/* A disk of 256 KiB. */
static void test_full(void **state)
{
	const struct folder *f = *state;
	struct folder full = { .fd = -1 };
	struct text one = { "one", 0 };
	struct cache_dir *dir;

	if (mount("graftfs-test", f->path, "tmpfs", 0, "size=256k,nr_inodes=3") < 0)
		skip();
	memcpy(full.path, f->path, sizeof(full.path));
	full.fd = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = get(&full, 0);
	assert_int_equal(cache_dir_replace(dir, "a.blob.meta", fill_much, NULL), -ENOSPC);
	assert_int_equal(folder_count(&full), 0);
	check_content(cache_dir_replace(dir, "a.blob.meta", fill, &one), "one");
	check_content(cache_dir_replace(dir, "b.blob.meta", fill, &one), "one");
	/* No inode is left, not even for a nameless file: the folder itself is still good. */
	assert_int_equal(cache_dir_replace(dir, "c.blob.meta", fill, &one), -ENOSPC);
	cache_dir_put(dir);
	dir = get(&full, 0);
	cache_dir_put(dir);
	assert_int_equal(folder_count(&full), 2);
	close(full.fd);
	assert_int_equal(umount2(f->path, MNT_DETACH), 0);
}

/* Read-only: named in the error. */
static void test_read_only(void **state)
{
	const struct folder *f = *state;
	struct graft_error err;
	struct cache_dir *dir;

	if (mount("graftfs-test", f->path, "tmpfs", MS_RDONLY, "size=64k") < 0)
		skip();
	assert_int_equal(cache_dir_get(&dir, open(f->path, O_PATH | O_CLOEXEC), f->path, 0, &err), -EROFS);
	assert_non_null(strstr(err.text, f->path));
	assert_int_equal(umount2(f->path, MNT_DETACH), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_one_object, folder_setup, folder_teardown),
		cmocka_unit_test_setup_teardown(test_refused, folder_setup, folder_teardown),
		cmocka_unit_test_setup_teardown(test_replace, folder_setup, folder_teardown),
		cmocka_unit_test_setup_teardown(test_replace_named, folder_setup, folder_teardown),
		cmocka_unit_test_setup_teardown(test_names, folder_setup, folder_teardown),
		cmocka_unit_test_setup_teardown(test_replace_races, folder_setup, folder_teardown),
		cmocka_unit_test_setup_teardown(test_full, folder_setup, folder_teardown),
		cmocka_unit_test_setup_teardown(test_read_only, folder_setup, folder_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
