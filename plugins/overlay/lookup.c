/* SPDX-License-Identifier: Apache-2.0 */
/* LOOKUP, FORGET and BATCH_FORGET: above on the queue's thread, below by a request of its own way. */
#include "lookup.h"

#include "lib/fuse_attr.h"
#include "lower.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define FORGET_BATCH 512

void ov_fill_attr(const struct ov_node *node, const struct statx *stx, struct fuse_attr *attr)
{
	fuse_attr_fill(stx, attr);
	attr->ino = node->ino;
	attr->nlink = ov_merged(node) ? 1 : attr->nlink;
}

void ov_fix_attr(const struct ov_node *node, struct fuse_attr *attr)
{
	attr->ino = node->ino;
	attr->flags = 0;
}

void ov_fill_entry(const struct ov_node *node, struct fuse_entry_out *out)
{
	out->nodeid = node->id;
	out->generation = 0;
	out->entry_valid = out->attr_valid = OV_VALID;
	out->entry_valid_nsec = out->attr_valid_nsec = 0;
}

int ov_enter_upper(struct ov_session *s, struct ov_found *f, struct fuse_entry_out *out)
{
	struct ov_node *node;
	int res = ov_node_enter(s, f, &node);

	if (res < 0)
		return res;
	ov_fill_attr(node, f->upper, &out->attr);
	ov_fill_entry(node, out);
	ov_node_put(s, node);
	return 0;
}

/* A LOOKUP that went below. */
struct look {
	struct ov_node *parent; /* in use */
	uint64_t node;          /* as the client named it */
	struct statx stx;       /* of a directory above */
	int fd;                 /* O_PATH of that; -1: nothing above */
};

/* The finding of below, alone or under a directory. */
static int enter_lower(struct ov_session *s, struct graft_req *req, struct look *l)
{
	struct fuse_entry_out *out = req->out;
	struct ov_found f = { .parent = l->parent,
			      .name = req->name,
			      .fd = -1,
			      .lower = out->nodeid,
			      .lower_ino = out->attr.ino,
			      .lower_mode = out->attr.mode };
	struct ov_node *node;

	if (l->fd >= 0) {
		f.upper = &l->stx;
		f.fd = l->fd;
		l->fd = -1;
		if (!S_ISDIR(out->attr.mode)) {
			ov_nodes_drop_lower(s, f.lower);
			f.lower = 0;
		}
		return ov_enter_upper(s, &f, out);
	}
	int res = ov_node_enter(s, &f, &node);
	if (res < 0)
		return res;
	uint64_t valid = out->entry_valid < OV_VALID ? out->entry_valid : OV_VALID;
	uint64_t attr_valid = out->attr_valid < OV_VALID ? out->attr_valid : OV_VALID;
	ov_fill_entry(node, out);
	out->entry_valid = valid;
	out->attr_valid = attr_valid;
	ov_fix_attr(node, &out->attr);
	/* Known already, and copied up in this moment: the next look tells. */
	if (ov_has_upper(node))
		out->attr_valid = 0;
	ov_node_put(s, node);
	return 0;
}

static int up_lookup(struct graft_inst *inst, struct graft_req *req, int res, void *cookie)
{
	struct ov_session *s = ov_session(req);
	struct fuse_entry_out *out = req->out;
	struct look *l = cookie;
	(void)inst;

	req->node = l->node;
	/* A whiteout, of an image that is one layer of several. */
	if (res == 0 && out->nodeid && S_ISCHR(out->attr.mode) && out->attr.rdev == 0) {
		ov_nodes_drop_lower(s, out->nodeid);
		res = -ENOENT;
	}
	if (res == 0 && out->nodeid) {
		res = enter_lower(s, req, l);
	} else if (l->fd >= 0 && (res == 0 || res == -ENOENT)) {
		struct ov_found f = { .parent = l->parent, .name = req->name, .upper = &l->stx, .fd = l->fd };
		l->fd = -1;
		res = ov_enter_upper(s, &f, out);
	} else if (res == 0) {
		out->entry_valid = out->entry_valid < OV_VALID ? out->entry_valid : OV_VALID;
	}
	if (l->fd >= 0)
		close(l->fd);
	ov_node_put(s, l->parent);
	return res;
}

/* Asks below. Takes parent's reference, and fd. */
static int look_below(struct graft_inst *inst, struct graft_req *req, struct ov_node *parent, const struct statx *stx,
		      int fd)
{
	struct look *l = inst->host->alloc(req, sizeof(*l));

	if (!l) {
		if (fd >= 0)
			close(fd);
		ov_node_put(ov_session(req), parent);
		return -ENOMEM;
	}
	l->parent = parent;
	l->node = req->node;
	l->fd = fd;
	if (stx)
		l->stx = *stx;
	req->node = parent->lower;
	return inst->host->next(req, up_lookup, l);
}

/* A directory above: whether something below belongs to it. 1, 0 or -errno. */
static int merges(const struct graft_inst *inst, struct ov_session *s, const struct ov_node *parent,
		  const struct statx *stx, int fd)
{
	if (!S_ISDIR(stx->stx_mode) || !parent->lower)
		return 0;
	struct ov_node *known = ov_node_find_upper(s, stx->stx_ino);
	if (known) {
		ov_node_put(s, known);
		return 0;
	}
	int res = ov_is_opaque(inst, fd);
	return res < 0 ? res : !res;
}

/* Something stands above. Takes what dir has. */
static int found_above(struct graft_inst *inst, struct graft_req *req, struct ov_ref *dir, struct statx *stx)
{
	struct ov_session *s = ov_session(req);
	int fd = ov_open_name(inst, dir->fd, req->name, O_PATH | O_NOFOLLOW, 0);
	int res = fd < 0 ? fd : ov_stat(fd, stx);

	if (res >= 0)
		res = merges(inst, s, dir->node, stx, fd);
	if (res == 1) {
		struct ov_node *parent = ov_node_hold(s, dir->node);
		ov_ref_put(s, dir);
		return look_below(inst, req, parent, stx, fd);
	}
	if (res == 0) {
		struct ov_found f = { .parent = dir->node, .name = req->name, .upper = stx, .fd = fd };
		fd = -1;
		res = ov_enter_upper(s, &f, req->out);
	}
	if (fd >= 0)
		close(fd);
	ov_ref_put(s, dir);
	return res;
}

int ov_op_lookup(struct graft_inst *inst, struct graft_req *req)
{
	struct ov_session *s = ov_session(req);
	struct ov_ref dir;
	struct statx stx;
	int res = ov_ref_get(s, req->node, &dir);

	if (res < 0)
		return res;
	int seen = dir.fd >= 0 ? ov_see(dir.fd, req->name, &stx) : OV_ABSENT;
	if (seen == OV_OBJECT)
		return found_above(inst, req, &dir, &stx);
	if (seen == OV_ABSENT && dir.node->lower) {
		struct ov_node *parent = ov_node_hold(s, dir.node);
		ov_ref_put(s, &dir);
		return look_below(inst, req, parent, NULL, -1);
	}
	ov_ref_put(s, &dir);
	return seen < 0 ? seen : -ENOENT;
}

/* The finding of below, of nothing else. */
static int now_below(struct ov_work *w, const struct ov_ref *dir, const char *name, struct fuse_entry_out *out)
{
	struct ov_found f = { .parent = dir->node, .name = name, .fd = -1 };
	struct ov_node *node;
	int res = lower_lookup(w, dir->node->lower, name, out);

	if (res < 0)
		return res;
	f.lower = out->nodeid;
	f.lower_ino = out->attr.ino;
	f.lower_mode = out->attr.mode;
	res = ov_node_enter(w->s, &f, &node);
	if (res < 0)
		return res;
	ov_fill_entry(node, out);
	ov_fix_attr(node, &out->attr);
	if (ov_has_upper(node))
		out->attr_valid = 0;
	ov_node_put(w->s, node);
	return 0;
}

static int now_above(struct ov_work *w, const struct ov_ref *dir, const char *name, struct fuse_entry_out *out)
{
	struct ov_found f = { .parent = dir->node, .name = name };
	struct fuse_entry_out below;
	struct statx stx;

	f.fd = ov_open_name(w->inst, dir->fd, name, O_PATH | O_NOFOLLOW, 0);
	int res = f.fd < 0 ? f.fd : ov_stat(f.fd, &stx);
	if (res >= 0)
		res = merges(w->inst, w->s, dir->node, &stx, f.fd);
	if (res == 1) {
		res = lower_lookup(w, dir->node->lower, name, &below);
		if (res == 0 && S_ISDIR(below.attr.mode)) {
			f.lower = below.nodeid;
			f.lower_ino = below.attr.ino;
		} else if (res == 0) {
			ov_nodes_drop_lower(w->s, below.nodeid);
		}
		res = res == -ENOENT ? 0 : res;
	}
	if (res < 0) {
		if (f.fd >= 0)
			close(f.fd);
		return res;
	}
	f.upper = &stx;
	return ov_enter_upper(w->s, &f, out);
}

int ov_lookup_now(struct ov_work *w, const struct ov_ref *dir, const char *name, struct fuse_entry_out *out)
{
	struct statx stx;
	int seen = dir->fd >= 0 ? ov_see(dir->fd, name, &stx) : OV_ABSENT;

	if (seen == OV_OBJECT)
		return now_above(w, dir, name, out);
	return seen == OV_ABSENT && dir->node->lower ? now_below(w, dir, name, out) : -ENOENT;
}

/* A BATCH_FORGET below. */
struct forget {
	struct graft_req req;
	struct fuse_batch_forget_in in;
	uint32_t room;
	struct fuse_forget_one list[];
};

static int forget_some(struct graft_inst *inst, struct graft_req *req, struct forget *f);

static int up_forget(struct graft_inst *inst, struct graft_req *req, int res, void *cookie)
{
	(void)res;
	return forget_some(inst, req, cookie);
}

/* Tells what is below of look-ups that nobody needs any more. */
static int forget_some(struct graft_inst *inst, struct graft_req *req, struct forget *f)
{
	memset(&f->req, 0, sizeof(f->req));
	f->in.count = ov_nodes_dead(ov_session(req), f->list, f->room);
	if (!f->in.count)
		return 0;
	f->req.opcode = FUSE_BATCH_FORGET;
	f->req.in = &f->in;
	f->req.data = f->list;
	f->req.data_len = f->in.count * (uint32_t)sizeof(f->list[0]);
	return inst->host->sub(req, &f->req, NULL, up_forget, f);
}

static int forget_dead(struct graft_inst *inst, struct graft_req *req)
{
	uint32_t n = ov_nodes_count_dead(ov_session(req));

	if (!n)
		return 0;
	if (n > FORGET_BATCH)
		n = FORGET_BATCH;
	struct forget *f = inst->host->alloc(req, sizeof(*f) + n * sizeof(f->list[0]));
	/* Without memory the next one tells. */
	if (!f)
		return 0;
	f->room = n;
	return forget_some(inst, req, f);
}

int ov_op_forget(struct graft_inst *inst, struct graft_req *req)
{
	const struct fuse_forget_in *in = req->in;

	ov_node_forget(ov_session(req), req->node, in->nlookup);
	return forget_dead(inst, req);
}

int ov_op_batch_forget(struct graft_inst *inst, struct graft_req *req)
{
	const struct fuse_batch_forget_in *in = req->in;
	const struct fuse_forget_one *list = req->data;
	uint32_t n = req->data_len / (uint32_t)sizeof(*list);

	for (uint32_t i = 0; i < n && i < in->count; i++)
		ov_node_forget(ov_session(req), list[i].nodeid, list[i].nlookup);
	return forget_dead(inst, req);
}
