/* SPDX-License-Identifier: Apache-2.0 */
/* READ, WRITE, FALLOCATE, LSEEK, COPY_FILE_RANGE, STATFS and SYNCFS of the passthrough plugin. */
#include "passthrough_requests.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/magic.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
/* cmocka needs what stands above */
#include <cmocka.h>

#define BIG (1u << 20)

/* System calls counted, and failed on demand; the linker puts these in front of libc's. */
static uint32_t reads, writes;
static int nowait_errno;     /* for preadv2 with RWF_NOWAIT */
static ssize_t nowait_limit; /* bytes that RWF_NOWAIT gives at most before it says EAGAIN */

ssize_t __real_preadv2(int fd, const struct iovec *iov, int n, off_t off, int flags);
ssize_t __wrap_preadv2(int fd, const struct iovec *iov, int n, off_t off, int flags);
ssize_t __real_pwritev2(int fd, const struct iovec *iov, int n, off_t off, int flags);
ssize_t __wrap_pwritev2(int fd, const struct iovec *iov, int n, off_t off, int flags);

ssize_t __wrap_preadv2(int fd, const struct iovec *iov, int n, off_t off, int flags)
{
	reads++;
	if ((flags & RWF_NOWAIT) && nowait_errno) {
		errno = nowait_errno;
		return -1;
	}
	if (!(flags & RWF_NOWAIT) || !nowait_limit)
		return __real_preadv2(fd, iov, n, off, flags);
	/* A page cache that holds only the beginning. */
	if (off >= nowait_limit) {
		errno = EAGAIN;
		return -1;
	}
	struct iovec part = {iov[0].iov_base, iov[0].iov_len};
	if ((off_t)part.iov_len > nowait_limit - off)
		part.iov_len = (size_t)(nowait_limit - off);
	return __real_preadv2(fd, &part, 1, off, 0);
}

ssize_t __wrap_pwritev2(int fd, const struct iovec *iov, int n, off_t off, int flags)
{
	writes++;
	return __real_pwritev2(fd, iov, n, off, flags);
}

static int setup(void **state)
{
	nowait_errno = 0;
	nowait_limit = 0;
	return rq_setup(state);
}

static void pattern(char *to, size_t len)
{
	for (size_t i = 0; i < len; i++)
		to[i] = (char)('!' + i * 7 % 90);
}

/* A file of len bytes of pattern, in the page cache, and an open handle. */
static uint64_t make(struct fixture *f, const char *name, size_t len, uint32_t flags, uint64_t *fh)
{
	char *bytes = malloc(len + 1);

	assert_non_null(bytes);
	pattern(bytes, len);
	bytes[len] = 0;
	fixture_file(f, name, bytes);
	free(bytes);
	uint64_t node = fixture_node(f, name);
	assert_int_equal(rq_open(f, node, flags, fh, NULL), 0);
	return node;
}

static bool on_tmpfs(struct fixture *f)
{
	return rq_fs_is(f, TMPFS_MAGIC);
}

static void test_read(void **state)
{
	struct fixture *f = *state;
	char *want = malloc(BIG), *got = malloc(BIG);
	uint64_t fh;

	uint64_t node = make(f, "a", 100000, O_RDONLY, &fh);
	pattern(want, 100000);
	memset(got, 0, BIG);
	assert_int_equal(rq_read(f, node, fh, 0, got, 100000), 100000);
	assert_memory_equal(got, want, 100000);
	assert_int_equal(rq_read(f, node, fh, 4095, got, 8193), 8193);
	assert_memory_equal(got, want + 4095, 8193);
	/* Over the end, at it, behind it, nothing at all. */
	assert_int_equal(rq_read(f, node, fh, 99990, got, 4096), 10);
	assert_memory_equal(got, want + 99990, 10);
	assert_int_equal(rq_read(f, node, fh, 0, got, BIG), 100000);
	assert_int_equal(rq_read(f, node, fh, 100000, got, 4096), 0);
	assert_int_equal(rq_read(f, node, fh, INT64_MAX - 4096, got, 4096), 0);
	assert_int_equal(rq_read(f, node, fh, 0, got, 0), 0);
	assert_int_equal(rq_read(f, node, fh, (uint64_t)INT64_MAX + 1, got, 1), -EINVAL);
	assert_int_equal(rq_read(f, node, fh, UINT64_MAX, got, 1), -EINVAL);
	assert_int_equal(f->fake->deferred, 0);
	free(want);
	free(got);
}

static void test_read_refuses(void **state)
{
	struct fixture *f = *state;
	uint64_t fh;
	char c;

	uint64_t node = make(f, "a", 10, O_WRONLY, &fh);
	assert_int_equal(rq_read(f, node, fh, 0, &c, 1), -EBADF);
	assert_int_equal(rq_opendir(f, GRAFT_ROOT_NODE, O_RDONLY, &fh, NULL), 0);
	assert_int_equal(rq_read(f, GRAFT_ROOT_NODE, fh, 0, &c, 1), -EISDIR);
}

/* The usual request costs the system calls it must and no more. */
static void test_system_calls(void **state)
{
	struct fixture *f = *state;
	static char bytes[131072];
	uint64_t fh;

	uint64_t node = make(f, "a", sizeof(bytes), O_RDWR, &fh);
	rq_read(f, node, fh, 0, bytes, 4096); /* tmpfs: learns that it knows no RWF_NOWAIT */
	reads = writes = 0;
	assert_int_equal(rq_read(f, node, fh, 0, bytes, 4096), 4096);
	assert_int_equal(reads, 1);
	assert_int_equal(rq_read(f, node, fh, 0, bytes, sizeof(bytes)), sizeof(bytes));
	assert_int_equal(reads, 2);
	assert_int_equal(rq_write(f, node, fh, 0, bytes, sizeof(bytes)), sizeof(bytes));
	assert_int_equal(writes, 1);
	assert_int_equal(f->fake->deferred, 0);
}

static void test_read_miss(void **state)
{
	struct fixture *f = *state;
	char want[20000], got[20000];
	uint64_t fh;

	uint64_t node = make(f, "a", sizeof(want), O_RDONLY, &fh);
	pattern(want, sizeof(want));
	for (int full = 0; full < 2; full++) {
		/* Nearly all of it missing; then only the rest, read on from where the queue's thread came. */
		for (nowait_limit = 1; nowait_limit <= 5000; nowait_limit += 4999) {
			f->fake->queue_full = full;
			uint32_t before = f->fake->ios;
			memset(got, 0, sizeof(got));
			assert_int_equal(rq_read(f, node, fh, 0, got, sizeof(got)), sizeof(got));
			assert_memory_equal(got, want, sizeof(got));
			assert_int_equal(f->fake->ios, before + (full ? 0 : 1));
		}
	}
	/* No memory for the rest of the list: a worker needs none. */
	f->fake->queue_full = false;
	f->fake->alloc_failures = 1;
	assert_int_equal(rq_read(f, node, fh, 0, got, sizeof(got)), sizeof(got));
	assert_int_equal(f->fake->deferred, 1);
	/* A short file and a miss before its end. */
	nowait_limit = 5000;
	assert_int_equal(rq_read(f, node, fh, 4000, got, sizeof(got)), sizeof(want) - 4000);
	assert_memory_equal(got, want + 4000, sizeof(want) - 4000);
}

static void test_read_without_nowait(void **state)
{
	struct fixture *f = *state;
	char got[100];
	uint64_t fh;

	uint64_t node = make(f, "a", 100, O_RDONLY, &fh);
	nowait_errno = EOPNOTSUPP;
	reads = 0;
	assert_int_equal(rq_read(f, node, fh, 0, got, 50), 50);
	assert_int_equal(reads, 2);
	assert_int_equal(f->fake->ios, on_tmpfs(f) ? 0 : 1);
	/* The handle knows now. */
	assert_int_equal(rq_read(f, node, fh, 50, got, 50), 50);
	assert_int_equal(reads, 3);
	assert_int_equal(f->fake->ios, on_tmpfs(f) ? 0 : 2);
	assert_int_equal(rq_read(f, node, fh, 50, got, 100), 50);
}

/* Where the server runs everything on workers, nothing is handed to another one. */
static void test_blocking_file_system(void **state)
{
	struct fixture *f = *state;
	char got[100];
	uint64_t fh;

	uint64_t node = make(f, "a", 100, O_RDWR | O_SYNC, &fh);
	f->inst->blocking = true;
	nowait_errno = EAGAIN;
	assert_int_equal(rq_read(f, node, fh, 0, got, 100), 100);
	assert_int_equal(rq_write(f, node, fh, 0, got, 100), 100);
	assert_int_equal(rq_handle(f, FUSE_FSYNC, node, fh), 0);
	assert_int_equal(f->fake->deferred, 0);
}

/* A cold cache, for real. */
static void test_read_cold(void **state)
{
	struct fixture *f = *state;
	char want[65536], got[65536];
	uint64_t fh;

	uint64_t node = make(f, "a", sizeof(want), O_RDONLY, &fh);
	pattern(want, sizeof(want));
	int fd = open(fixture_path(f, "a"), O_RDONLY);
	assert_int_equal(fsync(fd), 0);
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	close(fd);
	assert_int_equal(rq_read(f, node, fh, 0, got, sizeof(got)), sizeof(got));
	assert_memory_equal(got, want, sizeof(got));
}

static void test_read_many_pieces(void **state)
{
	struct fixture *f = *state;
	static char want[4096], got[4096];
	struct iovec iov[1024];
	uint64_t fh;

	uint64_t node = make(f, "a", sizeof(want), O_RDWR, &fh);
	pattern(want, sizeof(want));
	for (int i = 0; i < 1024; i++)
		iov[i] = (struct iovec){got + i * 4, 4};
	struct fake_req *fr = fake_req_new(f->fake, FUSE_READ, node);
	fake_in(fr, struct fuse_read_in)->fh = fh;
	fr->req.dst = iov;
	fr->req.ndst = 1024;
	fr->req.dst_len = sizeof(got);
	assert_int_equal(fake_call(fr), 0);
	assert_int_equal(fr->req.done, sizeof(got));
	assert_memory_equal(got, want, sizeof(got));
	/* The rest of a list, more pieces than are looked at in one go. */
	memset(got, 0, sizeof(got));
	fr->req.done = 0;
	nowait_limit = 6;
	assert_int_equal(fake_call(fr), 0);
	assert_memory_equal(got, want, sizeof(got));
	fake_req_free(fr);
}

static void test_direct_io(void **state)
{
	struct fixture *f = *state;
	struct iovec iov;
	uint64_t fh;

	f->set.direct_io = true;
	rq_restart(f);
	uint64_t node = make(f, "a", 6000, O_RDWR | O_DIRECT, &fh);
	assert_int_equal(posix_memalign(&iov.iov_base, 4096, 8192), 0);
	iov.iov_len = 8192;
	struct fake_req *fr = fake_req_new(f->fake, FUSE_READ, node);
	fake_in(fr, struct fuse_read_in)->fh = fh;
	fr->req.dst = &iov;
	fr->req.ndst = 1;
	fr->req.dst_len = 8192;
	f->fake->queue = true;
	assert_int_equal(fake_call(fr), 0);
	assert_int_equal(fr->req.done, 6000);
	assert_int_equal(f->fake->ios, 1);
	fake_req_free(fr);

	fr = fake_req_new(f->fake, FUSE_WRITE, node);
	fake_in(fr, struct fuse_write_in)->fh = fh;
	fr->req.src = &iov;
	fr->req.nsrc = 1;
	fr->req.src_len = 8192;
	assert_int_equal(fake_call(fr), 0);
	assert_int_equal(fake_out(fr, struct fuse_write_out)->size, 8192);
	assert_int_equal(f->fake->ios, 2);
	assert_int_equal(f->fake->deferred, 0);
	assert_int_equal(rq_size(f, "a"), 8192);
	fake_req_free(fr);
	free(iov.iov_base);
}

static void test_write(void **state)
{
	struct fixture *f = *state;
	char got[64];
	uint64_t fh;

	uint64_t node = make(f, "a", 10, O_RDWR, &fh);
	assert_int_equal(rq_write(f, node, fh, 8, "hello", 5), 5);
	assert_int_equal(rq_read(f, node, fh, 6, got, 64), 7);
	assert_memory_equal(got + 2, "hello", 5);
	assert_int_equal(rq_write(f, node, fh, 4096, "far", 3), 3);
	assert_int_equal(rq_size(f, "a"), 4099);
	assert_int_equal(rq_write(f, node, fh, 0, "", 0), 0);
	assert_int_equal(rq_write(f, node, fh, (uint64_t)INT64_MAX + 1, "x", 1), -EINVAL);
	assert_true(rq_write(f, node, fh, INT64_MAX, "x", 1) < 0);
	assert_int_equal(rq_handle(f, FUSE_RELEASE, node, fh), 0);

	assert_int_equal(rq_open(f, node, O_RDONLY, &fh, NULL), 0);
	assert_int_equal(rq_write(f, node, fh, 0, "x", 1), -EBADF);
	assert_int_equal(f->fake->deferred, 0);
}

static void test_append(void **state)
{
	struct fixture *f = *state;
	char got[64];
	uint64_t fh;

	uint64_t node = make(f, "a", 10, O_RDWR | O_APPEND, &fh);
	/* The open file is no appending one: the flags of each WRITE say. */
	assert_int_equal(rq_write_flags(f, node, fh, 0, "AB", 2, O_APPEND, 0), 2);
	assert_int_equal(rq_size(f, "a"), 12);
	assert_int_equal(rq_write_flags(f, node, fh, 0, "CD", 2, O_APPEND, FUSE_WRITE_CACHE), 2);
	assert_int_equal(rq_write_flags(f, node, fh, 2, "EF", 2, 0, 0), 2);
	assert_int_equal(rq_size(f, "a"), 12);
	assert_int_equal(rq_read(f, node, fh, 0, got, 64), 12);
	assert_memory_equal(got, "CDEF", 4);
	assert_memory_equal(got + 10, "AB", 2);
}

static void test_sync_handles_wait_on_workers(void **state)
{
	static const uint32_t flags[] = {O_SYNC, O_DSYNC};
	struct fixture *f = *state;
	uint64_t fh;

	for (size_t i = 0; i < 2; i++) {
		uint64_t node = make(f, "a", 10, O_RDWR | flags[i], &fh);
		f->fake->deferred = 0;
		f->fake->queue_full = false;
		assert_int_equal(rq_write(f, node, fh, 0, "xy", 2), 2);
		assert_int_equal(f->fake->deferred, 1);
		f->fake->queue_full = true;
		assert_int_equal(rq_write(f, node, fh, 2, "xy", 2), 2);
		assert_int_equal(f->fake->deferred, 1);
	}
}

/* The ring's thread keeps its rights, a worker can drop them. */
static void test_direct_write_kills_privileges(void **state)
{
	struct fixture *f = *state;
	uint64_t fh;

	f->set.direct_io = true;
	f->session.flags |= FUSE_HANDLE_KILLPRIV_V2;
	rq_restart(f);
	uint64_t node = make(f, "a", 10, O_RDWR | O_DIRECT, &fh);
	assert_int_equal(chmod(fixture_path(f, "a"), 04755), 0);
	assert_int_equal(rq_write_flags(f, node, fh, 0, "AB", 2, 0, FUSE_WRITE_KILL_SUIDGID), 2);
	assert_int_equal(f->fake->deferred, 1);
	assert_int_equal(f->fake->ios, 0);
	assert_int_equal(rq_mode(f, "a") & 07777, 0755);
}

/* Where the file system does not take them directly, they go through its cache. */
static void test_direct_io_unaligned(void **state)
{
	static const struct {
		uint32_t off, len, shift; /* bytes; shift: of the memory */
	} cases[] = {{0, 4096, 1}, {0, 4096, 8}, {1, 4096, 0}, {0, 100, 0}, {511, 4099, 3}, {4096, 8192, 512}};
	struct fixture *f = *state;
	struct iovec iov;
	char *memory = NULL, want[65536];
	uint64_t fh;

	f->set.direct_io = true;
	rq_restart(f);
	uint64_t node = make(f, "a", 60000, O_RDWR | O_DIRECT, &fh);
	pattern(want, 60000);
	assert_int_equal(posix_memalign((void **)&memory, 4096, 65536), 0);
	int before = fixture_open_fds();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (int blocking = 0; blocking < 2; blocking++) {
			f->inst->blocking = blocking;
			iov = (struct iovec){memory + cases[i].shift, cases[i].len};
			memset(memory, 0, 65536);
			struct fake_req *fr = fake_req_new(f->fake, FUSE_READ, node);
			fake_in(fr, struct fuse_read_in)->fh = fh;
			fake_in(fr, struct fuse_read_in)->offset = cases[i].off;
			fr->req.dst = &iov;
			fr->req.ndst = 1;
			fr->req.dst_len = cases[i].len;
			assert_int_equal(fake_call(fr), 0);
			assert_int_equal(fr->req.done, cases[i].len);
			assert_memory_equal(iov.iov_base, want + cases[i].off, cases[i].len);
			fake_req_free(fr);

			memset(iov.iov_base, (int)('a' + i), cases[i].len);
			memset(want + cases[i].off, (int)('a' + i), cases[i].len);
			fr = fake_req_new(f->fake, FUSE_WRITE, node);
			fake_in(fr, struct fuse_write_in)->fh = fh;
			fake_in(fr, struct fuse_write_in)->offset = cases[i].off;
			fr->req.src = &iov;
			fr->req.nsrc = 1;
			fr->req.src_len = cases[i].len;
			assert_int_equal(fake_call(fr), 0);
			assert_int_equal(fake_out(fr, struct fuse_write_out)->size, cases[i].len);
			fake_req_free(fr);
		}
	}
	assert_int_equal(fixture_open_fds(), before);
	assert_int_equal(rq_size(f, "a"), 60000);
	/* What went which way is one file. */
	iov = (struct iovec){memory, 61440};
	f->inst->blocking = false;
	struct fake_req *fr = fake_req_new(f->fake, FUSE_READ, node);
	fake_in(fr, struct fuse_read_in)->fh = fh;
	fr->req.dst = &iov;
	fr->req.ndst = 1;
	fr->req.dst_len = iov.iov_len;
	assert_int_equal(fake_call(fr), 0);
	assert_int_equal(fr->req.done, 60000);
	assert_memory_equal(memory, want, 60000);
	fake_req_free(fr);
	free(memory);
}

/* What was written before the error counts; the error comes with the next request. */
static void test_write_partly(void **state)
{
	struct fixture *f = *state;
	struct rlimit old, small;
	static char bytes[10000];
	uint64_t fh;

	uint64_t node = make(f, "a", 10, O_RDWR, &fh);
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &old);
	small = (struct rlimit){.rlim_cur = 6000, .rlim_max = old.rlim_max};
	setrlimit(RLIMIT_FSIZE, &small);
	ssize_t some = rq_write(f, node, fh, 0, bytes, sizeof(bytes));
	ssize_t none = rq_write(f, node, fh, 6000, bytes, sizeof(bytes));
	setrlimit(RLIMIT_FSIZE, &old);
	assert_int_equal(some, 6000);
	assert_int_equal(none, -EFBIG);
}

static void test_readonly(void **state)
{
	struct fixture *f = *state;
	uint64_t fh;

	f->set.readonly = true;
	rq_restart(f);
	uint64_t node = make(f, "a", 10, O_RDONLY, &fh);
	assert_int_equal(rq_write(f, node, fh, 0, "x", 1), -EROFS);
	assert_int_equal(rq_handle(f, FUSE_FALLOCATE, node, fh), -EROFS);
	assert_int_equal(rq_handle(f, FUSE_COPY_FILE_RANGE, node, fh), -EROFS);
	assert_int_equal(rq_handle(f, GRAFT_OP_COPY_FILE_RANGE_64, node, fh), -EROFS);
}

static int fallocate_by(struct fixture *f, uint64_t node, uint64_t fh, uint32_t mode, uint64_t off, uint64_t len)
{
	struct fake_req *fr = fake_req_new(f->fake, FUSE_FALLOCATE, node);

	*fake_in(fr, struct fuse_fallocate_in) =
	    (struct fuse_fallocate_in){.fh = fh, .offset = off, .length = len, .mode = mode};
	int res = fake_call(fr);
	fake_req_free(fr);
	return res;
}

static void test_fallocate(void **state)
{
	struct fixture *f = *state;
	char got[4];
	uint64_t fh;

	uint64_t node = make(f, "a", 10000, O_RDWR, &fh);
	assert_int_equal(fallocate_by(f, node, fh, 0, 0, 20000), 0);
	assert_int_equal(f->fake->deferred, 1);
	assert_int_equal(rq_size(f, "a"), 20000);
	assert_int_equal(fallocate_by(f, node, fh, FALLOC_FL_KEEP_SIZE, 0, 40000), 0);
	assert_int_equal(rq_size(f, "a"), 20000);
	assert_int_equal(fallocate_by(f, node, fh, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, 0, 8192), 0);
	assert_int_equal(rq_read(f, node, fh, 0, got, 4), 4);
	assert_memory_equal(got, "\0\0\0\0", 4);
	assert_int_equal(fallocate_by(f, node, fh, 0, 0, 0), -EINVAL);
	assert_int_equal(fallocate_by(f, node, fh, 0, UINT64_MAX, 1), -EINVAL);
	assert_int_equal(fallocate_by(f, node, fh, 0, 0, UINT64_MAX), -EINVAL);
	assert_int_equal(fallocate_by(f, node, fh, 0x80000000, 0, 1), -EOPNOTSUPP);
	assert_int_equal(rq_handle(f, FUSE_RELEASE, node, fh), 0);
	assert_int_equal(rq_open(f, node, O_RDONLY, &fh, NULL), 0);
	assert_int_equal(fallocate_by(f, node, fh, 0, 0, 10), -EBADF);
}

static int64_t lseek_by(struct fixture *f, uint64_t node, uint64_t fh, uint64_t off, uint32_t whence)
{
	struct fake_req *fr = fake_req_new(f->fake, FUSE_LSEEK, node);

	*fake_in(fr, struct fuse_lseek_in) = (struct fuse_lseek_in){.fh = fh, .offset = off, .whence = whence};
	int64_t res = fake_call(fr);
	if (res == 0)
		res = (int64_t)fake_out(fr, struct fuse_lseek_out)->offset;
	fake_req_free(fr);
	return res;
}

static void test_lseek(void **state)
{
	struct fixture *f = *state;
	uint64_t fh;

	uint64_t node = make(f, "a", 10, O_RDWR, &fh);
	assert_int_equal(truncate(fixture_path(f, "a"), 1 << 20), 0);
	assert_int_equal(rq_write(f, node, fh, 1 << 19, "x", 1), 1);
	assert_int_equal(lseek_by(f, node, fh, 0, SEEK_END), 1 << 20);
	assert_int_equal(lseek_by(f, node, fh, 0, SEEK_DATA), 0);
	assert_in_range(lseek_by(f, node, fh, 0, SEEK_HOLE), 10, 65536);
	assert_in_range(lseek_by(f, node, fh, 65536, SEEK_DATA), 1 << 18, 1 << 19);
	assert_int_equal(lseek_by(f, node, fh, 1 << 20, SEEK_DATA), -ENXIO);
	assert_int_equal(lseek_by(f, node, fh, 0, 99), -EINVAL);
	assert_int_equal(rq_opendir(f, GRAFT_ROOT_NODE, O_RDONLY, &fh, NULL), 0);
	assert_int_equal(lseek_by(f, GRAFT_ROOT_NODE, fh, 0, SEEK_SET), -EINVAL);
}

static int64_t copy_by(struct fixture *f, uint32_t opcode, uint64_t from, uint64_t to,
		       struct fuse_copy_file_range_in in)
{
	struct fake_req *fr = fake_req_new(f->fake, opcode, from);

	*fake_in(fr, struct fuse_copy_file_range_in) = in;
	fr->req.node2 = to;
	int64_t res = fake_call(fr);
	if (res == 0 && opcode == FUSE_COPY_FILE_RANGE)
		res = fake_out(fr, struct fuse_write_out)->size;
	else if (res == 0)
		res = (int64_t)fake_out(fr, struct graft_copy_file_range_out)->bytes_copied;
	fake_req_free(fr);
	return res;
}

static void test_copy_file_range(void **state)
{
	static const uint32_t ops[] = {FUSE_COPY_FILE_RANGE, GRAFT_OP_COPY_FILE_RANGE_64};
	struct fixture *f = *state;
	char want[10000], got[10000];
	uint64_t fa, fb;

	pattern(want, sizeof(want));
	for (size_t i = 0; i < 2; i++) {
		uint64_t a = make(f, "a", 10000, O_RDWR, &fa), b = make(f, "b", 1, O_RDWR, &fb);
		struct fuse_copy_file_range_in in = {
		    .fh_in = fa, .off_in = 100, .fh_out = fb, .off_out = 7, .len = 5000};

		f->fake->deferred = 0;
		assert_int_equal(copy_by(f, ops[i], a, b, in), 5000);
		assert_int_equal(f->fake->deferred, 1);
		assert_int_equal(rq_size(f, "b"), 5007);
		assert_int_equal(rq_read(f, b, fb, 7, got, 5000), 5000);
		assert_memory_equal(got, want + 100, 5000);
		/* More than there is, and more than 32 bits hold. */
		in.len = UINT64_C(1) << 40;
		assert_int_equal(copy_by(f, ops[i], a, b, in), 9900);
		in.off_in = 10000;
		assert_int_equal(copy_by(f, ops[i], a, b, in), 0);
		in.flags = 1;
		assert_int_equal(copy_by(f, ops[i], a, b, in), -EINVAL);
		in.flags = 0;
		in.off_in = UINT64_MAX;
		assert_true(copy_by(f, ops[i], a, b, in) < 0);
		in.off_in = 0;
		assert_int_equal(copy_by(f, ops[i], a, a, in), -EBADF);
		in.fh_out = fa;
		assert_int_equal(copy_by(f, ops[i], a, b, in), -EBADF);
		assert_int_equal(rq_handle(f, FUSE_RELEASE, a, fa), 0);
		assert_int_equal(rq_handle(f, FUSE_RELEASE, b, fb), 0);
	}
	assert_int_equal(f->inst->count.handles, 0);
}

static void test_statfs(void **state)
{
	struct fixture *f = *state;
	struct statvfs want;

	assert_int_equal(statvfs(f->dir, &want), 0);
	struct fake_req *fr = fake_req_new(f->fake, FUSE_STATFS, GRAFT_ROOT_NODE);
	assert_int_equal(fake_call(fr), 0);
	const struct fuse_kstatfs *st = &fake_out(fr, struct fuse_statfs_out)->st;
	assert_int_equal(st->blocks, want.f_blocks);
	assert_int_equal(st->files, want.f_files);
	assert_int_equal(st->bsize, want.f_bsize);
	assert_int_equal(st->frsize, want.f_frsize);
	assert_int_equal(st->namelen, 255);
	fr->req.node = 99;
	assert_int_equal(fake_call(fr), -EBADF);
	fake_req_free(fr);

	fr = fake_req_new(f->fake, FUSE_SYNCFS, GRAFT_ROOT_NODE);
	assert_int_equal(fake_call(fr), 0);
	assert_int_equal(f->fake->deferred, 1);
	fr->req.node = 99;
	assert_int_equal(fake_call(fr), -EBADF);
	fake_req_free(fr);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, fixture_free)
	const struct CMUnitTest tests[] = {
	    T(test_read),
	    T(test_read_refuses),
	    T(test_system_calls),
	    T(test_read_miss),
	    T(test_read_without_nowait),
	    T(test_read_cold),
	    T(test_blocking_file_system),
	    T(test_read_many_pieces),
	    T(test_direct_io),
	    T(test_write),
	    T(test_append),
	    T(test_sync_handles_wait_on_workers),
	    T(test_direct_write_kills_privileges),
	    T(test_direct_io_unaligned),
	    T(test_write_partly),
	    T(test_readonly),
	    T(test_fallocate),
	    T(test_lseek),
	    T(test_copy_file_range),
	    T(test_statfs),
	};
	return cmocka_run_group_tests_name("passthrough data", tests, NULL, NULL);
}
