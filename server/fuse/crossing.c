/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that lead from one mount into another. Each is a call of the same request; what follows is its way back. */
#include "server/fuse/crossing.h"

#include "server/fuse/conn.h"
#include "server/fuse/router.h"

#include <errno.h>

struct lookup {
	struct request *r;
	struct fuse_getattr_in in;
	struct fuse_attr_out out;
};

static int up_lookup(struct graft_inst *inst, struct graft_req *req, int res, void *cookie)
{
	struct lookup *l = cookie;
	struct request *r = l->r;
	struct fuse_entry_out *entry = (void *)r->out;

	(void)inst;
	req->opcode = FUSE_LOOKUP;
	req->in = r->in;
	req->out = r->out;
	if (res)
		return res;
	*entry = (struct fuse_entry_out){ .nodeid = GRAFT_ROOT_NODE,
					  .entry_valid = router_timeout(r),
					  .attr_valid = l->out.attr_valid,
					  .attr_valid_nsec = l->out.attr_valid_nsec,
					  .attr = l->out.attr };
	if (req->session->flags & FUSE_SUBMOUNTS)
		entry->attr.flags |= FUSE_ATTR_SUBMOUNT;
	return 0;
}

int crossing_lookup(struct request *r, struct session_mount *sm)
{
	struct lookup *l = arena_alloc(&r->arena, sizeof(*l));

	if (!l)
		return -ENOMEM;
	*l = (struct lookup){ .r = r };
	r->req.opcode = FUSE_GETATTR;
	r->req.in = &l->in;
	r->req.out = &l->out;
	int res = router_call(r, sm, GRAFT_ROOT_NODE, up_lookup, l);
	return res == GRAFT_ASYNC ? res : up_lookup(NULL, &r->req, res, l);
}

struct sync {
	struct request *r;
	const struct view *v;
	uint32_t next; /* slot */
	int res;       /* the first failure */
};

static int up_sync(struct graft_inst *inst, struct graft_req *req, int res, void *cookie);

static int sync_rest(struct sync *s)
{
	const struct view *v = s->v;

	while (s->next < v->nslots) {
		const struct view_slot *slot = &v->slots[s->next++];
		int res = slot->live ? router_call(s->r, slot->sm, GRAFT_ROOT_NODE, up_sync, s) : 0;

		if (res == GRAFT_ASYNC)
			return res;
		s->res = s->res ? s->res : res;
	}
	return s->res;
}

/* Way back of one that went ASYNC. */
static int up_sync(struct graft_inst *inst, struct graft_req *req, int res, void *cookie)
{
	struct sync *s = cookie;

	(void)inst;
	(void)req;
	s->res = s->res ? s->res : res;
	return sync_rest(s);
}

int crossing_syncfs(struct request *r, const struct view *v)
{
	struct sync *s;

	if (r->req.session->flags & FUSE_SUBMOUNTS)
		return v->root ? router_go(r, v->root, GRAFT_ROOT_NODE) : 0;
	s = arena_alloc(&r->arena, sizeof(*s));
	if (!s)
		return -ENOMEM;
	*s = (struct sync){ .r = r, .v = v };
	r->keep_view = true;
	return sync_rest(s);
}
