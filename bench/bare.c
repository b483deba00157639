/* SPDX-License-Identifier: Apache-2.0 */
/* The bare system calls behind the workloads. */
#include "bench/bare.h"

#include "bench/bench.h"
#include "bench/profiles.h"
#include "tests/vring/clock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define BATCH 64          /* calls between two looks at the clock */
#define BUFFERS 16        /* in turn, as the requests in flight have theirs */
#define SPARE_FDS 256     /* descriptors not taken for the set */

static int64_t thread_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

int bare_open(struct bare *x, const struct bench *b, const char *share)
{
	struct rlimit limit;
	char path[4096];

	*x = (struct bare){.bench = b, .dir = -1, .data = -1, .list = -1, .handle = -1};
	snprintf(path, sizeof(path), "%s/%s", share, b->dir_name);
	x->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (x->dir < 0)
		return -errno;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	x->buffer = calloc(BUFFERS, BENCH_DATA_MAX);
	return x->buffer ? 0 : -ENOMEM;
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

void bare_close(struct bare *x)
{
	for (unsigned i = 0; i < x->nfds; i++)
		close(x->fd[i]);
	free(x->fd);
	free(x->buffer);
	close_fd(x->dir);
	close_fd(x->data);
	close_fd(x->list);
	*x = (struct bare){.dir = -1, .data = -1, .list = -1, .handle = -1};
}

static void set_name(char name[BENCH_NAME_SIZE], unsigned file)
{
	snprintf(name, BENCH_NAME_SIZE, "file-%06u", file % BENCH_MAX_FILES);
}

static unsigned next_file(struct bare *x, unsigned n)
{
	return (unsigned)(x->cursor++ % n);
}

static int open_set(struct bare *x)
{
	unsigned n = x->bench->want_files;
	struct rlimit limit;
	char name[BENCH_NAME_SIZE];

	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur <= 2 * SPARE_FDS)
		return -EMFILE;
	if (n > limit.rlim_cur - SPARE_FDS)
		n = (unsigned)limit.rlim_cur - SPARE_FDS;
	x->fd = calloc(n, sizeof(*x->fd));
	if (!x->fd)
		return -ENOMEM;
	for (; x->nfds < n; x->nfds++) {
		set_name(name, x->nfds);
		x->fd[x->nfds] = openat(x->dir, name, O_PATH | O_CLOEXEC);
		if (x->fd[x->nfds] < 0)
			return -errno;
	}
	return 0;
}

int bare_statx(struct bare *x)
{
	struct statx st;
	int res = x->fd ? 0 : open_set(x);

	if (res < 0)
		return res;
	if (statx(x->fd[next_file(x, x->nfds)], "", AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &st))
		return -errno;
	return 1;
}

int bare_statx_name(struct bare *x)
{
	char name[BENCH_NAME_SIZE];
	struct statx st;

	set_name(name, next_file(x, x->bench->want_files));
	return statx(x->dir, name, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &st) ? -errno : 1;
}

int bare_open_close(struct bare *x)
{
	char name[BENCH_NAME_SIZE];

	set_name(name, next_file(x, x->bench->want_files));
	int fd = openat(x->dir, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	close(fd);
	return 1;
}

/* The parts of a request, a page each, as a guest lays them out. */
static int lay_out(struct bare *x, struct iovec *iov, uint64_t *off)
{
	const uint32_t size = x->workload->size;
	const uint64_t blocks = BENCH_FILE_SIZE / size;
	uint64_t block = x->cursor++;
	unsigned char *at = x->buffer + block % BUFFERS * BENCH_DATA_MAX;
	unsigned n = size / BENCH_PAGE;

	if (x->data < 0)
		x->data = openat(x->dir, "data", O_RDWR | O_CLOEXEC);
	if (x->data < 0)
		return -errno;
	block = x->workload->random ? block * BENCH_STRIDE % blocks : block % blocks;
	*off = block * size;
	for (unsigned i = 0; i < n; i++)
		iov[i] = (struct iovec){.iov_base = at + (n - 1 - i) * BENCH_PAGE, .iov_len = BENCH_PAGE};
	return (int)n;
}

static int transferred(ssize_t n, uint32_t size)
{
	return n == (ssize_t)size ? 1 : n < 0 ? -errno : -EIO;
}

int bare_read(struct bare *x)
{
	struct iovec iov[BENCH_DATA_MAX / BENCH_PAGE];
	uint64_t off = 0;
	int n = lay_out(x, iov, &off);

	return n < 0 ? n : transferred(preadv2(x->data, iov, n, (off_t)off, 0), x->workload->size);
}

int bare_write(struct bare *x)
{
	struct iovec iov[BENCH_DATA_MAX / BENCH_PAGE];
	uint64_t off = 0;
	int n = lay_out(x, iov, &off);

	for (int i = 0; i < n; i++) {
		uint64_t stamp = bench_stamp(off / BENCH_PAGE + (unsigned)i, 0);
		memcpy(iov[i].iov_base, &stamp, sizeof(stamp));
	}
	return n < 0 ? n : transferred(pwritev2(x->data, iov, n, (off_t)off, 0), x->workload->size);
}

/* The steps of a transaction; see workloads_data.c. */
int bare_fsync(struct bare *x)
{
	for (unsigned step = 0; step < DATABASE_STEPS; step++) {
		int res = 1;
		if (step < DATABASE_READS)
			res = bare_read(x);
		else if (step < DATABASE_STEPS - 1)
			res = bare_write(x);
		else if (fdatasync(x->data))
			res = -errno;
		if (res < 0)
			return res;
	}
	return DATABASE_STEPS;
}

int bare_list_dir(int fd, int flags)
{
	unsigned char buffer[BENCH_DIR_SIZE] __attribute__((aligned(8)));
	struct statx st;
	int entries = 0;
	long n;

	if (lseek(fd, 0, SEEK_SET) < 0)
		return -errno;
	while ((n = syscall(SYS_getdents64, fd, buffer, sizeof(buffer))) > 0) {
		for (long at = 0; at < n; entries++) {
			const struct dirent64 *e = (const void *)(buffer + at);
			at += e->d_reclen;
			if (statx(fd, e->d_name, AT_SYMLINK_NOFOLLOW | flags, STATX_BASIC_STATS, &st))
				return -errno;
		}
	}
	return n < 0 ? -errno : entries;
}

int bare_list(struct bare *x)
{
	if (x->list < 0)
		x->list = openat(x->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return x->list < 0 ? -errno : bare_list_dir(x->list, 0);
}

int bare_create(struct bare *x)
{
	int fd = openat(x->dir, "bare-new", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	if (fd < 0)
		return -errno;
	close(fd);
	return unlinkat(x->dir, "bare-new", 0) ? -errno : 3;
}

int bare_measure(struct bare *x, const struct workload *w, double seconds, double *us)
{
	int64_t until = 0, used = 0;
	uint64_t ops = 0;

	x->workload = w;
	x->cursor = 0;
	if (w->profile) {
		int res = profile_bare(x, w->profile, &used, &ops);
		*us = ops ? (double)used / 1e3 / (double)ops : 0;
		return res;
	}
	for (bool warm = false; !warm || clock_ns() < until; warm = true) {
		int64_t begin = thread_ns();
		unsigned n = 0;
		for (unsigned i = 0; i < BATCH; i++) {
			int res = w->bare(x);
			if (res < 0)
				return res;
			n += (unsigned)res;
		}
		if (!warm) { /* the first batch opens what is needed */
			until = clock_ns() + (int64_t)(seconds * 1e9);
			continue;
		}
		used += thread_ns() - begin;
		ops += n;
	}
	*us = ops ? (double)used / 1e3 / (double)ops : 0;
	return 0;
}
