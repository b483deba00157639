/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of LOOKUP: entries, absent names, links, and what the host changes under a node. */
#include "passthrough_fixture.h"

#include "plugins/passthrough/lookup.h"
#include "plugins/passthrough/open.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cmocka.h>

static void same_attr(const struct fuse_attr *attr, const struct stat *st)
{
	assert_int_equal(attr->ino, st->st_ino);
	assert_int_equal(attr->size, st->st_size);
	assert_int_equal(attr->blocks, st->st_blocks);
	assert_int_equal(attr->mode, st->st_mode);
	assert_int_equal(attr->nlink, st->st_nlink);
	assert_int_equal(attr->uid, st->st_uid);
	assert_int_equal(attr->gid, st->st_gid);
	assert_int_equal(attr->blksize, st->st_blksize);
	assert_int_equal(attr->mtime, st->st_mtim.tv_sec);
	assert_int_equal(attr->mtimensec, st->st_mtim.tv_nsec);
	assert_int_equal(attr->ctime, st->st_ctim.tv_sec);
	assert_int_equal(attr->ctimensec, st->st_ctim.tv_nsec);
	assert_int_equal(attr->atime, st->st_atim.tv_sec);
	assert_int_equal(attr->atimensec, st->st_atim.tv_nsec);
	assert_int_equal(attr->flags, 0);
}

static void test_entry(void **state)
{
	static const char *const names[] = {"file", "dir", "link"};
	struct fixture *f = *state;
	struct fuse_entry_out e;
	struct stat st;

	fixture_file(f, "file", "content");
	assert_int_equal(mkdir(fixture_path(f, "dir"), 0750), 0);
	assert_int_equal(symlink("file", fixture_path(f, "link")), 0);
	f->set.entry_timeout = 2500000000;
	f->set.attr_timeout = 750000000;
	assert_int_equal(fixture_start(f), 0);
	/* Three times each: opened, and asked for by name. */
	for (size_t i = 0; i < 9; i++) {
		assert_int_equal(fixture_lookup(f, GRAFT_ROOT_NODE, names[i % 3], &e), 0);
		assert_int_equal(lstat(fixture_path(f, names[i % 3]), &st), 0);
		same_attr(&e.attr, &st);
		assert_int_equal(e.entry_valid, 2);
		assert_int_equal(e.entry_valid_nsec, 500000000);
		assert_int_equal(e.attr_valid, 0);
		assert_int_equal(e.attr_valid_nsec, 750000000);
	}
	assert_int_equal(fake_metric(f->fake, "nodes"), 4);
}

static void test_device_number(void **state)
{
	struct fixture *f = *state;
	struct fuse_entry_out e;

	if (geteuid() != 0 || mknod(fixture_path(f, "dev"), S_IFCHR | 0600, makedev(0x123, 0x45678)) < 0) {
		print_message("cannot make device nodes\n");
		skip();
	}
	assert_int_equal(fixture_start(f), 0);
	assert_int_equal(fixture_lookup(f, GRAFT_ROOT_NODE, "dev", &e), 0);
	assert_int_equal(e.attr.rdev, 0x78 | 0x123 << 8 | 0x45600 << 12);
}

static void test_failures(void **state)
{
	struct fixture *f = *state;
	char longest[256];
	uint64_t file;

	fixture_file(f, "file", "x");
	assert_int_equal(symlink("/etc", fixture_path(f, "link")), 0);
	assert_int_equal(fixture_start(f), 0);
	assert_int_equal(fixture_lookup(f, GRAFT_ROOT_NODE, "missing", NULL), -ENOENT);
	file = fixture_node(f, "file");
	assert_int_not_equal(file, 0);
	assert_int_equal(fixture_lookup(f, file, "x", NULL), -ENOTDIR);
	/* A symlink is a node like others, not a way. */
	assert_int_equal(fixture_lookup(f, fixture_node(f, "link"), "passwd", NULL), -ENOTDIR);
	memset(longest, 'n', 255);
	longest[255] = 0;
	assert_int_equal(fixture_lookup(f, GRAFT_ROOT_NODE, longest, NULL), -ENOENT);
	fixture_file(f, longest, "x");
	assert_int_equal(fixture_lookup(f, GRAFT_ROOT_NODE, longest, NULL), 0);
}

static void test_negative_entries(void **state)
{
	struct fixture *f = *state;
	struct fuse_entry_out e;

	fixture_file(f, "file", "x");
	f->set.negative_timeout = 3250000000;
	assert_int_equal(fixture_start(f), 0);
	assert_int_equal(fixture_lookup(f, GRAFT_ROOT_NODE, "missing", &e), 0);
	assert_int_equal(e.nodeid, 0);
	assert_int_equal(e.entry_valid, 3);
	assert_int_equal(e.entry_valid_nsec, 250000000);
	assert_int_equal(fake_metric(f->fake, "nodes"), 1);
	/* Only absence can be remembered. */
	assert_int_equal(fixture_lookup(f, fixture_node(f, "file"), "x", &e), -ENOTDIR);
	assert_int_equal(fixture_lookup(f, 12345, "x", &e), -EBADF);
}

static void test_hard_links(void **state)
{
	struct fixture *f = *state;
	struct fuse_entry_out a, b;

	fixture_file(f, "one", "x");
	assert_int_equal(link(fixture_path(f, "one"), fixture_path(f, "two")), 0);
	assert_int_equal(fixture_start(f), 0);
	assert_int_equal(fixture_lookup(f, GRAFT_ROOT_NODE, "one", &a), 0);
	assert_int_equal(fixture_lookup(f, GRAFT_ROOT_NODE, "two", &b), 0);
	assert_int_equal(a.nodeid, b.nodeid);
	assert_int_equal(b.attr.nlink, 2);
}

/* A node is an inode, wherever its name went; the name is looked up anew. */
static void test_host_renames(void **state)
{
	struct fixture *f = *state;
	struct fuse_entry_out old, new;
	struct fuse_attr attr;

	fixture_file(f, "file", "old");
	assert_int_equal(fixture_start(f), 0);
	assert_int_equal(fixture_lookup(f, GRAFT_ROOT_NODE, "file", &old), 0);
	assert_int_equal(rename(fixture_path(f, "file"), fixture_path(f, "moved")), 0);
	fixture_file(f, "file", "newer");
	assert_int_equal(fixture_lookup(f, GRAFT_ROOT_NODE, "file", &new), 0);
	assert_int_not_equal(old.nodeid, new.nodeid);
	assert_int_equal(fixture_getattr(f, old.nodeid, &attr), 0);
	assert_int_equal(attr.size, 3);
	assert_int_equal(fixture_lookup(f, GRAFT_ROOT_NODE, "moved", &new), 0);
	assert_int_equal(old.nodeid, new.nodeid);
	/* Deleted, but held. */
	assert_int_equal(unlink(fixture_path(f, "moved")), 0);
	assert_int_equal(fixture_getattr(f, old.nodeid, &attr), 0);
	assert_int_equal(attr.nlink, 0);
}

/* What a node's own descriptor leads to. */
static uint64_t node_ino(struct fixture *f, uint64_t node)
{
	struct fuse_attr attr;

	assert_int_equal(fixture_getattr(f, node, &attr), 0);
	return attr.ino;
}

static void test_lookup_fd(void **state)
{
	struct fixture *f = *state;
	struct fuse_entry_out by_fd, by_name;
	struct node_ref root;
	struct fuse_attr attr;
	int fd, base;

	fixture_file(f, "file", "x");
	assert_int_equal(symlink("file", fixture_path(f, "link")), 0);
	assert_int_equal(fixture_start(f), 0);
	base = fixture_open_fds();
	assert_int_equal(node_get(f->s, GRAFT_ROOT_NODE, &root), 0);
	fd = open(fixture_path(f, "file"), O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pt_lookup_fd(f->s, &root, fd, &by_fd), 0);
	assert_int_equal(pt_lookup_fd(f->s, &root, fd, &by_name), 0);
	assert_int_equal(by_fd.nodeid, by_name.nodeid);
	/* The caller keeps its own, the node has another. */
	assert_int_equal(close(fd), 0);
	assert_int_equal(fixture_open_fds(), base + 1);
	assert_int_equal(fixture_lookup(f, GRAFT_ROOT_NODE, "file", &by_name), 0);
	assert_int_equal(by_fd.nodeid, by_name.nodeid);
	assert_int_equal(fixture_getattr(f, by_fd.nodeid, &attr), 0);
	fixture_forget(f, by_fd.nodeid, 3);
	assert_int_equal(fake_metric(f->fake, "nodes"), 1);
	/* A symlink's own descriptor means the symlink. */
	fd = open(fixture_path(f, "link"), O_PATH | O_NOFOLLOW | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pt_lookup_fd(f->s, &root, fd, &by_fd), 0);
	assert_true(S_ISLNK(by_fd.attr.mode));
	close(fd);
	assert_int_equal(fixture_getattr(f, by_fd.nodeid, &attr), 0);
	assert_true(S_ISLNK(attr.mode));
	node_put(f->s, &root);
}

/* A file that was just made, and what may stand under its name by the time it is looked at. */
static void test_lookup_made(void **state)
{
	static const char *const names[] = {"file", "other", "dir", "link", "gone", NULL};
	struct fixture *f = *state;
	struct fuse_entry_out made;
	struct node_ref root;
	struct stat st;

	fixture_file(f, "file", "x");
	fixture_file(f, "other", "yy");
	assert_int_equal(mkdir(fixture_path(f, "dir"), 0755), 0);
	assert_int_equal(symlink("file", fixture_path(f, "link")), 0);
	assert_int_equal(fixture_start(f), 0);
	int base = fixture_open_fds();
	assert_int_equal(node_get(f->s, GRAFT_ROOT_NODE, &root), 0);
	int fd = open(fixture_path(f, "file"), O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		assert_int_equal(lookup_made(f->s, &root, names[i], fd, &made), 0);
		assert_int_equal(made.attr.ino, st.st_ino);
		assert_int_equal(node_ino(f, made.nodeid), st.st_ino);
		assert_int_equal(fixture_open_fds(), base + 2);
		fixture_forget(f, made.nodeid, 1);
		assert_int_equal(fake_metric(f->fake, "nodes"), 1);
	}
	/* A node that is there already is found, though none was expected. */
	uint64_t node = fixture_node(f, "file");
	assert_int_equal(lookup_made(f->s, &root, "file", fd, &made), 0);
	assert_int_equal(made.nodeid, node);
	fixture_forget(f, node, 2);
	assert_int_equal(fake_metric(f->fake, "nodes"), 1);
	close(fd);
	assert_int_equal(fixture_open_fds(), base);
	node_put(f->s, &root);
}

static void test_node_open(void **state)
{
	struct fixture *f = *state;
	struct node_ref ref;
	char text[8] = "";
	int fd;

	fixture_file(f, "file", "text");
	assert_int_equal(mkdir(fixture_path(f, "dir"), 0755), 0);
	assert_int_equal(mkfifo(fixture_path(f, "pipe"), 0644), 0);
	assert_int_equal(symlink("file", fixture_path(f, "link")), 0);
	assert_int_equal(fixture_start(f), 0);
	assert_int_equal(node_get(f->s, fixture_node(f, "file"), &ref), 0);
	assert_true(S_ISREG(node_type(&ref)));
	/* Not what the guest might like beside: no creating, no exclusion. */
	fd = node_open(f->s, &ref, O_RDONLY | O_CREAT | O_EXCL | O_NOFOLLOW);
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(read(fd, text, sizeof(text)), 4);
	assert_string_equal(text, "text");
	close(fd);
	node_put(f->s, &ref);
	assert_int_equal(node_get(f->s, fixture_node(f, "dir"), &ref), 0);
	fd = node_open(f->s, &ref, O_RDONLY | O_DIRECTORY);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(node_open(f->s, &ref, O_WRONLY), -EISDIR);
	node_put(f->s, &ref);
	assert_int_equal(node_get(f->s, fixture_node(f, "pipe"), &ref), 0);
	assert_int_equal(node_open(f->s, &ref, O_RDONLY), -EBADF);
	node_put(f->s, &ref);
	assert_int_equal(node_get(f->s, fixture_node(f, "link"), &ref), 0);
	assert_int_equal(node_open(f->s, &ref, O_RDONLY), -EBADF);
	node_put(f->s, &ref);
}

/* The server lets no such name through. If a layer or a file system made one up, the kernel would not let it out. */
static void test_beneath(void **state)
{
	static const struct {
		const char *name;
		int result;
	} bad[] = {{"..", -EXDEV},	   {"../..", -EXDEV},	{"/", -EXDEV},
		   {"/etc/passwd", -EXDEV}, {"dir/../..", -EXDEV}, {"up/passwd", -ELOOP}};
	struct fixture *f = *state;
	struct fuse_entry_out e;

	assert_int_equal(mkdir(fixture_path(f, "dir"), 0755), 0);
	assert_int_equal(symlink("/etc", fixture_path(f, "up")), 0);
	assert_int_equal(fixture_start(f), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(fixture_lookup(f, GRAFT_ROOT_NODE, bad[i].name, &e), bad[i].result);
	assert_int_equal(fixture_lookup(f, fixture_node(f, "dir"), "..", &e), -EXDEV);
	assert_int_equal(open_name(f->inst, f->inst->root_fd, "../made", O_RDWR | O_CREAT | O_EXCL, 0600), -EXDEV);
	assert_int_equal(open_name(f->inst, f->inst->root_fd, "up/made", O_RDWR | O_CREAT | O_EXCL, 0600), -ELOOP);
	/* The link itself is a name like any other; flags that nobody knows are dropped. */
	int fd = open_name(f->inst, f->inst->root_fd, "up", O_PATH | O_NOFOLLOW, 0);
	assert_true(fd >= 0);
	close(fd);
	fd = open_name(f->inst, f->inst->root_fd, "dir", O_RDONLY | 040 | 0x40000000, 0777);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(open_path("/proc/self/root/etc"), -ELOOP);
	/* Where there is none of openat2, links are still not followed. */
	f->inst->no_openat2 = true;
	assert_int_equal(fixture_lookup(f, GRAFT_ROOT_NODE, "up", &e), 0);
	assert_true(S_ISLNK(e.attr.mode));
	assert_int_equal(open_name(f->inst, f->inst->root_fd, "up", O_RDONLY, 0), -ELOOP);
}

int main(void)
{
#define FIXTURE_TEST(fn) cmocka_unit_test_setup_teardown(fn, fixture_new, fixture_free)
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(test_entry),	  FIXTURE_TEST(test_device_number), FIXTURE_TEST(test_failures),
		FIXTURE_TEST(test_negative_entries), FIXTURE_TEST(test_hard_links), FIXTURE_TEST(test_host_renames),
		FIXTURE_TEST(test_lookup_fd),	  FIXTURE_TEST(test_lookup_made),
		FIXTURE_TEST(test_node_open),	  FIXTURE_TEST(test_beneath),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
