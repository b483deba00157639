/* SPDX-License-Identifier: Apache-2.0 */
/* GETATTR, ACCESS, READLINK, STATFS, what needs no doing, and what an image refuses. */
#include "operations.h"

#include <errno.h>
#include <unistd.h>

#define LINK_MAX_LEN 4096 /* PATH_MAX: what a client can follow */

int nr_op_getattr(struct graft_inst *inst, struct graft_req *req)
{
	struct fuse_attr_out *out = req->out;
	struct rafs_inode inode;
	int res = node_of_req(inst, req, &inode);

	if (res < 0)
		return res;
	out->attr_valid = NR_FOREVER;
	node_attr(inst, &inode, &out->attr);
	return 0;
}

static bool in_group(const struct graft_req *req, uint32_t gid)
{
	if (req->gid == gid)
		return true;
	for (uint32_t i = 0; req->has_groups && i < req->ngroups; i++)
		if (req->groups[i] == gid)
			return true;
	return false;
}

/* By the mode alone: clients that know access lists (FUSE_POSIX_ACL) do not ask. */
static bool allowed(const struct graft_req *req, const struct fuse_attr *attr, uint32_t mask)
{
	uint32_t bits = attr->mode;

	if (req->uid == 0)
		return !(mask & X_OK) || S_ISDIR(bits) || (bits & 0111);
	if (req->uid == attr->uid)
		bits >>= 6;
	else if (in_group(req, attr->gid))
		bits >>= 3;
	return (bits & mask) == mask;
}

int nr_op_access(struct graft_inst *inst, struct graft_req *req)
{
	const struct fuse_access_in *in = req->in;
	struct rafs_inode inode;
	struct fuse_attr attr;
	int res;

	if (in->mask & ~(uint32_t)(R_OK | W_OK | X_OK))
		return -EINVAL;
	res = node_of_req(inst, req, &inode);
	if (res < 0)
		return res;
	node_attr(inst, &inode, &attr);
	/* What a device or pipe is written to is not the image. */
	if ((in->mask & W_OK) && (S_ISREG(attr.mode) || S_ISDIR(attr.mode) || S_ISLNK(attr.mode)))
		return -EROFS;
	return allowed(req, &attr, in->mask) ? 0 : -EACCES;
}

static int readlink_now(struct graft_inst *inst, struct graft_req *req)
{
	char target[LINK_MAX_LEN];
	struct rafs_inode inode;
	int res = node_of_req(inst, req, &inode);

	if (res == 0)
		res = node_verify(inst, &inode);
	if (res < 0)
		return res;
	res = rafs_readlink(inst->image, &inode, target, sizeof(target));
	if (res > 0)
		res = inst->host->put(req, target, (size_t)res);
	return res == -ERANGE ? -ENAMETOOLONG : res;
}

int nr_op_readlink(struct graft_inst *inst, struct graft_req *req)
{
	return node_run(inst, req, false, readlink_now);
}

int nr_op_statfs(struct graft_inst *inst, struct graft_req *req)
{
	((struct fuse_statfs_out *)req->out)->st = inst->statfs;
	return 0;
}

/* Nothing but to count it. */
int nr_op_release(struct graft_inst *inst, struct graft_req *req)
{
	struct rafs_inode inode;

	if (inst->files)
		node_of_req(inst, req, &inode);
	return 0;
}

int nr_op_nothing(struct graft_inst *inst, struct graft_req *req)
{
	(void)inst;
	(void)req;
	return 0;
}

int nr_op_readonly(struct graft_inst *inst, struct graft_req *req)
{
	(void)inst;
	(void)req;
	return -EROFS;
}
