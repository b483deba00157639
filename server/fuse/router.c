/* SPDX-License-Identifier: Apache-2.0 */
/* The router: which mount serves a request, and which names in it are other mounts' or on the way to one. */
#include "server/fuse/router.h"

#include "server/fuse/conn.h"
#include "server/fuse/crossing.h"
#include "server/fuse/forget.h"
#include "server/fuse/listing.h"
#include "server/fuse/pseudo.h"
#include "server/server.h"

#include <errno.h>
#include <string.h>

/*
 * Seconds, where notifications reach the client. Short: a look-up that was under way when the kernel was told brings it old news, and
 * the kernel takes that for newer.
 */
#define TIMEOUT_TOLD 1

/* Of a slot without a mount. nydusd's ids outlive a process: an earlier one may have given it out. */
static int no_mount(const struct view *v)
{
	return v->node_bits == SERVER_NODE_BITS_NYDUSD ? -ESTALE : -EBADF;
}

/* 0; -EBADF for what was never given out, -ESTALE for what was umounted. */
static int find_spot(const struct view *v, uint64_t nodeid, struct router_spot *spot)
{
	uint64_t slot = view_slot_of(v, nodeid), node = view_number_of(v, nodeid);

	*spot = (struct router_spot){ 0 };
	if (nodeid == PLACE_ROOT_ID && v->root) {
		*spot = (struct router_spot){ v->root, GRAFT_ROOT_NODE, NULL };
		if (v->slots[v->root->slot].dirs)
			spot->dir = view_find(v, nodeid);
		return 0;
	}
	if (!node)
		return -EBADF;
	if (!slot) {
		spot->dir = view_find(v, nodeid);
		return spot->dir ? 0 : -ESTALE;
	}
	if (slot >= v->nslots || !v->slots[slot].sm)
		return no_mount(v);
	if (!v->slots[slot].live)
		return -ESTALE;
	struct session_mount *sm = v->slots[slot].sm;
	*spot = (struct router_spot){ sm, session_mount_number(sm, node),
				      v->slots[slot].dirs ? view_find(v, nodeid) : NULL };
	return 0;
}

/* The child's mount; NULL where it has none in this view. */
static struct session_mount *child_mount(const struct view *v, const struct place_child *child)
{
	const struct view_slot *slot = &v->slots[child->slot];

	if (!child->slot || child->slot >= v->nslots || !slot->live || slot->sm->mount->place != child->id)
		return NULL;
	return slot->sm;
}

bool router_owns(const struct view *v, const struct place_child *child)
{
	return child->slot ? child_mount(v, child) != NULL : view_find(v, child->id) != NULL;
}

uint64_t router_timeout(const struct request *r)
{
	return r->conn->transport->ops->send ? TIMEOUT_TOLD : 0;
}

int router_go(struct request *r, struct session_mount *sm, uint64_t node)
{
	r->sm = sm;
	r->req.node = node;
	r->call.mount = sm->mount;
	r->call.states = sm->states;
	return stack_start(&r->call);
}

int router_call(struct request *r, struct session_mount *sm, uint64_t node, graft_up *up, void *cookie)
{
	struct stack_call *call = &r->call;

	call->mount = sm->mount;
	call->first = call->cur = 0;
	if (!stack_push(call, 0, up, cookie))
		return -EIO;
	int res = router_go(r, sm, node);
	if (res != GRAFT_ASYNC)
		call->nframes--;
	return res;
}

/* The second node of RENAME, LINK and COPY_FILE_RANGE lies in the same mount, or the kernel copies by other means. */
static int find_second(struct request *r, const struct view *v, const struct router_spot *first,
		       struct router_spot *second)
{
	uint64_t node2;

	memcpy(&node2, r->in + r->op->node2, sizeof(node2));
	int res = find_spot(v, node2, second);
	if (res)
		return res;
	if (second->sm != first->sm)
		return -EXDEV;
	r->req.node2 = second->node;
	memcpy(r->in + r->op->node2, &r->req.node2, sizeof(node2));
	return 0;
}

static const struct place_child *child_of(const struct router_spot *spot, const char *name)
{
	return spot->dir ? place_list_find(spot->dir->list, name) : NULL;
}

static int lookup(struct request *r, const struct view *v, const struct router_spot *spot)
{
	const struct place_child *child = child_of(spot, r->req.name);

	if (!child || !router_owns(v, child))
		return spot->sm ? router_go(r, spot->sm, spot->node) : -ENOENT;
	if (child->slot)
		return crossing_lookup(r, child_mount(v, child));
	return pseudo_entry(r, view_find(v, child->id));
}

/* Names that mounts stand on, or need on their way, can be neither taken nor taken away. 0: nothing against it. */
static int check_names(const struct request *r, const struct router_spot *spot, const struct router_spot *second)
{
	switch (r->header.opcode) {
	case FUSE_MKNOD:
	case FUSE_MKDIR:
	case FUSE_SYMLINK:
	case FUSE_CREATE:
	case FUSE_LINK:
		return child_of(spot, r->req.name) ? -EEXIST : 0;
	case FUSE_UNLINK:
	case FUSE_RMDIR:
		return child_of(spot, r->req.name) ? -EBUSY : 0;
	case FUSE_RENAME:
	case FUSE_RENAME2:
		return child_of(spot, r->req.name) || child_of(second, r->req.name2) ? -EBUSY : 0;
	default:
		return 0;
	}
}

static bool names_root_handle(uint32_t opcode)
{
	return opcode == FUSE_READDIR || opcode == FUSE_READDIRPLUS || opcode == FUSE_RELEASEDIR ||
	       opcode == FUSE_FSYNCDIR || opcode == FUSE_IOCTL;
}

/* A handle of node 1 goes to the mount that opened it. 1: there is nothing left to do for it. */
static int find_root_handle(struct request *r, const struct view *v, struct router_spot *spot)
{
	struct root_handles *t = &v->session->roots;
	struct root_handle h;
	uint64_t wire;

	memcpy(&wire, r->in, sizeof(wire)); /* fh stands first in all of them */
	if (!root_handles_find(t, wire, &h)) {
		if (!v->session->resumed)
			return -EBADF;
		/* Given by the process before: what it was opened on is what stands there. */
		memset(r->in, 0, sizeof(wire));
		return r->header.opcode == FUSE_RELEASEDIR ? 1 : 0;
	}
	if (r->header.opcode == FUSE_RELEASEDIR)
		root_handles_remove(t, wire);
	memcpy(r->in, &h.fh, sizeof(h.fh));
	const struct view_slot *slot = h.slot < v->nslots ? &v->slots[h.slot] : NULL;
	struct session_mount *sm = NULL;
	if (h.slot) {
		if (!slot || !slot->sm || slot->sm->serial != h.serial)
			return r->header.opcode == FUSE_RELEASEDIR ? 1 : -ESTALE;
		if (!slot->live) {
			r->header.nodeid = slot->sm->wire | GRAFT_ROOT_NODE;
			return -ESTALE;
		}
		sm = slot->sm;
	}
	/* What was opened before another mount came to "/" shows what it was opened on. */
	if (sm != v->root)
		*spot = (struct router_spot){ sm, GRAFT_ROOT_NODE, sm ? NULL : view_find(v, PLACE_ROOT_ID) };
	return 0;
}

static int take_root_handle(struct request *r, const struct view *v, const struct session_mount *sm)
{
	struct root_handle h = { .slot = sm ? sm->slot : 0, .serial = sm ? sm->serial : 0 };
	int res = root_handles_add(&v->session->roots, &h, &r->root_fh);

	if (!res)
		r->roots = &v->session->roots;
	return res;
}

static int find(struct request *r, const struct view *v, struct router_spot *spot, struct router_spot *second)
{
	int res = find_spot(v, r->header.nodeid, spot);

	*second = (struct router_spot){ 0 };
	if (!res && r->header.nodeid == PLACE_ROOT_ID && !(v->session->pub.flags & FUSE_NO_OPENDIR_SUPPORT)) {
		if (names_root_handle(r->header.opcode))
			res = find_root_handle(r, v, spot);
		else if (r->header.opcode == FUSE_OPENDIR)
			res = take_root_handle(r, v, spot->sm);
	}
	if (!res && r->op->flags & OP_NODE2)
		res = find_second(r, v, spot, second);
	return res;
}

/* What was umounted is ESTALE, but a handle of it can be let go of. */
static int release_gone(const struct request *r, const struct view *v)
{
	uint64_t slot = view_slot_of(v, r->header.nodeid);

	if (!(r->op->flags & OP_RELEASES) || !slot || slot >= v->nslots || !v->slots[slot].sm)
		return -ESTALE;
	session_mount_take(v->slots[slot].sm, r->shard, SESSION_HANDLES, 1);
	session_mount_not_open(v->slots[slot].sm);
	forget_check(v->slots[slot].sm);
	return 0;
}

/* What makes or opens something that the client may not have is not begun. */
static int admit(struct request *r, struct session_mount *sm)
{
	int res = r->op->flags & OP_EXTENDS ? session_may_make(sm->session) : 0;

	if (res || !(r->op->flags & OP_OPENS))
		return res;
	res = session_mount_may_open(sm);
	r->opens = !res;
	return res;
}

int router_start(struct request *r, const struct view *v)
{
	struct router_spot spot, second;
	int res = find(r, v, &spot, &second);

	if (res == -ESTALE)
		return release_gone(r, v);
	if (res)
		return res < 0 ? res : 0;
	r->sm = spot.sm;
	if (spot.dir || second.dir) {
		res = check_names(r, &spot, &second);
		if (res)
			return res;
	}
	if (spot.sm && r->op->flags & (OP_EXTENDS | OP_OPENS)) {
		res = admit(r, spot.sm);
		if (res)
			return res;
	}
	if (r->header.opcode == FUSE_SYNCFS && r->header.nodeid == PLACE_ROOT_ID)
		return crossing_syncfs(r, v);
	if (spot.dir && r->header.opcode == FUSE_LOOKUP)
		return lookup(r, v, &spot);
	if (spot.dir && (r->header.opcode == FUSE_READDIR || r->header.opcode == FUSE_READDIRPLUS))
		return listing_serve(r, v, &spot);
	return spot.sm ? router_go(r, spot.sm, spot.node) : pseudo_serve(r, spot.dir);
}
