/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ring of the io service. A thread of its own submits: to read from a disk may begin with reading where the file's
 * blocks lie, and a queue's thread must not wait for that. It never sleeps while it has something to submit, and takes
 * all that has come with one system call.
 */
#include "server/uring.h"

#include "lib/iov.h"
#include "lib/log.h"
#include "lib/thread.h"

#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define BATCH 32          /* completions that are taken at a time */
#define PAUSE_US 1000     /* before the kernel, short of memory, is asked again */
#define TAG_WAKE 0        /* user_data of what is no transfer */
#define TAG_CANCEL 1

/* With one thread that submits and takes, the kernel finishes transfers when that thread asks, not by interrupting it. */
#define SETUP (IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_R_DISABLED)

struct uring {
	/* constant */
	uring_refused *refused;
	void *user;
	int wake; /* eventfd, watched by the ring and never read */
	pthread_t thread;
	bool runs; /* there is a thread */
	struct log_limit limit;
	sem_t enabled; /* posted once result is set */
	int result;    /* of enabling the ring */

	/* owned by the thread */
	struct io_uring ring;
	struct io_op *waiting, **waiting_end; /* to be submitted, the oldest first */
	struct io_op *flying;                 /* submitted, doubly linked */
	uint32_t nflying;
	bool armed; /* the wake-up is watched */

	/* any thread */
	_Alignas(64) _Atomic(struct io_op *) posted; /* a stack, the youngest first */
	_Atomic bool asleep;  /* about to wait: whoever brings work must write to wake */
	_Atomic bool cancels; /* some transfer is to be cancelled */
	_Atomic bool quit;
};

static void wake(struct uring *u)
{
	static const uint64_t one = 1;

	/* seq_cst: pairs with rest. A full counter has the effect of a new event. */
	if (atomic_load_explicit(&u->asleep, memory_order_seq_cst) && write(u->wake, &one, sizeof(one)) < 0)
		return;
}

void uring_post(struct uring *u, struct io_op *op)
{
	struct io_op *head = atomic_load_explicit(&u->posted, memory_order_relaxed);

	do
		op->next = head;
	while (!atomic_compare_exchange_weak_explicit(&u->posted, &head, op, memory_order_seq_cst,
						      memory_order_relaxed));
	/* Below the first of a list, somebody else has woken the thread or it was awake. */
	if (!head)
		wake(u);
}

void uring_cancel(struct uring *u)
{
	atomic_store_explicit(&u->cancels, true, memory_order_seq_cst);
	wake(u);
}

/* ---- the thread ---- */

static void wait_last(struct uring *u, struct io_op *op)
{
	op->next = NULL;
	*u->waiting_end = op;
	u->waiting_end = &op->next;
}

/* Moves what was posted behind what waits, the oldest first. */
static void take_posted(struct uring *u)
{
	/* acquire: pairs with the exchange in uring_post. */
	struct io_op *stack = atomic_exchange_explicit(&u->posted, NULL, memory_order_acquire), *list = NULL;

	while (stack) {
		struct io_op *next = stack->next;

		stack->next = list;
		list = stack;
		stack = next;
	}
	while (list) {
		struct io_op *next = list->next;

		wait_last(u, list);
		list = next;
	}
}

static void fly(struct uring *u, struct io_op *op)
{
	op->prev = NULL;
	op->next = u->flying;
	if (op->next)
		op->next->prev = op;
	u->flying = op;
	u->nflying++;
}

static void land(struct uring *u, struct io_op *op)
{
	if (op->next)
		op->next->prev = op->prev;
	if (op->prev)
		op->prev->next = op->next;
	else
		u->flying = op->next;
	u->nflying--;
}

static bool is_cancelled(const struct io_op *op)
{
	return atomic_load_explicit(&op->cancelled, memory_order_relaxed);
}

static void end(struct io_op *op, int64_t res)
{
	op->end(op, op->done ? (int64_t)op->done : res);
}

static void prepare(struct io_uring_sqe *sqe, struct io_op *op)
{
	const struct graft_io *io = &op->what;
	const struct iovec *iov = io->iov;
	uint32_t n = io->niov;

	if (op->done) {
		struct iov_cursor c = iov_cursor(iov, n);
		uint64_t bytes;

		iov_skip(&c, op->done);
		n = iov_slice(&c, op->len - op->done, op->rest, IO_REST, &bytes);
		iov = op->rest;
	}
	if (io->kind == GRAFT_IO_READ)
		io_uring_prep_readv2(sqe, io->fd, iov, n, io->off + op->done, (int)io->flags);
	else
		io_uring_prep_writev2(sqe, io->fd, iov, n, io->off + op->done, (int)io->flags);
	io_uring_sqe_set_data(sqe, op);
}

/* Hands to the ring what there is room for. */
static void submit_waiting(struct uring *u)
{
	while (u->waiting && u->nflying < URING_DEPTH && io_uring_sq_space_left(&u->ring)) {
		struct io_op *op = u->waiting;

		u->waiting = op->next;
		if (!u->waiting)
			u->waiting_end = &u->waiting;
		/* Its cancel may have been served while it was in posted, where nobody looks. */
		if (is_cancelled(op)) {
			end(op, -EINTR);
			continue;
		}
		prepare(io_uring_get_sqe(&u->ring), op);
		fly(u, op);
	}
}

/* What has not begun ends here and now. */
static void cancel_waiting(struct uring *u)
{
	struct io_op *op = u->waiting;

	u->waiting = NULL;
	u->waiting_end = &u->waiting;
	while (op) {
		struct io_op *next = op->next;

		if (is_cancelled(op))
			end(op, -EINTR);
		else
			wait_last(u, op);
		op = next;
	}
}

/* False: the ring has no room now, some may be left to ask for. */
static bool cancel_flying(struct uring *u)
{
	for (struct io_op *op = u->flying; op; op = op->next) {
		if (!is_cancelled(op) || op->asked)
			continue;
		struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);
		if (!sqe)
			return false;
		io_uring_prep_cancel(sqe, op, 0);
		io_uring_sqe_set_data64(sqe, TAG_CANCEL);
		op->asked = true;
	}
	return true;
}

static void serve_cancels(struct uring *u)
{
	/* acquire: pairs with the store in uring_cancel. Below the usual: nothing is written. */
	if (!atomic_load_explicit(&u->cancels, memory_order_relaxed) ||
	    !atomic_exchange_explicit(&u->cancels, false, memory_order_acquire))
		return;
	cancel_waiting(u);
	if (!cancel_flying(u))
		atomic_store_explicit(&u->cancels, true, memory_order_relaxed);
}

static void arm(struct uring *u)
{
	struct io_uring_sqe *sqe = u->armed ? NULL : io_uring_get_sqe(&u->ring);

	if (!sqe)
		return;
	/* Edge-triggered: each write is an event, read or not. */
	io_uring_prep_poll_multishot(sqe, u->wake, POLLIN);
	io_uring_sqe_set_data64(sqe, TAG_WAKE);
	u->armed = true;
}

/* One transfer's answer from the kernel. */
static void landed(struct uring *u, struct io_op *op, int res)
{
	bool cancelled = is_cancelled(op);

	land(u, op);
	if (res > 0)
		op->done += (uint64_t)res;
	if (res == 0 || op->done >= op->len || (cancelled && res > 0)) {
		end(op, 0);
	} else if (cancelled && (res == -ECANCELED || res == -EINTR)) {
		end(op, -EINTR);
	} else if (res > 0 || res == -EINTR) {
		op->asked = false;
		wait_last(u, op);
	} else if (res == -ECANCELED || (res == -EAGAIN && !(op->what.flags & RWF_NOWAIT))) {
		u->refused(op, u->user);
	} else {
		end(op, res);
	}
}

/* Takes what the kernel finished. */
static void reap(struct uring *u)
{
	struct io_uring_cqe *cqes[BATCH], copies[BATCH];
	unsigned int n;

	while ((n = io_uring_peek_batch_cqe(&u->ring, cqes, BATCH))) {
		/* Places are given back first: what ends may begin anew. */
		for (unsigned int i = 0; i < n; i++) {
			copies[i].user_data = cqes[i]->user_data;
			copies[i].res = cqes[i]->res;
			copies[i].flags = cqes[i]->flags;
		}
		io_uring_cq_advance(&u->ring, n);
		for (unsigned int i = 0; i < n; i++) {
			if (copies[i].user_data == TAG_WAKE)
				u->armed = copies[i].flags & IORING_CQE_F_MORE;
			else if (copies[i].user_data != TAG_CANCEL)
				landed(u, (struct io_op *)(uintptr_t)copies[i].user_data, copies[i].res);
		}
	}
}

/* What waits although nothing more fits waits for an answer: no news. Without its wake-up the thread must not wait. */
static bool has_news(const struct uring *u)
{
	return !u->armed || (u->waiting && u->nflying < URING_DEPTH) ||
	       atomic_load_explicit(&u->posted, memory_order_seq_cst) ||
	       atomic_load_explicit(&u->cancels, memory_order_seq_cst) ||
	       (atomic_load_explicit(&u->quit, memory_order_seq_cst) && !u->nflying);
}

/* Submits, and waits for an answer or a wake-up unless there is more to do. */
static void rest(struct uring *u)
{
	int res;

	/* seq_cst: pairs with wake. */
	atomic_store_explicit(&u->asleep, true, memory_order_seq_cst);
	if (has_news(u))
		res = io_uring_submit_and_get_events(&u->ring);
	else
		res = io_uring_submit_and_wait(&u->ring, 1);
	atomic_store_explicit(&u->asleep, false, memory_order_relaxed);
	if (res >= 0 || res == -EINTR)
		return;
	log_limited(&u->limit, GRAFT_LOG_WARN, "io", "io_uring_enter: %s", strerror(-res));
	usleep(PAUSE_US);
}

static void *uring_main(void *arg)
{
	struct uring *u = arg;

	/* Whoever enables a ring of this kind is the one that may use it. */
	u->result = io_uring_enable_rings(&u->ring);
	sem_post(&u->enabled);
	while (!u->result) {
		arm(u);
		take_posted(u);
		serve_cancels(u);
		submit_waiting(u);
		if (atomic_load_explicit(&u->quit, memory_order_acquire) && !u->nflying && !u->waiting &&
		    !atomic_load_explicit(&u->posted, memory_order_relaxed))
			return NULL;
		rest(u);
		reap(u);
	}
	return NULL;
}

/* ---- life ---- */

/* The ring does what stands here and nothing else, whoever gets hold of it. */
static int restrict_ring(struct io_uring *ring)
{
	static const uint8_t allowed[] = { IORING_OP_READV, IORING_OP_WRITEV, IORING_OP_POLL_ADD,
					   IORING_OP_ASYNC_CANCEL };
	struct io_uring_restriction r[sizeof(allowed)] = { 0 };

	for (size_t i = 0; i < sizeof(allowed); i++) {
		r[i].opcode = IORING_RESTRICTION_SQE_OP;
		r[i].sqe_op = allowed[i];
	}
	return io_uring_register_restrictions(ring, r, sizeof(allowed));
}

static int start_thread(struct uring *u)
{
	int res = thread_start(&u->thread, "io", uring_main, u);

	if (res < 0)
		return res;
	while (sem_wait(&u->enabled) && errno == EINTR)
		continue;
	if (u->result)
		pthread_join(u->thread, NULL);
	return u->result;
}

static int open_ring(struct uring *u)
{
	struct io_uring_params params = { .flags = SETUP };
	int res = io_uring_queue_init_params(URING_DEPTH, &u->ring, &params);

	if (res < 0)
		return res;
	res = restrict_ring(&u->ring);
	if (res < 0)
		io_uring_queue_exit(&u->ring);
	return res;
}

static void drop(struct uring *u)
{
	sem_destroy(&u->enabled);
	if (u->wake >= 0)
		close(u->wake);
	free(u);
}

struct uring *uring_new(uring_refused *refused, void *user, struct graft_error *err)
{
	struct uring *u = aligned_alloc(_Alignof(struct uring), sizeof(*u));

	if (!u) {
		error_set(err, ENOMEM, "no io_uring (out of memory)");
		return NULL;
	}
	memset(u, 0, sizeof(*u));
	u->refused = refused;
	u->user = user;
	u->waiting_end = &u->waiting;
	sem_init(&u->enabled, 0, 0);
	u->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int res = u->wake < 0 ? -errno : open_ring(u);
	if (!res)
		return u;
	error_set(err, -res, "no io_uring (%s)", strerror(-res));
	drop(u);
	return NULL;
}

int uring_start(struct uring *u, struct graft_error *err)
{
	int res = start_thread(u);

	u->runs = !res;
	return res ? error_set(err, -res, "no io_uring (%s)", strerror(-res)) : 0;
}

void uring_free(struct uring *u)
{
	if (!u)
		return;
	if (u->runs) {
		atomic_store_explicit(&u->quit, true, memory_order_seq_cst);
		wake(u);
		pthread_join(u->thread, NULL);
	}
	io_uring_queue_exit(&u->ring);
	drop(u);
}
