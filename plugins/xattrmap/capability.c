/* SPDX-License-Identifier: Apache-2.0 */
/* A file's capability ends when the file is changed or changes hands. Under another name no kernel sees to that. */
#include "xattrmap.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

/* A removal on its way. The child stands first: it must be the start of what alloc gave. */
struct removal {
	struct graft_req child;
	graft_op *then;
	_Atomic uint64_t *mark; /* set to `number` when the capability is gone; NULL: none */
	uint64_t number;
};

/* GETATTR before it, where the type is not known. */
struct look {
	struct graft_req child;
	struct fuse_getattr_in in;
	struct fuse_attr_out out;
	graft_op *then;
};

/* The finalizer of splitmix64: each bit of x changes half of the bits. */
static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

static int pass(struct graft_inst *inst, struct graft_req *req)
{
	return inst->host->next(req, NULL, NULL);
}

static int up_removed(struct graft_inst *inst, struct graft_req *req, int res, void *cookie)
{
	const struct removal *r = cookie;

	if (res < 0 && res != -ENODATA && res != -EOPNOTSUPP)
		return res;
	if (r->mark)
		atomic_store_explicit(r->mark, r->number, memory_order_relaxed);
	return r->then(inst, req);
}

static int remove_from(struct graft_inst *inst, struct graft_req *req, uint64_t node, const struct removal *what)
{
	struct removal *r = inst->host->alloc(req, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->then = what->then;
	r->mark = what->mark;
	r->number = what->number;
	r->child.opcode = FUSE_REMOVEXATTR;
	r->child.node = node;
	r->child.name = inst->capability;
	return inst->host->sub(req, &r->child, NULL, up_removed, r);
}

static int clear(struct graft_inst *inst, struct graft_req *req, graft_op *then)
{
	struct removal r = { .then = then };

	return remove_from(inst, req, req->node, &r);
}

static int up_looked(struct graft_inst *inst, struct graft_req *req, int res, void *cookie)
{
	const struct look *l = cookie;

	if (res < 0)
		return res;
	return S_ISREG(l->out.attr.mode) ? clear(inst, req, l->then) : l->then(inst, req);
}

int xm_clear_regular(struct graft_inst *inst, struct graft_req *req, graft_op *then)
{
	struct look *l = inst->host->alloc(req, sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->then = then;
	l->child.opcode = FUSE_GETATTR;
	l->child.node = req->node;
	l->child.in = &l->in;
	l->child.out = &l->out;
	return inst->host->sub(req, &l->child, NULL, up_looked, l);
}

static _Atomic uint64_t *mark_of(const struct graft_req *req, uint64_t file)
{
	struct xm_session *s = req->state;

	return &s->marks[file & (XM_MARKS - 1)];
}

static uint64_t file_number(uint64_t node, uint64_t fh)
{
	return mix(node ^ mix(fh + 1));
}

/* Content of an open file changes: once for each handle, until a client sets the capability again. */
static int clear_once(struct graft_inst *inst, struct graft_req *req, uint64_t node, uint64_t fh)
{
	if (!inst->capability) /* a server that does not know what an instance leaves alone */
		return pass(inst, req);
	uint64_t file = file_number(node, fh);
	/* Before the removal: pairs with the addition that follows each setting. */
	uint64_t sets = atomic_load_explicit(&inst->capability_sets, memory_order_acquire);
	struct removal r = { .then = pass, .mark = mark_of(req, file), .number = mix(file + sets) | 1 };
	if (atomic_load_explicit(r.mark, memory_order_relaxed) == r.number)
		return inst->host->next(req, NULL, NULL);
	return remove_from(inst, req, node, &r);
}

void xm_forget_handle(const struct graft_req *req, uint64_t node, uint64_t fh)
{
	atomic_store_explicit(mark_of(req, file_number(node, fh)), 0, memory_order_relaxed);
}

int xm_op_write(struct graft_inst *inst, struct graft_req *req)
{
	return clear_once(inst, req, req->node, ((const struct fuse_write_in *)req->in)->fh);
}

int xm_op_fallocate(struct graft_inst *inst, struct graft_req *req)
{
	return clear_once(inst, req, req->node, ((const struct fuse_fallocate_in *)req->in)->fh);
}

int xm_op_copy_file_range(struct graft_inst *inst, struct graft_req *req)
{
	return clear_once(inst, req, req->node2, ((const struct fuse_copy_file_range_in *)req->in)->fh_out);
}

int xm_op_setattr(struct graft_inst *inst, struct graft_req *req)
{
	const struct fuse_setattr_in *in = req->in;

	if (!inst->capability)
		return pass(inst, req);
	/* Only regular files have a size to set. */
	if (in->valid & FATTR_SIZE)
		return clear(inst, req, pass);
	if (in->valid & (FATTR_UID | FATTR_GID))
		return xm_clear_regular(inst, req, pass);
	return pass(inst, req);
}

static int up_opened(struct graft_inst *inst, struct graft_req *req, int res, void *cookie)
{
	(void)inst;
	(void)cookie;
	if (res == 0)
		xm_forget_handle(req, req->node, ((const struct fuse_open_out *)req->out)->fh);
	return res;
}

static int open_below(struct graft_inst *inst, struct graft_req *req)
{
	return inst->host->next(req, up_opened, NULL);
}

int xm_op_open(struct graft_inst *inst, struct graft_req *req)
{
	const struct fuse_open_in *in = req->in;

	if (!inst->capability)
		return pass(inst, req);
	return in->flags & O_TRUNC ? clear(inst, req, open_below) : open_below(inst, req);
}
