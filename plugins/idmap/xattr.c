/* SPDX-License-Identifier: Apache-2.0 */
/* GETXATTR and SETXATTR of values that hold ids; all others pass. */
#include "idmap.h"

#include "values.h"

#include <errno.h>
#include <string.h>

#define VALUE_MAX 65536u /* XATTR_SIZE_MAX of the kernel */

static int up_setxattr(struct graft_inst *inst, struct graft_req *req, int res, void *old)
{
	(void)inst;
	req->data = old;
	return res;
}

int im_op_setxattr(struct graft_inst *inst, struct graft_req *req)
{
	enum value_kind kind = value_kind(req->name);
	const void *old = req->data;
	void *value;
	int res;

	if (kind == VALUE_OTHER || !req->data_len)
		return inst->host->next(req, NULL, NULL);
	value = inst->host->alloc(req, req->data_len);
	if (!value)
		return -ENOMEM;
	memcpy(value, old, req->data_len);
	res = value_translate(kind, &inst->uids.to_host, &inst->gids.to_host, value, req->data_len);
	if (res < 0)
		return res;
	req->data = value;
	return inst->host->next(req, up_setxattr, (void *)old);
}

/* A value that is asked for with room of our own: what lies in the client's memory cannot be read back. */
struct get_call {
	struct iovec iov;
	const struct iovec *old_dst;
	uint64_t old_dst_len;
	uint32_t old_ndst;
	char value[];
};

static int up_getxattr(struct graft_inst *inst, struct graft_req *req, int res, void *cookie)
{
	struct get_call *c = cookie;
	uint64_t len = req->done < c->iov.iov_len ? req->done : c->iov.iov_len;

	req->dst = c->old_dst;
	req->ndst = c->old_ndst;
	req->dst_len = c->old_dst_len;
	req->done = 0;
	if (res == 0)
		res = value_translate(value_kind(req->name), &inst->uids.to_guest, &inst->gids.to_guest, c->value, len);
	return res < 0 ? res : inst->host->put(req, c->value, len);
}

int im_op_getxattr(struct graft_inst *inst, struct graft_req *req)
{
	const struct fuse_getxattr_in *in = req->in;
	uint64_t room = in->size < VALUE_MAX ? in->size : VALUE_MAX;
	struct get_call *c;

	if (room > req->dst_len)
		room = req->dst_len;
	/* Its length is the same on both sides. */
	if (!room || value_kind(req->name) == VALUE_OTHER)
		return inst->host->next(req, NULL, NULL);
	c = inst->host->alloc(req, sizeof(*c) + room);
	if (!c)
		return -ENOMEM;
	c->iov = (struct iovec){ c->value, room };
	c->old_dst = req->dst;
	c->old_ndst = req->ndst;
	c->old_dst_len = req->dst_len;
	req->dst = &c->iov;
	req->ndst = 1;
	req->dst_len = room;
	return inst->host->next(req, up_getxattr, c);
}
