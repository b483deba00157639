/* SPDX-License-Identifier: Apache-2.0 */
/* Replies. The client's memory is only written here, never read back. */
#include "server/fuse/reply.h"

#include "server/fuse/decode.h"

#include <errno.h>
#include <string.h>

#define ERRNO_MAX 511        /* Linux takes larger ones for a broken server */
#define DIRENT_NAME_MAX 1024 /* bytes; Linux refuses a whole listing with a longer name (FUSE_NAME_MAX) */

/* A result as the client may see it. ENOSYS from a plugin would switch the operation off for every mount. */
static int visible(const struct request *r, int res)
{
	if (res == -ENOSYS && r->op && !(r->op->flags & (OP_SERVER | OP_LOCKS)))
		return -EOPNOTSUPP;
	if (res > 0 || res < -ERRNO_MAX)
		return -EIO;
	return res;
}

/* The mount's slot goes into the node id of an entry; 0 is a name that does not exist. */
static int set_slot(struct request *r)
{
	struct fuse_entry_out *entry = (void *)r->out;

	if (entry->nodeid > MOUNT_NODE_MASK)
		return -EIO;
	if (entry->nodeid)
		entry->nodeid |= (uint64_t)r->call.mount->slot << GRAFT_NODE_BITS;
	return 0;
}

uint64_t reply_write(struct request *r, int res)
{
	struct transport_request *t = r->transport;
	struct fuse_out_header h = { .len = sizeof(h), .unique = r->header.unique };

	if ((r->op && r->op->flags & OP_NO_REPLY) || t->out_len < sizeof(h))
		return 0;
	if (!res && r->op->flags & OP_ENTRY)
		res = set_slot(r);
	if (!res && r->req.done > r->req.dst_len)
		res = -EIO;
	h.error = visible(r, res);
	if (!h.error)
		h.len += r->out_size + (uint32_t)r->req.done;
	struct iov_cursor c = iov_cursor(t->out, t->nout);
	iov_write(&c, &h, sizeof(h));
	if (!h.error && r->out_size)
		iov_write(&c, r->out, r->out_size);
	return h.len;
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

static void put_entry(struct stack_call *call, const struct fuse_direntplus *e, const char *name, bool plus)
{
	unsigned char record[FUSE_NAME_OFFSET_DIRENTPLUS + DIRENT_NAME_MAX + 8];
	struct fuse_entry_out entry = e->entry_out;
	uint32_t len = e->dirent.namelen;
	size_t at = 0;

	/* A child's entries go to the layer that asked, so they keep the instance's own numbers. */
	if (entry.nodeid && !call->parent)
		entry.nodeid |= (uint64_t)call->mount->slot << GRAFT_NODE_BITS;
	if (plus) {
		memcpy(record, &entry, sizeof(entry));
		at = sizeof(entry);
	}
	memcpy(record + at, &e->dirent, FUSE_NAME_OFFSET);
	at += FUSE_NAME_OFFSET;
	memcpy(record + at, name, len);
	at += len;
	memset(record + at, 0, FUSE_REC_ALIGN(at) - at);
	put_bytes(call, record, FUSE_REC_ALIGN(at));
}

int reply_dirent(struct graft_req *req, struct fuse_direntplus *e, const char *name)
{
	struct stack_call *call = request_head(req)->call;
	bool plus = req->opcode == FUSE_READDIRPLUS || call->plus;
	uint64_t size = graft_dirent_size(plus ? FUSE_READDIRPLUS : FUSE_READDIR, e->dirent.namelen);

	if (e->dirent.namelen > DIRENT_NAME_MAX)
		return GRAFT_DIRENT_HIDE;
	if (req->done > req->dst_len || size > req->dst_len - req->done)
		return GRAFT_DIRENT_FULL;
	if (call->plus)
		e->entry_out = (struct fuse_entry_out){ 0 };
	int res = call->mount->hooks ? run_hooks(call, e, name) : GRAFT_DIRENT_OK;
	if (res != GRAFT_DIRENT_OK)
		return res == GRAFT_DIRENT_FULL ? GRAFT_DIRENT_FULL : GRAFT_DIRENT_HIDE;
	put_entry(call, e, name, plus);
	return GRAFT_DIRENT_OK;
}
