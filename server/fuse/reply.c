/* SPDX-License-Identifier: Apache-2.0 */
/* Replies. The client's memory is only written here, never read back. */
#include "server/fuse/reply.h"

#include "server/blame.h"
#include "server/fuse/decode.h"
#include "server/fuse/forget.h"
#include "server/fuse/listing.h"
#include "server/fuse/router.h"

#include <errno.h>
#include <string.h>

#define ERRNO_MAX 511        /* Linux takes larger ones for a broken server */
#define DIRENT_NAME_MAX 1024 /* bytes; Linux refuses a whole listing with a longer name (FUSE_NAME_MAX) */

/* A result as the client may see it. ENOSYS from a plugin would switch the operation off for every mount. */
static int visible(const struct request *r, int res)
{
	if (res == -ENOSYS && r->op && !r->switch_off && !(r->op->flags & (OP_SERVER | OP_LOCKS)))
		return -EOPNOTSUPP;
	if (res > 0 || res < -ERRNO_MAX)
		return -EIO;
	return res;
}

/* The mount's slot goes into the node id of an entry; 0 is a name that does not exist, and what the router made is whole. */
static int set_entry(struct request *r)
{
	struct fuse_entry_out *entry = (void *)r->out;

	if (entry->nodeid > MOUNT_NODE_MASK)
		return r->sm ? blame_stack(&r->call, "gave a node id of more than 48 bits to") : -EIO;
	if (!r->sm || !entry->nodeid)
		return 0;
	uint64_t number = session_mount_number(r->sm, entry->nodeid);
	entry->nodeid = r->sm->wire | number;
	entry->attr.ino = router_ino(r->sm, entry->attr.ino);
	session_mount_give_node(r->sm, r->shard, number);
	return 0;
}

/* OPENDIR of node 1: the client gets our number instead of the plugin's. */
static void set_root_handle(struct request *r, int res)
{
	struct fuse_open_out *open = (void *)r->out;
	struct root_handle h = { .slot = r->sm ? r->sm->slot : 0, .serial = r->sm ? r->sm->serial : 0, .fh = open->fh };

	if (res) {
		root_handles_remove(r->roots, r->root_fh);
		return;
	}
	root_handles_set(r->roots, r->root_fh, &h);
	open->fh = r->root_fh;
}

/* A backend may tell the client to send no FLUSH; some layer above it may live on them, or have said it itself. */
static void keep_flush(struct request *r)
{
	size_t at = r->op->flags & OP_ENTRY ? sizeof(struct fuse_entry_out) : 0;
	struct fuse_open_out *open = (void *)(r->out + at);
	const struct mount *m = r->sm->mount;
	uint32_t first = m->routes[0][FUSE_FLUSH].member;

	if (first + 1u < m->nmembers && !(m->members[first].desc->flags & GRAFT_OWN_NOFLUSH))
		open->open_flags &= ~(uint32_t)FOPEN_NOFLUSH;
}

/* What the client sees of numbers that are a mount's, and what it holds from now on. */
static int settle(struct request *r, int res)
{
	uint32_t flags = r->op ? r->op->flags : 0;

	if (!res && flags & OP_ENTRY)
		res = set_entry(r);
	if (r->roots)
		set_root_handle(r, res);
	if (!r->sm)
		return res;
	if (flags & OP_RELEASES) {
		session_mount_take(r->sm, r->shard, SESSION_HANDLES, 1);
		/* Whatever else came of it, a handle that was there is gone. */
		if (res != -EBADF)
			session_mount_not_open(r->sm);
		forget_check(r->sm);
	}
	if (res && r->opens)
		session_mount_not_open(r->sm);
	if (res)
		return res;
	if (flags & OP_OPENS) {
		session_mount_give(r->sm, r->shard, SESSION_HANDLES);
		keep_flush(r);
	}
	if (flags & OP_ATTR) {
		struct fuse_attr_out *attr = (void *)r->out;

		attr->attr.ino = router_ino(r->sm, attr->attr.ino);
	} else if (r->header.opcode == GRAFT_OP_STATX) {
		struct fuse_statx_out *statx = (void *)r->out;

		statx->stat.ino = router_ino(r->sm, statx->stat.ino);
	}
	return 0;
}

uint64_t reply_write(struct request *r, int res)
{
	struct transport_request *t = r->transport;
	struct fuse_out_header *h = &r->out_header;

	if (!res && r->req.done > r->req.dst_len)
		res = r->sm ? blame_stack(&r->call, "put more bytes than there is room for into the reply of") : -EIO;
	res = settle(r, res);
	if ((r->op && r->op->flags & OP_NO_REPLY) || t->out_len < sizeof(*h))
		return 0;
	*h = (struct fuse_out_header){ .len = sizeof(*h), .unique = r->header.unique, .error = visible(r, res) };
	size_t front = sizeof(*h);
	if (!h->error) {
		front += r->out_size;
		h->len = (uint32_t)(front + r->req.done);
	}
	struct iov_cursor c = iov_cursor(t->out, t->nout);
	iov_write(&c, (const unsigned char *)r + offsetof(struct request, out_header), front);
	return h->len;
}

/* The cursor for what comes behind req->done; a plugin may have moved done itself, a layer exchanged dst. */
static struct iov_cursor *put_cursor(struct stack_call *call)
{
	struct graft_req *req = call->req;

	if (call->put_dst != req->dst || call->put_at != req->done) {
		call->put = iov_cursor(req->dst, req->ndst);
		iov_skip(&call->put, req->done);
		call->put_dst = req->dst;
		call->put_at = req->done;
	}
	return &call->put;
}

static void put_bytes(struct stack_call *call, const void *bytes, size_t len)
{
	struct iov_cursor *c = put_cursor(call);

	iov_write(c, bytes, len);
	call->put_at += len;
	call->req->done += len;
}

int reply_put(struct graft_req *req, const void *bytes, size_t len)
{
	if (req->done > req->dst_len || len > req->dst_len - req->done)
		return -ERANGE;
	put_bytes(request_head(req)->call, bytes, len);
	return 0;
}

/* Layers above the member that adds the entry, innermost first. */
static int run_hooks(struct stack_call *call, struct fuse_direntplus *e, const char *name)
{
	struct graft_req *req = call->req;
	void *state = req->state;
	int res = GRAFT_DIRENT_OK;

	for (uint32_t i = call->cur; i-- > call->first && res == GRAFT_DIRENT_OK;) {
		struct mount_member *m = &call->mount->members[i];

		if (!m->desc->dirent)
			continue;
		req->state = call->states[i];
		res = m->desc->dirent(m->inst, req, e, name);
	}
	req->state = state;
	return res;
}

/* own: the mount whose numbers they are; NULL: the router's. */
static void put_entry(struct stack_call *call, struct session_mount *own, const struct fuse_direntplus *e,
		      const char *name, bool plus)
{
	unsigned char record[FUSE_NAME_OFFSET_DIRENTPLUS + DIRENT_NAME_MAX + 8];
	struct fuse_entry_out entry = e->entry_out;
	struct fuse_dirent dirent = e->dirent;
	uint32_t len = e->dirent.namelen;
	size_t at = 0;

	/* A child's entries go to the layer that asked, so they keep the instance's own numbers. */
	if (!call->parent && own) {
		if (entry.nodeid) {
			uint64_t number = session_mount_number(own, entry.nodeid);

			entry.nodeid = own->wire | number;
			session_mount_give_node(own, call->root->shard, number);
		}
		entry.attr.ino = router_ino(own, entry.attr.ino);
		dirent.ino = router_ino(own, dirent.ino);
	}
	if (plus) {
		memcpy(record, &entry, sizeof(entry));
		at = sizeof(entry);
	}
	memcpy(record + at, &dirent, FUSE_NAME_OFFSET);
	at += FUSE_NAME_OFFSET;
	memcpy(record + at, name, len);
	at += len;
	memset(record + at, 0, FUSE_REC_ALIGN(at) - at);
	put_bytes(call, record, FUSE_REC_ALIGN(at));
}

static int check_room(const struct graft_req *req, const struct fuse_direntplus *e, bool plus)
{
	uint64_t size = graft_dirent_size(plus ? FUSE_READDIRPLUS : FUSE_READDIR, e->dirent.namelen);

	if (e->dirent.namelen > DIRENT_NAME_MAX)
		return GRAFT_DIRENT_HIDE;
	if (req->done > req->dst_len || size > req->dst_len - req->done)
		return GRAFT_DIRENT_FULL;
	return GRAFT_DIRENT_OK;
}

int reply_dirent(struct graft_req *req, struct fuse_direntplus *e, const char *name)
{
	struct stack_call *call = request_head(req)->call;
	bool plus = req->opcode == FUSE_READDIRPLUS || call->plus;

	if (call->covered && listing_hides(call->covered, name))
		return GRAFT_DIRENT_HIDE;
	int res = check_room(req, e, plus);
	if (res != GRAFT_DIRENT_OK)
		return res;
	if (call->plus)
		e->entry_out = (struct fuse_entry_out){ 0 };
	res = call->mount->hooks ? run_hooks(call, e, name) : GRAFT_DIRENT_OK;
	if (res != GRAFT_DIRENT_OK)
		return res == GRAFT_DIRENT_FULL ? GRAFT_DIRENT_FULL : GRAFT_DIRENT_HIDE;
	put_entry(call, call->root->sm, e, name, plus);
	return GRAFT_DIRENT_OK;
}

int reply_entry(struct graft_req *req, struct fuse_direntplus *e, const char *name)
{
	bool plus = req->opcode == FUSE_READDIRPLUS;
	int res = check_room(req, e, plus);

	if (res == GRAFT_DIRENT_OK)
		put_entry(request_head(req)->call, NULL, e, name, plus);
	return res;
}
