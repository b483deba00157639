/* SPDX-License-Identifier: Apache-2.0 */
/* Ids outside of extended attributes: callers and owners on their way down, attributes on their way up. */
#include "idmap.h"

#include "values.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The host's ids as the client knows them. None of the host's is forbidden. */
static void show(const struct graft_inst *inst, uint32_t *uid, uint32_t *gid)
{
	idmap_find(&inst->uids.to_guest, uid);
	idmap_find(&inst->gids.to_guest, gid);
}

static int up_attr(struct graft_inst *inst, struct graft_req *req, int res, void *cookie)
{
	struct fuse_attr *attr = &((struct fuse_attr_out *)req->out)->attr;
	(void)cookie;

	if (res == 0)
		show(inst, &attr->uid, &attr->gid);
	return res;
}

static int up_entry(struct graft_inst *inst, struct graft_req *req, int res, void *cookie)
{
	struct fuse_attr *attr = &((struct fuse_entry_out *)req->out)->attr;
	(void)cookie;

	if (res == 0)
		show(inst, &attr->uid, &attr->gid);
	return res;
}

static int up_statx(struct graft_inst *inst, struct graft_req *req, int res, void *cookie)
{
	struct fuse_statx *stat = &((struct fuse_statx_out *)req->out)->stat;
	(void)cookie;

	if (res == 0)
		show(inst, &stat->uid, &stat->gid);
	return res;
}

int im_op_getattr(struct graft_inst *inst, struct graft_req *req)
{
	return inst->host->next(req, up_attr, NULL);
}

int im_op_entry(struct graft_inst *inst, struct graft_req *req)
{
	return inst->host->next(req, up_entry, NULL);
}

int im_op_statx(struct graft_inst *inst, struct graft_req *req)
{
	return inst->host->next(req, up_statx, NULL);
}

int im_dirent(struct graft_inst *inst, struct graft_req *req, struct fuse_direntplus *e, const char *name)
{
	(void)name;
	if (req->opcode == FUSE_READDIRPLUS)
		show(inst, &e->entry_out.attr.uid, &e->entry_out.attr.gid);
	return GRAFT_DIRENT_OK;
}

static int up_setattr(struct graft_inst *inst, struct graft_req *req, int res, void *old)
{
	req->in = old;
	return up_attr(inst, req, res, NULL);
}

int im_op_setattr(struct graft_inst *inst, struct graft_req *req)
{
	const struct fuse_setattr_in *in = req->in;
	struct fuse_setattr_in *mine;

	if (!(in->valid & (FATTR_UID | FATTR_GID)))
		return inst->host->next(req, up_attr, NULL);
	mine = inst->host->alloc(req, sizeof(*mine));
	if (!mine)
		return -ENOMEM;
	*mine = *in;
	if (in->valid & FATTR_UID && !idmap_find(&inst->uids.to_host, &mine->uid))
		return -EPERM;
	if (in->valid & FATTR_GID && !idmap_find(&inst->gids.to_host, &mine->gid))
		return -EPERM;
	req->in = mine;
	return inst->host->next(req, up_setattr, (void *)in);
}

/* The caller as the client named it. */
struct caller {
	uint32_t uid, gid;
	const uint32_t *groups;
	const void *secctx;
	uint32_t has_groups, ngroups;
};

static struct caller *save_caller(const struct graft_inst *inst, struct graft_req *req)
{
	struct caller *c = inst->host->alloc(req, sizeof(*c));

	if (c)
		*c = (struct caller){ req->uid, req->gid, req->groups, req->secctx, req->has_groups, req->ngroups };
	return c;
}

static void restore_caller(struct graft_req *req, const struct caller *c)
{
	req->uid = c->uid;
	req->gid = c->gid;
	req->groups = c->groups;
	req->secctx = c->secctx;
	req->has_groups = c->has_groups;
	req->ngroups = c->ngroups;
}

static int translate_groups(const struct graft_inst *inst, struct graft_req *req)
{
	uint32_t *groups;

	if (!req->has_groups || !req->ngroups)
		return 0;
	groups = inst->host->alloc(req, req->ngroups * sizeof(*groups));
	if (!groups)
		return -ENOMEM;
	memcpy(groups, req->groups, req->ngroups * sizeof(*groups));
	for (uint32_t i = 0; i < req->ngroups; i++) {
		if (!idmap_find(&inst->gids.to_host, &groups[i]))
			return -EPERM;
	}
	req->groups = groups;
	return 0;
}

/* A new object's context is an attribute of any name. */
static int translate_context(const struct graft_inst *inst, struct graft_req *req)
{
	enum value_kind kind = req->secctx_name ? value_kind(req->secctx_name) : VALUE_OTHER;
	void *value;

	if (kind == VALUE_OTHER || !req->secctx_len)
		return 0;
	value = inst->host->alloc(req, req->secctx_len);
	if (!value)
		return -ENOMEM;
	memcpy(value, req->secctx, req->secctx_len);
	req->secctx = value;
	return value_translate(kind, &inst->uids.to_host, &inst->gids.to_host, value, req->secctx_len);
}

static int up_create(struct graft_inst *inst, struct graft_req *req, int res, void *caller)
{
	restore_caller(req, caller);
	return up_entry(inst, req, res, NULL);
}

/* All that makes objects: the caller becomes the owner. */
int im_op_create(struct graft_inst *inst, struct graft_req *req)
{
	struct caller *c = save_caller(inst, req);
	int res;

	if (!c)
		return -ENOMEM;
	res = translate_groups(inst, req);
	if (res == 0 && (!idmap_find(&inst->uids.to_host, &req->uid) || !idmap_find(&inst->gids.to_host, &req->gid)))
		res = -EPERM;
	if (res == 0)
		res = translate_context(inst, req);
	if (res == 0)
		return inst->host->next(req, up_create, c);
	restore_caller(req, c);
	return res;
}

/* By the mode alone, as the client's ids see it: what an access list says, the client has seen to. */
static bool allowed(const struct graft_req *req, const struct fuse_attr *attr, uint32_t mask)
{
	uint32_t bits = attr->mode;
	bool group = req->gid == attr->gid;

	for (uint32_t i = 0; req->has_groups && i < req->ngroups; i++)
		group = group || req->groups[i] == attr->gid;
	if (req->uid == attr->uid)
		bits >>= 6;
	else if (group)
		bits >>= 3;
	return (bits & mask) == mask;
}

/* A GETATTR of the layer's own. */
struct look {
	struct graft_req req;
	struct fuse_getattr_in in;
	struct fuse_attr_out out;
};

static int up_look(struct graft_inst *inst, struct graft_req *req, int res, void *cookie)
{
	struct look *l = cookie;
	const struct fuse_access_in *in = req->in;

	if (res < 0)
		return res;
	show(inst, &l->out.attr.uid, &l->out.attr.gid);
	return allowed(req, &l->out.attr, in->mask) ? 0 : -EACCES;
}

static int up_access(struct graft_inst *inst, struct graft_req *req, int res, void *caller)
{
	struct look *l;

	restore_caller(req, caller);
	if (res < 0 || req->uid == 0)
		return res;
	l = inst->host->alloc(req, sizeof(*l));
	if (!l)
		return -ENOMEM;
	l->req.opcode = FUSE_GETATTR;
	l->req.node = req->node;
	l->req.in = &l->in;
	l->req.out = &l->out;
	return inst->host->sub(req, &l->req, NULL, up_look, l);
}

/*
 * Whether the caller is the owner is not the same question on the host, as two maps need not be each other's inverse.
 * So the host is asked what it refuses to root, and the layer answers the rest.
 */
int im_op_access(struct graft_inst *inst, struct graft_req *req)
{
	const struct fuse_access_in *in = req->in;
	struct caller *c;

	if (!(in->mask & (R_OK | W_OK | X_OK)))
		return inst->host->next(req, NULL, NULL);
	c = save_caller(inst, req);
	if (!c)
		return -ENOMEM;
	req->uid = req->gid = 0;
	req->has_groups = req->ngroups = 0;
	return inst->host->next(req, up_access, c);
}
