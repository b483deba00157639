/* SPDX-License-Identifier: Apache-2.0 */
/* BATCH_FORGET, split by mount. Each part is a call of the same request; the next starts in its way back. */
#include "server/fuse/forget.h"

#include <errno.h>

struct batch {
	struct request *r;
	struct session *session;
	struct fuse_forget_one *entries; /* private copy; what is still to do */
	uint32_t count;
};

static void swap(struct fuse_forget_one *a, struct fuse_forget_one *b)
{
	struct fuse_forget_one kept = *a;

	*a = *b;
	*b = kept;
}

/* The first entry's mount; entries that belong to none are dropped. */
static struct mount *next_mount(struct batch *b)
{
	const struct mount_table *t = &b->r->conn->server->mounts;

	while (b->count) {
		struct mount *m = mount_table_find(t, b->entries->nodeid);

		if (m)
			return m;
		b->entries++;
		b->count--;
	}
	return NULL;
}

/* Brings m's entries to the front as the request's data, with the mount's own node ids. */
static void take_part(struct batch *b, const struct mount *m)
{
	struct graft_req *req = &b->r->req;
	uint32_t n = 0;

	for (uint32_t i = 0; i < b->count; i++) {
		struct fuse_forget_one *e = &b->entries[i];
		uint64_t node = e->nodeid & MOUNT_NODE_MASK;

		if (e->nodeid >> GRAFT_NODE_BITS != m->slot || !node)
			continue;
		e->nodeid = node;
		swap(e, &b->entries[n++]);
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
	struct stack_call *call = &b->r->call;
	struct mount *m;

	while ((m = next_mount(b))) {
		take_part(b, m);
		b->r->req.node = GRAFT_ROOT_NODE;
		call->mount = m;
		call->states = b->session->states[m->slot];
		call->first = call->cur = 0;
		if (!stack_push(call, 0, up_batch, b))
			return -EIO;
		if (stack_start(call) == GRAFT_ASYNC)
			return GRAFT_ASYNC;
		call->nframes--;
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

int forget_batch(struct request *r, struct session *s)
{
	struct batch *b = arena_alloc(&r->arena, sizeof(*b));

	if (!b)
		return -ENOMEM;
	/* The decoder's copy is the request's own. */
	*b = (struct batch){ .r = r,
			     .session = s,
			     .entries = (void *)(uintptr_t)r->req.data,
			     .count = r->req.data_len / (uint32_t)sizeof(*b->entries) };
	return run_parts(b);
}
