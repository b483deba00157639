/* SPDX-License-Identifier: Apache-2.0 */
/* Extended attributes and IOCTL of the passthrough plugin. */
#include "passthrough_requests.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>
/* cmocka needs what stands above */
#include <cmocka.h>

static const char acl_access[] = "system.posix_acl_access";
static const char acl_default[] = "system.posix_acl_default";

/* Version 2; user rw, named user 1000 r, group r, mask r, others none. */
static const unsigned char acl[] = {2, 0,   0,   0,   1,   0,   6,  0, 255, 255, 255, 255, 2,   0,  4,
				    0, 232, 3,   0,   0,   4,   0,  4, 0,   255, 255, 255, 255, 16, 0,
				    4, 0,   255, 255, 255, 255, 32, 0, 0,   0,   255, 255, 255, 255};

static int set_by(struct fixture *f, uint64_t node, const char *name, const void *value, size_t len, uint32_t flags,
		  uint32_t more)
{
	struct fake_req *fr = fake_req_new(f->fake, FUSE_SETXATTR, node);

	*fake_in(fr, struct fuse_setxattr_in) =
	    (struct fuse_setxattr_in){.size = (uint32_t)len, .flags = flags, .setxattr_flags = more};
	fake_req_name(fr, name);
	fr->req.data = value;
	fr->req.data_len = (uint32_t)len;
	int res = fake_call(fr);
	fake_req_free(fr);
	return res;
}

static int set(struct fixture *f, uint64_t node, const char *name, const char *value)
{
	return set_by(f, node, name, value, strlen(value), 0, 0);
}

/* GETXATTR (name) or LISTXATTR (NULL) with room for size bytes: bytes, or -errno. */
static ssize_t get(struct fixture *f, uint64_t node, const char *name, void *to, size_t size)
{
	struct fake_req *fr = fake_req_new(f->fake, name ? FUSE_GETXATTR : FUSE_LISTXATTR, node);

	fake_in(fr, struct fuse_getxattr_in)->size = (uint32_t)size;
	fake_req_name(fr, name);
	fake_req_dst(fr, size);
	ssize_t res = fake_call(fr);
	if (res == 0 && !size)
		res = fake_out(fr, struct fuse_getxattr_out)->size;
	else if (res == 0) {
		res = (ssize_t)fr->req.done;
		if (to)
			memcpy(to, fr->buf, size);
	}
	fake_req_free(fr);
	return res;
}

static int del(struct fixture *f, uint64_t node, const char *name)
{
	struct fake_req *fr = fake_req_new(f->fake, FUSE_REMOVEXATTR, node);

	fake_req_name(fr, name);
	int res = fake_call(fr);
	fake_req_free(fr);
	return res;
}

static bool listed(const char *list, ssize_t len, const char *name)
{
	for (ssize_t i = 0; i < len; i += (ssize_t)strlen(list + i) + 1)
		if (strcmp(list + i, name) == 0)
			return true;
	return false;
}

static uint64_t make(struct fixture *f, const char *name)
{
	fixture_file(f, name, "x");
	return fixture_node(f, name);
}

static bool host_has(struct fixture *f, const char *name)
{
	if (setxattr(f->dir, name, "x", 1, 0) < 0)
		return false;
	removexattr(f->dir, name);
	return true;
}

/* All four calls, good and bad, on one node. */
static void check_node(struct fixture *f, uint64_t node, const char *name)
{
	char value[64], list[256];

	assert_true(node > 0);
	assert_int_equal(get(f, node, name, value, 64), -ENODATA);
	assert_int_equal(del(f, node, name), -ENODATA);
	assert_int_equal(set_by(f, node, name, "v", 1, XATTR_REPLACE, 0), -ENODATA);
	assert_int_equal(set(f, node, name, "a value"), 0);
	assert_int_equal(set_by(f, node, name, "v", 1, XATTR_CREATE, 0), -EEXIST);
	assert_int_equal(get(f, node, name, NULL, 0), 7);
	assert_int_equal(get(f, node, name, value, 6), -ERANGE);
	assert_int_equal(get(f, node, name, value, 7), 7);
	assert_memory_equal(value, "a value", 7);
	assert_int_equal(get(f, node, name, value, 64), 7);
	ssize_t len = get(f, node, NULL, NULL, 0);
	assert_true(len >= (ssize_t)strlen(name) + 1);
	assert_int_equal(get(f, node, NULL, list, (size_t)len - 1), -ERANGE);
	assert_int_equal(get(f, node, NULL, list, sizeof(list)), len);
	assert_true(listed(list, len, name));
	assert_int_equal(set_by(f, node, name, "", 0, XATTR_REPLACE, 0), 0);
	assert_int_equal(get(f, node, name, value, 64), 0);
	assert_int_equal(del(f, node, name), 0);
	assert_int_equal(get(f, node, name, value, 64), -ENODATA);
	assert_int_equal(set_by(f, node, name, "v", 1, 0x80, 0), -EINVAL);
}

static void test_each_type(void **state)
{
	struct fixture *f = *state;
	char before[512], after[512];

	if (!host_has(f, "trusted.test"))
		skip();
	mkdir(fixture_path(f, "dir"), 0755);
	assert_int_equal(symlink("file", fixture_path(f, "link")), 0);
	assert_int_equal(symlink("nowhere", fixture_path(f, "dangling")), 0);
	assert_int_equal(mkfifo(fixture_path(f, "fifo"), 0600), 0);
	assert_int_equal(mknod(fixture_path(f, "device"), S_IFCHR | 0600, makedev(1, 3)), 0);
	assert_int_equal(mknod(fixture_path(f, "socket"), S_IFSOCK | 0600, 0), 0);
	assert_non_null(getcwd(before, sizeof(before)));
	check_node(f, make(f, "file"), "trusted.test");
	check_node(f, fixture_node(f, "dir"), "trusted.test");
	check_node(f, fixture_node(f, "link"), "trusted.test");
	check_node(f, fixture_node(f, "dangling"), "trusted.test");
	check_node(f, fixture_node(f, "fifo"), "trusted.test");
	check_node(f, fixture_node(f, "device"), "trusted.test");
	check_node(f, fixture_node(f, "socket"), "trusted.test");
	/* The link's attribute is its own. */
	assert_int_equal(set(f, fixture_node(f, "link"), "trusted.test", "link"), 0);
	assert_int_equal(getxattr(fixture_path(f, "file"), "trusted.test", NULL, 0), -1);
	assert_int_equal(lgetxattr(fixture_path(f, "link"), "trusted.test", NULL, 0), 4);
	/* The thread is where it was. */
	assert_non_null(getcwd(after, sizeof(after)));
	assert_string_equal(before, after);
}

static void test_user_names(void **state)
{
	struct fixture *f = *state;
	uint64_t node = make(f, "a");

	if (!host_has(f, "user.test"))
		skip();
	check_node(f, node, "user.test");
	assert_int_equal(set(f, node, "nonsense", "x"), -EOPNOTSUPP);
	assert_int_equal(set(f, node, "user.", "x"), -EINVAL);
	assert_int_equal(get(f, 4711, "user.test", NULL, 0), -EBADF);
	assert_int_equal(get(f, 4711, NULL, NULL, 0), -EBADF);
	assert_int_equal(set(f, 4711, "user.test", "x"), -EBADF);
	assert_int_equal(del(f, 4711, "user.test"), -EBADF);
	assert_int_equal(get(f, node, "user.test", NULL, (1 << 20) + 1), -ENOMEM);
	assert_int_equal(get(f, node, NULL, NULL, (1 << 20) + 1), -ENOMEM);
}

static void test_large_values(void **state)
{
	struct fixture *f = *state;
	uint64_t node = make(f, "a");
	static char value[65537], got[1 << 20];

	memset(value, 'v', sizeof(value));
	assert_int_equal(set_by(f, node, "user.test", value, 65537, 0, 0), -E2BIG);
	int res = set_by(f, node, "user.test", value, 2000, 0, 0);
	if (res == -EOPNOTSUPP)
		skip();
	assert_int_equal(res, 0);
	assert_int_equal(get(f, node, "user.test", got, sizeof(got)), 2000);
	assert_memory_equal(got, value, 2000);
	/* Out of memory for what does not fit one piece of the guest's memory. */
	f->fake->alloc_failures = 1;
	assert_int_equal(get(f, node, "user.test", got, 3000), -ENOMEM);
	assert_int_equal(get(f, node, "user.test", got, 3000), 2000);
	/* Straight into it where there is one piece. */
	struct fake_req *fr = fake_req_new(f->fake, FUSE_GETXATTR, node);
	struct iovec iov = {got, 3000};
	fake_in(fr, struct fuse_getxattr_in)->size = 3000;
	fake_req_name(fr, "user.test");
	fr->req.dst = &iov;
	fr->req.ndst = 1;
	fr->req.dst_len = 3000;
	f->fake->alloc_failures = -1;
	memset(got, 0, 3000);
	assert_int_equal(fake_call(fr), 0);
	assert_int_equal(fr->req.done, 2000);
	assert_memory_equal(got, value, 2000);
	fake_req_free(fr);
}

static void test_long_list(void **state)
{
	struct fixture *f = *state;
	uint64_t node = make(f, "a");
	static char list[65536];
	ssize_t sum = 0;
	int n = 0;

	for (; n < 100; n++) {
		char name[256];
		snprintf(name, sizeof(name), "user.%03d-%0200d", n, 0);
		if (set(f, node, name, "") < 0)
			break;
		sum += (ssize_t)strlen(name) + 1;
	}
	if (sum <= 4096) {
		print_message("skipped: this file system holds %d attributes of 209 bytes only\n", n);
		skip();
	}
	assert_int_equal(get(f, node, NULL, NULL, 0), sum);
	assert_int_equal(get(f, node, NULL, list, sizeof(list)), sum);
	f->fake->alloc_failures = 1;
	assert_int_equal(get(f, node, NULL, list, sizeof(list)), -ENOMEM);
}

static void test_switched_off(void **state)
{
	struct fixture *f = *state;

	f->set.xattr = false;
	rq_restart(f);
	uint64_t node = make(f, "a");
	assert_int_equal(get(f, node, "user.test", NULL, 0), -EOPNOTSUPP);
	assert_int_equal(get(f, node, NULL, NULL, 0), -EOPNOTSUPP);
	assert_int_equal(set(f, node, "user.test", "x"), -EOPNOTSUPP);
	assert_int_equal(del(f, node, "user.test"), -EOPNOTSUPP);
	f->set.xattr = f->set.readonly = true;
	rq_restart(f);
	node = fixture_node(f, "a");
	assert_int_equal(set(f, node, "user.test", "x"), -EROFS);
	assert_int_equal(del(f, node, "user.test"), -EROFS);
	assert_int_equal(get(f, node, "user.test", NULL, 0), -ENODATA);
}

static void test_acls(void **state)
{
	struct fixture *f = *state;
	unsigned char got[64];
	char list[256];
	uint64_t node = make(f, "a");

	if (setxattr(fixture_path(f, "a"), acl_access, acl, sizeof(acl), 0) < 0)
		skip();
	/* Not negotiated: no such names, though others that begin like them are. */
	assert_int_equal(get(f, node, acl_access, got, 64), -EOPNOTSUPP);
	assert_int_equal(set_by(f, node, acl_access, acl, sizeof(acl), 0, 0), -EOPNOTSUPP);
	assert_int_equal(del(f, node, acl_access), -EOPNOTSUPP);
	assert_int_equal(get(f, node, acl_default, got, 64), -EOPNOTSUPP);
	assert_int_equal(get(f, node, "system.posix_acl_acces", got, 64), -EOPNOTSUPP);
	assert_int_equal(get(f, node, "user.system.posix_acl_access", got, 64), -ENODATA);
	assert_int_equal(set(f, node, "user.s", "x"), 0);
	ssize_t len = get(f, node, NULL, list, sizeof(list));
	assert_true(len > 0);
	assert_false(listed(list, len, acl_access));
	assert_true(listed(list, len, "user.s"));
	assert_int_equal(get(f, node, NULL, NULL, 0), len);

	f->session.flags |= FUSE_POSIX_ACL | FUSE_DONT_MASK | FUSE_SETXATTR_EXT;
	f->set.posix_acl = PT_ALWAYS;
	f->set.xattr = false; /* implied */
	rq_restart(f);
	node = fixture_node(f, "a");
	assert_int_equal(get(f, node, acl_access, got, 64), sizeof(acl));
	assert_memory_equal(got, acl, sizeof(acl));
	len = get(f, node, NULL, list, sizeof(list));
	assert_true(listed(list, len, acl_access));
	/* S_ISGID goes where the guest says so, and only with that name. */
	chmod(fixture_path(f, "a"), 02755);
	assert_int_equal(set_by(f, node, acl_access, acl, sizeof(acl), 0, 0), 0);
	assert_int_equal(rq_mode(f, "a") & S_ISGID, S_ISGID);
	assert_int_equal(set_by(f, node, "user.s", "y", 1, 0, FUSE_SETXATTR_ACL_KILL_SGID), 0);
	assert_int_equal(rq_mode(f, "a") & S_ISGID, S_ISGID);
	assert_int_equal(set_by(f, node, acl_access, acl, sizeof(acl), 0, FUSE_SETXATTR_ACL_KILL_SGID), 0);
	assert_int_equal(rq_mode(f, "a") & S_ISGID, 0);
	assert_int_equal(del(f, node, acl_access), 0);
	assert_int_equal(getxattr(fixture_path(f, "a"), acl_access, NULL, 0), -1);
	mkdir(fixture_path(f, "d"), 0755);
	assert_int_equal(set_by(f, fixture_node(f, "d"), acl_default, acl, sizeof(acl), 0, 0), 0);
	assert_int_equal(getxattr(fixture_path(f, "d"), acl_default, NULL, 0), sizeof(acl));
}

/* A label for what has just been made, by an O_PATH descriptor. */
static void test_label_of_special(void **state)
{
	struct fixture *f = *state;
	char value[16];

	if (!host_has(f, "trusted.label"))
		skip();
	struct fake_req *fr = fake_req_new(f->fake, FUSE_MKNOD, GRAFT_ROOT_NODE);
	fr->req.secctx_name = "trusted.label";
	fr->req.secctx = "text";
	fr->req.secctx_len = 4;
	assert_int_equal(mkfifo(fixture_path(f, "p"), 0600), 0);
	assert_int_equal(symlink("p", fixture_path(f, "l")), 0);
	static const char *const names[] = {"p", "l"};
	for (int i = 0; i < 2; i++) {
		int fd = open(fixture_path(f, names[i]), O_PATH | O_NOFOLLOW);
		assert_true(fd >= 0);
		assert_int_equal(pt_set_secctx(f->s, &fr->req, fd), 0);
		assert_int_equal(lgetxattr(fixture_path(f, names[i]), "trusted.label", value, sizeof(value)), 4);
		close(fd);
	}
	fr->req.secctx_name = NULL;
	assert_int_equal(pt_set_secctx(f->s, &fr->req, -1), 0);
	fake_req_free(fr);
}

static int ioctl_by(struct fixture *f, uint64_t node, uint64_t fh, uint32_t cmd, void *arg, uint32_t in_size,
		    uint32_t out_size)
{
	struct fake_req *fr = fake_req_new(f->fake, FUSE_IOCTL, node);

	*fake_in(fr, struct fuse_ioctl_in) =
	    (struct fuse_ioctl_in){.fh = fh, .cmd = cmd, .in_size = in_size, .out_size = out_size};
	fr->req.data = in_size ? arg : NULL;
	fr->req.data_len = in_size;
	if (out_size)
		fake_req_dst(fr, out_size);
	int res = fake_call(fr);
	if (res == 0 && out_size)
		memcpy(arg, fr->buf, fr->req.done);
	fake_req_free(fr);
	return res;
}

static void test_ioctl_flags(void **state)
{
	static const uint32_t gets[] = {FS_IOC_GETFLAGS, FS_IOC32_GETFLAGS};
	static const uint32_t sets[] = {FS_IOC_SETFLAGS, FS_IOC32_SETFLAGS};
	struct fixture *f = *state;
	uint64_t node = make(f, "a"), fh;
	long flags = 0;

	assert_int_equal(rq_open(f, node, O_RDONLY, &fh, NULL), 0);
	if (ioctl_by(f, node, fh, FS_IOC_GETFLAGS, &flags, 0, 4) < 0)
		skip();
	for (int i = 0; i < 2; i++) {
		flags = 0;
		assert_int_equal(ioctl_by(f, node, fh, gets[i], &flags, 0, 4), 0);
		long want = flags | FS_NODUMP_FL;
		f->fake->deferred = 0;
		assert_int_equal(ioctl_by(f, node, fh, sets[i], &want, 4, 0), 0);
		assert_int_equal(f->fake->deferred, 1);
		flags = 0;
		assert_int_equal(ioctl_by(f, node, fh, gets[i], &flags, 0, 8), 0);
		assert_int_equal(flags, want);
		want &= ~FS_NODUMP_FL;
		assert_int_equal(ioctl_by(f, node, fh, sets[i], &want, 8, 0), 0);
	}
	assert_int_equal(ioctl_by(f, node, fh, FS_IOC_GETFLAGS, &flags, 0, 3), -EINVAL);
	assert_int_equal(ioctl_by(f, node, fh, FS_IOC_GETFLAGS, &flags, 0, 0), -EINVAL);
	assert_int_equal(ioctl_by(f, node, fh, FS_IOC_SETFLAGS, &flags, 3, 0), -EINVAL);
	assert_int_equal(ioctl_by(f, node, fh, FS_IOC_SETFLAGS, &flags, 0, 0), -EINVAL);
	assert_int_equal(ioctl_by(f, node, fh + 1, FS_IOC_GETFLAGS, &flags, 0, 4), -EBADF);
	assert_int_equal(ioctl_by(f, node, fh, FIONREAD, &flags, 0, 4), -ENOTTY);
	assert_int_equal(ioctl_by(f, node, fh, FIFREEZE, &flags, 4, 4), -ENOTTY);
	/* Directories too. */
	assert_int_equal(rq_opendir(f, GRAFT_ROOT_NODE, O_RDONLY, &fh, NULL), 0);
	assert_int_equal(ioctl_by(f, GRAFT_ROOT_NODE, fh, FS_IOC_GETFLAGS, &flags, 0, 4), 0);

	f->set.readonly = true;
	rq_restart(f);
	node = fixture_node(f, "a");
	assert_int_equal(rq_open(f, node, O_RDONLY, &fh, NULL), 0);
	assert_int_equal(ioctl_by(f, node, fh, FS_IOC_SETFLAGS, &flags, 4, 0), -EROFS);
	assert_int_equal(ioctl_by(f, node, fh, FS_IOC_FSSETXATTR, &flags, 4, 0), -EROFS);
	assert_int_equal(ioctl_by(f, node, fh, FS_IOC_GETFLAGS, &flags, 0, 4), 0);
}

static void test_ioctl_project(void **state)
{
	struct fixture *f = *state;
	struct fsxattr fsx, got;
	uint64_t node = make(f, "a"), fh;

	assert_int_equal(rq_open(f, node, O_RDONLY, &fh, NULL), 0);
	if (ioctl_by(f, node, fh, FS_IOC_FSGETXATTR, &fsx, 0, sizeof(fsx)) < 0)
		skip();
	assert_int_equal(fsx.fsx_projid, 0);
	assert_int_equal(ioctl_by(f, node, fh, FS_IOC_FSGETXATTR, &got, 0, sizeof(got) - 1), -EINVAL);
	assert_int_equal(ioctl_by(f, node, fh, FS_IOC_FSSETXATTR, &fsx, sizeof(fsx) - 1, 0), -EINVAL);
	assert_int_equal(ioctl_by(f, node, fh, FS_IOC_FSSETXATTR, &fsx, sizeof(fsx), 0), 0);
	fsx.fsx_projid = 4711;
	int res = ioctl_by(f, node, fh, FS_IOC_FSSETXATTR, &fsx, sizeof(fsx), 0);
	if (res == -EOPNOTSUPP) {
		print_message("skipped: this file system was made without project quotas\n");
		skip();
	}
	assert_int_equal(res, 0);
	assert_int_equal(ioctl_by(f, node, fh, FS_IOC_FSGETXATTR, &got, 0, sizeof(got)), 0);
	assert_int_equal(got.fsx_projid, 4711);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, rq_setup, fixture_free)
	const struct CMUnitTest tests[] = {
	    T(test_each_type),        T(test_user_names),   T(test_large_values),
	    T(test_long_list),        T(test_switched_off), T(test_acls),
	    T(test_label_of_special), T(test_ioctl_flags),  T(test_ioctl_project),
	};
	return cmocka_run_group_tests_name("passthrough xattr", tests, NULL, NULL);
}
