/* SPDX-License-Identifier: Apache-2.0 */
/* OPEN, READ and LSEEK: file data, at once where it is at hand, else by the engine's workers. */
#include "operations.h"
#include "push.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define SEEK_STEPS 65536 /* stretches that one LSEEK looks at: what it did not see, it calls data */

static int open_now(struct graft_inst *inst, struct graft_req *req)
{
	struct fuse_open_out *out = req->out;
	struct rafs_inode inode;
	int res = node_of_req(inst, req, &inode);

	if (res < 0)
		return res;
	if (S_ISDIR(inode.mode))
		return -EISDIR;
	if (!S_ISREG(inode.mode))
		return -EBADF; /* a client opens links, pipes and devices itself */
	res = node_verify(inst, &inode);
	if (res < 0)
		return res;
	out->open_flags = FOPEN_KEEP_CACHE | FOPEN_NOFLUSH;
	return 0;
}

int nr_op_open(struct graft_inst *inst, struct graft_req *req)
{
	const struct fuse_open_in *in = req->in;

	if ((in->flags & O_ACCMODE) != O_RDONLY || (in->flags & O_TRUNC))
		return -EROFS;
	return node_run(inst, req, false, open_now);
}

/* A read on its way through the engine; from host->alloc. */
struct slow_read {
	struct reader_read read; /* first */
	struct graft_inst *inst;
	struct graft_req *req;
};

static void slow_done(struct reader_read *read, int64_t res)
{
	struct slow_read *s = (struct slow_read *)(void *)read;
	const struct graft_host *host = s->inst->host;
	struct graft_req *req = s->req;

	if (res > 0)
		req->done = (uint64_t)res;
	if (s->inst->files)
		file_stats_read(s->inst->files, read->inode.ino, res);
	host->complete(req, res < 0 ? (int)res : 0);
}

/*
 * Nothing to do: the workers write to the client's buffers until they are done, which takes one read of the backend and
 * its decoding, so the request must stay until then.
 */
static void slow_cancel(struct graft_inst *inst, struct graft_req *req)
{
	(void)inst;
	(void)req;
}

static int read_slowly(struct graft_inst *inst, struct graft_req *req, const struct rafs_inode *inode)
{
	const struct fuse_read_in *in = req->in;
	struct slow_read *s = inst->host->alloc(req, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->inst = inst;
	s->req = req;
	s->read.inode = *inode;
	s->read.off = in->offset;
	s->read.iov = req->dst;
	s->read.n = req->ndst;
	s->read.len = req->dst_len < READER_READ_MAX ? req->dst_len : READER_READ_MAX;
	s->read.done = slow_done;
	inst->host->cancel(req, slow_cancel);
	reader_start(inst->reader, &s->read);
	return GRAFT_ASYNC;
}

static int read_now(struct graft_inst *inst, struct graft_req *req, const struct rafs_inode *inode)
{
	const struct fuse_read_in *in = req->in;
	int64_t n;

	if (!S_ISREG(inode->mode))
		return S_ISDIR(inode->mode) ? -EISDIR : -EBADF;
	if (in->offset > INT64_MAX)
		return -EINVAL;
	if (!req->dst_len || in->offset >= inode->size)
		return 0;
	if (!in->offset)
		push_read(req->state, req->node);
	n = reader_try(inst->reader, inode, in->offset, req->dst, req->ndst);
	if (n == -EAGAIN)
		return read_slowly(inst, req, inode);
	if (n < 0)
		return (int)n;
	req->done = (uint64_t)n;
	return 0;
}

int nr_op_read(struct graft_inst *inst, struct graft_req *req)
{
	struct rafs_inode inode;
	int res = node_of_req(inst, req, &inode);

	if (res < 0)
		return res;
	res = read_now(inst, req, &inode);
	if (inst->files && res != GRAFT_ASYNC)
		file_stats_read(inst->files, inode.ino, res < 0 ? res : (int64_t)req->done);
	return res;
}

/* The first byte from `at` on that is a hole's (or data's): *found; the file's end where there is none. */
static int find_stretch(const struct graft_inst *inst, const struct rafs_inode *inode, uint64_t at, bool hole,
			uint64_t *found)
{
	uint32_t steps = 0;

	while (at < inode->size) {
		struct rafs_extent extent;
		int res;

		if (++steps > SEEK_STEPS) {
			*found = hole ? inode->size : at;
			return 0;
		}
		res = rafs_extent_at(inst->image, inode, at, &extent);
		if (res < 0)
			return res;
		if (extent.hole == hole)
			break;
		at = extent.file_off + extent.len;
	}
	*found = at < inode->size ? at : inode->size;
	return 0;
}

static int seek_hole_or_data(const struct graft_inst *inst, const struct fuse_lseek_in *in,
			     const struct rafs_inode *inode, uint64_t *found)
{
	bool hole = in->whence == SEEK_HOLE;

	if (in->offset >= inode->size)
		return -ENXIO;
	if (inst->super->version == 6) {
		*found = hole ? inode->size : in->offset;
		return 0;
	}
	int res = find_stretch(inst, inode, in->offset, hole, found);
	return res == 0 && !hole && *found == inode->size ? -ENXIO : res;
}

static int lseek_now(struct graft_inst *inst, struct graft_req *req)
{
	const struct fuse_lseek_in *in = req->in;
	struct fuse_lseek_out *out = req->out;
	struct rafs_inode inode;
	int res = node_of_req(inst, req, &inode);

	if (res < 0)
		return res;
	if (!S_ISREG(inode.mode))
		return -EINVAL;
	switch (in->whence) {
	case SEEK_SET:
		out->offset = in->offset;
		break;
	case SEEK_END:
		out->offset = inode.size + in->offset;
		break;
	case SEEK_DATA:
	case SEEK_HOLE:
		res = seek_hole_or_data(inst, in, &inode, &out->offset);
		break;
	default:
		return -EINVAL;
	}
	return res == 0 && out->offset > INT64_MAX ? -EINVAL : res;
}

/* v5: all of a file's chunk records may have to be looked at. */
int nr_op_lseek(struct graft_inst *inst, struct graft_req *req)
{
	return node_run(inst, req, inst->super->version == 5, lseek_now);
}
