/* SPDX-License-Identifier: Apache-2.0 */
/* Every operation as it should be, its result checked on the host. */
#include "tests/vring/fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

static struct fixture fixture = {.config = {.queues = 1, .mount_keys = "xattr = true"}};

#define ROOT FUSE_ROOT_ID

static struct stat host_stat(const struct fixture *f, const char *name)
{
	struct stat st;

	assert_int_equal(lstat(fixture_path(f, name), &st), 0);
	return st;
}

static bool on_host(const struct fixture *f, const char *name)
{
	struct stat st;

	return lstat(fixture_path(f, name), &st) == 0;
}

static void check_attr(const struct fuse_attr *a, const struct stat *st)
{
	assert_int_equal(a->ino, st->st_ino);
	assert_int_equal(a->size, st->st_size);
	assert_int_equal(a->mode, st->st_mode);
	assert_int_equal(a->nlink, st->st_nlink);
	assert_int_equal(a->uid, st->st_uid);
	assert_int_equal(a->gid, st->st_gid);
	assert_int_equal(a->mtime, st->st_mtim.tv_sec);
	assert_int_equal(a->mtimensec, st->st_mtim.tv_nsec);
	assert_int_equal(a->ctimensec, st->st_ctim.tv_nsec);
}

static void test_init(void **state)
{
	struct fixture *f = *state;
	struct fuse_client *c = &f->client;
	struct fuse_init_out out;
	struct fuse_attr_out attr;

	fixture_connect(f, FIXTURE_FEATURES);
	assert_int_equal(fuse_client_init(c, f->fe, 1, 1, 0), 0);
	f->mounted = true;
	assert_int_equal(fuse_getattr(c, ROOT, &attr), -EBADF);
	assert_int_equal(fuse_init_version(c, 6, 0, 0, &out), -EPROTO);
	assert_int_equal(fuse_init_version(c, 7, 26, 0, &out), -EPROTO);
	assert_int_equal(fuse_init_version(c, 8, 99, 0, &out), 0);
	assert_int_equal(out.major, 7);
	assert_int_equal(fuse_getattr(c, ROOT, &attr), -EBADF);
	assert_int_equal(fuse_init_version(c, 7, 31, FIXTURE_INIT, &out), 0);
	assert_int_equal(out.major, 7);
	assert_true(out.minor >= 31);
	assert_int_equal(out.max_write, 1 << 20);
	assert_int_equal(out.max_pages, (1 << 20) / sysconf(_SC_PAGESIZE));
	assert_int_equal(out.time_gran, 1);
	assert_int_equal(out.flags & ~(uint32_t)FIXTURE_INIT, 0); /* nothing that was not offered */
	assert_true(out.flags & FUSE_MAX_PAGES);
	assert_true(out.flags & FUSE_ASYNC_READ);
	assert_int_equal(fuse_getattr(c, ROOT, &attr), 0);
	assert_int_equal(fuse_init_version(c, 7, 45, FIXTURE_INIT | FUSE_INIT_EXT | FUSE_CREATE_SUPP_GROUP, &out), 0);
	assert_true(out.flags & FUSE_INIT_EXT);
	assert_int_equal(out.flags2, FUSE_CREATE_SUPP_GROUP >> 32);
}

/* A second INIT is a new session: what the first one held is gone. */
static void test_init_twice(void **state)
{
	struct fixture *f = *state;
	struct fuse_entry_out e;
	struct fuse_attr_out attr;
	uint64_t fh;

	fixture_mount(f, FIXTURE_FEATURES);
	assert_int_equal(fuse_create(&f->client, ROOT, "file", O_RDWR, 0644, &e, &fh), 0);
	assert_int_equal(fuse_init(&f->client, FIXTURE_INIT), 0);
	assert_int_equal(fuse_getattr(&f->client, e.nodeid, &attr), -EBADF);
	assert_int_equal(fuse_read(&f->client, e.nodeid, fh, NULL, 10, 0), -EBADF);
	assert_int_equal(fuse_lookup(&f->client, ROOT, "file", &e), 0);
	fixture_check_alive(f);
}

static void test_lookup(void **state)
{
	struct fixture *f = *state;
	struct fuse_client *c = &f->client;
	struct fuse_entry_out e, e2;
	struct fuse_attr_out attr;
	struct stat st;

	fixture_write_file(f, "file", "abc", 3);
	assert_int_equal(mkdir(fixture_path(f, "dir"), 0750), 0);
	assert_int_equal(symlink("some/where", fixture_path(f, "link")), 0);
	assert_int_equal(mkfifo(fixture_path(f, "fifo"), 0600), 0);
	assert_int_equal(link(fixture_path(f, "file"), fixture_path(f, "dir/hard")), 0);
	fixture_mount(f, FIXTURE_FEATURES);
	static const char *const names[] = {"file", "dir", "link", "fifo"};
	for (unsigned i = 0; i < 4; i++) {
		st = host_stat(f, names[i]);
		assert_int_equal(fuse_lookup(c, ROOT, names[i], &e), 0);
		check_attr(&e.attr, &st);
		assert_int_equal(e.entry_valid, 1);
		assert_int_equal(e.attr_valid, 1);
		assert_int_equal(fuse_getattr(c, e.nodeid, &attr), 0);
		check_attr(&attr.attr, &st);
		assert_int_equal(fuse_lookup(c, ROOT, names[i], &e2), 0);
		assert_int_equal(e2.nodeid, e.nodeid);
		assert_int_equal(e2.generation, e.generation);
	}
	assert_int_equal(fuse_lookup(c, ROOT, "absent", &e), -ENOENT);
	/* Hard links are one node, and a file is no directory. */
	assert_int_equal(fuse_lookup(c, ROOT, "dir", &e), 0);
	assert_int_equal(fuse_lookup(c, e.nodeid, "hard", &e2), 0);
	assert_int_equal(fuse_lookup(c, ROOT, "file", &e), 0);
	assert_int_equal(e2.nodeid, e.nodeid);
	assert_int_equal(fuse_lookup(c, e.nodeid, "below", &e2), -ENOTDIR);
}

static void test_forget(void **state)
{
	struct fixture *f = *state;
	struct fuse_client *c = &f->client;
	struct fuse_entry_out e, again;
	struct fuse_attr_out attr;

	fixture_write_file(f, "file", "abc", 3);
	fixture_mount(f, FIXTURE_FEATURES);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(fuse_lookup(c, ROOT, "file", &e), 0);
	assert_int_equal(fuse_forget(c, e.nodeid, 4), 0);
	assert_int_equal(fuse_getattr(c, e.nodeid, &attr), 0);
	assert_int_equal(fuse_forget(c, e.nodeid, UINT64_MAX), 0); /* more than there is: the node goes, nothing else */
	assert_int_equal(fuse_getattr(c, e.nodeid, &attr), -EBADF);
	assert_int_equal(fuse_forget(c, e.nodeid, 1), 0);
	assert_int_equal(fuse_lookup(c, ROOT, "file", &again), 0);
	assert_int_equal(fuse_getattr(c, again.nodeid, &attr), 0);
}

/* A file that was opened stays readable after its name and its look-ups are gone. */
static void test_unlinked_open(void **state)
{
	struct fixture *f = *state;
	struct fuse_client *c = &f->client;
	struct fuse_entry_out e;
	char got[10];
	uint64_t fh;

	fixture_mount(f, FIXTURE_FEATURES);
	assert_int_equal(fuse_create(c, ROOT, "file", O_RDWR, 0644, &e, &fh), 0);
	assert_int_equal(fuse_write(c, e.nodeid, fh, "still", 5, 0), 5);
	assert_int_equal(fuse_unlink(c, ROOT, "file"), 0);
	assert_false(on_host(f, "file"));
	assert_int_equal(fuse_read(c, e.nodeid, fh, got, 10, 0), 5);
	assert_memory_equal(got, "still", 5);
	assert_int_equal(fuse_truncate(c, e.nodeid, 2), 0);
	assert_int_equal(fuse_release(c, e.nodeid, fh), 0);
	assert_int_equal(fuse_forget(c, e.nodeid, 1), 0);
}

static void test_create(void **state)
{
	struct fixture *f = *state;
	struct fuse_client *c = &f->client;
	struct fuse_entry_out e, e2;
	uint64_t fh, fh2;
	char got[16];

	fixture_mount(f, FIXTURE_FEATURES);
	assert_int_equal(fuse_create(c, ROOT, "file", O_RDWR | O_EXCL, 0640, &e, &fh), 0);
	struct stat st = host_stat(f, "file");
	assert_int_equal(st.st_mode, S_IFREG | 0640);
	check_attr(&e.attr, &st);
	assert_int_equal(fuse_write(c, e.nodeid, fh, "hello world", 11, 0), 11);
	assert_true(fixture_file_is(f, "file", "hello world", 11));
	assert_int_equal(fuse_create(c, ROOT, "file", O_RDWR | O_EXCL, 0640, &e2, &fh2), -EEXIST);
	assert_int_equal(fuse_create(c, ROOT, "file", O_RDWR, 0640, &e2, &fh2), 0);
	assert_int_equal(e2.nodeid, e.nodeid);
	assert_int_equal(fuse_read(c, e.nodeid, fh2, got, 16, 0), 11);
	assert_int_equal(fuse_release(c, e.nodeid, fh2), 0);
	assert_int_equal(fuse_open(c, e.nodeid, O_RDWR | O_TRUNC, &fh2), 0);
	assert_int_equal(host_stat(f, "file").st_size, 0);
	assert_int_equal(fuse_write(c, e.nodeid, fh2, "x", 1, 70000), 1);
	assert_int_equal(host_stat(f, "file").st_size, 70001);
	assert_int_equal(fuse_read(c, e.nodeid, fh, got, 4, 69998), 3);
	assert_memory_equal(got, "\0\0x", 3);
	assert_int_equal(fuse_read(c, e.nodeid, fh, got, 16, 70001), 0);
	assert_int_equal(fuse_read(c, e.nodeid, fh, got, 0, 0), 0);
	assert_int_equal(fuse_release(c, e.nodeid, fh2), 0);
	assert_int_equal(fuse_open(c, e.nodeid, O_RDONLY, &fh2), 0);
	assert_int_equal(fuse_write(c, e.nodeid, fh2, "x", 1, 0), -EBADF);
	assert_int_equal(fuse_flush(c, e.nodeid, fh2), 0);
	assert_int_equal(fuse_fsync(c, e.nodeid, fh, false), 0);
	assert_int_equal(fuse_fsync(c, e.nodeid, fh, true), 0);
	assert_int_equal(fuse_release(c, e.nodeid, fh), 0);
	assert_int_equal(fuse_release(c, e.nodeid, fh2), 0);
}

static void test_caller(void **state)
{
	struct fixture *f = *state;
	struct fuse_client *c = &f->client;
	struct fuse_entry_out e;
	uint64_t fh;

	if (geteuid() != 0)
		skip();
	assert_int_equal(chmod(f->daemon.share, 0777), 0);
	fixture_mount(f, FIXTURE_FEATURES);
	c->uid = 1234;
	c->gid = 5678;
	assert_int_equal(fuse_create(c, ROOT, "file", O_RDWR, 0644, &e, &fh), 0);
	assert_int_equal(fuse_mkdir(c, ROOT, "dir", 0755, &e), 0);
	assert_int_equal(fuse_symlink(c, ROOT, "link", "x", &e), 0);
	assert_int_equal(fuse_mknod(c, ROOT, "node", S_IFIFO | 0644, 0, &e), 0);
	static const char *const names[] = {"file", "dir", "link", "node"};
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(host_stat(f, names[i]).st_uid, 1234);
		assert_int_equal(host_stat(f, names[i]).st_gid, 5678);
	}
	assert_int_equal(fuse_unlink(c, ROOT, "file"), 0);
	c->uid = c->gid = 0;
	assert_int_equal(fuse_create(c, ROOT, "file", O_RDWR, 0644, &e, &fh), 0);
	assert_int_equal(host_stat(f, "file").st_uid, 0);
	assert_int_equal(host_stat(f, "file").st_gid, 0);
	assert_int_equal(chmod(f->daemon.share, 0755), 0);
}

static void test_namespace(void **state)
{
	struct fixture *f = *state;
	struct fuse_client *c = &f->client;
	struct fuse_entry_out dir, e, e2;
	char target[300];

	fixture_mount(f, FIXTURE_FEATURES);
	assert_int_equal(fuse_mkdir(c, ROOT, "dir", 0711, &dir), 0);
	assert_int_equal(host_stat(f, "dir").st_mode, S_IFDIR | 0711);
	assert_int_equal(fuse_mkdir(c, ROOT, "dir", 0711, &e), -EEXIST);
	assert_int_equal(fuse_mknod(c, dir.nodeid, "plain", S_IFREG | 0600, 0, &e), 0);
	assert_int_equal(host_stat(f, "dir/plain").st_mode, S_IFREG | 0600);
	assert_int_equal(fuse_mknod(c, dir.nodeid, "fifo", S_IFIFO | 0600, 0, &e2), 0);
	assert_true(S_ISFIFO(host_stat(f, "dir/fifo").st_mode));
	assert_int_equal(fuse_symlink(c, ROOT, "link", "../dir/plain", &e2), 0);
	assert_int_equal(e2.attr.size, 12);
	assert_int_equal(fuse_readlink(c, e2.nodeid, target, sizeof(target)), 0);
	assert_string_equal(target, "../dir/plain");
	assert_true(fuse_readlink(c, e.nodeid, target, sizeof(target)) < 0);
	assert_int_equal(fuse_link(c, e.nodeid, ROOT, "hard", &e2), 0);
	assert_int_equal(e2.nodeid, e.nodeid);
	assert_int_equal(e2.attr.nlink, 2);
	assert_int_equal(host_stat(f, "hard").st_ino, host_stat(f, "dir/plain").st_ino);
	assert_int_equal(fuse_rmdir(c, ROOT, "dir"), -ENOTEMPTY);
	assert_int_equal(fuse_rmdir(c, ROOT, "hard"), -ENOTDIR);
	assert_int_equal(fuse_unlink(c, ROOT, "dir"), -EISDIR);
	assert_int_equal(fuse_unlink(c, ROOT, "absent"), -ENOENT);
	assert_int_equal(fuse_rename(c, ROOT, "hard", dir.nodeid, "moved"), 0);
	assert_false(on_host(f, "hard"));
	assert_true(on_host(f, "dir/moved"));
	assert_int_equal(fuse_rename2(c, ROOT, "link", dir.nodeid, "moved", RENAME_NOREPLACE), -EEXIST);
	assert_int_equal(fuse_rename2(c, ROOT, "link", dir.nodeid, "fifo", RENAME_EXCHANGE), 0);
	assert_true(S_ISFIFO(host_stat(f, "link").st_mode));
	assert_true(S_ISLNK(host_stat(f, "dir/fifo").st_mode));
	assert_int_equal(fuse_rename(c, ROOT, "absent", ROOT, "other"), -ENOENT);
	static const char *const below[] = {"moved", "fifo", "plain"};
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(fuse_unlink(c, dir.nodeid, below[i]), 0);
	assert_int_equal(fuse_unlink(c, ROOT, "link"), 0);
	assert_int_equal(fuse_rmdir(c, ROOT, "dir"), 0);
	assert_false(on_host(f, "dir"));
}

static void test_setattr(void **state)
{
	struct fixture *f = *state;
	struct fuse_client *c = &f->client;
	struct fuse_entry_out e;
	struct fuse_attr_out attr;
	uint64_t fh;

	fixture_mount(f, FIXTURE_FEATURES);
	assert_int_equal(fuse_create(c, ROOT, "file", O_RDWR, 0644, &e, &fh), 0);
	struct fuse_setattr_in in = {.valid = FATTR_MODE, .mode = 0400};
	assert_int_equal(fuse_setattr(c, e.nodeid, &in, &attr), 0);
	assert_int_equal(attr.attr.mode, S_IFREG | 0400);
	assert_int_equal(host_stat(f, "file").st_mode, S_IFREG | 0400);
	in = (struct fuse_setattr_in){.valid = FATTR_SIZE, .size = 12345};
	assert_int_equal(fuse_setattr(c, e.nodeid, &in, &attr), 0);
	assert_int_equal(host_stat(f, "file").st_size, 12345);
	in = (struct fuse_setattr_in){.valid = FATTR_SIZE | FATTR_FH, .size = 45, .fh = fh};
	assert_int_equal(fuse_setattr(c, e.nodeid, &in, &attr), 0);
	assert_int_equal(attr.attr.size, 45);
	in = (struct fuse_setattr_in){
		.valid = FATTR_ATIME | FATTR_MTIME, .atime = 1000, .atimensec = 1, .mtime = 2000, .mtimensec = 2};
	assert_int_equal(fuse_setattr(c, e.nodeid, &in, &attr), 0);
	struct stat st = host_stat(f, "file");
	assert_int_equal(st.st_atim.tv_sec, 1000);
	assert_int_equal(st.st_mtim.tv_sec, 2000);
	assert_int_equal(st.st_mtim.tv_nsec, 2);
	in = (struct fuse_setattr_in){.valid = FATTR_MTIME | FATTR_MTIME_NOW};
	assert_int_equal(fuse_setattr(c, e.nodeid, &in, &attr), 0);
	st = host_stat(f, "file");
	assert_int_equal(st.st_atim.tv_sec, 1000);
	assert_true(st.st_mtim.tv_sec > 2000);
	if (geteuid() == 0) {
		in = (struct fuse_setattr_in){.valid = FATTR_UID, .uid = 42};
		assert_int_equal(fuse_setattr(c, e.nodeid, &in, &attr), 0);
		in = (struct fuse_setattr_in){.valid = FATTR_GID, .gid = 43};
		assert_int_equal(fuse_setattr(c, e.nodeid, &in, &attr), 0);
		st = host_stat(f, "file");
		assert_int_equal(st.st_uid, 42);
		assert_int_equal(st.st_gid, 43);
	}
	assert_int_equal(fuse_release(c, e.nodeid, fh), 0);
}

static void test_xattr(void **state)
{
	struct fixture *f = *state;
	struct fuse_client *c = &f->client;
	char value[100], *large = calloc(1, 4000);
	struct fuse_entry_out e;
	uint64_t fh;

	assert_non_null(large);
	fixture_write_file(f, "probe", "", 0);
	if (setxattr(fixture_path(f, "probe"), "user.probe", "x", 1, 0) < 0) {
		free(large);
		skip(); /* this file system has none */
	}
	fixture_mount(f, FIXTURE_FEATURES);
	assert_int_equal(fuse_create(c, ROOT, "file", O_RDWR, 0644, &e, &fh), 0);
	assert_int_equal(fuse_listxattr(c, e.nodeid, NULL, 0), 0);
	assert_int_equal(fuse_setxattr(c, e.nodeid, "user.one", "value", 5, 0), 0);
	assert_int_equal(getxattr(fixture_path(f, "file"), "user.one", value, sizeof(value)), 5);
	assert_memory_equal(value, "value", 5);
	assert_int_equal(fuse_setxattr(c, e.nodeid, "user.one", "v", 1, XATTR_CREATE), -EEXIST);
	assert_int_equal(fuse_setxattr(c, e.nodeid, "user.two", "v", 1, XATTR_REPLACE), -ENODATA);
	assert_int_equal(fuse_setxattr(c, e.nodeid, "user.empty", "", 0, 0), 0);
	assert_int_equal(fuse_getxattr(c, e.nodeid, "user.one", NULL, 0), 5);
	assert_int_equal(fuse_getxattr(c, e.nodeid, "user.one", value, 4), -ERANGE);
	assert_int_equal(fuse_getxattr(c, e.nodeid, "user.one", value, 50), 5);
	assert_memory_equal(value, "value", 5);
	assert_int_equal(fuse_getxattr(c, e.nodeid, "user.empty", value, 50), 0);
	assert_int_equal(fuse_getxattr(c, e.nodeid, "user.none", value, 50), -ENODATA);
	assert_int_equal(fuse_listxattr(c, e.nodeid, NULL, 0), 9 + 11);
	assert_int_equal(fuse_listxattr(c, e.nodeid, value, 5), -ERANGE);
	assert_int_equal(fuse_listxattr(c, e.nodeid, value, sizeof(value)), 9 + 11);
	assert_int_equal(fuse_removexattr(c, e.nodeid, "user.empty"), 0);
	assert_int_equal(fuse_removexattr(c, e.nodeid, "user.empty"), -ENODATA);
	assert_int_equal(getxattr(fixture_path(f, "file"), "user.empty", value, sizeof(value)), -1);
	memset(large, 'L', 3000);
	int res = fuse_setxattr(c, e.nodeid, "user.large", large, 3000, 0);
	if (res == 0) {
		memset(large, 0, 4000);
		assert_int_equal(fuse_getxattr(c, e.nodeid, "user.large", large, 4000), 3000);
		assert_int_equal(large[2999], 'L');
	}
	free(large);
}

#define ENTRIES 1200

/* Marks the entries of a raw listing as seen; returns the offset to go on at. */
static uint64_t mark_entries(const struct fuse_client *c, size_t len, bool plus, unsigned char *seen, unsigned *dots)
{
	const unsigned char *at = ram_ptr(&c->fe->ram, c->slot->data), *end = at + len;
	const size_t entry_out = plus ? sizeof(struct fuse_entry_out) : 0;
	uint64_t off = 0;

	while (at < end) {
		struct fuse_entry_out e = {.nodeid = 0};
		struct fuse_dirent d;
		char name[256];
		unsigned number;

		memcpy(&e, at, entry_out);
		memcpy(&d, at + entry_out, offsetof(struct fuse_dirent, name));
		assert_true(d.namelen > 0 && d.namelen < 256);
		memcpy(name, at + entry_out + offsetof(struct fuse_dirent, name), d.namelen);
		name[d.namelen] = 0;
		off = d.off;
		at += FUSE_DIRENT_ALIGN(entry_out + offsetof(struct fuse_dirent, name) + d.namelen);
		assert_true(at <= end);
		if (name[0] == '.') {
			(*dots)++;
			assert_int_equal(e.nodeid, 0);
			assert_int_equal(d.type, S_IFDIR >> 12);
			continue;
		}
		assert_int_equal(sscanf(name, "entry-%u", &number), 1);
		assert_true(number < ENTRIES);
		seen[number]++;
		assert_int_equal(d.type, S_IFREG >> 12);
		if (plus) {
			assert_true(e.nodeid > 1);
			assert_int_equal(e.attr.size, number);
			assert_int_equal(e.attr.ino, d.ino);
		}
	}
	return off;
}

static void list_all(struct fixture *f, uint64_t fh, bool plus, uint32_t size)
{
	unsigned char seen[ENTRIES] = {0};
	unsigned dots = 0;
	uint64_t off = 0;
	ssize_t n;

	while ((n = plus ? fuse_readdirplus(&f->client, ROOT, fh, off, size)
			 : fuse_readdir(&f->client, ROOT, fh, off, size)) > 0)
		off = mark_entries(&f->client, (size_t)n, plus, seen, &dots);
	assert_int_equal(n, 0);
	assert_int_equal(dots, 2);
	for (unsigned i = 0; i < ENTRIES; i++)
		assert_int_equal(seen[i], 1);
}

static void test_readdir(void **state)
{
	static const uint32_t sizes[] = {400, 1000, 4096, 32768, 1 << 20};
	struct fixture *f = *state;
	char name[40], *bytes = calloc(1, ENTRIES);
	uint64_t fh;

	assert_non_null(bytes);
	for (unsigned i = 0; i < ENTRIES; i++) {
		snprintf(name, sizeof(name), "entry-%u%.*s", i, (int)(i % 20), "....................");
		fixture_write_file(f, name, bytes, i);
	}
	free(bytes);
	fixture_mount(f, FIXTURE_FEATURES);
	assert_int_equal(fuse_opendir(&f->client, ROOT, &fh), 0);
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		list_all(f, fh, false, sizes[i]);
		list_all(f, fh, true, sizes[i]);
	}
	/* Room for no entry at all is an error, not an end. */
	assert_int_equal(fuse_readdir(&f->client, ROOT, fh, 0, 10), -EINVAL);
	assert_int_equal(fuse_fsyncdir(&f->client, ROOT, fh), 0);
	assert_int_equal(fuse_releasedir(&f->client, ROOT, fh), 0);
	assert_int_equal(fuse_readdir(&f->client, ROOT, fh, 0, 4096), -EBADF);
}

static void test_readdir_empty(void **state)
{
	struct fixture *f = *state;
	unsigned char seen[ENTRIES] = {0};
	struct fuse_entry_out e;
	unsigned dots = 0;
	uint64_t fh;

	fixture_mount(f, FIXTURE_FEATURES);
	assert_int_equal(fuse_opendir(&f->client, ROOT, &fh), 0);
	ssize_t n = fuse_readdir(&f->client, ROOT, fh, 0, 4096);
	assert_true(n > 0);
	uint64_t off = mark_entries(&f->client, (size_t)n, false, seen, &dots);
	assert_int_equal(dots, 2);
	assert_int_equal(fuse_readdir(&f->client, ROOT, fh, off, 4096), 0);
	assert_int_equal(fuse_mknod(&f->client, ROOT, "file", S_IFREG | 0644, 0, &e), 0);
	assert_true(fuse_opendir(&f->client, e.nodeid, &fh) < 0);
	assert_int_equal(fuse_open(&f->client, e.nodeid, O_RDONLY | O_DIRECTORY, &fh), -ENOTDIR);
}

static void test_space(void **state)
{
	struct fixture *f = *state;
	struct fuse_client *c = &f->client;
	struct fuse_entry_out e;
	char got[4096];
	uint64_t fh, at;

	fixture_mount(f, FIXTURE_FEATURES);
	assert_int_equal(fuse_create(c, ROOT, "file", O_RDWR, 0644, &e, &fh), 0);
	if (!fixture_host_allocates(f, 0) || !fixture_host_allocates(f, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE))
		skip();
	assert_int_equal(fuse_fallocate(c, e.nodeid, fh, 0, 0, 65536), 0);
	assert_int_equal(host_stat(f, "file").st_size, 65536);
	assert_int_equal(fuse_fallocate(c, e.nodeid, fh, FALLOC_FL_KEEP_SIZE, 65536, 65536), 0);
	assert_int_equal(host_stat(f, "file").st_size, 65536);
	memset(got, 'f', sizeof(got));
	assert_int_equal(fuse_write(c, e.nodeid, fh, got, 4096, 8192), 4096);
	assert_int_equal(fuse_write(c, e.nodeid, fh, got, 4096, 12288), 4096);
	assert_int_equal(fuse_fallocate(c, e.nodeid, fh, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, 8192, 4096), 0);
	assert_int_equal(fuse_read(c, e.nodeid, fh, got, 4096, 8192), 4096);
	for (unsigned i = 0; i < 4096; i++)
		assert_int_equal(got[i], 0);
	assert_int_equal(fuse_truncate(c, e.nodeid, 0), 0);
	assert_int_equal(fuse_truncate(c, e.nodeid, 1 << 20), 0);
	assert_int_equal(fuse_write(c, e.nodeid, fh, "data", 4, 512 << 10), 4);
	assert_int_equal(fuse_lseek(c, e.nodeid, fh, 0, SEEK_HOLE, &at), 0);
	assert_true(at <= 512 << 10);
	assert_int_equal(fuse_lseek(c, e.nodeid, fh, 0, SEEK_DATA, &at), 0);
	assert_true(at <= 512 << 10);
	assert_int_equal(fuse_lseek(c, e.nodeid, fh, 2 << 20, SEEK_DATA, &at), -ENXIO);
	assert_int_equal(fuse_lseek(c, e.nodeid, fh, 0, SEEK_END, &at), 0);
	assert_int_equal(at, 1 << 20);
}

static void test_copy(void **state)
{
	struct fixture *f = *state;
	struct fuse_client *c = &f->client;
	struct fuse_entry_out from, to;
	uint64_t fh_from, fh_to;
	char block[10000];

	memset(block, 'c', sizeof(block));
	fixture_mount(f, FIXTURE_FEATURES);
	assert_int_equal(fuse_create(c, ROOT, "from", O_RDWR, 0644, &from, &fh_from), 0);
	assert_int_equal(fuse_create(c, ROOT, "to", O_RDWR, 0644, &to, &fh_to), 0);
	assert_int_equal(fuse_write(c, from.nodeid, fh_from, block, sizeof(block), 0), sizeof(block));
	struct fuse_copy_file_range_in in = {
		.fh_in = fh_from, .off_in = 1, .nodeid_out = to.nodeid, .fh_out = fh_to, .len = 1 << 20};
	static const uint32_t opcodes[] = {FUSE_COPY_FILE_RANGE, GRAFT_OP_COPY_FILE_RANGE_64};
	for (unsigned i = 0; i < (fixture_is_peer(f) ? 1 : 2); i++) {
		int64_t n = fuse_copy_file_range(c, opcodes[i], &in, from.nodeid);
		assert_true(n > 0 && n <= (int64_t)sizeof(block) - 1);
		assert_true(fixture_file_is(f, "to", block, (size_t)n));
		assert_int_equal(fuse_truncate(c, to.nodeid, 0), 0);
	}
	in.off_in = sizeof(block);
	assert_int_equal(fuse_copy_file_range(c, FUSE_COPY_FILE_RANGE, &in, from.nodeid), 0);
}

static void test_rest(void **state)
{
	struct fixture *f = *state;
	struct fuse_client *c = &f->client;
	struct fuse_statfs_out fs;
	struct fuse_entry_out e;
	uint64_t fh;

	fixture_mount(f, FIXTURE_FEATURES);
	assert_int_equal(fuse_statfs(c, ROOT, &fs), 0);
	assert_true(fs.st.bsize > 0);
	assert_true(fs.st.blocks > 0);
	assert_int_equal(fs.st.namelen, 255);
	assert_int_equal(fuse_create(c, ROOT, "file", O_RDWR, 0600, &e, &fh), 0);
	assert_int_equal(fuse_access(c, e.nodeid, R_OK | W_OK), 0);
	assert_int_equal(fuse_access(c, e.nodeid, X_OK), -EACCES);
	c->uid = c->gid = 3333;
	if (geteuid() == 0)
		assert_int_equal(fuse_access(c, e.nodeid, R_OK), -EACCES);
	c->uid = c->gid = 0;
	assert_int_equal(fuse_syncfs(c, ROOT), 0);
	struct fuse_ioctl_out out;
	uint32_t flags = 0;
	int res = fuse_ioctl(c, e.nodeid, fh, FS_IOC_GETFLAGS, &flags, 0, sizeof(flags), &out);
	assert_true(res == 0 || res == -ENOTTY || res == -EOPNOTSUPP || (fixture_is_peer(f) && res == -ENOSYS));
	res = fuse_ioctl(c, e.nodeid, fh, 0x12345678, &flags, 0, sizeof(flags), &out);
	assert_true(res == -ENOTTY || (fixture_is_peer(f) && res == -ENOSYS));
}

static void test_newer(void **state)
{
	struct fixture *f = *state;
	struct fuse_client *c = &f->client;
	struct fuse_statx_out sx;
	struct fuse_entry_out e, named;
	uint64_t fh;
	char got[10];

	if (fixture_is_peer(f))
		skip(); /* it has neither */
	fixture_mount(f, FIXTURE_FEATURES);
	int probe = open(f->daemon.share, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (probe < 0)
		skip();
	close(probe);
	assert_int_equal(fuse_tmpfile(c, ROOT, O_RDWR, 0600, &e, &fh), 0);
	assert_int_equal(e.attr.nlink, 0);
	assert_int_equal(fuse_write(c, e.nodeid, fh, "tmp", 3, 0), 3);
	assert_int_equal(fuse_read(c, e.nodeid, fh, got, 10, 0), 3);
	assert_int_equal(fuse_link(c, e.nodeid, ROOT, "named", &named), 0);
	assert_int_equal(named.nodeid, e.nodeid);
	assert_true(fixture_file_is(f, "named", "tmp", 3));
	assert_int_equal(fuse_statx(c, e.nodeid, STATX_BASIC_STATS | STATX_BTIME, &sx), 0);
	struct stat st = host_stat(f, "named");
	assert_true(sx.stat.mask & STATX_SIZE);
	assert_int_equal(sx.stat.size, 3);
	assert_int_equal(sx.stat.ino, st.st_ino);
	assert_int_equal(sx.stat.mode, st.st_mode);
	assert_int_equal(sx.stat.nlink, 1);
	assert_int_equal(fuse_release(c, e.nodeid, fh), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(test_init, &fixture),	    FIXTURE_TEST(test_init_twice, &fixture),
		FIXTURE_TEST(test_lookup, &fixture),	    FIXTURE_TEST(test_forget, &fixture),
		FIXTURE_TEST(test_unlinked_open, &fixture), FIXTURE_TEST(test_create, &fixture),
		FIXTURE_TEST(test_caller, &fixture),	    FIXTURE_TEST(test_namespace, &fixture),
		FIXTURE_TEST(test_setattr, &fixture),	    FIXTURE_TEST(test_xattr, &fixture),
		FIXTURE_TEST(test_readdir, &fixture),	    FIXTURE_TEST(test_readdir_empty, &fixture),
		FIXTURE_TEST(test_space, &fixture),	    FIXTURE_TEST(test_copy, &fixture),
		FIXTURE_TEST(test_rest, &fixture),	    FIXTURE_TEST(test_newer, &fixture),
	};

	return fixture_run("vring/fuse", tests, sizeof(tests) / sizeof(tests[0]), &fixture);
}
