/* SPDX-License-Identifier: Apache-2.0 */
/* OPEN, CREATE, TMPFILE, RELEASE, FLUSH, FSYNC and file handles of the passthrough plugin. */
#include "passthrough_requests.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>
/* cmocka needs what stands above */
#include <cmocka.h>

#define TMPFILE_BIT (O_TMPFILE & ~O_DIRECTORY)

/* Flags of the host's descriptor behind a handle. */
static int host_flags(struct fixture *f, uint64_t node, uint64_t fh)
{
	struct handle *h;

	assert_int_equal(handle_get(f->s, fh, node, &h), 0);
	int flags = fcntl(handle_fd(h), F_GETFL);
	handle_put(f->s, h);
	return flags;
}

/* Opens and releases; the host's flags or -errno. */
static int try_open(struct fixture *f, uint64_t node, uint32_t flags)
{
	uint64_t fh;
	int res = rq_open(f, node, flags, &fh, NULL);

	if (res < 0)
		return res;
	res = host_flags(f, node, fh);
	assert_int_equal(rq_handle(f, FUSE_RELEASE, node, fh), 0);
	return res;
}

static uint64_t make(struct fixture *f, const char *name, const char *content)
{
	fixture_file(f, name, content);
	uint64_t node = fixture_node(f, name);
	assert_true(node > GRAFT_ROOT_NODE);
	return node;
}

static void test_open_flags_of_reply(void **state)
{
	static const uint32_t file[] = {0, FOPEN_KEEP_CACHE, FOPEN_DIRECT_IO | FOPEN_PARALLEL_DIRECT_WRITES,
					FOPEN_DIRECT_IO | FOPEN_PARALLEL_DIRECT_WRITES};
	static const uint32_t dir[] = {0, FOPEN_KEEP_CACHE | FOPEN_CACHE_DIR, FOPEN_KEEP_CACHE | FOPEN_CACHE_DIR, 0};
	struct fixture *f = *state;

	mkdir(fixture_path(f, "d"), 0755);
	for (uint32_t mode = PT_CACHE_AUTO; mode <= PT_CACHE_NEVER; mode++) {
		struct rq_created made;
		uint32_t flags = 77;
		uint64_t fh;

		f->set.cache = mode;
		rq_restart(f);
		uint64_t node = make(f, "a", "x");
		assert_int_equal(rq_open(f, node, O_RDWR, &fh, &flags), 0);
		assert_int_equal(flags, file[mode] | FOPEN_NOFLUSH);
		assert_int_not_equal(fh, 0);
		uint64_t d = fixture_node(f, "d");
		assert_int_equal(rq_opendir(f, d, O_RDONLY, &fh, &flags), 0);
		assert_int_equal(flags, dir[mode]);
		assert_int_equal(rq_open(f, d, O_RDONLY | O_DIRECTORY, &fh, &flags), 0);
		assert_int_equal(flags, dir[mode]);
		assert_int_equal(rq_create(f, GRAFT_ROOT_NODE, "new", O_RDWR, 0644, &made), 0);
		assert_int_equal(made.open.open_flags, file[mode] | FOPEN_NOFLUSH);
		unlink(fixture_path(f, "new"));
	}
}

/* Who waits at close(2), and what for. */
static void test_flush_wanted(void **state)
{
	struct fixture *f = *state;
	uint64_t node = make(f, "a", "x"), fh;
	struct rq_created made;
	uint32_t flags;

	/* A network file system may have an error to tell of what was written. */
	f->inst->blocking = true;
	assert_int_equal(rq_open(f, node, O_RDONLY, &fh, &flags), 0);
	assert_int_equal(flags, FOPEN_NOFLUSH);
	assert_int_equal(rq_open(f, node, O_WRONLY, &fh, &flags), 0);
	assert_int_equal(flags, 0);
	assert_int_equal(rq_create(f, GRAFT_ROOT_NODE, "new", O_RDWR, 0644, &made), 0);
	assert_int_equal(made.open.open_flags, 0);
	f->inst->blocking = false;
	assert_int_equal(rq_open(f, node, O_WRONLY, &fh, &flags), 0);
	assert_int_equal(flags, FOPEN_NOFLUSH);
	/* Locks end with it. */
	f->session.flags |= FUSE_POSIX_LOCKS;
	assert_int_equal(rq_open(f, node, O_RDONLY, &fh, &flags), 0);
	assert_int_equal(flags, 0);
}

static void test_open_filters_flags(void **state)
{
	struct fixture *f = *state;
	uint32_t open_flags;
	uint64_t fh;
	uint64_t node = make(f, "a", "x");

	assert_int_equal(try_open(f, node, O_RDWR | O_APPEND | O_NOATIME | O_DIRECT | O_NOFOLLOW) &
			     (O_ACCMODE | O_APPEND | O_NOATIME | O_DIRECT),
			 O_RDWR);
	assert_int_equal(try_open(f, node, O_WRONLY | O_CREAT) & O_ACCMODE, O_WRONLY);
	assert_int_equal(try_open(f, node, O_WRONLY | O_SYNC) & O_SYNC, O_SYNC);

	/* The guest's direct writes need no order in the guest, though O_DIRECT is not passed on. */
	assert_int_equal(rq_open(f, node, O_WRONLY | O_DIRECT, &fh, &open_flags), 0);
	assert_false(host_flags(f, node, fh) & O_DIRECT);
	assert_int_equal(open_flags & ~FOPEN_NOFLUSH, FOPEN_PARALLEL_DIRECT_WRITES);

	f->set.preserve_noatime = f->set.direct_io = true;
	f->session.flags |= FUSE_WRITEBACK_CACHE;
	rq_restart(f);
	node = fixture_node(f, "a");
	assert_int_equal(try_open(f, node, O_WRONLY | O_APPEND | O_NOATIME) & (O_ACCMODE | O_APPEND | O_NOATIME),
			 O_RDWR | O_NOATIME);
	assert_int_equal(rq_open(f, node, O_RDONLY | O_DIRECT, &fh, &open_flags), 0);
	assert_true(host_flags(f, node, fh) & O_DIRECT);
	assert_int_equal(open_flags, FOPEN_PARALLEL_DIRECT_WRITES | FOPEN_NOFLUSH);
}

static void test_open_refuses(void **state)
{
	struct fixture *f = *state;
	uint64_t node = make(f, "a", "x");

	mkdir(fixture_path(f, "d"), 0755);
	assert_int_equal(mkfifo(fixture_path(f, "p"), 0644), 0);
	assert_int_equal(symlink("a", fixture_path(f, "l")), 0);
	assert_int_equal(try_open(f, 0, O_RDONLY), -EBADF);
	assert_int_equal(try_open(f, node + 1000, O_RDONLY), -EBADF);
	assert_int_equal(try_open(f, UINT64_MAX, O_RDONLY), -EBADF);
	assert_int_equal(try_open(f, node, O_RDONLY | O_CREAT | O_EXCL), -EEXIST);
	assert_int_equal(try_open(f, node, O_RDONLY | O_DIRECTORY), -ENOTDIR);
	assert_int_equal(try_open(f, node, O_RDWR | TMPFILE_BIT), -EINVAL);
	assert_int_equal(try_open(f, fixture_node(f, "d"), O_RDWR), -EISDIR);
	assert_int_equal(try_open(f, fixture_node(f, "p"), O_RDONLY | O_NONBLOCK), -EBADF);
	assert_int_equal(try_open(f, fixture_node(f, "l"), O_RDONLY), -EBADF);
	fixture_forget(f, node, 1);
	assert_int_equal(try_open(f, node, O_RDONLY), -EBADF);
}

static void test_open_odd_but_allowed(void **state)
{
	struct fixture *f = *state;
	uint64_t fh;
	uint64_t node = make(f, "a", "x");
	char c;

	/* O_PATH gives a handle without data. */
	assert_int_equal(rq_open(f, node, O_PATH, &fh, NULL), 0);
	assert_int_equal(rq_read(f, node, fh, 0, &c, 1), -EBADF);
	assert_int_equal(rq_handle(f, FUSE_RELEASE, node, fh), 0);
	/* O_TMPFILE on a directory gives a file without a name. */
	assert_int_equal(rq_open(f, GRAFT_ROOT_NODE, O_RDWR | O_TMPFILE, &fh, NULL), 0);
	assert_int_equal(rq_write(f, GRAFT_ROOT_NODE, fh, 0, "abc", 3), 3);
	assert_int_equal(rq_handle(f, FUSE_READDIR, GRAFT_ROOT_NODE, fh), -ENOTDIR);
	assert_int_equal(rq_handle(f, FUSE_RELEASE, GRAFT_ROOT_NODE, fh), 0);
}

static void test_open_truncates(void **state)
{
	struct fixture *f = *state;
	uint64_t node = make(f, "small", "hello");
	static char big[3 << 20];

	memset(big, 'x', sizeof(big) - 1);
	assert_true(try_open(f, node, O_RDWR | O_TRUNC) >= 0);
	assert_int_equal(rq_size(f, "small"), 0);
	assert_int_equal(f->fake->deferred, 0);

	node = make(f, "big", big);
	f->fake->queue = true;
	assert_true(try_open(f, node, O_RDWR | O_TRUNC) >= 0);
	assert_int_equal(f->fake->deferred, 1);
	assert_int_equal(rq_size(f, "big"), 0);

	/* No worker is free: done at once. */
	fixture_file(f, "big", big);
	f->fake->queue_full = true;
	assert_true(try_open(f, node, O_WRONLY | O_TRUNC) >= 0);
	assert_int_equal(f->fake->deferred, 1);
	assert_int_equal(rq_size(f, "big"), 0);
}

static void test_killpriv(void **state)
{
	struct fixture *f = *state;
	uint64_t node = make(f, "a", "x");
	uint64_t fh;

	/* Not negotiated: this process keeps the bits. */
	chmod(fixture_path(f, "a"), 06755);
	assert_int_equal(rq_open_kill(f, node, O_RDWR | O_TRUNC, &fh), 0);
	assert_int_equal(rq_mode(f, "a"), 06755);

	f->session.flags |= FUSE_HANDLE_KILLPRIV_V2;
	rq_restart(f);
	node = fixture_node(f, "a");
	assert_int_equal(rq_open(f, node, O_RDWR | O_TRUNC, &fh, NULL), 0);
	assert_int_equal(rq_mode(f, "a"), 06755);
	assert_int_equal(rq_open_kill(f, node, O_RDWR | O_TRUNC, &fh), 0);
	assert_int_equal(rq_mode(f, "a"), 0755);

	chmod(fixture_path(f, "a"), 06755);
	assert_int_equal(rq_write_flags(f, node, fh, 0, "y", 1, 0, 0), 1);
	assert_int_equal(rq_mode(f, "a"), 06755);
	assert_int_equal(rq_write_flags(f, node, fh, 0, "y", 1, 0, FUSE_WRITE_KILL_SUIDGID), 1);
	assert_int_equal(rq_mode(f, "a"), 0755);
	/* The capability came back. */
	chmod(fixture_path(f, "a"), 06755);
	assert_int_equal(rq_write_flags(f, node, fh, 0, "y", 1, 0, 0), 1);
	assert_int_equal(rq_mode(f, "a"), 06755);
}

static void test_readonly(void **state)
{
	struct fixture *f = *state;
	struct rq_created made;
	uint64_t fh;

	f->set.readonly = true;
	rq_restart(f);
	uint64_t node = make(f, "a", "x");
	assert_true(try_open(f, node, O_RDONLY) >= 0);
	assert_true(try_open(f, node, O_PATH | O_RDWR) >= 0);
	assert_int_equal(try_open(f, node, O_RDWR), -EROFS);
	assert_int_equal(try_open(f, node, O_WRONLY), -EROFS);
	assert_int_equal(try_open(f, node, O_RDONLY | O_EXCL), -EROFS);
	assert_int_equal(try_open(f, node, O_RDONLY | O_TRUNC), -EINVAL);
	assert_int_equal(try_open(f, GRAFT_ROOT_NODE, O_RDONLY | O_TMPFILE), -EINVAL);
	assert_int_equal(rq_opendir(f, GRAFT_ROOT_NODE, O_RDWR, &fh, NULL), -EROFS);
	assert_int_equal(rq_opendir(f, GRAFT_ROOT_NODE, O_RDONLY, &fh, NULL), 0);

	assert_int_equal(rq_create(f, GRAFT_ROOT_NODE, "new", O_RDONLY, 0644, NULL), -EROFS);
	assert_int_equal(rq_size(f, "new"), -1);
	assert_int_equal(rq_create(f, GRAFT_ROOT_NODE, "a", O_WRONLY, 0644, NULL), -EROFS);
	assert_int_equal(rq_create(f, GRAFT_ROOT_NODE, "a", O_RDONLY | O_EXCL, 0644, NULL), -EROFS);
	assert_int_equal(rq_create(f, GRAFT_ROOT_NODE, "a", O_RDONLY, 0644, &made), 0);
	assert_int_equal(made.entry.nodeid, node);
	assert_int_equal(rq_write(f, node, made.open.fh, 0, "y", 1), -EROFS);
}

/* Reading and listing leave no trace on a read-only mount, as on any other. */
static void test_readonly_atime(void **state)
{
	static const struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 2000}};
	struct fixture *f = *state;
	struct stat st;
	uint64_t fh;
	char c;

	for (int readonly = 0; readonly < 2; readonly++) {
		f->set.readonly = readonly;
		rq_restart(f);
		uint64_t node = make(f, "a", "x");
		assert_int_equal(utimensat(AT_FDCWD, fixture_path(f, "a"), old, 0), 0);
		assert_int_equal(rq_open(f, node, O_RDONLY, &fh, NULL), 0);
		assert_int_equal(rq_read(f, node, fh, 0, &c, 1), 1);
		assert_int_equal(stat(fixture_path(f, "a"), &st), 0);
		/* The other way only tells whether this file system keeps access times. */
		if (!readonly && st.st_atime == 1000)
			skip();
		if (readonly)
			assert_int_equal(st.st_atime, 1000);
	}
}

static void test_create_new(void **state)
{
	struct fixture *f = *state;
	struct rq_created made;
	struct fuse_attr attr;
	char c = 0;

	assert_int_equal(rq_create(f, GRAFT_ROOT_NODE, "a", O_RDWR | O_CREAT | O_APPEND | O_DIRECT, 0107640, &made), 0);
	assert_int_equal(rq_mode(f, "a"), 07640);
	assert_true(made.entry.nodeid > GRAFT_ROOT_NODE);
	assert_int_equal(made.entry.attr.mode, S_IFREG | 07640);
	assert_int_equal(host_flags(f, made.entry.nodeid, made.open.fh) & (O_ACCMODE | O_APPEND | O_DIRECT), O_RDWR);
	assert_int_equal(rq_write(f, made.entry.nodeid, made.open.fh, 0, "z", 1), 1);
	assert_int_equal(rq_read(f, made.entry.nodeid, made.open.fh, 0, &c, 1), 1);
	assert_int_equal(c, 'z');
	/* The entry counts one look-up of the node that LOOKUP finds too. */
	assert_int_equal(fixture_node(f, "a"), made.entry.nodeid);
	fixture_forget(f, made.entry.nodeid, 1);
	assert_int_equal(fixture_getattr(f, made.entry.nodeid, &attr), 0);
	fixture_forget(f, made.entry.nodeid, 1);
	assert_int_equal(fixture_getattr(f, made.entry.nodeid, &attr), -EBADF);
	/* The handle needs no node. */
	assert_int_equal(rq_handle(f, FUSE_RELEASE, made.entry.nodeid, made.open.fh), 0);

	assert_int_equal(rq_create(f, GRAFT_ROOT_NODE, "b", O_PATH, 0644, NULL), -EINVAL);
	assert_int_equal(rq_create(f, GRAFT_ROOT_NODE, "b", O_RDWR | O_DIRECTORY, 0644, NULL), -EINVAL);
	assert_int_equal(rq_create(f, GRAFT_ROOT_NODE, "b", O_RDWR | O_TMPFILE, 0644, NULL), -EINVAL);
	assert_int_equal(rq_create(f, 12345, "b", O_RDWR, 0644, NULL), -EBADF);
	assert_int_equal(rq_create(f, fixture_node(f, "a"), "b", O_RDWR, 0644, NULL), -ENOTDIR);
	assert_int_equal(rq_size(f, "b"), -1);
}

static int create_as(struct fixture *f, uint32_t uid, uint32_t gid, const char *name, uint32_t flags, uint32_t umask_,
		     struct rq_created *out)
{
	struct fake_req *fr = fake_req_new(f->fake, FUSE_CREATE, GRAFT_ROOT_NODE);
	struct fuse_create_in *in = fake_in(fr, struct fuse_create_in);

	fake_req_name(fr, name);
	in->flags = flags;
	in->mode = S_IFREG | 0666;
	fr->req.uid = uid;
	fr->req.gid = gid;
	fr->req.umask = umask_;
	int res = fake_call(fr);
	if (out)
		memcpy(out, fr->out, sizeof(*out));
	fake_req_free(fr);
	return res;
}

static void test_create_as_caller(void **state)
{
	struct fixture *f = *state;
	struct rq_created made;

	if (geteuid() != 0)
		skip();
	f->session.flags |= FUSE_CREATE_SUPP_GROUP | FUSE_DONT_MASK;
	rq_restart(f);
	assert_int_equal(create_as(f, 4321, 8765, "mine", O_RDWR, 0027, &made), 0);
	assert_int_equal(made.entry.attr.uid, 4321);
	assert_int_equal(made.entry.attr.gid, 8765);
	assert_int_equal(made.entry.attr.mode, S_IFREG | 0640);
	assert_int_equal(geteuid(), 0);
	/* A caller without the right to write there. */
	chmod(f->dir, 0755);
	assert_int_equal(create_as(f, 4321, 8765, "his", O_RDWR, 0, NULL), -EACCES);
	assert_int_equal(rq_size(f, "his"), -1);
	chmod(f->dir, 0777);
	/* What turned up in the guest's back is not opened for somebody who may not. */
	fixture_file(f, "secret", "s");
	chmod(fixture_path(f, "secret"), 0600);
	assert_int_equal(create_as(f, 4321, 8765, "secret", O_RDWR, 0, NULL), -EACCES);
	assert_int_equal(create_as(f, 4321, 8765, "mine", O_RDWR, 0, &made), 0);
	/* A guest that sends no groups has checked with them, so its word counts; the file is the caller's all the same. */
	f->session.flags &= ~(uint64_t)FUSE_CREATE_SUPP_GROUP;
	rq_restart(f);
	chmod(f->dir, 0755);
	assert_int_equal(create_as(f, 4321, 8765, "his", O_RDWR, 0, &made), 0);
	assert_int_equal(made.entry.attr.uid, 4321);
	assert_int_equal(made.entry.attr.gid, 8765);
	/* But it has not checked a file that turned up in its back: it is to look that up and do so. */
	assert_int_equal(create_as(f, 4321, 8765, "secret", O_RDWR, 0, NULL), -ESTALE);
	assert_int_equal(create_as(f, 4321, 8765, "mine", O_RDWR, 0, &made), 0);
	assert_int_equal(geteuid(), 0);
	chmod(f->dir, 0777);
}

static void test_create_existing(void **state)
{
	struct fixture *f = *state;
	struct rq_created made;
	uint64_t node = make(f, "a", "hello");

	assert_int_equal(rq_create(f, GRAFT_ROOT_NODE, "a", O_RDWR | O_EXCL, 0644, NULL), -EEXIST);
	assert_int_equal(rq_create(f, GRAFT_ROOT_NODE, "a", O_RDWR | O_DIRECT | O_NOATIME | O_APPEND, 0600, &made), 0);
	assert_int_equal(made.entry.nodeid, node);
	assert_int_equal(made.entry.attr.size, 5);
	assert_int_equal(host_flags(f, node, made.open.fh) & (O_ACCMODE | O_DIRECT | O_NOATIME | O_APPEND), O_RDWR);
	assert_int_equal(f->fake->deferred, 0);
	assert_int_equal(rq_create(f, GRAFT_ROOT_NODE, "a", O_RDWR | O_TRUNC, 0600, &made), 0);
	assert_int_equal(made.entry.attr.size, 0);
	assert_int_equal(f->fake->deferred, 1);

	mkdir(fixture_path(f, "d"), 0755);
	assert_int_equal(mkfifo(fixture_path(f, "p"), 0644), 0);
	assert_int_equal(symlink("nowhere", fixture_path(f, "l")), 0);
	assert_int_equal(rq_create(f, GRAFT_ROOT_NODE, "d", O_RDWR, 0644, NULL), -EISDIR);
	assert_int_equal(rq_create(f, GRAFT_ROOT_NODE, "p", O_RDWR, 0644, NULL), -ESTALE);
	assert_int_equal(rq_create(f, GRAFT_ROOT_NODE, "l", O_RDWR, 0644, NULL), -ESTALE);
	assert_int_equal(rq_size(f, "nowhere"), -1);

	f->session.flags |= FUSE_WRITEBACK_CACHE;
	rq_restart(f);
	assert_int_equal(rq_create(f, GRAFT_ROOT_NODE, "a", O_WRONLY, 0600, &made), 0);
	assert_int_equal(host_flags(f, made.entry.nodeid, made.open.fh) & O_ACCMODE, O_RDWR);
	assert_int_equal(rq_create(f, GRAFT_ROOT_NODE, "new", O_WRONLY, 0600, &made), 0);
	assert_int_equal(host_flags(f, made.entry.nodeid, made.open.fh) & O_ACCMODE, O_RDWR);
}

/* Whatever fails behind the creation takes the file away again, and nothing else. */
static void test_create_undone(void **state)
{
	struct fixture *f = *state;
	uint64_t fh[64];
	char name[16];
	int n = 0;

	f->set.max_nodes = 1; /* beside the root */
	rq_restart(f);
	assert_int_equal(rq_create(f, GRAFT_ROOT_NODE, "a", O_RDWR, 0644, NULL), 0);
	assert_int_equal(rq_create(f, GRAFT_ROOT_NODE, "b", O_RDWR, 0644, NULL), -ENFILE);
	assert_int_equal(rq_size(f, "b"), -1);
	assert_int_equal(rq_size(f, "a"), 0);

	f->set.max_nodes = 1000;
	f->fake->fd_limit = 32;
	rq_restart(f);
	fixture_file(f, "a", "x");
	uint64_t node = fixture_node(f, "a");
	while (n < 64 && rq_open(f, node, O_RDONLY, &fh[n], NULL) == 0)
		n++;
	assert_in_range(n, 1, 32);
	/* Nodes may still give descriptors up, but not for ever. */
	int res = 0;
	for (int i = 0; i < 32 && res == 0; i++) {
		snprintf(name, sizeof(name), "b%d", i);
		res = rq_create(f, GRAFT_ROOT_NODE, name, O_RDWR, 0644, NULL);
	}
	assert_int_equal(res, -ENFILE);
	assert_int_equal(rq_size(f, name), -1);
	assert_int_equal(rq_create(f, GRAFT_ROOT_NODE, "a", O_RDWR | O_TRUNC, 0644, NULL), -ENFILE);
	assert_int_equal(rq_size(f, "a"), 1);
	/* One released, one possible. */
	assert_int_equal(rq_handle(f, FUSE_RELEASE, node, fh[0]), 0);
	assert_int_equal(rq_create(f, GRAFT_ROOT_NODE, name, O_RDWR, 0644, NULL), 0);
	f->fake->fd_limit = 1000;
}

static int create_labelled(struct fixture *f, uint32_t opcode, const char *name, const char *label, const char *value)
{
	struct fake_req *fr = fake_req_new(f->fake, opcode, GRAFT_ROOT_NODE);
	struct fuse_create_in *in = fake_in(fr, struct fuse_create_in);

	fake_req_name(fr, name);
	in->flags = O_RDWR;
	in->mode = S_IFREG | 0644;
	fr->req.secctx_name = label;
	fr->req.secctx = value;
	fr->req.secctx_len = (uint32_t)strlen(value);
	int res = fake_call(fr);
	fake_req_free(fr);
	return res;
}

static void test_create_label(void **state)
{
	struct fixture *f = *state;
	char value[16];

	if (geteuid() != 0)
		skip();
	assert_int_equal(create_labelled(f, FUSE_CREATE, "a", "trusted.label", "secret"), 0);
	assert_int_equal(getxattr(fixture_path(f, "a"), "trusted.label", value, sizeof(value)), 6);
	assert_memory_equal(value, "secret", 6);
	assert_int_equal(create_labelled(f, FUSE_CREATE, "b", "no-such-class.label", "x"), -EOPNOTSUPP);
	assert_int_equal(rq_size(f, "b"), -1);
	assert_int_equal(create_labelled(f, FUSE_TMPFILE, NULL, "no-such-class.label", "x"), -EOPNOTSUPP);
}

static void test_tmpfile(void **state)
{
	struct fixture *f = *state;
	struct rq_created made;
	struct fuse_attr attr;
	char text[8];

	struct fake_req *fr = fake_req_new(f->fake, FUSE_TMPFILE, GRAFT_ROOT_NODE);
	fake_in(fr, struct fuse_create_in)->flags = O_RDWR | O_TMPFILE;
	fake_in(fr, struct fuse_create_in)->mode = S_IFREG | 0604;
	fr->req.uid = geteuid() == 0 ? 4321 : 0;
	assert_int_equal(fake_call(fr), 0);
	memcpy(&made, fr->out, sizeof(made));
	fake_req_free(fr);
	assert_int_equal(made.entry.attr.nlink, 0);
	assert_int_equal(made.entry.attr.mode, S_IFREG | 0604);
	if (geteuid() == 0)
		assert_int_equal(made.entry.attr.uid, 4321);
	assert_int_equal(rq_write(f, made.entry.nodeid, made.open.fh, 0, "hello", 5), 5);
	assert_int_equal(rq_read(f, made.entry.nodeid, made.open.fh, 0, text, 8), 5);
	assert_int_equal(fixture_getattr(f, made.entry.nodeid, &attr), 0);
	assert_int_equal(attr.size, 5);
	assert_int_equal(rq_handle(f, FUSE_RELEASE, made.entry.nodeid, made.open.fh), 0);

	fr = fake_req_new(f->fake, FUSE_TMPFILE, GRAFT_ROOT_NODE);
	fake_in(fr, struct fuse_create_in)->flags = O_RDONLY;
	assert_int_equal(fake_call(fr), -EINVAL);
	fake_in(fr, struct fuse_create_in)->flags = O_RDWR | O_PATH;
	assert_int_equal(fake_call(fr), -EINVAL);
	fr->req.node = 4711;
	fake_in(fr, struct fuse_create_in)->flags = O_RDWR;
	assert_int_equal(fake_call(fr), -EBADF);
	fake_req_free(fr);
	f->set.readonly = true;
	rq_restart(f);
	fr = fake_req_new(f->fake, FUSE_TMPFILE, GRAFT_ROOT_NODE);
	fake_in(fr, struct fuse_create_in)->flags = O_RDWR;
	assert_int_equal(fake_call(fr), -EROFS);
	fake_req_free(fr);
}

static void test_handles_are_checked(void **state)
{
	static const uint32_t ops[] = {FUSE_READ,        FUSE_WRITE,          FUSE_FLUSH, FUSE_FSYNC,
				       FUSE_FSYNCDIR,    FUSE_READDIR,        FUSE_LSEEK, FUSE_FALLOCATE,
				       FUSE_READDIRPLUS, FUSE_COPY_FILE_RANGE};
	struct fixture *f = *state;
	uint64_t node = make(f, "a", "x"), other = make(f, "b", "y");
	struct graft_session session;
	uint64_t fh, again;

	assert_int_equal(rq_open(f, node, O_RDWR, &fh, NULL), 0);
	const uint64_t bad[] = {0,
				1,
				fh + 1,
				fh + (UINT64_C(1) << 32),
				fh - (UINT64_C(1) << 32),
				fh & UINT32_MAX,
				fh | UINT32_MAX,
				UINT64_MAX,
				fh | UINT64_C(1) << 31};
	for (size_t op = 0; op < sizeof(ops) / sizeof(ops[0]); op++) {
		for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
			assert_int_equal(rq_handle(f, ops[op], node, bad[i]), -EBADF);
		assert_int_equal(rq_handle(f, ops[op], other, fh), -EBADF);
		assert_int_equal(rq_handle(f, ops[op], 0, fh), -EBADF);
	}
	/* Another session's handle. */
	struct pt_session *s2 = rq_session(f, &session);
	assert_non_null(s2);
	rq_use(f, s2);
	assert_int_equal(rq_handle(f, FUSE_FLUSH, node, fh), -EBADF);
	rq_session_end(f, s2);
	/* Released: never valid again, even if the place is used again. */
	assert_int_equal(rq_handle(f, FUSE_RELEASE, other, fh), -EBADF);
	assert_int_equal(rq_handle(f, FUSE_FLUSH, node, fh), 0);
	assert_int_equal(rq_handle(f, FUSE_RELEASE, node, fh), 0);
	assert_int_equal(rq_handle(f, FUSE_RELEASE, node, fh), -EBADF);
	assert_int_equal(rq_open(f, node, O_RDWR, &again, NULL), 0);
	assert_int_not_equal(again, fh);
	assert_int_equal(rq_handle(f, FUSE_FLUSH, node, fh), -EBADF);
}

static void test_pin_outlives_release(void **state)
{
	struct fixture *f = *state;
	uint64_t node = make(f, "a", "x");
	struct handle *h;
	uint64_t fh;

	assert_int_equal(rq_open(f, node, O_RDWR, &fh, NULL), 0);
	assert_int_equal(f->inst->count.handles, 1);
	assert_int_equal(handle_get(f->s, fh, node, &h), 0);
	int fd = handle_fd(h);
	assert_int_equal(rq_handle(f, FUSE_RELEASE, node, fh), 0);
	assert_int_equal(f->inst->count.handles, 1);
	assert_true(fcntl(fd, F_GETFD) >= 0);
	handle_put(f->s, h);
	assert_int_equal(f->inst->count.handles, 0);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
}

int __real_close(int fd);
int __wrap_close(int fd);
static _Atomic unsigned int closes;

int __wrap_close(int fd)
{
	closes++;
	return __real_close(fd);
}

static void test_flush_and_fsync(void **state)
{
	struct fixture *f = *state;
	uint64_t node = make(f, "a", "x");
	struct rlimit old, none;
	uint64_t fh;

	/* Nothing was written through it: no system call. */
	assert_int_equal(rq_open(f, node, O_RDONLY, &fh, NULL), 0);
	unsigned int before = closes;
	assert_int_equal(rq_handle(f, FUSE_FLUSH, node, fh), 0);
	assert_int_equal(closes, before);
	assert_int_equal(rq_handle(f, FUSE_FLUSH, node + 1, fh), -EBADF);
	assert_int_equal(rq_handle(f, FUSE_RELEASE, node, fh), 0);
	assert_int_equal(rq_open(f, node, O_RDWR, &fh, NULL), 0);
	before = closes;
	assert_int_equal(rq_handle(f, FUSE_FLUSH, node, fh), 0);
	assert_int_equal(closes, before + 1);
	assert_int_equal(f->fake->deferred, 0);
	f->fake->queue = true;
	assert_int_equal(rq_handle(f, FUSE_FSYNC, node, fh), 0);
	assert_int_equal(f->fake->deferred, 1);
	struct fake_req *fr = fake_req_new(f->fake, FUSE_FSYNC, node);
	*fake_in(fr, struct fuse_fsync_in) = (struct fuse_fsync_in){.fh = fh, .fsync_flags = FUSE_FSYNC_FDATASYNC};
	assert_int_equal(fake_call(fr), 0);
	fake_req_free(fr);
	/* No descriptor for the copy: the guest's close does not fail for that. */
	getrlimit(RLIMIT_NOFILE, &old);
	none = (struct rlimit){.rlim_cur = 3, .rlim_max = old.rlim_max};
	setrlimit(RLIMIT_NOFILE, &none);
	int res = rq_handle(f, FUSE_FLUSH, node, fh);
	setrlimit(RLIMIT_NOFILE, &old);
	assert_int_equal(res, 0);
	/* Released while a request waits for its worker. */
	fr = fake_req_new(f->fake, FUSE_FSYNC, node);
	fake_in(fr, struct fuse_fsync_in)->fh = fh;
	assert_int_equal(fake_start(fr), GRAFT_ASYNC);
	assert_int_equal(rq_handle(f, FUSE_RELEASE, node, fh), 0);
	assert_int_equal(fake_run(f->fake), 1);
	assert_int_equal(fake_wait(fr), -EBADF);
	fake_req_free(fr);
}

static void test_nothing_leaks(void **state)
{
	struct fixture *f = *state;
	struct rq_created made;
	uint64_t fh;

	uint64_t node = make(f, "a", "x");
	int before = fixture_open_fds();
	for (int i = 0; i < 50; i++) {
		assert_int_equal(rq_open(f, node, O_RDWR, &fh, NULL), 0);
		assert_int_equal(rq_handle(f, FUSE_RELEASE, node, fh), 0);
		assert_int_equal(rq_create(f, GRAFT_ROOT_NODE, "a", O_RDWR | O_TRUNC, 0644, &made), 0);
		assert_int_equal(rq_handle(f, FUSE_RELEASE, node, made.open.fh), 0);
		assert_int_equal(rq_create(f, GRAFT_ROOT_NODE, "a", O_RDWR | O_EXCL, 0644, &made), -EEXIST);
		assert_int_equal(try_open(f, node, O_DIRECTORY), -ENOTDIR);
	}
	assert_int_equal(fixture_open_fds(), before);
	assert_int_equal(f->inst->count.handles, 0);
	/* The end of a session closes what its guest left open. */
	assert_int_equal(rq_open(f, node, O_RDWR, &fh, NULL), 0);
	assert_int_equal(rq_opendir(f, GRAFT_ROOT_NODE, O_RDONLY, &fh, NULL), 0);
	graft_plugin_v1.session_close(f->inst, f->s);
	f->fake->session = NULL;
	assert_int_equal(f->inst->count.handles, 0);
	assert_true(fixture_open_fds() <= before);
}

/* Threads that open, use and release while others use what they see of it. */
struct hammer {
	struct fixture *f;
	uint64_t node;
	_Atomic uint64_t shown; /* a handle somebody has open, or had */
	_Atomic uint32_t bad;
};

static void *hammer_thread(void *arg)
{
	struct hammer *hm = arg;
	struct fixture *f = hm->f;

	for (int i = 0; i < 2000; i++) {
		struct handle *h;
		uint64_t fh;

		if (rq_open(f, hm->node, O_RDONLY, &fh, NULL) < 0) {
			atomic_fetch_add(&hm->bad, 1);
			continue;
		}
		uint64_t theirs = atomic_exchange(&hm->shown, fh);
		if (theirs && handle_get(f->s, theirs, hm->node, &h) == 0) {
			if (fcntl(handle_fd(h), F_GETFD) < 0)
				atomic_fetch_add(&hm->bad, 1);
			handle_put(f->s, h);
		}
		/* Both may release it: exactly one succeeds, so together all are released. */
		if (theirs && i % 3 == 0)
			rq_handle(f, FUSE_RELEASE, hm->node, theirs);
		rq_handle(f, FUSE_RELEASE, hm->node, fh);
	}
	return NULL;
}

static void test_threads(void **state)
{
	struct fixture *f = *state;
	struct hammer hm = {.f = f, .node = make(f, "a", "x")};
	pthread_t t[4];

	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&t[i], NULL, hammer_thread, &hm), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	assert_int_equal(hm.bad, 0);
	assert_int_equal(f->inst->count.handles, 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, rq_setup, fixture_free)
	const struct CMUnitTest tests[] = {
	    T(test_open_flags_of_reply),
	    T(test_flush_wanted),
	    T(test_open_filters_flags),
	    T(test_open_refuses),
	    T(test_open_odd_but_allowed),
	    T(test_open_truncates),
	    T(test_killpriv),
	    T(test_readonly),
	    T(test_readonly_atime),
	    T(test_create_new),
	    T(test_create_as_caller),
	    T(test_create_existing),
	    T(test_create_undone),
	    T(test_create_label),
	    T(test_tmpfile),
	    T(test_handles_are_checked),
	    T(test_pin_outlives_release),
	    T(test_flush_and_fsync),
	    T(test_nothing_leaks),
	    T(test_threads),
	};
	return cmocka_run_group_tests_name("passthrough open", tests, NULL, NULL);
}
