/* SPDX-License-Identifier: Apache-2.0 */
/* One queue of the device: the thread that serves its ring. */
#include "transport/vhost_user_queue.h"

#include "lib/clock.h"
#include "lib/cpu_list.h"
#include "lib/log.h"
#include "lib/thread.h"
#include "transport/queue.h"
#include "transport/request_pool.h"

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define FLUSH_BYTES (128U << 10) /* moved since the last interrupt: do not let the driver wait for the whole batch */
#define POLL_MS 1                /* between two looks at a ring that has no kick */
#define STARVED_MS 10            /* before memory for a request is tried for again */
#define GLANCES 16               /* at the ring between two readings of the clock */

_Static_assert(VHOST_USER_QUEUE_INFLIGHT < REQUEST_POOL_MAX, "a request must be left for the one being served");

typedef int queue_command(struct vhost_user_queue *q, void *arg);

struct vhost_user_queue {
	struct transport_queue base; /* first */

	/* constant */
	const struct transport_client *client;
	const char *object;
	uint32_t index;
	struct queue_crowd *crowd; /* NULL: hiprio, which never polls and is not counted */
	int epoll, wake; /* wake: eventfd, watched edge-triggered, so it is never read */
	pthread_t thread;

	/* owned by the queue's thread */
	struct vring ring;
	struct request_pool pool;
	struct vhost_user_queue_env env;
	int fds[3]; /* enum vhost_user_queue_fd */
	uint32_t inflight;
	uint64_t moved; /* bytes since the last flush */
	uint32_t shown; /* chains given back since the last flush */
	bool started, mapped, enabled, halted;
	bool starved; /* the last chain could not be taken for want of memory */
	bool marked;  /* pages were logged since the last flush */
	bool woken;   /* the driver was asked for its wish since the batch began */
	bool quit;
	struct queue_poll poll;
	struct log_limit broken_limit, bad_limit;

	/* any thread */
	_Alignas(64) _Atomic(struct queue_request *) completed; /* a stack, the youngest first */
	_Atomic uint32_t posting; /* threads inside queue_complete */
	_Atomic bool asleep; /* about to wait: whoever brings work must write to wake */
	_Atomic bool called; /* command is set */

	/* protected by lock */
	pthread_mutex_t lock;
	pthread_cond_t done; /* a command was run, or the queue became idle */
	queue_command *command;
	void *arg;
	int result;
	bool idle;
};

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

static void signal_fd(int fd)
{
	static const uint64_t one = 1;

	/* A full counter has the effect of a new event; a front end that gave another kind of file harms itself. */
	if (fd >= 0 && write(fd, &one, sizeof(one)) < 0)
		return;
}

/* ---- requests: on the queue's thread ---- */

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
		signal_fd(q->fds[VHOST_USER_CALL]);
	if (q->marked) {
		q->marked = false;
		signal_fd(q->env.log_fd);
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
	signal_fd(q->fds[VHOST_USER_ERR]);
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
		signal_fd(q->wake);
	/* release: pairs with the acquire in vhost_user_queue_free. */
	atomic_fetch_sub_explicit(&q->posting, 1, memory_order_release);
}

static const struct transport_queue_ops queue_ops = { .pin = queue_pin, .complete = queue_complete };

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

static void *queue_main(void *arg)
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

/* ---- commands: each do_ function runs on the queue's thread ---- */

static int call(struct vhost_user_queue *q, queue_command *command, void *arg)
{
	int result;

	pthread_mutex_lock(&q->lock);
	q->command = command;
	q->arg = arg;
	/* seq_cst: pairs with rest. */
	atomic_store_explicit(&q->called, true, memory_order_seq_cst);
	signal_fd(q->wake);
	while (q->command)
		pthread_cond_wait(&q->done, &q->lock);
	result = q->result;
	pthread_mutex_unlock(&q->lock);
	return result;
}

static void remap(struct vhost_user_queue *q)
{
	struct graft_error err = { 0 };
	bool mapped = vring_remap(&q->ring, &q->ring.config.addr, q->env.mem, &err) == 0;

	if (q->mapped && !mapped)
		log_limited(&q->bad_limit, GRAFT_LOG_WARN, q->object, "queue %u rests: %s", q->index, err.text);
	q->mapped = mapped;
	vring_set_log(&q->ring, q->env.log);
}

static int do_set_env(struct vhost_user_queue *q, void *arg)
{
	struct vhost_user_queue_env old = q->env;

	q->env = *(const struct vhost_user_queue_env *)arg;
	if (q->env.mem)
		guest_memory_get(q->env.mem);
	if (q->env.log)
		dirty_log_get(q->env.log);
	if (q->started)
		remap(q);
	guest_memory_put(old.mem);
	dirty_log_put(old.log);
	return 0;
}

void vhost_user_queue_set_env(struct vhost_user_queue *q, const struct vhost_user_queue_env *env)
{
	struct vhost_user_queue_env copy = *env;

	call(q, do_set_env, &copy);
}

struct set_fd {
	enum vhost_user_queue_fd which;
	int fd;
};

/* Edge-triggered: each write is one event, and the counter is never read, which saves a system call for each kick. */
static int watch(struct vhost_user_queue *q, int fd)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };

	return epoll_ctl(q->epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int do_set_fd(struct vhost_user_queue *q, void *arg)
{
	const struct set_fd *set = arg;
	int *slot = &q->fds[set->which];
	bool kick = set->which == VHOST_USER_KICK;
	int rc = 0;

	if (*slot >= 0) {
		/* The front end holds the same open file, so closing alone would not end the watch. */
		if (kick)
			epoll_ctl(q->epoll, EPOLL_CTL_DEL, *slot, NULL);
		close(*slot);
	}
	*slot = set->fd;
	if (kick && *slot >= 0)
		rc = watch(q, *slot);
	if (rc < 0) {
		close(*slot);
		*slot = -1;
	}
	return rc;
}

int vhost_user_queue_set_fd(struct vhost_user_queue *q, enum vhost_user_queue_fd which, int fd)
{
	struct set_fd set = { which, fd };

	return call(q, do_set_fd, &set);
}

static int do_set_enabled(struct vhost_user_queue *q, void *arg)
{
	q->enabled = *(const bool *)arg;
	return 0;
}

void vhost_user_queue_set_enabled(struct vhost_user_queue *q, bool enabled)
{
	call(q, do_set_enabled, &enabled);
}

struct start_ring {
	const struct vring_config *config;
	const struct vring_addresses *addr;
	struct graft_error *err;
};

static int do_start(struct vhost_user_queue *q, void *arg)
{
	const struct start_ring *start = arg;
	int rc = vring_init(&q->ring, start->config, q->env.mem, start->err);

	q->started = q->mapped = rc == 0;
	q->halted = false;
	if (rc == 0)
		vring_set_log(&q->ring, q->env.log);
	return rc;
}

int vhost_user_queue_start(struct vhost_user_queue *q, const struct vring_config *config, struct graft_error *err)
{
	struct start_ring start = { .config = config, .err = err };

	return call(q, do_start, &start);
}

static int do_move(struct vhost_user_queue *q, void *arg)
{
	const struct start_ring *start = arg;
	int rc = vring_remap(&q->ring, start->addr, q->env.mem, start->err);

	q->mapped = rc == 0;
	vring_set_log(&q->ring, q->env.log);
	return rc;
}

int vhost_user_queue_move(struct vhost_user_queue *q, const struct vring_addresses *addr, struct graft_error *err)
{
	struct start_ring start = { .addr = addr, .err = err };

	return call(q, do_move, &start);
}

static int do_halt(struct vhost_user_queue *q, void *arg)
{
	q->halted = true;
	q->idle = false;
	*(uint32_t *)arg = q->inflight;
	return 0;
}

uint32_t vhost_user_queue_halt(struct vhost_user_queue *q)
{
	uint32_t inflight = 0;

	call(q, do_halt, &inflight);
	return inflight;
}

bool vhost_user_queue_wait(struct vhost_user_queue *q, int timeout_ms)
{
	struct timespec until = clock_after_ms(timeout_ms);
	bool idle;

	pthread_mutex_lock(&q->lock);
	while (!q->idle && pthread_cond_timedwait(&q->done, &q->lock, &until) != ETIMEDOUT)
		;
	idle = q->idle;
	pthread_mutex_unlock(&q->lock);
	return idle;
}

static int do_stop(struct vhost_user_queue *q, void *arg)
{
	*(uint32_t *)arg = vring_base(&q->ring);
	q->started = q->mapped = false;
	return 0;
}

uint32_t vhost_user_queue_stop(struct vhost_user_queue *q)
{
	uint32_t base = 0;

	call(q, do_stop, &base);
	return base;
}

static int do_quit(struct vhost_user_queue *q, void *arg)
{
	(void)arg;
	q->quit = true;
	return 0;
}

/* ---- life ---- */

static void end_thread(struct vhost_user_queue *q)
{
	call(q, do_quit, NULL);
	pthread_join(q->thread, NULL);
	/* acquire: pairs with the end of queue_complete, which is a few instructions away. */
	while (atomic_load_explicit(&q->posting, memory_order_acquire))
		sched_yield();
	request_pool_fini(&q->pool);
}

static int queue_open(struct vhost_user_queue *q, int32_t cpu, struct graft_error *err)
{
	char name[24];
	int rc;

	q->epoll = epoll_create1(EPOLL_CLOEXEC);
	q->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (q->epoll < 0 || q->wake < 0)
		return error_set(err, errno, "queue %u: %s", q->index, strerror(errno));
	rc = watch(q, q->wake);
	if (rc == 0)
		rc = request_pool_init(&q->pool, q->client, &q->base);
	if (rc < 0)
		return error_set(err, -rc, "queue %u: %s", q->index, strerror(-rc));
	if (q->index)
		snprintf(name, sizeof(name), "vu-queue%u", q->index);
	else
		snprintf(name, sizeof(name), "vu-hiprio");
	rc = thread_start(&q->thread, name, queue_main, q);
	if (rc < 0) {
		request_pool_fini(&q->pool);
		return error_set(err, -rc, "cannot start the thread of queue %u: %s", q->index, strerror(-rc));
	}
	rc = cpu >= 0 ? cpu_pin(q->thread, (uint16_t)cpu) : 0;
	if (rc < 0) {
		end_thread(q);
		return error_set(err, -rc, "cannot keep queue %u on processor %d: %s", q->index, cpu, strerror(-rc));
	}
	return 0;
}

static void queue_close(struct vhost_user_queue *q)
{
	uint32_t i;

	for (i = 0; i < 3; i++)
		if (q->fds[i] >= 0)
			close(q->fds[i]);
	if (q->epoll >= 0)
		close(q->epoll);
	if (q->wake >= 0)
		close(q->wake);
	guest_memory_put(q->env.mem);
	dirty_log_put(q->env.log);
	pthread_cond_destroy(&q->done);
	pthread_mutex_destroy(&q->lock);
	free(q);
}

struct vhost_user_queue *vhost_user_queue_new(const struct vhost_user_queue_config *config, struct graft_error *err)
{
	struct vhost_user_queue *q = aligned_alloc(_Alignof(struct vhost_user_queue), sizeof(*q));

	if (!q) {
		error_set(err, ENOMEM, "out of memory");
		return NULL;
	}
	memset(q, 0, sizeof(*q));
	q->base.ops = &queue_ops;
	q->client = config->client;
	q->object = config->object;
	q->index = config->index;
	q->crowd = config->index > 0 ? config->crowd : NULL;
	queue_poll_init(&q->poll, q->crowd ? config->poll_us * 1000ULL : 0);
	q->epoll = q->wake = q->env.log_fd = -1;
	memset(q->fds, -1, sizeof(q->fds));
	pthread_mutex_init(&q->lock, NULL);
	thread_cond_init(&q->done);
	if (queue_open(q, config->cpu, err) < 0) {
		queue_close(q);
		return NULL;
	}
	return q;
}

void vhost_user_queue_free(struct vhost_user_queue *q)
{
	if (!q)
		return;
	end_thread(q);
	queue_close(q);
}
