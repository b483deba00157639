/* SPDX-License-Identifier: Apache-2.0 */
/* The thread of a queue: serves its ring, gives back what was completed, rests when there is nothing to do. */
#include "transport/vhost_user_queue_internal.h"

#include "lib/clock.h"

#include <stddef.h>
#include <sys/epoll.h>

#define FLUSH_BYTES (128U << 10) /* moved since the last interrupt: do not let the driver wait for the whole batch */
#define POLL_MS 1                /* between two looks at a ring that has no kick */
#define STARVED_MS 10            /* before memory for a request is tried for again */
#define GLANCES 16               /* at the ring between two readings of the clock */

_Static_assert(VHOST_USER_QUEUE_INFLIGHT < REQUEST_POOL_MAX, "a request must be left for the one being served");

/* What other threads write lies apart from what the queue's thread works with. */
_Static_assert(offsetof(struct vhost_user_queue, completed) % 64 == 0, "completions share a cache line with the ring");

static inline void cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#else
	atomic_signal_fence(memory_order_seq_cst);
#endif
}

/* ---- requests ---- */

static bool may_pop(const struct vhost_user_queue *q)
{
	return q->started && q->mapped && q->enabled && !q->halted && !q->ring.broken &&
	       q->inflight < VHOST_USER_QUEUE_INFLIGHT;
}

/* Shows what was given back, with at most one interrupt. Costs a full fence and a look at what the driver wishes. */
static void flush(struct vhost_user_queue *q)
{
	q->moved = 0;
	q->shown = 0;
	q->woken = true;
	if (q->mapped && vring_publish(&q->ring))
		queue_signal(q->fds[VHOST_USER_CALL]);
	if (q->marked) {
		q->marked = false;
		queue_signal(q->env.log_fd);
	}
}

/*
 * With EVENT_IDX the driver is interrupted only where it waits. The first answer of a batch wakes it, so that it is
 * there when the rest has been served; then it is asked again only now and then, and at the end: a driver that is
 * awake sees each answer anyway.
 */
static bool wake_early(const struct vhost_user_queue *q)
{
	return q->ring.config.event_idx && (!q->woken || q->shown >= VHOST_USER_QUEUE_ASK);
}

static void finish(struct vhost_user_queue *q, struct queue_request *req, uint64_t used)
{
	const struct transport_request *base = &req->base;

	if (used > req->chain.out_len)
		used = req->chain.out_len;
	if (q->env.log) {
		dirty_log_mark_iov(q->env.log, req->pinned ? req->mem : q->env.mem, base->out, base->nout);
		q->marked = true;
	}
	if (q->started && q->mapped)
		vring_push(&q->ring, &req->chain, (uint32_t)used);
	if (req->pinned) {
		req->pinned = false;
		guest_memory_put(req->mem);
		q->inflight--;
	}
	q->moved += used + req->chain.in_len;
	request_pool_give(&q->pool, req);
	q->shown++;
	if (q->moved >= FLUSH_BYTES || wake_early(q))
		flush(q);
	else
		vring_show(&q->ring);
}

static void fill(struct queue_request *req)
{
	struct transport_request *base = &req->base;
	const struct vring_chain *chain = &req->chain;

	base->in = req->iov;
	base->nin = chain->nin;
	base->in_len = chain->in_len;
	base->out = req->iov + chain->nin;
	base->nout = chain->nout;
	base->out_len = chain->out_len;
	base->used = 0;
}

static void report_broken(struct vhost_user_queue *q)
{
	log_limited(&q->broken_limit, GRAFT_LOG_ERROR, q->object, "queue %u is broken until it is started anew: %s",
		    q->index, q->ring.fault);
	queue_signal(q->fds[VHOST_USER_ERR]);
}

/* Serves one chain. False: there was none. *follows: the one before was served a moment ago, and this one was. */
static bool serve_one(struct vhost_user_queue *q, bool *follows)
{
	struct queue_request *req = request_pool_take(&q->pool);
	enum vring_result result;

	q->starved = !req;
	if (!req)
		return false;
	result = vring_pop(&q->ring, req->iov, &req->chain);
	if (result == VRING_CHAIN) {
		fill(req);
		req->base.follows = *follows;
		*follows = true;
		/* Once it went ASYNC, the request may already be on its way back. */
		if (!q->client->serve(q->env.conn, &req->base))
			finish(q, req, req->base.used);
		return true;
	}
	if (result == VRING_BAD) {
		log_limited(&q->bad_limit, GRAFT_LOG_WARN, q->object, "queue %u: request dropped: %s", q->index,
			    q->ring.fault);
		*follows = false;
		req->chain.nin = req->chain.nout = 0;
		req->chain.in_len = req->chain.out_len = 0;
		fill(req);
		finish(q, req, 0);
		return true;
	}
	request_pool_give(&q->pool, req);
	if (result == VRING_BROKEN)
		report_broken(q);
	return false;
}

static bool serve_ring(struct vhost_user_queue *q)
{
	bool follows = false;
	uint32_t n = 0;

	q->woken = false;
	while (n < VHOST_USER_QUEUE_BATCH && may_pop(q) && serve_one(q, &follows))
		n++;
	return n > 0;
}

static bool serve_completed(struct vhost_user_queue *q)
{
	struct queue_request *stack, *list = NULL;

	if (!atomic_load_explicit(&q->completed, memory_order_relaxed))
		return false;
	/* acquire: pairs with the release in queue_complete. */
	stack = atomic_exchange_explicit(&q->completed, NULL, memory_order_acquire);
	/* Oldest first. */
	while (stack) {
		struct queue_request *next = stack->next;

		stack->next = list;
		list = stack;
		stack = next;
	}
	while (list) {
		struct queue_request *next = list->next;

		finish(q, list, list->base.used);
		list = next;
	}
	return true;
}

static void queue_pin(struct transport_request *base)
{
	struct queue_request *req = (struct queue_request *)base;
	struct vhost_user_queue *q = (struct vhost_user_queue *)base->queue;

	if (req->pinned)
		return;
	req->mem = guest_memory_get(q->env.mem);
	req->pinned = true;
	q->inflight++;
}

static void queue_complete(struct transport_request *base, uint64_t used)
{
	struct queue_request *req = (struct queue_request *)base, *head;
	struct vhost_user_queue *q = (struct vhost_user_queue *)base->queue;

	/* As soon as the request is in the list the queue may become idle and be freed: posting holds it. */
	atomic_fetch_add_explicit(&q->posting, 1, memory_order_relaxed);
	base->used = used;
	head = atomic_load_explicit(&q->completed, memory_order_relaxed);
	do {
		req->next = head;
		/* seq_cst, here and below: either we see asleep, or the queue's thread sees the request (see rest). */
	} while (!atomic_compare_exchange_weak_explicit(&q->completed, &head, req, memory_order_seq_cst,
							memory_order_relaxed));
	/* Below the first of a list, somebody else has woken the thread or it was awake. */
	if (!head && atomic_load_explicit(&q->asleep, memory_order_seq_cst))
		queue_signal(q->wake);
	/* release: pairs with the acquire in vhost_user_queue_free. */
	atomic_fetch_sub_explicit(&q->posting, 1, memory_order_release);
}

const struct transport_queue_ops vhost_user_queue_ops = { .pin = queue_pin, .complete = queue_complete };

/* ---- the thread ---- */

static void run_command(struct vhost_user_queue *q)
{
	/* acquire: pairs with the release in call; what the command needs is protected by the lock anyway. */
	if (!atomic_load_explicit(&q->called, memory_order_acquire))
		return;
	pthread_mutex_lock(&q->lock);
	atomic_store_explicit(&q->called, false, memory_order_relaxed);
	q->result = q->command(q, q->arg);
	q->command = NULL;
	pthread_cond_signal(&q->done);
	pthread_mutex_unlock(&q->lock);
}

static void report_idle(struct vhost_user_queue *q)
{
	/* Only this thread writes idle, so it may look without the lock. */
	if (!q->halted || q->inflight || q->idle)
		return;
	pthread_mutex_lock(&q->lock);
	q->idle = true;
	pthread_cond_signal(&q->done);
	pthread_mutex_unlock(&q->lock);
}

/* Milliseconds to wait at most, -1 without end, 0 if there is work already. */
static int wait_time(struct vhost_user_queue *q, bool live)
{
	if (live && q->starved)
		return STARVED_MS;
	if (live && q->fds[VHOST_USER_KICK] < 0)
		return POLL_MS;
	if (live && vring_arm(&q->ring))
		return 0;
	return -1;
}

static bool has_work(const struct vhost_user_queue *q)
{
	return vring_ready(&q->ring) || atomic_load_explicit(&q->completed, memory_order_relaxed) ||
	       atomic_load_explicit(&q->called, memory_order_relaxed);
}

static bool glance(const struct vhost_user_queue *q)
{
	for (int i = 0; i < GLANCES; i++) {
		if (has_work(q))
			return true;
		cpu_relax();
		cpu_relax();
	}
	return false;
}

/* A kick and the wake-up it causes cost more than a short look at the ring. True: there is work. */
static bool poll_ring(struct vhost_user_queue *q, uint64_t since, uint64_t look_ns)
{
	uint64_t now = since, last;
	bool hole = false, found;

	do {
		last = now;
		found = glance(q);
		now = clock_ns(CLOCK_MONOTONIC);
		hole |= now - last > QUEUE_POLL_HOLE_NS;
	} while (!found && !hole && now - since < look_ns);
	if (found)
		queue_poll_met(&q->poll, now - since, hole);
	else
		queue_poll_missed(&q->poll, now - since);
	return found;
}

/* Until a kick, a completion or a command comes, or the time is over. */
static void sleep_ms(struct vhost_user_queue *q, int ms)
{
	struct epoll_event events[2];

	/* seq_cst: pairs with queue_complete and call. */
	atomic_store_explicit(&q->asleep, true, memory_order_seq_cst);
	if (!atomic_load_explicit(&q->completed, memory_order_seq_cst) &&
	    !atomic_load_explicit(&q->called, memory_order_seq_cst)) {
		if (q->crowd)
			queue_crowd_sleep(q->crowd);
		epoll_wait(q->epoll, events, 2, ms);
		if (q->crowd)
			queue_crowd_wake(q->crowd);
	}
	atomic_store_explicit(&q->asleep, false, memory_order_relaxed);
}

/* Nothing to do: looks out for work, then waits for it. */
static void rest(struct vhost_user_queue *q)
{
	/* For want of memory the ring stays ready: that is no work that could be done now. */
	bool live = may_pop(q), polls = live && !q->starved && q->poll.max_ns;
	uint64_t since = polls ? clock_ns(CLOCK_MONOTONIC) : 0;
	uint64_t look_ns = polls ? queue_poll_look(&q->poll, q->crowd) : 0;
	int ms;

	if (look_ns && poll_ring(q, since, look_ns))
		return;
	ms = wait_time(q, live);
	if (ms) {
		sleep_ms(q, ms);
		if (polls)
			queue_poll_slept(&q->poll, clock_ns(CLOCK_MONOTONIC) - since);
	}
	if (live)
		vring_disarm(&q->ring);
}

void *vhost_user_queue_main(void *arg)
{
	struct vhost_user_queue *q = arg;

	if (q->crowd)
		queue_crowd_wake(q->crowd);
	while (!q->quit) {
		bool busy = serve_completed(q);

		busy |= serve_ring(q);
		flush(q);
		report_idle(q);
		if (atomic_load_explicit(&q->called, memory_order_relaxed))
			run_command(q);
		else if (!busy)
			rest(q);
	}
	if (q->crowd)
		queue_crowd_sleep(q->crowd);
	return NULL;
}
