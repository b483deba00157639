/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of MKDIR, MKNOD, SYMLINK, LINK, UNLINK, RMDIR, RENAME and READLINK. */
#include "passthrough_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cmocka.h>

static struct fake_req *request(struct fixture *f, uint32_t opcode, const char *name)
{
	struct fake_req *fr = fake_req_new(f->fake, opcode, GRAFT_ROOT_NODE);

	fake_req_name(fr, name);
	return fr;
}

static int finish(struct fake_req *fr, struct fuse_entry_out *e)
{
	int res = fake_call(fr);

	if (e)
		*e = *fake_out(fr, struct fuse_entry_out);
	fake_req_free(fr);
	return res;
}

static struct fake_req *mkdir_req(struct fixture *f, const char *name, uint32_t mode)
{
	struct fake_req *fr = request(f, FUSE_MKDIR, name);

	fake_in(fr, struct fuse_mkdir_in)->mode = mode;
	return fr;
}

static struct fake_req *mknod_req(struct fixture *f, const char *name, uint32_t mode)
{
	struct fake_req *fr = request(f, FUSE_MKNOD, name);

	fake_in(fr, struct fuse_mknod_in)->mode = mode;
	return fr;
}

static struct fake_req *symlink_req(struct fixture *f, const char *name, const char *target)
{
	struct fake_req *fr = request(f, FUSE_SYMLINK, name);

	fake_req_name2(fr, target);
	return fr;
}

static struct fake_req *rename_req(struct fixture *f, const char *from, const char *to, uint32_t flags)
{
	struct fake_req *fr = request(f, FUSE_RENAME2, from);

	fr->req.node2 = GRAFT_ROOT_NODE;
	fake_req_name2(fr, to);
	fake_in(fr, struct fuse_rename2_in)->flags = flags;
	return fr;
}

static bool exists(struct fixture *f, const char *name)
{
	struct stat st;

	return lstat(fixture_path(f, name), &st) == 0;
}

static void test_create(void **state)
{
	struct fixture *f = *state;
	struct fuse_entry_out e;
	struct fuse_attr attr;
	char target[64];

	umask(0);
	assert_int_equal(fixture_start(f), 0);
	assert_int_equal(finish(mkdir_req(f, "dir", 0751), &e), 0);
	assert_int_equal(e.attr.mode, S_IFDIR | 0751);
	assert_int_equal(e.entry_valid, 1);
	assert_int_equal(fixture_getattr(f, e.nodeid, &attr), 0);
	assert_int_equal(fixture_node(f, "dir"), e.nodeid);
	assert_int_equal(finish(mknod_req(f, "file", S_IFREG | 0640), &e), 0);
	assert_int_equal(e.attr.mode, S_IFREG | 0640);
	assert_int_equal(finish(mknod_req(f, "plain", 0600), &e), 0);
	assert_int_equal(e.attr.mode, S_IFREG | 0600);
	assert_int_equal(finish(mknod_req(f, "pipe", S_IFIFO | 0622), &e), 0);
	assert_int_equal(e.attr.mode, S_IFIFO | 0622);
	assert_int_equal(finish(symlink_req(f, "link", "some/where"), &e), 0);
	assert_true(S_ISLNK(e.attr.mode));
	assert_int_equal(readlink(fixture_path(f, "link"), target, sizeof(target)), 10);
	assert_memory_equal(target, "some/where", 10);
	/* Taken names stay what they are. */
	assert_int_equal(finish(mkdir_req(f, "file", 0755), NULL), -EEXIST);
	assert_int_equal(finish(mknod_req(f, "dir", S_IFREG | 0600), NULL), -EEXIST);
	assert_int_equal(finish(symlink_req(f, "pipe", "x"), NULL), -EEXIST);
	assert_int_equal(fake_metric(f->fake, "nodes"), 6);
}

static void test_devices(void **state)
{
	struct fixture *f = *state;
	struct fuse_entry_out e;
	struct fake_req *fr;
	struct stat st;

	if (geteuid() != 0) {
		print_message("only root can make devices\n");
		skip();
	}
	assert_int_equal(fixture_start(f), 0);
	fr = mknod_req(f, "dev", S_IFBLK | 0600);
	fake_in(fr, struct fuse_mknod_in)->rdev = 0x78 | 0x123 << 8 | 0x45600 << 12;
	assert_int_equal(finish(fr, &e), 0);
	assert_int_equal(e.attr.rdev, 0x78 | 0x123 << 8 | 0x45600 << 12);
	assert_int_equal(lstat(fixture_path(f, "dev"), &st), 0);
	assert_int_equal(major(st.st_rdev), 0x123);
	assert_int_equal(minor(st.st_rdev), 0x45678);
}

static void test_owners(void **state)
{
	const uint32_t groups[] = {700};
	struct fixture *f = *state;
	struct fuse_entry_out e;
	struct fake_req *fr;

	if (geteuid() != 0) {
		print_message("only root can be somebody else\n");
		skip();
	}
	assert_int_equal(fixture_start(f), 0);
	fr = mkdir_req(f, "dir", 0755);
	fr->req.uid = 1234;
	fr->req.gid = 5678;
	assert_int_equal(finish(fr, &e), 0);
	assert_int_equal(e.attr.uid, 1234);
	assert_int_equal(e.attr.gid, 5678);
	fr = symlink_req(f, "link", "x");
	fr->req.uid = 4321;
	assert_int_equal(finish(fr, &e), 0);
	assert_int_equal(e.attr.uid, 4321);
	assert_int_equal(e.attr.gid, 0);
	/* A directory only its group may write in: with the group sent it works, without it does not. */
	assert_int_equal(mkdir(fixture_path(f, "team"), 0), 0);
	assert_int_equal(chown(fixture_path(f, "team"), 0, 700), 0);
	assert_int_equal(chmod(fixture_path(f, "team"), 02770), 0);
	f->session.flags |= FUSE_CREATE_SUPP_GROUP;
	fr = mknod_req(f, "file", S_IFREG | 0644);
	fr->req.node = fixture_node(f, "team");
	fr->req.uid = fr->req.gid = 1234;
	assert_int_equal(fake_call(fr), -EACCES);
	fr->req.has_groups = fr->req.ngroups = 1;
	fr->req.groups = groups;
	assert_int_equal(finish(fr, &e), 0);
	assert_int_equal(e.attr.uid, 1234);
	assert_int_equal(e.attr.gid, 700);
	assert_int_equal(geteuid(), 0);
	assert_int_equal(syscall(SYS_getgroups, 0, NULL), getgroups(0, NULL));
}

static void test_umask(void **state)
{
	struct fixture *f = *state;
	struct fuse_entry_out e;
	struct fake_req *fr;

	umask(0);
	assert_int_equal(fixture_start(f), 0);
	fr = mkdir_req(f, "a", 0777);
	fr->req.umask = 027;
	assert_int_equal(finish(fr, &e), 0);
	assert_int_equal(e.attr.mode & 0777, 0777);
	f->session.flags |= FUSE_DONT_MASK;
	fr = mkdir_req(f, "b", 0777);
	fr->req.umask = 027;
	assert_int_equal(finish(fr, &e), 0);
	assert_int_equal(e.attr.mode & 0777, 0750);
	assert_int_equal(umask(0), 0);
}

/* Where the answer cannot be given the object does not stay either. */
static void test_undone(void **state)
{
	struct fixture *f = *state;
	struct fake_req *fr;

	f->set.max_nodes = 16;
	assert_int_equal(fixture_start(f), 0);
	for (int i = 0; i < 16; i++) {
		char name[16];

		snprintf(name, sizeof(name), "%d", i);
		assert_int_equal(finish(mkdir_req(f, name, 0755), NULL), 0);
	}
	assert_int_equal(finish(mkdir_req(f, "dir", 0755), NULL), -ENFILE);
	assert_int_equal(finish(mknod_req(f, "file", S_IFREG | 0644), NULL), -ENFILE);
	assert_int_equal(finish(symlink_req(f, "link", "x"), NULL), -ENFILE);
	assert_false(exists(f, "dir"));
	assert_false(exists(f, "file"));
	assert_false(exists(f, "link"));
	fixture_forget(f, fixture_node(f, "3"), 2);
	/* A label that cannot be set. */
	f->session.flags |= FUSE_SECURITY_CTX;
	fr = mkdir_req(f, "labelled", 0755);
	fr->req.secctx_name = "no-such-namespace.x";
	fr->req.secctx = "l";
	fr->req.secctx_len = 1;
	assert_true(finish(fr, NULL) < 0);
	assert_false(exists(f, "labelled"));
	fr = mknod_req(f, "labelled", S_IFREG | 0644);
	fr->req.secctx_name = "no-such-namespace.x";
	fr->req.secctx = "l";
	fr->req.secctx_len = 1;
	assert_true(finish(fr, NULL) < 0);
	assert_false(exists(f, "labelled"));
	assert_int_equal(fake_metric(f->fake, "nodes"), 16);
}

static void test_readonly(void **state)
{
	static const uint32_t opcodes[] = {FUSE_MKDIR,  FUSE_MKNOD, FUSE_SYMLINK, FUSE_LINK,
					   FUSE_UNLINK, FUSE_RMDIR, FUSE_RENAME,  FUSE_RENAME2};
	struct fixture *f = *state;

	f->set.readonly = true;
	assert_int_equal(fixture_start(f), 0);
	for (size_t i = 0; i < sizeof(opcodes) / sizeof(opcodes[0]); i++) {
		struct fake_req *fr = request(f, opcodes[i], "name");

		fr->req.node = 999; /* before anything else */
		fake_req_name2(fr, "other");
		assert_int_equal(finish(fr, NULL), -EROFS);
	}
}

static void test_link(void **state)
{
	struct fixture *f = *state;
	struct fuse_entry_out e;
	struct fake_req *fr;
	struct stat a, b;

	fixture_file(f, "file", "x");
	assert_int_equal(symlink("file", fixture_path(f, "link")), 0);
	assert_int_equal(mkdir(fixture_path(f, "dir"), 0755), 0);
	assert_int_equal(fixture_start(f), 0);
	fr = request(f, FUSE_LINK, "second");
	fr->req.node2 = fixture_node(f, "file");
	assert_int_equal(finish(fr, &e), 0);
	assert_int_equal(e.nodeid, fixture_node(f, "file"));
	assert_int_equal(e.attr.nlink, 2);
	/* A symlink is linked itself. */
	fr = request(f, FUSE_LINK, "link2");
	fr->req.node2 = fixture_node(f, "link");
	assert_int_equal(finish(fr, &e), 0);
	assert_int_equal(lstat(fixture_path(f, "link"), &a), 0);
	assert_int_equal(lstat(fixture_path(f, "link2"), &b), 0);
	assert_int_equal(a.st_ino, b.st_ino);
	fr = request(f, FUSE_LINK, "dir2");
	fr->req.node2 = fixture_node(f, "dir");
	assert_int_equal(finish(fr, NULL), -EPERM);
	fr = request(f, FUSE_LINK, "second");
	fr->req.node2 = fixture_node(f, "file");
	assert_int_equal(finish(fr, NULL), -EEXIST);
	fr = request(f, FUSE_LINK, "third");
	fr->req.node2 = 4242;
	assert_int_equal(finish(fr, NULL), -EBADF);
}

static void test_remove(void **state)
{
	struct fixture *f = *state;

	fixture_file(f, "file", "x");
	assert_int_equal(mkdir(fixture_path(f, "dir"), 0755), 0);
	fixture_file(f, "dir/file", "x");
	assert_int_equal(fixture_start(f), 0);
	assert_int_equal(finish(request(f, FUSE_RMDIR, "file"), NULL), -ENOTDIR);
	assert_int_equal(finish(request(f, FUSE_UNLINK, "dir"), NULL), -EISDIR);
	assert_int_equal(finish(request(f, FUSE_RMDIR, "dir"), NULL), -ENOTEMPTY);
	assert_int_equal(finish(request(f, FUSE_UNLINK, "file"), NULL), 0);
	assert_false(exists(f, "file"));
	assert_int_equal(unlink(fixture_path(f, "dir/file")), 0);
	assert_int_equal(finish(request(f, FUSE_RMDIR, "dir"), NULL), 0);
	assert_false(exists(f, "dir"));
	assert_int_equal(finish(request(f, FUSE_UNLINK, "file"), NULL), -ENOENT);
}

static void test_rename(void **state)
{
	struct fixture *f = *state;
	struct fake_req *fr;
	struct stat st;

	fixture_file(f, "a", "1");
	fixture_file(f, "b", "22");
	assert_int_equal(mkdir(fixture_path(f, "dir"), 0755), 0);
	assert_int_equal(fixture_start(f), 0);
	assert_int_equal(finish(rename_req(f, "a", "b", RENAME_NOREPLACE), NULL), -EEXIST);
	assert_int_equal(finish(rename_req(f, "a", "b", 8), NULL), -EINVAL);
	assert_int_equal(finish(rename_req(f, "a", "b", RENAME_EXCHANGE | RENAME_NOREPLACE), NULL), -EINVAL);
	assert_int_equal(finish(rename_req(f, "a", "b", RENAME_EXCHANGE), NULL), 0);
	assert_int_equal(stat(fixture_path(f, "a"), &st), 0);
	assert_int_equal(st.st_size, 2);
	/* The old opcode has no flags, whatever stands behind its structure. */
	fr = rename_req(f, "a", "b", RENAME_NOREPLACE);
	fr->req.opcode = FUSE_RENAME;
	assert_int_equal(finish(fr, NULL), 0);
	assert_false(exists(f, "a"));
	fr = rename_req(f, "b", "c", 0);
	fr->req.node2 = fixture_node(f, "dir");
	assert_int_equal(finish(fr, NULL), 0);
	assert_true(exists(f, "dir/c"));
	fr = rename_req(f, "dir", "x", 0);
	fr->req.node2 = fixture_node(f, "dir");
	assert_int_equal(finish(fr, NULL), -EINVAL);
	fr = rename_req(f, "dir", "x", 0);
	fr->req.node2 = 77;
	assert_int_equal(finish(fr, NULL), -EBADF);
}

static int read_link(struct fixture *f, const char *name, size_t room, char *text)
{
	struct fake_req *fr = fake_req_new(f->fake, FUSE_READLINK, fixture_node(f, name));
	int res;

	fake_req_dst(fr, room);
	res = fake_call(fr);
	memcpy(text, fr->buf, fr->req.done);
	text[fr->req.done] = 0;
	fake_req_free(fr);
	return res;
}

static void test_readlink(void **state)
{
	struct fixture *f = *state;
	char text[4200], longest[4096];

	memset(longest, 'y', 4095);
	longest[4095] = 0;
	fixture_file(f, "file", "x");
	assert_int_equal(symlink("to/file", fixture_path(f, "link")), 0);
	assert_int_equal(symlink(longest, fixture_path(f, "long")), 0);
	assert_int_equal(fixture_start(f), 0);
	assert_int_equal(read_link(f, "link", 4096, text), 0);
	assert_string_equal(text, "to/file");
	assert_int_equal(read_link(f, "long", 4096, text), 0);
	assert_string_equal(text, longest);
	assert_int_equal(read_link(f, "link", 6, text), -ERANGE);
	assert_int_equal(read_link(f, "file", 4096, text), -EINVAL);
	assert_int_equal(read_link(f, "missing", 4096, text), -EBADF);
}

int main(void)
{
#define FIXTURE_TEST(fn) cmocka_unit_test_setup_teardown(fn, fixture_new, fixture_free)
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(test_create),   FIXTURE_TEST(test_devices), FIXTURE_TEST(test_owners),
		FIXTURE_TEST(test_umask),    FIXTURE_TEST(test_undone),	 FIXTURE_TEST(test_readonly),
		FIXTURE_TEST(test_link),     FIXTURE_TEST(test_remove),	 FIXTURE_TEST(test_rename),
		FIXTURE_TEST(test_readlink),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
