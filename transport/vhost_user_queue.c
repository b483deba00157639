/* SPDX-License-Identifier: Apache-2.0 */
/* One queue of the device: its life, and the commands that the control thread has run on its thread. */
#include "transport/vhost_user_queue.h"

#include "lib/clock.h"
#include "lib/cpu_list.h"
#include "lib/thread.h"
#include "transport/vhost_user_queue_internal.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>

/* ---- commands: each do_ function runs on the queue's thread ---- */

static int call(struct vhost_user_queue *q, queue_command *command, void *arg)
{
	int result;

	pthread_mutex_lock(&q->lock);
	q->command = command;
	q->arg = arg;
	/* seq_cst: pairs with rest. */
	atomic_store_explicit(&q->called, true, memory_order_seq_cst);
	queue_signal(q->wake);
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
	if (rc)
		return rc;
	vring_set_log(&q->ring, q->env.log);
	/* The driver's fresh ring asks for kicks, which nobody needs before the queue first sleeps. */
	vring_arm(&q->ring);
	vring_disarm(&q->ring);
	return 0;
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
}

static int queue_open(struct vhost_user_queue *q, struct graft_error *err)
{
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
		snprintf(q->name, sizeof(q->name), "vu-queue%u", q->index);
	else
		snprintf(q->name, sizeof(q->name), "vu-hiprio");
	rc = thread_begin(&q->birth, q->name, vhost_user_queue_main, q);
	if (rc == 0) {
		q->begun = true;
		return 0;
	}
	request_pool_fini(&q->pool);
	return error_set(err, -rc, "cannot start the thread of queue %u: %s", q->index, strerror(-rc));
}

static int await_thread(struct vhost_user_queue *q)
{
	int rc = thread_await(&q->birth, &q->thread);

	q->begun = false;
	q->runs = rc == 0;
	return rc;
}

int vhost_user_queue_await(struct vhost_user_queue *q, struct graft_error *err)
{
	int rc = await_thread(q);

	if (rc < 0)
		return error_set(err, -rc, "cannot start the thread of queue %u: %s", q->index, strerror(-rc));
	rc = q->cpu >= 0 ? cpu_pin(q->thread, (uint16_t)q->cpu) : 0;
	if (rc < 0)
		return error_set(err, -rc, "cannot keep queue %u on processor %d: %s", q->index, q->cpu,
				 strerror(-rc));
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
	q->base.ops = &vhost_user_queue_ops;
	q->client = config->client;
	q->object = config->object;
	q->index = config->index;
	q->crowd = config->index > 0 ? config->crowd : NULL;
	queue_poll_init(&q->poll, q->crowd ? config->poll_us * 1000ULL : 0);
	q->epoll = q->wake = q->env.log_fd = -1;
	memset(q->fds, -1, sizeof(q->fds));
	pthread_mutex_init(&q->lock, NULL);
	thread_cond_init(&q->done);
	q->cpu = config->cpu;
	if (queue_open(q, err) < 0) {
		queue_close(q);
		return NULL;
	}
	return q;
}

void vhost_user_queue_free(struct vhost_user_queue *q)
{
	if (!q)
		return;
	if (q->begun)
		await_thread(q);
	if (q->runs)
		end_thread(q);
	request_pool_fini(&q->pool);
	queue_close(q);
}
