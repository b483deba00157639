/* SPDX-License-Identifier: Apache-2.0 */
/* One client of a transport: who holds which session, and closing those that ended. */
#include "server/fuse/conn.h"

#include "lib/cleanup.h"
#include "server/barrier.h"

#include <stddef.h>

struct conn_queue {
	struct conn_queue *next;
	const struct transport_queue *queue;
	struct op_counters *counters;
};

static void reap_run(struct work *w);

struct fuse_conn *conn_new(const struct fuse_door *door, uint32_t kind)
{
	struct fuse_conn *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->elsewhere = metrics_counters_new(door->server->metrics);
	if (!c->elsewhere) {
		free(c);
		return NULL;
	}
	c->server = door->server;
	c->door = door;
	c->kind = kind;
	c->reap.fn = reap_run;
	async_list_init(&c->async);
	strand_init(&c->control, c->server->workers);
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->idle, NULL);
	return c;
}

void conn_free(struct fuse_conn *c)
{
	conn_reset(c);
	strand_fini(&c->control);
	while (c->requests)
		conn_detach(c->requests);
	while (c->queues) {
		struct conn_queue *q = c->queues;

		c->queues = q->next;
		metrics_counters_end(c->server->metrics, q->counters);
		free(q);
	}
	metrics_counters_end(c->server->metrics, c->elsewhere);
	async_list_fini(&c->async);
	pthread_cond_destroy(&c->idle);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

/* lock held. Without memory the queue counts with the others, less exactly. */
static struct op_counters *queue_counters(struct fuse_conn *c, const struct transport_queue *queue)
{
	struct conn_queue *q = c->queues;

	while (q && q->queue != queue)
		q = q->next;
	if (q)
		return q->counters;
	q = calloc(1, sizeof(*q));
	if (!q)
		return c->elsewhere;
	q->queue = queue;
	q->counters = metrics_counters_new(c->server->metrics);
	if (!q->counters) {
		free(q);
		return c->elsewhere;
	}
	q->next = c->queues;
	c->queues = q;
	return q->counters;
}

void conn_attach(struct fuse_conn *c, struct request *r)
{
	if (r->conn)
		conn_detach(r);
	LOCK_SCOPE(&c->lock);
	r->conn = c;
	r->counters = queue_counters(c, r->transport->queue);
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

/* Hold first, then look again: pairs with the barrier in conn_retire, after which either side sees the other's store.
 */
struct session *conn_enter(struct fuse_conn *c, struct request *r)
{
	struct session *s = atomic_load_explicit(&c->session, memory_order_relaxed);

	for (;;) {
		atomic_store_explicit(&r->session, s, memory_order_release);
		barrier_light(c->server->membarrier);
		struct session *now = atomic_load_explicit(&c->session, memory_order_acquire);
		if (now == s)
			return s;
		s = now;
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
	if (!atomic_load_explicit(&r->session, memory_order_relaxed))
		return;
	/* Pairs with the acquire in held: what the request did comes before the closing. */
	atomic_store_explicit(&r->session, NULL, memory_order_release);
	barrier_light(c->server->membarrier);
	if (atomic_load_explicit(&c->retiring, memory_order_relaxed))
		post_reap(c);
}

/* lock held. */
static bool held(const struct fuse_conn *c, const struct session *s)
{
	for (struct request *r = c->requests; r; r = r->next) {
		if (atomic_load_explicit(&r->session, memory_order_acquire) == s)
			return true;
	}
	return false;
}

/* Takes the retired sessions that nobody holds any more. */
static struct session *take_idle(struct fuse_conn *c)
{
	struct session **at = &c->retired, *idle = NULL;

	LOCK_SCOPE(&c->lock);
	c->reap_posted = false;
	while (*at) {
		struct session *s = *at;

		if (held(c, s)) {
			at = &s->next;
			continue;
		}
		*at = s->next;
		s->next = idle;
		idle = s;
	}
	atomic_store_explicit(&c->retiring, c->retired != NULL, memory_order_relaxed);
	return idle;
}

static void reap_run(struct work *w)
{
	struct fuse_conn *c = (struct fuse_conn *)((char *)w - offsetof(struct fuse_conn, reap));
	struct session *idle = take_idle(c);

	while (idle) {
		struct session *s = idle;

		idle = s->next;
		session_close(s);
	}
	LOCK_SCOPE(&c->lock);
	c->reaping--;
	pthread_cond_broadcast(&c->idle);
}

void conn_retire(struct fuse_conn *c)
{
	struct session *old = atomic_exchange_explicit(&c->session, NULL, memory_order_acq_rel);

	if (!old)
		return;
	pthread_mutex_lock(&c->lock);
	old->next = c->retired;
	c->retired = old;
	atomic_store_explicit(&c->retiring, true, memory_order_relaxed);
	pthread_mutex_unlock(&c->lock);
	barrier_heavy(c->server->membarrier);
	async_cancel_all(&c->async);
	post_reap(c);
}

void conn_reset(struct fuse_conn *c)
{
	conn_retire(c);
	post_reap(c);
	LOCK_SCOPE(&c->lock);
	while (c->reaping)
		pthread_cond_wait(&c->idle, &c->lock);
}

void conn_publish(struct fuse_conn *c, struct session *s)
{
	atomic_store_explicit(&c->session, s, memory_order_release);
}
