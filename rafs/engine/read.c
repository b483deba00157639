/* SPDX-License-Identifier: Apache-2.0 */
/* A read: served at once from what is at hand, or cut into parts that workers bring. */
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/iov.h"
#include "rafs/engine/internal.h"

#include <string.h>

#define IOVECS_MAX  1024
#define PARTS_MAX   2048                    /* of one read */
#define FETCH_PLAIN (UINT64_C(1) << 20)     /* bytes of output of one fetch that a reader waits for */

/* What lies side by side in one file and goes side by side to the reader: one system call. */
struct run {
	int fd;
	uint64_t off, at, len; /* bytes: in the file, in the read */
	_Atomic bool *wait_free;
	bool blob; /* the file is the blob itself */
};

/* Clipped to the file's end. */
static uint64_t readable(const struct rafs_inode *inode, uint64_t off, uint64_t len)
{
	uint64_t rest = off < inode->size ? inode->size - off : 0;

	return len < rest ? len : rest;
}

static void fill_zeros(const struct iovec *iov, uint32_t n, uint64_t at, uint64_t len)
{
	static const unsigned char zeros[4096];
	struct iov_cursor c = iov_cursor(iov, n);

	iov_skip(&c, at);
	while (len) {
		size_t step = len < sizeof(zeros) ? len : sizeof(zeros);

		if (iov_write(&c, zeros, step) < step)
			return;
		len -= step;
	}
}

/* 0, -EAGAIN with RWF_NOWAIT if it would wait, -EIO if the file ends before. */
static int read_run(const struct run *run, const struct iovec *iov, uint32_t n, int flags)
{
	struct iovec part[IOVECS_MAX];
	uint64_t done = 0, bytes;

	while (done < run->len) {
		struct iov_cursor c = iov_cursor(iov, n);

		iov_skip(&c, run->at + done);
		uint32_t m = iov_slice(&c, run->len - done, part, IOVECS_MAX, &bytes);
		ssize_t got = preadv2(run->fd, part, (int)m, (off_t)(run->off + done), flags);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			return -EIO;
		done += (uint64_t)got;
		if (flags && done < run->len)
			return -EAGAIN;
	}
	return 0;
}

static int try_run(struct reader *r, const struct run *run, const struct iovec *iov, uint32_t n)
{
	if (!run->len)
		return 0;
	if (!atomic_load_explicit(run->wait_free, memory_order_relaxed))
		return -EAGAIN;
	int res = read_run(run, iov, n, RWF_NOWAIT);
	if (res == -EOPNOTSUPP)
		atomic_store_explicit(run->wait_free, false, memory_order_relaxed);
	if (!res && run->blob)
		backend_count(r->backend, run->len, 0, false); /* it was in memory */
	return res < 0 ? -EAGAIN : 0;
}

static bool extends(const struct run *run, int fd, uint64_t off, uint64_t at)
{
	return run->len && run->fd == fd && run->off + run->len == off && run->at + run->len == at;
}

/* A decoded unit in memory, for blobs whose cache, if they have one, is not read in place. */
static int try_memory(struct reader *r, struct reader_blob *b, const struct rafs_chunk *chunk, const struct iovec *iov,
		      uint32_t n, uint64_t at, uint32_t skip, uint64_t len)
{
	struct iov_cursor to = iov_cursor(iov, n);
	struct unit unit;

	if (cached_in_place(b->shared) || chunk_needs_check(r, b, chunk) || unit_of_chunk(b, chunk, &unit) < 0)
		return -EAGAIN;
	struct plain *p = plain_cache_get(pool_plain(r->pool), b->shared, UNIT_PLAIN(unit.key));
	if (!p)
		return -EAGAIN;
	if (unit.key & UNIT_CONTEXT)
		skip += chunk->at;
	iov_skip(&to, at);
	bool got = skip + len <= p->len && iov_write(&to, p->bytes + skip, len) == len;
	plain_put(p);
	return got ? 0 : -EAGAIN;
}

/* One extent's share of the read: joins the run, or ends it and begins another. */
static int try_extent(struct reader *r, struct run *run, const struct rafs_extent *e, uint64_t off, const struct iovec *iov,
		      uint32_t n, uint64_t at, uint64_t len)
{
	struct reader_blob *b = e->hole ? NULL : blob_if_open(r, e->blob);
	struct rafs_chunk chunk;
	uint64_t from;
	int fd;

	if (e->hole) {
		fill_zeros(iov, n, at, len);
		return 0;
	}
	if (!b || chunk_of_extent(b, e, &chunk) < 0)
		return -EAGAIN; /* a worker finds the error again and tells it */
	if (!chunk_place(b, &chunk, &fd, &from))
		return try_memory(r, b, &chunk, iov, n, at, (uint32_t)(off - e->file_off), len);
	if (chunk_needs_check(r, b, &chunk))
		return -EAGAIN;
	ahead_hit(r, b, chunk.index);
	from += off - e->file_off;
	if (extends(run, fd, from, at)) {
		run->len += len;
		return 0;
	}
	int res = try_run(r, run, iov, n);
	*run = (struct run){ .fd = fd,
			     .off = from,
			     .at = at,
			     .len = len,
			     .wait_free = fd == b->fd ? &b->wait_free : &b->wait_free_cache,
			     .blob = fd == b->fd };
	return res;
}

int64_t reader_try(struct reader *r, const struct rafs_inode *inode, uint64_t off, const struct iovec *iov, uint32_t n)
{
	uint64_t len = readable(inode, off, iov_length(iov, n)), at = 0;
	struct run run = {.fd = -1};
	int res = 0;

	while (at < len && !res) {
		struct rafs_extent e;

		res = rafs_extent_at(r->image, inode, off + at, &e);
		if (!res) {
			uint64_t rest = e.len - (off + at - e.file_off), want = len - at < rest ? len - at : rest;

			res = try_extent(r, &run, &e, off + at, iov, n, at, want);
			at += want;
		}
	}
	if (!res)
		res = try_run(r, &run, iov, n);
	if (res < 0)
		return -EAGAIN;
	reader_add(&r->count.hits, 1);
	return (int64_t)len;
}

/* The hold of a part, or of the planner, is let go; the last ends the read. */
static void read_put(struct reader_read *read, uint32_t n)
{
	struct reader *r = read->reader;

	/* Release the bytes written, acquire the other workers' before done sees them. */
	if (atomic_fetch_sub_explicit(&read->pending, n, memory_order_acq_rel) != n)
		return;
	int error = atomic_load_explicit(&read->error, memory_order_relaxed);
	free(read->parts);
	read->done(read, error ? error : (int64_t)read->len);
	reader_leave(r);
}

static void read_fail(struct reader_read *read, int error)
{
	int none = 0;

	atomic_compare_exchange_strong_explicit(&read->error, &none, error, memory_order_relaxed, memory_order_relaxed);
}

void part_done(struct part *p, int error)
{
	if (error)
		read_fail(p->read, error);
	read_put(p->read, 1);
}

/* A part that is at hand, by a call that may wait. */
static int serve(const struct part *p, const struct reader_blob *b)
{
	struct run run = { .at = p->at, .len = p->len };

	if (!chunk_place(b, &p->chunk, &run.fd, &run.off))
		return -EAGAIN;
	uint64_t began = clock_ns(CLOCK_MONOTONIC);
	run.off += p->skip;
	int res = read_run(&run, p->read->iov, p->read->n, 0);
	if (run.fd == b->fd)
		backend_count(p->read->reader->backend, p->len, clock_ns(CLOCK_MONOTONIC) - began, res < 0);
	return res;
}

/* Either serves the part or has it wait for a flight. */
static void plan_part(struct gather *g, struct part *p)
{
	struct reader *r = p->read->reader;
	struct reader_blob *b = &r->blobs[p->blob];

	p->tries++;
	if (!chunk_needs_check(r, b, &p->chunk) && serve(p, b) == 0) {
		part_done(p, 0);
		return;
	}
	int res = gather_add(g, b, &p->chunk, p, p->read->inode.ino);
	if (res < 0)
		part_done(p, res);
}

/* A part that is planned once more, alone. */
struct retry {
	struct job job; /* first */
	struct part *part;
};

static void retry_run(struct job *job, struct worker *w)
{
	struct retry *again = (struct retry *)(void *)job;
	struct gather g = {.reader = again->part->read->reader, .cause = FETCH_DEMAND, .fetch_plain = FETCH_PLAIN, .keep_first = true};

	plan_part(&g, again->part);
	free(again);
	gather_end(&g);
	if (g.first)
		fetch_run(&g.first->job, w);
}

void part_retry(struct part *p)
{
	struct retry *again = calloc(1, sizeof(*again));

	if (!again) {
		part_done(p, -ENOMEM);
		return;
	}
	again->job.run = retry_run;
	again->part = p;
	pool_push(p->read->reader->pool, &again->job, POOL_DEMAND);
}

static int count_parts(const struct reader_read *read)
{
	uint64_t at = 0;
	struct rafs_extent e;
	int n = 0;

	while (at < read->len) {
		int res = rafs_extent_at(read->reader->image, &read->inode, read->off + at, &e);

		if (res < 0)
			return res;
		at += e.len - (read->off + at - e.file_off);
		if (++n > PARTS_MAX)
			return -EUCLEAN;
	}
	return n;
}

/* One extent's part: 1, 0 for a hole (which is served), or -errno. */
static int make_part(struct reader_read *read, uint64_t at, struct part *p, uint64_t *len)
{
	struct reader *r = read->reader;
	uint64_t off = read->off + at;
	struct rafs_extent e;
	int error;
	int res = rafs_extent_at(r->image, &read->inode, off, &e);

	if (res < 0)
		return res;
	uint64_t rest = e.len - (off - e.file_off);
	*len = read->len - at < rest ? read->len - at : rest;
	if (e.hole) {
		fill_zeros(read->iov, read->n, at, *len);
		return 0;
	}
	struct reader_blob *b = blob_get(r, e.blob, &error);
	if (!b)
		return error;
	*p = (struct part){.read = read, .at = at, .blob = e.blob, .skip = (uint32_t)(off - e.file_off), .len = (uint32_t)*len};
	res = chunk_of_extent(b, &e, &p->chunk);
	return res < 0 ? res : 1;
}

/* All parts of the read, or none: the number of them or -errno. */
static int make_parts(struct reader_read *read)
{
	int max = count_parts(read), n = 0;
	uint64_t len;

	if (max <= 0)
		return max;
	read->parts = calloc((size_t)max, sizeof(read->parts[0]));
	if (!read->parts)
		return -ENOMEM;
	for (uint64_t at = 0; at < read->len && n < max; at += len) {
		int res = make_part(read, at, &read->parts[n], &len);

		if (res < 0)
			return res;
		n += res;
	}
	return n;
}

static void look_ahead(struct reader_read *read, const struct part *first, const struct part *last)
{
	if (first->blob == last->blob)
		ahead_miss(read->reader, &read->reader->blobs[first->blob], &read->inode, read->off + read->len,
			   first->chunk.index, last->chunk.index);
}

static void read_run_job(struct job *job, struct worker *w)
{
	struct reader_read *read = (struct reader_read *)(void *)((char *)job - offsetof(struct reader_read, job));
	struct reader *r = read->reader;
	struct gather g = {.reader = r, .cause = FETCH_DEMAND, .fetch_plain = FETCH_PLAIN, .keep_first = true};
	int n = make_parts(read);

	if (n < 0)
		read_fail(read, n);
	atomic_store_explicit(&read->pending, n > 0 ? (uint32_t)n + 1 : 1, memory_order_relaxed);
	for (int i = 0; i < n; i++)
		plan_part(&g, &read->parts[i]);
	gather_end(&g);
	if (n > 0)
		look_ahead(read, &read->parts[0], &read->parts[n - 1]);
	read_put(read, 1);
	if (g.first)
		fetch_run(&g.first->job, w);
}

void reader_start(struct reader *r, struct reader_read *read)
{
	uint64_t len = readable(&read->inode, read->off, read->len), room = iov_length(read->iov, read->n);

	read->reader = r;
	read->parts = NULL;
	read->len = len < room ? len : room;
	read->job = (struct job){.run = read_run_job};
	atomic_init(&read->pending, 1);
	atomic_init(&read->error, 0);
	reader_enter(r);
	reader_add(&r->count.misses, 1);
	pool_push(r->pool, &read->job, POOL_DEMAND);
}

struct waiting {
	struct reader_read read; /* first */
	pthread_mutex_t lock;
	pthread_cond_t ended;
	int64_t res;
	bool end;
};

static void wake(struct reader_read *read, int64_t res)
{
	struct waiting *w = (struct waiting *)(void *)read;

	LOCK_SCOPE(&w->lock);
	w->res = res;
	w->end = true;
	pthread_cond_signal(&w->ended);
}

int64_t reader_wait(struct reader *r, const struct rafs_inode *inode, uint64_t off, void *to, uint64_t len)
{
	struct iovec iov = {.iov_base = to, .iov_len = len};
	struct waiting w = {.read = {.inode = *inode, .off = off, .iov = &iov, .n = 1, .len = len, .done = wake},
			    .lock = PTHREAD_MUTEX_INITIALIZER,
			    .ended = PTHREAD_COND_INITIALIZER};

	reader_start(r, &w.read);
	pthread_mutex_lock(&w.lock);
	while (!w.end)
		pthread_cond_wait(&w.ended, &w.lock);
	pthread_mutex_unlock(&w.lock);
	pthread_mutex_destroy(&w.lock);
	pthread_cond_destroy(&w.ended);
	return w.res;
}
