/* SPDX-License-Identifier: Apache-2.0 */
/* Forgetting. BATCH_FORGET is split by mount: each part is a call of the same request, the next starts in its way back. */
#include "server/fuse/forget.h"

#include "server/barrier.h"
#include "server/fuse/router.h"
#include "server/mount_table.h"

#include <errno.h>

struct batch {
	struct request *r;
	const struct view *view;
	struct fuse_forget_one *entries; /* private copy; what is still to do */
	uint32_t count;
};

void forget_check(const struct session_mount *sm)
{
	struct server *server = sm->session->conn->server;

	/* Counts are plain stores: pairs with the heavy barrier between fading and the sweep, in fade. */
	barrier_light(server->membarrier);
	if (!atomic_load_explicit(&sm->fading, memory_order_relaxed))
		return;
	/* Of two threads that let go of the last two, one sees both. */
	barrier_light(false);
	bool backing = atomic_load_explicit(&sm->nbacking, memory_order_relaxed) && !session_mount_held(sm, SESSION_HANDLES);
	if (backing || session_mount_let_go(sm))
		mount_table_sweep(&server->mounts);
}

/* The mount the node is counted in; NULL for the router's own nodes. */
static struct session_mount *holder(const struct view *v, uint64_t nodeid)
{
	uint64_t slot = view_slot_of(v, nodeid);

	return slot < v->nslots && view_number_of(v, nodeid) ? v->slots[slot].sm : NULL;
}

/* What the holder calls it, where it has to be told as well: not what was umounted, nor its root, whose look-ups the
 * router makes. Else 0. */
static uint64_t told_as(const struct view *v, const struct session_mount *sm, uint64_t nodeid)
{
	uint64_t node = session_mount_number(sm, view_number_of(v, nodeid));

	return v->slots[sm->slot].live && node != GRAFT_ROOT_NODE ? node : 0;
}

static void count(const struct request *r, struct session_mount *sm, uint64_t n)
{
	if (!sm)
		return;
	session_mount_take(sm, r->shard, SESSION_NODES, n);
	forget_check(sm);
}

int forget_one(struct request *r, const struct view *v)
{
	const struct fuse_forget_in *in = (const void *)r->in;
	struct session_mount *sm = holder(v, r->header.nodeid);

	uint64_t node = sm ? told_as(v, sm, r->header.nodeid) : 0;

	if (sm && sm->held)
		held_take(sm->held, view_number_of(v, r->header.nodeid), in->nlookup);
	count(r, sm, in->nlookup);
	return node ? router_go(r, sm, node) : 0;
}

static void swap(struct fuse_forget_one *a, struct fuse_forget_one *b)
{
	struct fuse_forget_one kept = *a;

	*a = *b;
	*b = kept;
}

/* The mount of the first entry that has one; those before it are done. */
static struct session_mount *next_mount(struct batch *b)
{
	while (b->count) {
		if (b->entries->nodeid)
			return b->view->slots[view_slot_of(b->view, b->entries->nodeid)].sm;
		b->entries++;
		b->count--;
	}
	return NULL;
}

/* Brings sm's entries to the front as the request's data, with the mount's own node ids. */
static void take_part(struct batch *b, const struct session_mount *sm)
{
	struct graft_req *req = &b->r->req;
	uint32_t n = 0;

	for (uint32_t i = 0; i < b->count; i++) {
		struct fuse_forget_one *e = &b->entries[i];

		if (!e->nodeid || view_slot_of(b->view, e->nodeid) != sm->slot)
			continue;
		e->nodeid = session_mount_number(sm, view_number_of(b->view, e->nodeid));
		if (e != &b->entries[n])
			swap(e, &b->entries[n]);
		n++;
	}
	((struct fuse_batch_forget_in *)(void *)b->r->in)->count = n;
	req->data = b->entries;
	req->data_len = n * (uint32_t)sizeof(*b->entries);
	b->entries += n;
	b->count -= n;
}

static int up_batch(struct graft_inst *inst, struct graft_req *req, int res, void *cookie);

static int run_parts(struct batch *b)
{
	struct session_mount *sm;

	while ((sm = next_mount(b))) {
		take_part(b, sm);
		if (router_call(b->r, sm, GRAFT_ROOT_NODE, up_batch, b) == GRAFT_ASYNC)
			return GRAFT_ASYNC;
	}
	return 0;
}

static int up_batch(struct graft_inst *inst, struct graft_req *req, int res, void *cookie)
{
	(void)inst;
	(void)req;
	(void)res;
	return run_parts(cookie);
}

/* Neighbours of one mount are counted as one. What no mount needs to hear becomes 0. */
static void count_batch(const struct batch *b)
{
	struct session_mount *sm = NULL;
	uint64_t n = 0;

	for (uint32_t i = 0; i < b->count; i++) {
		struct fuse_forget_one *e = &b->entries[i];
		struct session_mount *own = holder(b->view, e->nodeid);

		if (own != sm) {
			count(b->r, sm, n);
			sm = own;
			n = 0;
		}
		n += e->nlookup;
		if (own && own->held)
			held_take(own->held, view_number_of(b->view, e->nodeid), e->nlookup);
		if (!own || !told_as(b->view, own, e->nodeid))
			e->nodeid = 0;
	}
	count(b->r, sm, n);
}

int forget_batch(struct request *r, const struct view *v)
{
	struct batch *b = arena_alloc(&r->arena, sizeof(*b));

	if (!b)
		return -ENOMEM;
	/* The decoder's copy is the request's own. */
	*b = (struct batch){ .r = r,
			     .view = v,
			     .entries = (void *)(uintptr_t)r->req.data,
			     .count = r->req.data_len / (uint32_t)sizeof(*b->entries) };
	r->keep_view = true;
	count_batch(b);
	return run_parts(b);
}
