/* SPDX-License-Identifier: Apache-2.0 */
/* Who does a transfer, the ring or a worker, and how a worker does it: preadv2, pwritev2, fsync. */
#include "server/io.h"

#include "lib/iov.h"
#include "lib/log.h"
#include "server/uring.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#define SLICE 64 /* elements of one call after a short one */

struct io_engine {
	struct workers *workers;
	struct uring *ring; /* NULL: workers do everything */
};

static ssize_t move(const struct graft_io *io, const struct iovec *iov, uint32_t n, uint64_t off)
{
	ssize_t res;

	do {
		if (io->kind == GRAFT_IO_READ)
			res = preadv2(io->fd, iov, (int)n, (off_t)off, (int)io->flags);
		else
			res = pwritev2(io->fd, iov, (int)n, (off_t)off, (int)io->flags);
	} while (res < 0 && errno == EINTR);
	return res < 0 ? -errno : res;
}

static int64_t move_all(const struct graft_io *io, uint64_t done)
{
	struct iov_cursor c = iov_cursor(io->iov, io->niov);
	uint64_t len = iov_length(io->iov, io->niov);
	struct iovec slice[SLICE];

	iov_skip(&c, done);
	while (done < len) {
		const struct iovec *iov = done ? slice : io->iov;
		uint64_t bytes;
		uint32_t n = done ? iov_slice(&c, len - done, slice, SLICE, &bytes) : io->niov;
		ssize_t res = move(io, iov, n, io->off + done);

		if (res < 0)
			return done ? (int64_t)done : res;
		if (!res)
			break;
		iov_skip(&c, (size_t)res);
		done += (uint64_t)res;
	}
	return (int64_t)done;
}

int64_t io_transfer(const struct graft_io *io, uint64_t done)
{
	switch (io->kind) {
	case GRAFT_IO_READ:
	case GRAFT_IO_WRITE:
		return io->niov > 1024 ? -EINVAL : move_all(io, done);
	case GRAFT_IO_FSYNC:
		return fsync(io->fd) ? -errno : 0;
	case GRAFT_IO_FDATASYNC:
		return fdatasync(io->fd) ? -errno : 0;
	default:
		return -EINVAL;
	}
}

static void run_blocking(struct work *w)
{
	struct io_op *op = (struct io_op *)((char *)w - offsetof(struct io_op, work));
	int64_t res = (int64_t)op->done;

	op->on_worker = true;
	if (!atomic_load_explicit(&op->cancelled, memory_order_relaxed))
		res = io_transfer(&op->what, op->done);
	else if (!op->done)
		res = -EINTR;
	op->end(op, res);
}

/* From the ring: what it could not do. Its number is bounded by the requests there are. */
static void to_worker(struct io_op *op, void *workers)
{
	op->work.fn = run_blocking;
	workers_post(workers, &op->work);
}

static void do_without(const struct io_engine *e, const struct graft_error *err)
{
	log_info("io", "%s: %u workers do what may block", err->text, workers_threads(e->workers));
}

struct io_engine *io_engine_new(struct workers *workers)
{
	struct io_engine *e = calloc(1, sizeof(*e));
	struct graft_error err = { 0 };

	if (!e)
		return NULL;
	e->workers = workers;
	e->ring = uring_new(to_worker, workers, &err);
	if (!e->ring)
		do_without(e, &err);
	return e;
}

void io_engine_start(struct io_engine *e)
{
	struct graft_error err = { 0 };

	if (!e->ring || uring_start(e->ring, &err) == 0)
		return;
	uring_free(e->ring);
	e->ring = NULL;
	do_without(e, &err);
}

void io_engine_stop(struct io_engine *e)
{
	uring_free(e->ring);
	e->ring = NULL;
}

void io_engine_free(struct io_engine *e)
{
	if (e)
		io_engine_stop(e);
	free(e);
}

/* The kernel hands an fsync to a thread of its own: no gain over a worker. */
static bool for_ring(const struct io_engine *e, const struct graft_io *io)
{
	return e->ring && (io->kind == GRAFT_IO_READ || io->kind == GRAFT_IO_WRITE) && io->niov <= 1024;
}

int io_engine_post(struct io_engine *e, struct io_op *op)
{
	op->on_worker = op->asked = false;
	op->done = 0;
	atomic_store_explicit(&op->cancelled, false, memory_order_relaxed);
	if (for_ring(e, &op->what)) {
		op->len = iov_length(op->what.iov, op->what.niov);
		uring_post(e->ring, op);
		return 0;
	}
	op->work.fn = run_blocking;
	return workers_try(e->workers, &op->work) ? 0 : -EAGAIN;
}

void io_engine_cancel(struct io_engine *e, struct io_op *op)
{
	/* Pairs with the ring's exchange of its own flag, which uring_cancel sets after this one. */
	atomic_store_explicit(&op->cancelled, true, memory_order_relaxed);
	if (e->ring)
		uring_cancel(e->ring);
}
