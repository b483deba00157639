/* SPDX-License-Identifier: Apache-2.0 */
/* From node ids and names to inodes, and inodes as clients see them. */
#include "operations.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define NS UINT64_C(1000000000)
#define NODE_MAX ((UINT64_C(1) << GRAFT_NODE_BITS) - 1)

/*
 * A node is the image's number of its inode, but that the root is 1 and the inode of number 1 has the root's; so
 * whoever knows the image knows the nodes, and one process can go on with those of another (graft_features.root). Where
 * the root's is none, number 1 is the last there is.
 */
static uint64_t swap_root(const struct graft_inst *inst, uint64_t number)
{
	uint64_t root = inst->super->root && inst->super->root < NODE_MAX ? inst->super->root : NODE_MAX;

	if (number == GRAFT_ROOT_NODE)
		return root;
	return number == root ? GRAFT_ROOT_NODE : number;
}

int node_get(const struct graft_inst *inst, uint64_t node, struct rafs_inode *inode)
{
	uint64_t ino = node == GRAFT_ROOT_NODE ? inst->super->root : swap_root(inst, node);
	int res = rafs_inode_get(inst->image, ino, inode);

	return res == -ENOENT ? -ESTALE : res;
}

int node_of_req(const struct graft_inst *inst, const struct graft_req *req, struct rafs_inode *inode)
{
	int res = node_get(inst, req->node, inode);

	if (inst->files && res == 0)
		file_stats_op(inst->files, req->opcode, inode->ino);
	return res;
}

uint64_t node_of(const struct graft_inst *inst, uint64_t ino)
{
	if (ino == inst->super->root)
		return GRAFT_ROOT_NODE;
	return ino > 0 && ino < NODE_MAX ? swap_root(inst, ino) : 0;
}

void node_attr(const struct graft_inst *inst, const struct rafs_inode *inode, struct fuse_attr *attr)
{
	bool owners = inst->super->flags & RAFS_SUPER_EXPLICIT_IDS;
	uint64_t seconds = inode->mtime;
	uint32_t nsec = inode->mtime_nsec, mode = inode->mode;

	if (!seconds) {
		seconds = inst->mounted / NS;
		nsec = (uint32_t)(inst->mounted % NS);
	}
	/* What an image says of its root's permissions is an accident of the folder it was made from. */
	if (inode->ino == inst->super->root)
		mode = (mode & ~(uint32_t)0777) | 0755;
	*attr = (struct fuse_attr){
		.ino = inode->ino,
		.size = inode->size,
		.blocks = inode->blocks,
		.atime = seconds,
		.mtime = seconds,
		.ctime = seconds,
		.atimensec = nsec,
		.mtimensec = nsec,
		.ctimensec = nsec,
		.mode = mode,
		.nlink = inode->nlink,
		.uid = owners ? inode->uid : inst->uid,
		.gid = owners ? inode->gid : inst->gid,
		.rdev = inode->rdev,
		.blksize = NR_BLOCK,
	};
}

int node_entry(const struct graft_inst *inst, const struct rafs_inode *inode, struct fuse_entry_out *out)
{
	uint64_t node = node_of(inst, inode->ino);

	if (!node)
		return -EUCLEAN;
	*out = (struct fuse_entry_out){ .nodeid = node, .entry_valid = NR_FOREVER, .attr_valid = NR_FOREVER };
	node_attr(inst, inode, &out->attr);
	return 0;
}

int node_verify(const struct graft_inst *inst, const struct rafs_inode *inode)
{
	int res = inst->verify ? rafs_inode_verify(inst->image, inode) : 0;

	if (res < 0)
		inst->host->log(inst->slot, GRAFT_LOG_WARN, "inode %" PRIu64 " does not match its digest: %s",
				inode->ino, strerror(-res));
	return res;
}

int node_run(struct graft_inst *inst, struct graft_req *req, bool slow, graft_op *fn)
{
	int res = inst->verify || slow ? inst->host->defer(req, fn) : -EAGAIN;

	return res == -EAGAIN ? fn(inst, req) : res;
}

static int lookup_now(struct graft_inst *inst, struct graft_req *req)
{
	struct fuse_entry_out *out = req->out;
	struct rafs_inode dir, inode;
	int res = node_of_req(inst, req, &dir);

	if (res < 0)
		return res;
	res = rafs_lookup(inst->image, &dir, req->name, strlen(req->name), &inode);
	if (res == -ENOENT) {
		/* Node 0: the client may remember that there is nothing, and there never will be. */
		*out = (struct fuse_entry_out){ .entry_valid = NR_FOREVER };
		return 0;
	}
	if (res == 0 && inst->files)
		file_stats_seen(inst->files, inode.ino);
	if (res == 0)
		res = node_verify(inst, &inode);
	return res < 0 ? res : node_entry(inst, &inode, out);
}

int nr_op_lookup(struct graft_inst *inst, struct graft_req *req)
{
	return node_run(inst, req, false, lookup_now);
}
