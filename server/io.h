/* SPDX-License-Identifier: Apache-2.0 */
/* The io service: transfers that may block, by io_uring where the kernel lets us, else by workers; always whole. */
#ifndef GRAFT_SERVER_IO_H
#define GRAFT_SERVER_IO_H

#include "server/workers.h"

#include <graftfs/plugin.h>

#define IO_REST 8 /* elements of a list that a short transfer goes on with */

/* A transfer. In the memory of whoever waits for it, which stays until end was called. */
struct io_op {
	/* set by the caller */
	struct graft_io what;
	/*
	 * The end: bytes moved until all was done, the file ended or an error stopped it; -errno if that came before the
	 * first byte, -EINTR for one that was cancelled. On a worker, or on the ring's thread, where it must not block:
	 * on_worker says.
	 */
	void (*end)(struct io_op *op, int64_t res);
	/* the engine's, until end */
	bool on_worker;
	_Atomic bool cancelled;
	bool asked; /* the kernel was asked to cancel it */
	uint64_t len, done;
	struct io_op *next, *prev;
	struct work work;
	struct iovec rest[IO_REST];
};

struct io_engine;

/*
 * Makes the ring, but no thread. Where there can be none, workers do everything: said in the log, no error. workers: borrowed, must outlive
 * it. NULL: no memory.
 */
struct io_engine *io_engine_new(struct workers *workers);
/* The ring's thread. Without one, as above. */
void io_engine_start(struct io_engine *e);
/* Ends what waits, then the thread. Nothing may be posted afterwards but to workers. */
void io_engine_stop(struct io_engine *e);
/* Stops and frees; NULL is fine. */
void io_engine_free(struct io_engine *e);

/* Any thread. 0, and end follows, perhaps has already; -EAGAIN: the workers' queue is full, nothing happens. */
int io_engine_post(struct io_engine *e, struct io_op *op);
/*
 * Any thread, while op's memory stays: asks for an early end. What waits to begin ends at once; of what has begun the
 * kernel ends what it can (a pipe, not a block of a disk), and a worker nothing.
 */
void io_engine_cancel(struct io_engine *e, struct io_op *op);

/* The transfer from byte `done` on, on this thread: all bytes moved, those before included, or -errno as above. */
int64_t io_transfer(const struct graft_io *io, uint64_t done);

#endif
