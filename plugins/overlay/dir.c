/* SPDX-License-Identifier: Apache-2.0 */
/* OPENDIR, READDIR, READDIRPLUS, RELEASEDIR and FSYNCDIR: merged listings, and those of below as they are. */
#include "forward.h"
#include "list.h"
#include "lookup.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static int opened(struct graft_inst *inst, struct graft_req *req, int res, struct ov_forward *f)
{
	struct fuse_open_out *out = req->out;
	struct ov_handle h = { .node = f->node, .lower = true, .dir = true, .lower_fh = out->fh };
	(void)inst;

	if (res < 0)
		return res;
	atomic_init(&h.fd, -1);
	/* Nothing is kept: entries come and go above. */
	out->open_flags = 0;
	return ov_handle_new(ov_session(req), &h, &out->fh);
}

int ov_op_opendir(struct graft_inst *inst, struct graft_req *req)
{
	struct fuse_open_out *out = req->out;
	struct ov_session *s = ov_session(req);
	struct ov_node *node = ov_node_get(s, req->node);

	if (!node)
		return -ESTALE;
	if (!S_ISDIR(node->type)) {
		ov_node_put(s, node);
		return -ENOTDIR;
	}
	if (ov_has_upper(node)) {
		struct ov_handle h = { .node = node, .dir = true };
		atomic_init(&h.fd, -1);
		int res = ov_handle_new(s, &h, &out->fh);
		ov_node_put(s, node);
		return res;
	}
	struct ov_forward *f = ov_forward_new(inst, req, node, sizeof(struct fuse_open_in));
	if (!f)
		return -ENOMEM;
	f->after = opened;
	return ov_forward(inst, req, f);
}

/* Entries of below on their way to the client: their nodes become the overlay's. */
int ov_dirent(struct graft_inst *inst, struct graft_req *req, struct fuse_direntplus *e, const char *name)
{
	struct ov_session *s = ov_session(req);
	struct fuse_entry_out *out = &e->entry_out;
	(void)inst;

	if (req->opcode != FUSE_READDIRPLUS || !out->nodeid)
		return GRAFT_DIRENT_OK;
	struct ov_node *dir = ov_node_find_lower(s, req->node), *node = NULL;
	struct ov_found f = { .parent = dir,
			      .name = name,
			      .fd = -1,
			      .lower = out->nodeid,
			      .lower_ino = out->attr.ino,
			      .lower_mode = out->attr.mode };
	if (!dir)
		return GRAFT_DIRENT_HIDE;
	int res = ov_node_enter(s, &f, &node);
	ov_node_put(s, dir);
	/* The look-up below is among those to be forgotten already. */
	if (res < 0) {
		*out = (struct fuse_entry_out){ .attr = { .ino = out->attr.ino, .mode = out->attr.mode } };
		return GRAFT_DIRENT_OK;
	}
	ov_fill_entry(node, out);
	ov_fix_attr(node, &out->attr);
	/* Copied up already: the client asks. */
	if (ov_has_upper(node))
		out->attr_valid = 0;
	ov_node_put(s, node);
	return GRAFT_DIRENT_OK;
}

/* READDIRPLUS, on a helper: dir and w are there. What cannot be looked up is listed without a node. */
struct plus {
	struct ov_work *w;
	const struct ov_ref *dir;
};

static bool is_dot(const char *name)
{
	return name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]));
}

static int give(struct graft_inst *inst, struct graft_req *req, const struct ov_list *l, uint64_t i,
		const struct plus *plus)
{
	const struct ov_entry *from = &l->entries[i];
	const char *name = l->names + from->at;
	struct fuse_direntplus e = { .dirent = { .ino = from->ino, .off = i + 1, .type = from->type } };

	e.dirent.namelen = (uint32_t)strlen(name);
	if (graft_dirent_size(req->opcode, e.dirent.namelen) > req->dst_len - req->done)
		return GRAFT_DIRENT_FULL;
	if (!plus || is_dot(name) || ov_lookup_now(plus->w, plus->dir, name, &e.entry_out) < 0)
		e.entry_out =
			(struct fuse_entry_out){ .attr = { .ino = from->ino, .mode = (uint32_t)from->type << 12 } };
	uint64_t node = e.entry_out.nodeid;
	int res = inst->host->dirent(req, &e, name);
	if (res != GRAFT_DIRENT_OK && node)
		ov_node_forget(ov_session(req), node, 1);
	return res;
}

static int list_from(struct graft_inst *inst, struct graft_req *req, const struct ov_list *l, const struct plus *plus)
{
	const struct fuse_read_in *in = req->in;

	for (uint64_t i = in->offset; i < l->n; i++) {
		if (give(inst, req, l, i, plus) == GRAFT_DIRENT_FULL)
			return req->done ? 0 : -EINVAL; /* an empty reply would mean the end */
	}
	return 0;
}

/* The handle's listing, made anew where it is read from its beginning. */
static int list_of(struct ov_work *w, struct ov_handle *h, const struct ov_ref *dir, struct ov_list **list)
{
	const struct fuse_read_in *in = w->req->in;

	*list = in->offset ? ov_handle_list(w->s, h) : NULL;
	if (*list)
		return 0;
	int res = ov_list_make(w, dir, list);
	if (res < 0)
		return res;
	ov_handle_set_list(w->s, h, *list);
	*list = ov_handle_list(w->s, h);
	return *list ? 0 : -EAGAIN;
}

/* On a helper. */
static int read_merged(struct ov_work *w)
{
	const struct fuse_read_in *in = w->req->in;
	struct ov_handle *h = ov_handle_get(w->s, in->fh, w->req->node);
	struct ov_list *list;
	struct ov_ref dir;

	if (!h)
		return -EBADF;
	int res = ov_ref_node(w->s, h->node, &dir);
	if (res == 0) {
		const struct plus plus = { w, &dir };
		res = list_of(w, h, &dir, &list);
		if (res == 0) {
			res = list_from(w->inst, w->req, list, w->req->opcode == FUSE_READDIRPLUS ? &plus : NULL);
			ov_list_put(w->s, list);
		}
		ov_ref_put(w->s, &dir);
	}
	ov_handle_put(w->s, h);
	return res;
}

/* Takes h. */
static int read_below(struct graft_inst *inst, struct graft_req *req, struct ov_handle *h)
{
	struct ov_session *s = ov_session(req);
	struct ov_forward *f = ov_forward_new(inst, req, ov_node_hold(s, h->node), sizeof(struct fuse_read_in));

	if (!f) {
		ov_handle_put(s, h);
		return -ENOMEM;
	}
	f->h = h;
	((struct fuse_read_in *)(void *)f->copy)->fh = h->lower_fh;
	return ov_forward(inst, req, f);
}

int ov_op_readdir(struct graft_inst *inst, struct graft_req *req)
{
	const struct fuse_read_in *in = req->in;
	struct ov_session *s = ov_session(req);
	struct ov_handle *h = ov_handle_get(s, in->fh, req->node);

	if (!h || !h->dir) {
		if (h)
			ov_handle_put(s, h);
		return h ? -ENOTDIR : -EBADF;
	}
	struct ov_list *list = in->offset ? ov_handle_list(s, h) : NULL;
	if (list && req->opcode == FUSE_READDIR) {
		int res = list_from(inst, req, list, NULL);
		ov_list_put(s, list);
		ov_handle_put(s, h);
		return res;
	}
	/* Begun below, it goes on there; a listing from the beginning sees what is above by now. */
	if (!list && h->lower && (in->offset || !ov_has_upper(h->node)))
		return read_below(inst, req, h);
	ov_list_put(s, list);
	ov_handle_put(s, h);
	return ov_work_start(inst, req, inst->helpers, read_merged);
}

int ov_op_releasedir(struct graft_inst *inst, struct graft_req *req)
{
	return ov_op_release(inst, req);
}

static int sync_now(struct graft_inst *inst, struct graft_req *req)
{
	struct ov_session *s = ov_session(req);
	struct ov_ref dir;
	int res = ov_ref_get(s, req->node, &dir);

	if (res < 0 || dir.fd < 0)
		return res;
	int fd = ov_open_again(inst, dir.fd, O_RDONLY | O_DIRECTORY);
	ov_ref_put(s, &dir);
	if (fd < 0)
		return fd;
	res = fsync(fd) < 0 ? -errno : 0;
	close(fd);
	return res;
}

int ov_op_fsyncdir(struct graft_inst *inst, struct graft_req *req)
{
	return inst->host->defer(req, sync_now);
}
