/* SPDX-License-Identifier: Apache-2.0 */
/* What happens where a mount lacks an operation. A fallback is a frame of the call, so it may go ASYNC. */
#include "server/fallback.h"

#include "server/request.h"

#include <errno.h>
#include <linux/stat.h>
#include <string.h>
#include <unistd.h>

/* The request as it came, and what the other operation gets; from the request's memory. */
struct detour {
	struct stack_call *call;
	uint32_t from; /* member the other operation starts at */
	uint32_t opcode;
	const void *in;
	void *out;
	uint64_t node;
	uint32_t next; /* BATCH_FORGET: entry that comes next */
	union {
		struct fuse_copy_file_range_in copy; /* largest first: it is what gets zeroed */
		struct fuse_forget_in forget;
		struct fuse_getattr_in getattr;
	} new_in;
	union {
		struct fuse_attr_out attr;
		struct fuse_write_out write;
	} new_out;
};

int fallback_absent(struct graft_req *req)
{
	if (req->opcode == FUSE_STATFS) {
		struct fuse_statfs_out *out = req->out;

		out->st.bsize = out->st.frsize = 4096;
		out->st.namelen = 255;
	}
	return op_table[req->opcode].absent;
}

static void restore(struct detour *d)
{
	struct graft_req *req = d->call->req;

	req->opcode = d->opcode;
	req->in = d->in;
	req->out = d->out;
	req->node = d->node;
	d->call->plus = false;
}

static struct fuse_sx_time sx_time(uint64_t sec, uint32_t nsec)
{
	return (struct fuse_sx_time){ .tv_sec = (int64_t)sec, .tv_nsec = nsec };
}

void fallback_statx(const struct fuse_attr_out *in, struct fuse_statx_out *out)
{
	const struct fuse_attr *a = &in->attr;

	out->attr_valid = in->attr_valid;
	out->attr_valid_nsec = in->attr_valid_nsec;
	out->stat = (struct fuse_statx){
		.mask = STATX_BASIC_STATS,
		.blksize = a->blksize,
		.nlink = a->nlink,
		.uid = a->uid,
		.gid = a->gid,
		.mode = (uint16_t)a->mode,
		.ino = a->ino,
		.size = a->size,
		.blocks = a->blocks,
		.atime = sx_time(a->atime, a->atimensec),
		.mtime = sx_time(a->mtime, a->mtimensec),
		.ctime = sx_time(a->ctime, a->ctimensec),
		/* Linux's new_encode_dev() */
		.rdev_major = (a->rdev & 0xfff00) >> 8,
		.rdev_minor = (a->rdev & 0xff) | ((a->rdev >> 12) & 0xfff00),
	};
}

/* A file of which only the size is known has data everywhere and one hole, at its end. */
static int finish_lseek(const struct fuse_lseek_in *in, uint64_t size, struct fuse_lseek_out *out)
{
	switch (in->whence) {
	case SEEK_SET:
		out->offset = in->offset;
		break;
	case SEEK_END:
		out->offset = size + in->offset;
		break;
	case SEEK_DATA:
	case SEEK_HOLE:
		if (in->offset >= size)
			return -ENXIO;
		out->offset = in->whence == SEEK_DATA ? in->offset : size;
		break;
	default:
		return -EINVAL;
	}
	return out->offset > INT64_MAX ? -EINVAL : 0;
}

static int up_detour(struct graft_inst *inst, struct graft_req *req, int res, void *cookie)
{
	struct detour *d = cookie;

	(void)inst;
	restore(d);
	if (res)
		return res;
	switch (req->opcode) {
	case GRAFT_OP_STATX:
		fallback_statx(&d->new_out.attr, req->out);
		return 0;
	case FUSE_LSEEK:
		return finish_lseek(req->in, d->new_out.attr.attr.size, req->out);
	case GRAFT_OP_COPY_FILE_RANGE_64:
		((struct graft_copy_file_range_out *)req->out)->bytes_copied = d->new_out.write.size;
		return 0;
	default:
		return 0;
	}
}

/* One step of a detour: res of the other operation if it ended at once, with the frame taken off again. */
static int run_step(struct detour *d, graft_up *up)
{
	struct stack_call *call = d->call;
	uint8_t cur = call->cur;

	if (!stack_push(call, cur, up, d))
		return -EIO;
	int res = stack_descend(call, d->from);
	if (res == GRAFT_ASYNC)
		return res;
	call->nframes--;
	call->cur = cur;
	return res;
}

static int up_forget(struct graft_inst *inst, struct graft_req *req, int res, void *cookie);

static int forget_each(struct detour *d)
{
	struct graft_req *req = d->call->req;
	const struct fuse_forget_one *entries = req->data;
	uint32_t count = req->data_len / sizeof(*entries);

	while (d->next < count) {
		const struct fuse_forget_one *e = &entries[d->next++];

		req->opcode = FUSE_FORGET;
		req->node = e->nodeid;
		d->new_in.forget.nlookup = e->nlookup;
		req->in = &d->new_in.forget;
		if (run_step(d, up_forget) == GRAFT_ASYNC)
			return GRAFT_ASYNC;
	}
	restore(d);
	return 0;
}

static int up_forget(struct graft_inst *inst, struct graft_req *req, int res, void *cookie)
{
	(void)inst;
	(void)req;
	(void)res;
	return forget_each(cookie);
}

/* The other operation's in and out struct. False where it cannot do what was asked. */
static bool prepare(struct detour *d, struct graft_req *req)
{
	const struct fuse_statx_in *statx = req->in;
	const struct fuse_lseek_in *lseek_in = req->in;

	switch (d->opcode) {
	case FUSE_RENAME2:
		return ((const struct fuse_rename2_in *)req->in)->flags == 0;
	case FUSE_READDIRPLUS:
		d->call->plus = true;
		return true;
	case GRAFT_OP_COPY_FILE_RANGE_64:
		d->new_in.copy = *(const struct fuse_copy_file_range_in *)req->in;
		/* The short reply holds 32 bits. */
		if (d->new_in.copy.len > UINT32_MAX - 4095)
			d->new_in.copy.len = UINT32_MAX - 4095;
		req->in = &d->new_in.copy;
		req->out = &d->new_out.write;
		return true;
	case GRAFT_OP_STATX:
		d->new_in.getattr.getattr_flags = statx->getattr_flags & FUSE_GETATTR_FH;
		d->new_in.getattr.fh = statx->fh;
		break;
	default:
		d->new_in.getattr.getattr_flags = FUSE_GETATTR_FH;
		d->new_in.getattr.fh = lseek_in->fh;
		break;
	}
	req->in = &d->new_in.getattr;
	req->out = &d->new_out.attr;
	return true;
}

int fallback_run(struct stack_call *call, uint32_t from, uint32_t opcode)
{
	struct graft_req *req = call->req;
	struct detour *d = arena_alloc(&call->root->arena, sizeof(*d));

	if (!d)
		return -ENOMEM;
	*d = (struct detour){
		.call = call, .from = from, .opcode = req->opcode, .in = req->in, .out = req->out, .node = req->node
	};
	if (req->opcode == FUSE_BATCH_FORGET)
		return forget_each(d);
	if (!prepare(d, req))
		return -EINVAL;
	req->opcode = opcode;
	int res = run_step(d, up_detour);
	if (res == GRAFT_ASYNC)
		return res;
	return up_detour(NULL, req, res, d);
}
