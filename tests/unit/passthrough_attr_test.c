/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of GETATTR, SETATTR, STATX and ACCESS. */
#include "passthrough_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static struct fake_req *setattr(struct fixture *f, uint64_t node, uint32_t valid)
{
	struct fake_req *fr = fake_req_new(f->fake, FUSE_SETATTR, node);

	fake_in(fr, struct fuse_setattr_in)->valid = valid;
	return fr;
}

/* Runs it, frees it; attr may be NULL. */
static int finish(struct fake_req *fr, struct fuse_attr *attr)
{
	int res = fake_call(fr);

	if (attr)
		*attr = fake_out(fr, struct fuse_attr_out)->attr;
	fake_req_free(fr);
	return res;
}

static uint64_t open_file(struct fixture *f, uint64_t node, uint32_t flags)
{
	struct fake_req *fr = fake_req_new(f->fake, FUSE_OPEN, node);
	uint64_t fh;

	fake_in(fr, struct fuse_open_in)->flags = flags;
	assert_int_equal(fake_call(fr), 0);
	fh = fake_out(fr, struct fuse_open_out)->fh;
	fake_req_free(fr);
	return fh;
}

static void test_getattr(void **state)
{
	struct fixture *f = *state;
	struct fake_req *fr;
	uint64_t node, fh;
	struct stat st;

	fixture_file(f, "file", "12345");
	assert_int_equal(fixture_start(f), 0);
	node = fixture_node(f, "file");
	fr = fake_req_new(f->fake, FUSE_GETATTR, node);
	assert_int_equal(fake_call(fr), 0);
	assert_int_equal(stat(fixture_path(f, "file"), &st), 0);
	assert_int_equal(fake_out(fr, struct fuse_attr_out)->attr_valid, 1);
	assert_int_equal(fake_out(fr, struct fuse_attr_out)->attr.ino, st.st_ino);
	assert_int_equal(fake_out(fr, struct fuse_attr_out)->attr.size, 5);
	/* A file handle that is none, or another node's, is as good as none. */
	fake_in(fr, struct fuse_getattr_in)->getattr_flags = FUSE_GETATTR_FH;
	fake_in(fr, struct fuse_getattr_in)->fh = 12345;
	assert_int_equal(fake_call(fr), 0);
	fh = open_file(f, node, O_RDONLY);
	fake_in(fr, struct fuse_getattr_in)->fh = fh;
	assert_int_equal(fake_call(fr), 0);
	assert_int_equal(fake_out(fr, struct fuse_attr_out)->attr.ino, st.st_ino);
	fr->req.node = 999;
	assert_int_equal(fake_call(fr), -EBADF);
	fake_req_free(fr);
}

static void test_mode(void **state)
{
	struct fixture *f = *state;
	struct fuse_attr attr;
	struct fake_req *fr;
	uint64_t node;

	fixture_file(f, "file", "x");
	assert_int_equal(symlink("file", fixture_path(f, "link")), 0);
	assert_int_equal(fixture_start(f), 0);
	node = fixture_node(f, "file");
	fr = setattr(f, node, FATTR_MODE);
	fake_in(fr, struct fuse_setattr_in)->mode = S_IFDIR | 0641; /* the type is not for a guest to change */
	assert_int_equal(finish(fr, &attr), 0);
	assert_int_equal(attr.mode, S_IFREG | 0641);
	fr = setattr(f, node, FATTR_MODE | FATTR_FH);
	fake_in(fr, struct fuse_setattr_in)->mode = 0600;
	fake_in(fr, struct fuse_setattr_in)->fh = open_file(f, node, O_RDONLY);
	assert_int_equal(finish(fr, &attr), 0);
	assert_int_equal(attr.mode, S_IFREG | 0600);
	fr = setattr(f, node, FATTR_MODE | FATTR_FH);
	fake_in(fr, struct fuse_setattr_in)->fh = 4711;
	assert_int_equal(finish(fr, NULL), -EBADF);
	fr = setattr(f, fixture_node(f, "link"), FATTR_MODE);
	fake_in(fr, struct fuse_setattr_in)->mode = 0600;
	assert_int_equal(finish(fr, NULL), -EOPNOTSUPP);
	assert_int_equal(fixture_getattr(f, node, &attr), 0);
	assert_int_equal(attr.mode, S_IFREG | 0600);
}

static void test_owner(void **state)
{
	static const char *const names[] = {"file", "link"};
	struct fixture *f = *state;
	struct fuse_attr attr;

	if (geteuid() != 0) {
		print_message("only root can change owners\n");
		skip();
	}
	fixture_file(f, "file", "x");
	assert_int_equal(symlink("file", fixture_path(f, "link")), 0);
	assert_int_equal(fixture_start(f), 0);
	for (size_t i = 0; i < 2; i++) {
		uint64_t node = fixture_node(f, names[i]);
		struct fake_req *fr = setattr(f, node, FATTR_UID);

		fake_in(fr, struct fuse_setattr_in)->uid = 1234;
		fake_in(fr, struct fuse_setattr_in)->gid = 99; /* not valid */
		assert_int_equal(finish(fr, &attr), 0);
		assert_int_equal(attr.uid, 1234);
		assert_int_equal(attr.gid, 0);
		fr = setattr(f, node, FATTR_GID);
		fake_in(fr, struct fuse_setattr_in)->gid = 5678;
		assert_int_equal(finish(fr, &attr), 0);
		assert_int_equal(attr.uid, 1234);
		assert_int_equal(attr.gid, 5678);
	}
	assert_int_equal(fixture_getattr(f, fixture_node(f, "file"), &attr), 0);
	assert_int_equal(attr.uid, 1234);
}

static void test_size(void **state)
{
	struct fixture *f = *state;
	struct fuse_attr attr;
	struct fake_req *fr;
	uint64_t node;

	fixture_file(f, "file", "0123456789");
	assert_int_equal(mkdir(fixture_path(f, "dir"), 0755), 0);
	assert_int_equal(mkfifo(fixture_path(f, "pipe"), 0644), 0);
	assert_int_equal(fixture_start(f), 0);
	node = fixture_node(f, "file");
	/* Cutting off may take its time, so it happens on a worker. */
	atomic_store(&f->fake->queue, true);
	fr = setattr(f, node, FATTR_SIZE);
	fake_in(fr, struct fuse_setattr_in)->size = 4;
	assert_int_equal(fake_start(fr), GRAFT_ASYNC);
	assert_false(fake_completed(fr));
	assert_int_equal(fake_run(f->fake), 1);
	assert_int_equal(fake_wait(fr), 0);
	assert_int_equal(fake_out(fr, struct fuse_attr_out)->attr.size, 4);
	fake_req_free(fr);
	/* Where no worker is to be had it is done at once. */
	atomic_store(&f->fake->queue_full, true);
	fr = setattr(f, node, FATTR_SIZE | FATTR_FH);
	fake_in(fr, struct fuse_setattr_in)->size = 8192;
	fake_in(fr, struct fuse_setattr_in)->fh = open_file(f, node, O_RDWR);
	assert_int_equal(fake_start(fr), 0);
	assert_int_equal(finish(fr, &attr), 0);
	assert_int_equal(attr.size, 8192);
	fr = setattr(f, node, FATTR_SIZE);
	fake_in(fr, struct fuse_setattr_in)->size = UINT64_MAX;
	assert_int_equal(finish(fr, NULL), -EINVAL);
	assert_int_equal(finish(setattr(f, fixture_node(f, "dir"), FATTR_SIZE), NULL), -EISDIR);
	assert_int_equal(finish(setattr(f, fixture_node(f, "pipe"), FATTR_SIZE), NULL), -EBADF);
}

static int mode_after_truncation(struct fixture *f, uint32_t valid)
{
	struct fuse_attr attr;
	struct fake_req *fr;

	assert_int_equal(chmod(fixture_path(f, "suid"), 06755), 0);
	fr = setattr(f, fixture_node(f, "suid"), FATTR_SIZE | valid);
	fake_in(fr, struct fuse_setattr_in)->size = 1;
	assert_int_equal(finish(fr, &attr), 0);
	return (int)(attr.mode & 07777);
}

static void test_killpriv(void **state)
{
	struct fixture *f = *state;

	if (geteuid() != 0) {
		print_message("needs CAP_FSETID\n");
		skip();
	}
	fixture_file(f, "suid", "xx");
	assert_int_equal(fixture_start(f), 0);
	assert_int_equal(mode_after_truncation(f, 0), 06755);
	assert_int_equal(mode_after_truncation(f, FATTR_KILL_SUIDGID), 06755); /* not negotiated */
	f->session.flags |= FUSE_HANDLE_KILLPRIV_V2;
	assert_int_equal(mode_after_truncation(f, 0), 06755);
	assert_int_equal(mode_after_truncation(f, FATTR_KILL_SUIDGID), 0755);
	assert_int_equal(mode_after_truncation(f, 0), 06755); /* the capability is back */
}

static void test_times(void **state)
{
	static const char *const names[] = {"file", "link"};
	struct fixture *f = *state;
	struct fuse_attr attr;
	time_t start = time(NULL);

	fixture_file(f, "file", "x");
	assert_int_equal(symlink("file", fixture_path(f, "link")), 0);
	assert_int_equal(fixture_start(f), 0);
	for (size_t i = 0; i < 2; i++) {
		uint64_t node = fixture_node(f, names[i]);
		struct fake_req *fr = setattr(f, node, FATTR_ATIME | FATTR_MTIME);

		fake_in(fr, struct fuse_setattr_in)->atime = 1000;
		fake_in(fr, struct fuse_setattr_in)->atimensec = 5000;
		fake_in(fr, struct fuse_setattr_in)->mtime = (uint64_t)-2000; /* before 1970 */
		assert_int_equal(finish(fr, &attr), 0);
		assert_int_equal(attr.atime, 1000);
		assert_int_equal(attr.atimensec, 5000);
		assert_int_equal((int64_t)attr.mtime, -2000);
		/* One at a time, and "now" wins over a value. */
		fr = setattr(f, node, FATTR_MTIME | FATTR_MTIME_NOW);
		fake_in(fr, struct fuse_setattr_in)->mtime = 7;
		assert_int_equal(finish(fr, &attr), 0);
		assert_int_equal(attr.atime, 1000);
		assert_true((time_t)attr.mtime >= start);
		fr = setattr(f, node, FATTR_ATIME);
		fake_in(fr, struct fuse_setattr_in)->atimensec = 4000000000u;
		assert_int_equal(finish(fr, NULL), -EINVAL);
		/* The change time is the host's own. */
		fr = setattr(f, node, FATTR_CTIME | FATTR_LOCKOWNER);
		fake_in(fr, struct fuse_setattr_in)->ctime = 5;
		assert_int_equal(finish(fr, &attr), 0);
		assert_true((time_t)attr.ctime >= start);
	}
	assert_int_equal(fixture_getattr(f, fixture_node(f, "link"), &attr), 0);
	assert_true(S_ISLNK(attr.mode));
}

/* Mode, owner, size, times: what came before the failing step stays. */
static void test_order(void **state)
{
	struct fixture *f = *state;
	struct fuse_attr attr;
	struct fake_req *fr;

	assert_int_equal(mkdir(fixture_path(f, "dir"), 0755), 0);
	assert_int_equal(fixture_start(f), 0);
	fr = setattr(f, fixture_node(f, "dir"), FATTR_MODE | FATTR_SIZE | FATTR_MTIME);
	fake_in(fr, struct fuse_setattr_in)->mode = 0700;
	assert_int_equal(finish(fr, NULL), -EISDIR);
	assert_int_equal(fixture_getattr(f, fixture_node(f, "dir"), &attr), 0);
	assert_int_equal(attr.mode, S_IFDIR | 0700);
	assert_int_not_equal(attr.mtime, 0);
}

static void test_readonly(void **state)
{
	struct fixture *f = *state;
	struct fake_req *fr;

	fixture_file(f, "file", "x");
	f->set.readonly = true;
	assert_int_equal(fixture_start(f), 0);
	assert_int_equal(finish(setattr(f, fixture_node(f, "file"), FATTR_MODE), NULL), -EROFS);
	assert_int_equal(finish(setattr(f, 999, FATTR_SIZE), NULL), -EROFS); /* before anything else */
	fr = fake_req_new(f->fake, FUSE_ACCESS, fixture_node(f, "file"));
	fake_in(fr, struct fuse_access_in)->mask = W_OK;
	assert_int_equal(fake_call(fr), -EROFS);
	fake_in(fr, struct fuse_access_in)->mask = R_OK;
	assert_int_equal(fake_call(fr), 0);
	fake_req_free(fr);
}

static void test_statx(void **state)
{
	struct fixture *f = *state;
	struct fuse_statx_out *out;
	struct fake_req *fr;
	struct statx stx;

	fixture_file(f, "file", "12345");
	assert_int_equal(statx(AT_FDCWD, fixture_path(f, "file"), 0, STATX_ALL, &stx), 0);
	f->set.attr_timeout = 1250000000;
	assert_int_equal(fixture_start(f), 0);
	fr = fake_req_new(f->fake, GRAFT_OP_STATX, fixture_node(f, "file"));
	fake_in(fr, struct fuse_statx_in)->sx_mask = UINT32_MAX;
	assert_int_equal(fake_call(fr), 0);
	out = fake_out(fr, struct fuse_statx_out);
	assert_int_equal(out->attr_valid, 1);
	assert_int_equal(out->attr_valid_nsec, 250000000);
	assert_int_equal(out->stat.mask, stx.stx_mask & (STATX_BASIC_STATS | STATX_BTIME));
	assert_int_equal(out->stat.ino, stx.stx_ino);
	assert_int_equal(out->stat.size, 5);
	assert_int_equal(out->stat.mode, stx.stx_mode);
	assert_int_equal(out->stat.btime.tv_sec, stx.stx_btime.tv_sec);
	assert_int_equal(out->stat.btime.tv_nsec, stx.stx_btime.tv_nsec);
	assert_int_equal(out->stat.mtime.tv_nsec, stx.stx_mtime.tv_nsec);
	assert_int_equal(out->stat.attributes & stx.stx_attributes_mask, stx.stx_attributes);
	/* Asked for everything, the host may know more than it told above. */
	assert_int_equal(out->stat.attributes_mask & stx.stx_attributes_mask, stx.stx_attributes_mask);
	assert_int_equal(out->stat.dev_major, stx.stx_dev_major);
	/* Flags that would make it another call do not pass. */
	fake_in(fr, struct fuse_statx_in)->sx_flags = UINT32_MAX & ~(uint32_t)AT_STATX_SYNC_TYPE;
	assert_int_equal(fake_call(fr), 0);
	fr->req.node = 999;
	assert_int_equal(fake_call(fr), -EBADF);
	fake_req_free(fr);
}

static int may(struct fixture *f, const char *name, uint32_t uid, uint32_t gid, uint32_t mask)
{
	struct fake_req *fr = fake_req_new(f->fake, FUSE_ACCESS, fixture_node(f, name));
	int res;

	fr->req.uid = uid;
	fr->req.gid = gid;
	fake_in(fr, struct fuse_access_in)->mask = mask;
	res = fake_call(fr);
	fake_req_free(fr);
	return res;
}

static void test_access(void **state)
{
	struct fixture *f = *state;
	uint32_t uid = geteuid(), gid = getegid();

	fixture_file(f, "file", "x");
	assert_int_equal(mkdir(fixture_path(f, "dir"), 0), 0);
	assert_int_equal(chmod(fixture_path(f, "file"), 0640), 0);
	assert_int_equal(fixture_start(f), 0);
	assert_int_equal(may(f, "file", uid, gid, F_OK), 0);
	assert_int_equal(may(f, "file", uid, gid, R_OK | W_OK), 0);
	assert_int_equal(may(f, "file", 4242, gid, R_OK), 0);
	assert_int_equal(may(f, "file", 4242, gid, W_OK), -EACCES);
	assert_int_equal(may(f, "file", 4242, 4242, R_OK), -EACCES);
	assert_int_equal(may(f, "file", 4242, 4242, F_OK), 0);
	/* Root may execute what somebody may, and search every directory. */
	assert_int_equal(may(f, "file", 0, 0, R_OK | W_OK), 0);
	assert_int_equal(may(f, "file", 0, 0, X_OK), -EACCES);
	assert_int_equal(may(f, "dir", 0, 0, R_OK | W_OK | X_OK), 0);
	assert_int_equal(chmod(fixture_path(f, "file"), 0601), 0);
	assert_int_equal(may(f, "file", 0, 0, X_OK), 0);
	assert_int_equal(may(f, "file", uid, gid, 8), -EINVAL);
}

int main(void)
{
#define FIXTURE_TEST(fn) cmocka_unit_test_setup_teardown(fn, fixture_new, fixture_free)
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(test_getattr), FIXTURE_TEST(test_mode),  FIXTURE_TEST(test_owner),
		FIXTURE_TEST(test_size),    FIXTURE_TEST(test_killpriv), FIXTURE_TEST(test_times),
		FIXTURE_TEST(test_order),   FIXTURE_TEST(test_readonly), FIXTURE_TEST(test_statx),
		FIXTURE_TEST(test_access),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
