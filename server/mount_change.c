/* SPDX-License-Identifier: Apache-2.0 */
/* Changes of the mounts, one after the other: what they mean for the tree, the slots and each session's view. */
#include "server/mount_table.h"
#include "server/mount_table_internal.h"

#include "lib/cleanup.h"
#include "lib/log.h"
#include "server/barrier.h"
#include "server/fuse/conn.h"
#include "server/fuse/init.h"
#include "server/mount_notice.h"
#include "server/server.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* Negotiated flags under which a mount that cannot serve them would do wrong, not only less. */
#define BINDING_FLAGS                                                                                                  \
	((uint64_t)(FUSE_WRITEBACK_CACHE | FUSE_POSIX_ACL | FUSE_DONT_MASK | FUSE_HANDLE_KILLPRIV_V2 | FUSE_NO_OPEN_SUPPORT | \
		    FUSE_NO_OPENDIR_SUPPORT))

static int make_slots(struct session *s, uint32_t n)
{
	if (s->nslots >= n)
		return 0;
	struct session_slot *slots = realloc(s->slots, n * sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	memset(slots + s->nslots, 0, (n - s->nslots) * sizeof(*slots));
	s->slots = slots;
	s->nslots = n;
	return 0;
}

static int open_slot(struct session *s, struct mount *m)
{
	int res = make_slots(s, m->slot + 1);

	if (!res)
		res = session_mount_open(s, m, &s->slots[m->slot].sm);
	if (!res)
		s->slots[m->slot].live = true;
	return res;
}

/* Gives up what open_slot made, before any view showed it. */
static void undo_slot(struct session *s, uint32_t slot)
{
	struct session_mount *sm = slot < s->nslots ? s->slots[slot].sm : NULL;
	uint32_t kept = 0;

	if (!sm)
		return;
	s->slots[slot] = (struct session_slot){ 0 };
	for (uint32_t i = 0; i < s->npins; i++) {
		if (s->pins[i].sm != sm)
			s->pins[kept++] = s->pins[i];
	}
	s->npins = kept;
	session_mount_leave(sm);
	session_mount_release(sm);
}

static void link_conn(struct mount_table *t, struct fuse_conn *c)
{
	c->prev = NULL;
	c->next = t->conns;
	if (c->next)
		c->next->prev = c;
	t->conns = c;
}

static void unlink_conn(struct mount_table *t, struct fuse_conn *c)
{
	if (c->next)
		c->next->prev = c->prev;
	if (c->prev)
		c->prev->next = c->next;
	else
		t->conns = c->next;
}

/* Every slot of a session that began. The makers' use ends: the view has its own. */
static void settle(struct mount_table *t, const struct session *s)
{
	for (uint32_t i = 0; i < s->nslots; i++) {
		if (!s->slots[i].sm)
			continue;
		t->holders[i]++;
		session_mount_leave(s->slots[i].sm);
	}
}

int mount_table_join(struct mount_table *t, struct fuse_conn *c, const struct graft_session *pub)
{
	struct session *s = session_new(c, pub);
	struct view *v = NULL;
	int res = 0;

	if (!s)
		return -ENOMEM;
	conn_session_came(c);
	for (struct mount *m = t->first; m && !res; m = m->next)
		res = open_slot(s, m);
	if (!res) {
		v = view_new(s, &t->ns.root);
		res = v ? 0 : -ENOMEM;
	}
	if (res) {
		for (uint32_t i = 0; i < s->nslots; i++)
			undo_slot(s, i);
		session_release(s);
		return res;
	}
	settle(t, s);
	c->session = s;
	link_conn(t, c);
	conn_publish(c, v);
	return 0;
}

void mount_table_leave(struct mount_table *t, struct fuse_conn *c)
{
	struct session *s = c->session;

	if (!s)
		return;
	c->session = NULL;
	unlink_conn(t, c);
	conn_publish(c, NULL);
	for (uint32_t i = 0; i < s->nslots; i++) {
		if (!s->slots[i].sm)
			continue;
		t->holders[i]--;
		session_mount_release(s->slots[i].sm);
	}
	s->nslots = 0;
	session_release(s);
}

/* Makes a session's view anew after a change that cannot fail any more. Without memory for it the session ends. */
static void renew(struct mount_table *t, struct fuse_conn *c)
{
	struct view *v = view_new(c->session, &t->ns.root);

	if (v) {
		conn_publish(c, v);
		return;
	}
	log_warn(c->door->name, "no memory for a change of mounts: the client's session ends");
	mount_table_leave(t, c);
}

/* What was agreed on at INIT holds for this mount too. */
static int check_flags(const struct fuse_conn *c, const struct mount *m, struct graft_error *err)
{
	uint64_t flags = c->session->pub.flags;
	uint64_t missing = m->need & ~flags, wrong = flags & ~m->can & BINDING_FLAGS;

	if (missing)
		return error_set(err, EPROTO, "[mount %s]: needs FUSE_%s, which the client of [transport %s] did not get at INIT",
				 m->name, init_flag_name(missing & -missing), c->door->name);
	if (wrong)
		return error_set(err, EPROTO, "[mount %s]: cannot serve FUSE_%s, which the client of [transport %s] got at INIT",
				 m->name, init_flag_name(wrong & -wrong), c->door->name);
	return 0;
}

static int open_everywhere(struct mount_table *t, struct mount *m, struct graft_error *err)
{
	for (struct fuse_conn *c = t->conns; c; c = c->next) {
		int res = check_flags(c, m, err);

		if (!res && (res = open_slot(c->session, m)))
			error_set(err, -res, "[mount %s]: opening it for the client of [transport %s]: %s", m->name,
				  c->door->name, strerror(-res));
		if (res)
			return res;
	}
	return 0;
}

/* A view for each session, none shown yet. */
static int view_everywhere(struct mount_table *t, const struct mount *m, struct graft_error *err)
{
	for (struct fuse_conn *c = t->conns; c; c = c->next) {
		c->coming = view_new(c->session, &t->ns.root);
		if (!c->coming)
			return error_set(err, ENOMEM, "[mount %s]: no memory", m->name);
	}
	return 0;
}

static void undo_everywhere(struct mount_table *t, const struct mount *m)
{
	for (struct fuse_conn *c = t->conns; c; c = c->next) {
		view_free(c->coming);
		c->coming = NULL;
		undo_slot(c->session, m->slot);
	}
}

static void publish_everywhere(struct mount_table *t, const struct mount *m)
{
	for (struct fuse_conn *c = t->conns; c; c = c->next) {
		struct view *v = c->coming;

		c->coming = NULL;
		conn_publish(c, v);
		session_mount_leave(c->session->slots[m->slot].sm);
		t->holders[m->slot]++;
	}
}

/* The tree has let go of m: sessions count on until their clients have, see sweep. */
static void fade(struct mount_table *t, struct mount *m)
{
	mount_table_drop(t, m);
	t->holders[m->slot]--;
	for (struct fuse_conn *c = t->conns; c; c = c->next)
		atomic_store_explicit(&c->session->slots[m->slot].sm->fading, true, memory_order_relaxed);
	/* Pairs with forget_check: who did not see it has been counted when the sweep looks. */
	barrier_heavy(t->server->membarrier);
	mount_release(m);
	mount_table_sweep(t);
}

int mount_table_add(struct mount_table *t, struct mount *m, bool replace, struct graft_error *err)
{
	struct place *place, *made;
	int res = mount_table_find_room(t, m, replace, &place, &made, err);

	if (res)
		return res;
	struct mount *old = place->mount;
	uint64_t first_new = made ? made->id : UINT64_MAX;
	mount_table_take_slot(t, m->slot, 0);
	res = open_everywhere(t, m, err);
	if (!res && namespace_set(place, m))
		res = error_set(err, ENOMEM, "[mount %s]: no memory", m->name);
	if (!res)
		res = view_everywhere(t, m, err);
	if (res) {
		undo_everywhere(t, m);
		/* A list that still names m's slot does no harm: m->place is compared. */
		if (namespace_set(place, old))
			place->mount = old;
		namespace_prune(&t->ns, place);
		return res;
	}
	t->holders[m->slot]++;
	mount_table_append(t, m);
	publish_everywhere(t, m);
	if (old)
		fade(t, old);
	mount_notice_added(t, place, first_new);
	return 0;
}

static int check_unused(struct mount_table *t, const struct mount *m, struct graft_error *err)
{
	uint64_t nodes, handles;

	LOCK_SCOPE(&t->lock);
	mount_table_usage(m, &nodes, &handles);
	if (!nodes && !handles)
		return 0;
	return error_set(err, EBUSY, "%s: clients hold %" PRIu64 " nodes and %" PRIu64 " open files of it", m->at, nodes,
			 handles);
}

static bool request_of(const struct async_state *a, const void *sm)
{
	const struct request *r = (const struct request *)((const char *)a - offsetof(struct request, async));

	return r->sm == sm;
}

static void collect_gone(struct session_mount *sm, struct session_mount **gone)
{
	if (!sm->held)
		return;
	session_mount_hold(sm);
	sm->next_gone = *gone;
	*gone = sm;
}

/* Nobody gets in any more; who waits inside is asked to come out. */
static void detach(struct mount_table *t, const struct mount *m, struct session_mount **gone)
{
	struct fuse_conn *next;

	for (struct fuse_conn *c = t->conns; c; c = next) {
		struct session_mount *sm = c->session->slots[m->slot].sm;

		next = c->next;
		c->session->slots[m->slot].live = false;
		collect_gone(sm, gone);
		renew(t, c);
		async_cancel_some(&c->async, request_of, sm);
	}
}

int mount_table_remove(struct mount_table *t, const char *at, bool strict, struct session_mount **gone,
		       struct graft_error *err)
{
	struct place *p = namespace_find(&t->ns, at);
	struct mount *m = p ? p->mount : NULL;

	if (!m)
		return error_set(err, ENOENT, "nothing is mounted at %s", at);
	int res = strict ? check_unused(t, m, err) : 0;
	if (res)
		return res;
	if (namespace_set(p, NULL))
		return error_set(err, ENOMEM, "%s: no memory", at);
	for (struct fuse_conn *c = t->conns; c; c = c->next)
		mount_notice_plan(c, p);
	namespace_prune(&t->ns, p);
	detach(t, m, gone);
	for (struct fuse_conn *c = t->conns; c; c = c->next)
		mount_notice_send(c);
	fade(t, m);
	return 0;
}

int mount_table_restore(struct mount_table *t, const struct place_record *list, size_t n, uint64_t last_id,
			struct graft_error *err)
{
	struct fuse_conn *next;

	if (t->n)
		return error_set(err, EBUSY, "the tree of mounts cannot be taken over while %u are mounted", t->n);
	int res = namespace_restore(&t->ns, list, n, last_id);
	if (res)
		return error_set(err, -res, "the tree of mounts that was handed over: %s", strerror(-res));
	for (struct fuse_conn *c = t->conns; c; c = next) {
		next = c->next;
		renew(t, c);
	}
	return 0;
}

/*
 * In two steps for a mount that was replaced: first nobody gets in any more; and when nobody is inside, who could give out another
 * node of it, and none was given out meanwhile, the slot is free.
 */
static bool sweep_slot(struct mount_table *t, struct session_slot *slot)
{
	struct session_mount *sm = slot->sm;

	if (sm)
		session_mount_end_backing(sm);
	if (!sm || !session_mount_let_go(sm))
		return false;
	if (slot->live) {
		slot->live = false;
		return true;
	}
	if (!atomic_load_explicit(&sm->closed, memory_order_acquire) || !session_mount_let_go(sm))
		return false;
	t->holders[sm->slot]--;
	*slot = (struct session_slot){ 0 };
	/* The view that is shown still holds it. */
	session_mount_release(sm);
	return true;
}

static void sweep_conn(struct mount_table *t, struct fuse_conn *c)
{
	struct session *s = c->session;
	bool changed = false;

	for (uint32_t i = 0; i < s->nslots; i++)
		changed = sweep_slot(t, &s->slots[i]) || changed;
	if (changed)
		renew(t, c);
}

void mount_change_sweep(struct work *w)
{
	struct mount_table *t = (struct mount_table *)((char *)w - offsetof(struct mount_table, sweep));
	struct fuse_conn *next;

	/* An exchange, as in mount_table_sweep: what was let go of before a call that found it set is seen below. */
	atomic_exchange_explicit(&t->sweeping, false, memory_order_acq_rel);
	for (struct fuse_conn *c = t->conns; c; c = next) {
		next = c->next;
		sweep_conn(t, c);
	}
}
