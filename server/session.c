/* SPDX-License-Identifier: Apache-2.0 */
/* A session and its mounts: opening, counting, closing. */
#include "server/session.h"

#include "lib/cleanup.h"
#include "lib/log.h"
#include "server/barrier.h"
#include "server/fuse/backing.h"
#include "server/fuse/conn.h"
#include "server/server.h"

#include <errno.h>
#include <semaphore.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

struct session *session_new(struct fuse_conn *c, const struct graft_session *pub)
{
	struct session *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->pub = *pub;
	s->conn = c;
	atomic_init(&s->refs, 1);
	s->resumed = c->resumed;
	root_handles_init(&s->roots, c->resumed);
	s->nodes.max = s->pub.max_nodes = c->door->limits.nodes;
	s->open.max = s->pub.max_open = c->door->limits.open;
	return s;
}

void session_hold(struct session *s)
{
	atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
}

void session_release(struct session *s)
{
	if (atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
		return;
	struct fuse_conn *c = s->conn;

	root_handles_fini(&s->roots);
	free(s->slots);
	free(s->pins);
	free(s);
	conn_session_gone(c);
}

/* Whose members this thread closes. */
static _Thread_local struct session_mount *closing;

/* Closes the members from first on. */
static void close_members(struct session_mount *sm, uint32_t first)
{
	const struct mount *m = sm->mount;

	closing = sm;
	for (uint32_t i = first; i < m->nmembers; i++) {
		const struct mount_member *member = &m->members[i];
		struct watch_call call;

		if (!member->desc->session_close)
			continue;
		watch_begin(m->server->watch, &call, "session_close", member->desc->name, m->name);
		member->desc->session_close(member->inst, sm->states[i]);
		watch_end(m->server->watch, &call);
	}
	closing = NULL;
}

bool session_mount_keep_backing(int id)
{
	struct session_mount *sm = closing;

	if (!sm)
		return false;
	uint32_t n = atomic_load_explicit(&sm->nbacking, memory_order_relaxed);
	/* The room doubles: at a power of two it is used up. */
	if (!(n & (n - 1))) {
		int *more = realloc(sm->backing, (n ? 2 * (size_t)n : 1) * sizeof(*more));

		if (!more)
			return false;
		sm->backing = more;
	}
	sm->backing[n] = id;
	atomic_store_explicit(&sm->nbacking, n + 1, memory_order_relaxed);
	return true;
}

static void end_backing(struct session_mount *sm)
{
	for (uint32_t i = 0; i < atomic_load_explicit(&sm->nbacking, memory_order_relaxed); i++)
		backing_end(sm->session->conn, sm->backing[i]);
	atomic_store_explicit(&sm->nbacking, 0, memory_order_relaxed);
	free(sm->backing);
	sm->backing = NULL;
}

void session_mount_end_backing(struct session_mount *sm)
{
	if (atomic_load_explicit(&sm->closed, memory_order_acquire) && !session_mount_held(sm, SESSION_HANDLES))
		end_backing(sm);
}

static void close_run(struct work *w)
{
	struct session_mount *sm = (struct session_mount *)((char *)w - offsetof(struct session_mount, close));
	struct server *server = sm->mount->server;

	close_members(sm, 0);
	mount_table_unlink(&server->mounts, sm);
	mount_release(sm->mount);
	atomic_store_explicit(&sm->closed, true, memory_order_release);
	/* Pairs with the heavy barrier in fade: either we see fading, or its sweep sees closed. */
	barrier_light(server->membarrier);
	if (atomic_load_explicit(&sm->fading, memory_order_relaxed))
		mount_table_sweep(&server->mounts);
	session_mount_release(sm);
}

static int open_member(struct session_mount *sm, uint32_t i)
{
	const struct mount *m = sm->mount;
	const struct mount_member *member = &m->members[i];
	struct watch_call call;

	if (!member->desc->session_open)
		return 0;
	watch_begin(m->server->watch, &call, "session_open", member->desc->name, m->name);
	int res = member->desc->session_open(member->inst, &sm->session->pub, &sm->states[i]);
	watch_end(m->server->watch, &call);
	return res;
}

/* Of a serial mount: one call at a time, those of sessions among them. */
struct opening {
	struct work work; /* first */
	struct session_mount *sm;
	int res;
	sem_t done;
};

static int open_members(struct session_mount *sm);

static void open_run(struct work *w)
{
	struct opening *o = (struct opening *)w;

	o->res = open_members(o->sm);
	sem_post(&o->done);
}

static int open_in_turn(struct session_mount *sm)
{
	struct opening o = { .work.fn = open_run, .sm = sm };

	if (!sm->mount->strand)
		return open_members(sm);
	sem_init(&o.done, 0, 0);
	strand_post(sm->mount->strand, &o.work);
	while (sem_wait(&o.done) && errno == EINTR)
		continue;
	sem_destroy(&o.done);
	return o.res;
}

/* The backend first: a layer may ask what is below it. */
static int open_members(struct session_mount *sm)
{
	const struct mount *m = sm->mount;

	for (uint32_t i = m->nmembers; i-- > 0;) {
		int res = open_member(sm, i);

		if (res) {
			close_members(sm, i + 1);
			return res;
		}
	}
	return 0;
}

int session_mount_open(struct session *s, struct mount *m, struct session_mount **out)
{
	size_t bytes = sizeof(struct session_mount) + m->nmembers * sizeof(void *);
	struct session_mount *sm = aligned_alloc(64, (bytes + 63) & ~(size_t)63);

	if (!sm)
		return -ENOMEM;
	memset(sm, 0, bytes);
	sm->session = s;
	sm->mount = m;
	sm->slot = m->slot;
	sm->serial = ++s->serials;
	sm->wire = (uint64_t)m->slot << m->server->node_bits;
	sm->swap = m->root ^ GRAFT_ROOT_NODE;
	sm->ino_mask = ((uint64_t)1 << m->server->node_bits) - 1;
	/* One file system for the client: inode numbers of different mounts must differ. nydusd shows node ids
	 * everywhere. */
	if (server_nydusd_ids(m->server) || (!(s->pub.flags & FUSE_SUBMOUNTS) && strcmp(m->at, "/") != 0))
		sm->ino_tag = sm->wire;
	if (s->conn->transport->ops->store && !(sm->held = held_new())) {
		free(sm);
		return -ENOMEM;
	}
	sm->close.fn = close_run;
	atomic_init(&sm->users, 1);
	atomic_init(&sm->refs, 2); /* the caller's, and one while open */
	int res = open_in_turn(sm);
	if (res) {
		held_free(sm->held);
		free(sm);
		return res;
	}
	session_hold(s);
	mount_hold(m);
	mount_table_link(&m->server->mounts, sm);
	*out = sm;
	return 0;
}

void session_mount_enter(struct session_mount *sm)
{
	atomic_fetch_add_explicit(&sm->users, 1, memory_order_relaxed);
}

void session_mount_leave(struct session_mount *sm)
{
	if (atomic_fetch_sub_explicit(&sm->users, 1, memory_order_acq_rel) != 1)
		return;
	if (sm->mount->strand)
		strand_post(sm->mount->strand, &sm->close);
	else
		workers_post(sm->mount->server->workers, &sm->close);
}

void session_mount_hold(struct session_mount *sm)
{
	atomic_fetch_add_explicit(&sm->refs, 1, memory_order_relaxed);
}

void session_mount_release(struct session_mount *sm)
{
	if (atomic_fetch_sub_explicit(&sm->refs, 1, memory_order_acq_rel) != 1)
		return;
	end_backing(sm);
	quota_give(&sm->session->open, atomic_load_explicit(&sm->open, memory_order_relaxed));
	session_release(sm->session);
	held_free(sm->held);
	free(sm);
}

/* -ENFILE; told once in a session, as the client may ask again and again. */
static int refuse(struct session *s, struct quota *q, const char *key, const char *until)
{
	if (quota_tell(q))
		log_warn(s->conn->door->name, "%s = %llu is reached: ENFILE until the client has %s some", key,
			 (unsigned long long)q->max, until);
	return -ENFILE;
}

static int refuse_node(struct session *s)
{
	return refuse(s, &s->nodes, "max-nodes", "forgotten");
}

static int refuse_open(struct session *s)
{
	return refuse(s, &s->open, "max-open", "closed");
}

int session_mount_may_open(struct session_mount *sm)
{
	struct session *s = sm->session;

	if (!s->open.max)
		return 0;
	if (!quota_take(&s->open, 1))
		return refuse_open(s);
	atomic_fetch_add_explicit(&sm->open, 1, memory_order_relaxed);
	return 0;
}

/* A client can close more than it opened, and in another mount. */
void session_mount_not_open(struct session_mount *sm)
{
	uint64_t open;

	if (!sm->session->open.max)
		return;
	open = atomic_load_explicit(&sm->open, memory_order_relaxed);
	do {
		if (!open)
			return;
	} while (!atomic_compare_exchange_weak_explicit(&sm->open, &open, open - 1, memory_order_relaxed,
							memory_order_relaxed));
	quota_give(&sm->session->open, 1);
}

int session_may_make(struct session *s)
{
	return quota_full(&s->nodes) ? refuse_node(s) : 0;
}

/* The public part is the first; plugins get it to read only. */
static struct session *session_of(const struct graft_session *pub)
{
	return (struct session *)(uintptr_t)pub;
}

int session_claim(const struct graft_session *pub, uint32_t what)
{
	struct session *s = session_of(pub);

	switch (what) {
	case GRAFT_CLAIM_NODE:
		return quota_take(&s->nodes, 1) ? 0 : refuse_node(s);
	case GRAFT_CLAIM_OPEN:
		return quota_take(&s->open, 1) ? 0 : refuse_open(s);
	default:
		return -EINVAL;
	}
}

void session_unclaim(const struct graft_session *pub, uint32_t what, uint64_t n)
{
	struct session *s = session_of(pub);

	if (what == GRAFT_CLAIM_NODE)
		quota_give(&s->nodes, n);
	else if (what == GRAFT_CLAIM_OPEN)
		quota_give(&s->open, n);
}

uint64_t session_mount_held(const struct session_mount *sm, enum session_held what)
{
	uint64_t given = 0, gone = 0;

	for (uint32_t i = 0; i < SHARD_COUNT; i++)
		gone += atomic_load_explicit(&sm->shards[i].gone[what], memory_order_acquire);
	for (uint32_t i = 0; i < SHARD_COUNT; i++)
		given += atomic_load_explicit(&sm->shards[i].given[what], memory_order_relaxed);
	return given > gone ? given - gone : 0;
}

bool session_mount_let_go(const struct session_mount *sm)
{
	return atomic_load_explicit(&sm->fading, memory_order_relaxed) && !session_mount_held(sm, SESSION_NODES) &&
	       !session_mount_held(sm, SESSION_HANDLES);
}
