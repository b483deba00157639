/* SPDX-License-Identifier: Apache-2.0 */
/* GETXATTR and LISTXATTR: what the image has, and nothing else. */
#include "operations.h"

#include <errno.h>

/* Bytes to ask the image for: 0 where the client only asks how many there are. */
static uint64_t room_of(const struct graft_req *req)
{
	const struct fuse_getxattr_in *in = req->in;
	uint64_t room = in->size < RAFS_XATTR_MAX ? in->size : RAFS_XATTR_MAX;

	return room < req->dst_len ? room : req->dst_len;
}

static int64_t ask(const struct graft_inst *inst, const struct graft_req *req, const struct rafs_inode *inode, void *to,
		   uint64_t room)
{
	if (req->opcode == FUSE_LISTXATTR)
		return rafs_xattr_list(inst->image, inode, to, room);
	return rafs_xattr_get(inst->image, inode, req->name, to, room);
}

int nr_op_xattr(struct graft_inst *inst, struct graft_req *req)
{
	const struct fuse_getxattr_in *in = req->in;
	uint64_t room = room_of(req);
	struct rafs_inode inode;
	void *to = NULL;
	int64_t n;
	int res = node_of_req(inst, req, &inode);

	if (res < 0)
		return res;
	if (in->size && !room)
		return -ERANGE;
	if (room) {
		to = inst->host->alloc(req, room);
		if (!to)
			return -ENOMEM;
	}
	n = ask(inst, req, &inode, to, room);
	if (n < 0)
		return (int)n;
	if (room)
		return inst->host->put(req, to, (size_t)n);
	((struct fuse_getxattr_out *)req->out)->size = (uint32_t)n;
	return 0;
}
