/* SPDX-License-Identifier: Apache-2.0 */
/* One client of a transport: who holds which view, and freeing those that were replaced. */
#include "server/fuse/conn.h"

#include "lib/cleanup.h"
#include "server/barrier.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

struct conn_queue {
	struct conn_queue *next;
	const struct transport_queue *queue;
	uint32_t shard;
	/* Of the queue's thread alone, so in a cache line of its own. */
	_Alignas(64) uint64_t ended; /* request.queue_ended */
};

/* Each request looks at the view; what others write lies elsewhere. */
_Static_assert(offsetof(struct fuse_conn, view) / 64 != offsetof(struct fuse_conn, async) / 64,
	       "the view shares a cache line with the list of waiting requests");

static void reap_run(struct work *w);

struct fuse_conn *conn_new(const struct fuse_door *door, struct transport *t)
{
	struct fuse_conn *c = aligned_alloc(_Alignof(struct fuse_conn), sizeof(*c));

	if (!c)
		return NULL;
	memset(c, 0, sizeof(*c));
	c->server = door->server;
	c->door = door;
	c->transport = t;
	c->kind = t->ops->kind;
	c->reap.fn = reap_run;
	c->memory.max = door->limits.memory;
	async_list_init(&c->async);
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->idle, NULL);
	watch_list_add(c->server->watch, &c->async);
	return c;
}

void conn_free(struct fuse_conn *c)
{
	conn_reset(c);
	while (c->requests)
		conn_detach(c->requests);
	while (c->queues) {
		struct conn_queue *q = c->queues;

		c->queues = q->next;
		shard_release(&c->server->shards, q->shard);
		free(q);
	}
	watch_list_remove(c->server->watch, &c->async);
	async_list_fini(&c->async);
	pthread_cond_destroy(&c->idle);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

/* lock held. NULL when out of memory. */
static struct conn_queue *find_queue(struct fuse_conn *c, const struct transport_queue *queue)
{
	struct conn_queue *q = c->queues;

	while (q && q->queue != queue)
		q = q->next;
	if (q)
		return q;
	q = aligned_alloc(64, sizeof(*q));
	if (!q)
		return NULL;
	q->queue = queue;
	q->ended = 0;
	q->shard = queue ? shard_claim(&c->server->shards) : SHARD_SHARED;
	q->next = c->queues;
	c->queues = q;
	return q;
}

void conn_attach(struct fuse_conn *c, struct request *r)
{
	if (r->conn)
		conn_detach(r);
	LOCK_SCOPE(&c->lock);
	struct conn_queue *q = find_queue(c, r->transport->queue);
	r->conn = c;
	r->queue_shard = q ? q->shard : SHARD_SHARED;
	r->queue_ended = q && r->transport->queue ? &q->ended : NULL;
	r->arena.quota = c->memory.max ? &c->memory : NULL;
	r->prev = NULL;
	r->next = c->requests;
	if (r->next)
		r->next->prev = r;
	c->requests = r;
}

void conn_detach(struct request *r)
{
	struct fuse_conn *c = r->conn;

	LOCK_SCOPE(&c->lock);
	if (r->next)
		r->next->prev = r->prev;
	if (r->prev)
		r->prev->next = r->next;
	else
		c->requests = r->next;
	r->conn = NULL;
}

/* What the object serves now: false if that changed meanwhile, so that it serves another or none. */
static bool read_flight(struct request *r, struct conn_flight *f)
{
	struct request_flight *from = &r->flight;

	/* Pair with the releases in request_takes_off: who sees a later request's fields sees below that the one before
	 * has landed. */
	f->began = atomic_load_explicit(&from->began, memory_order_acquire);
	f->node = atomic_load_explicit(&from->node, memory_order_acquire);
	f->unique = atomic_load_explicit(&from->unique, memory_order_acquire);
	f->opcode = atomic_load_explicit(&from->opcode, memory_order_acquire);
	return f->began && atomic_load_explicit(&from->began, memory_order_relaxed) == f->began;
}

struct each_flight {
	int (*fn)(const struct conn_flight *f, void *arg);
	void *arg;
};

static int look_at_conn(struct async_list *list, void *arg)
{
	struct fuse_conn *c = (struct fuse_conn *)((char *)list - offsetof(struct fuse_conn, async));
	const struct each_flight *each = arg;
	struct conn_flight f;
	int res = 0;

	if (c->kind != GRAFT_DEV_FUSE)
		return 0;
	LOCK_SCOPE(&c->lock);
	for (struct request *r = c->requests; r && !res; r = r->next) {
		if (read_flight(r, &f))
			res = each->fn(&f, each->arg);
	}
	return res;
}

int conn_each_flight(struct server *s, int (*fn)(const struct conn_flight *f, void *arg), void *arg)
{
	struct each_flight each = { fn, arg };

	return watch_each_list(s->watch, look_at_conn, &each);
}

/* Hold first, then look again: pairs with the barrier in conn_publish, after which either side sees the other's store. */
struct view *conn_enter(struct fuse_conn *c, struct request *r)
{
	struct view *v = atomic_load_explicit(&c->view, memory_order_relaxed);

	for (;;) {
		atomic_store_explicit(&r->view, v, memory_order_release);
		barrier_light(c->server->membarrier);
		struct view *now = atomic_load_explicit(&c->view, memory_order_acquire);
		if (now == v)
			return v;
		v = now;
	}
}

static void post_reap(struct fuse_conn *c)
{
	LOCK_SCOPE(&c->lock);
	if (c->reap_posted || !c->retired)
		return;
	c->reap_posted = true;
	c->reaping++;
	workers_post(c->server->workers, &c->reap);
}

void conn_leave(struct fuse_conn *c, struct request *r)
{
	if (!atomic_load_explicit(&r->view, memory_order_relaxed))
		return;
	/* Pairs with the acquire in held: what the request did comes before the freeing. */
	atomic_store_explicit(&r->view, NULL, memory_order_release);
	barrier_light(c->server->membarrier);
	if (atomic_load_explicit(&c->retiring, memory_order_relaxed))
		post_reap(c);
}

/* lock held. */
static bool held(const struct fuse_conn *c, const struct view *v)
{
	for (struct request *r = c->requests; r; r = r->next) {
		if (atomic_load_explicit(&r->view, memory_order_acquire) == v)
			return true;
	}
	return false;
}

/* Takes the retired views that nobody holds any more. */
static struct view *take_idle(struct fuse_conn *c)
{
	struct view **at = &c->retired, *idle = NULL;

	LOCK_SCOPE(&c->lock);
	c->reap_posted = false;
	while (*at) {
		struct view *v = *at;

		if (held(c, v)) {
			at = &v->next;
			continue;
		}
		*at = v->next;
		v->next = idle;
		idle = v;
	}
	atomic_store_explicit(&c->retiring, c->retired != NULL, memory_order_relaxed);
	return idle;
}

static void reap_run(struct work *w)
{
	struct fuse_conn *c = (struct fuse_conn *)((char *)w - offsetof(struct fuse_conn, reap));
	struct view *idle = take_idle(c);

	while (idle) {
		struct view *v = idle;

		idle = v->next;
		view_free(v);
	}
	LOCK_SCOPE(&c->lock);
	c->reaping--;
	pthread_cond_broadcast(&c->idle);
}

void conn_publish(struct fuse_conn *c, struct view *v)
{
	struct view *old = atomic_exchange_explicit(&c->view, v, memory_order_acq_rel);

	if (!old)
		return;
	pthread_mutex_lock(&c->lock);
	old->next = c->retired;
	c->retired = old;
	atomic_store_explicit(&c->retiring, true, memory_order_relaxed);
	pthread_mutex_unlock(&c->lock);
	barrier_heavy(c->server->membarrier);
	if (!v)
		async_cancel_all(&c->async);
	post_reap(c);
}

struct view *conn_view(struct fuse_conn *c)
{
	return atomic_load_explicit(&c->view, memory_order_relaxed);
}

void conn_session_came(struct fuse_conn *c)
{
	LOCK_SCOPE(&c->lock);
	c->nsessions++;
}

void conn_session_gone(struct fuse_conn *c)
{
	LOCK_SCOPE(&c->lock);
	c->nsessions--;
	pthread_cond_broadcast(&c->idle);
}

struct leaving {
	struct work work; /* first */
	struct fuse_conn *conn;
	bool done;
};

static void leave_run(struct work *w)
{
	struct leaving *l = (struct leaving *)w;
	struct fuse_conn *c = l->conn;

	mount_table_leave(&c->server->mounts, c);
	LOCK_SCOPE(&c->lock);
	l->done = true;
	pthread_cond_broadcast(&c->idle);
}

void conn_reset(struct fuse_conn *c)
{
	struct leaving leaving = { .work.fn = leave_run, .conn = c };

	workers_post(c->server->changes, &leaving.work);
	LOCK_SCOPE(&c->lock);
	while (!leaving.done || c->nsessions || c->reaping)
		pthread_cond_wait(&c->idle, &c->lock);
}
