/* SPDX-License-Identifier: Apache-2.0 */
/* OPEN, RELEASE and FSYNC; CREATE and TMPFILE, which make what they open. */
#include "file.h"

#include "copy_up.h"
#include "forward.h"
#include "lib/cleanup.h"
#include "lib/creds.h"
#include "lookup.h"
#include "make.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* What CREATE and TMPFILE answer: an entry and an open file, back to back. */
struct create_out {
	struct fuse_entry_out entry;
	struct fuse_open_out open;
};

int file_flags(const struct graft_req *req, uint32_t client)
{
	int flags = (int)client & (O_ACCMODE | O_TRUNC | O_SYNC | O_DSYNC | O_NONBLOCK);

	/* The client's page cache reads what surrounds a partial write, so a file open for writing must be readable. */
	if (ov_flag(req, FUSE_WRITEBACK_CACHE) && (flags & O_ACCMODE) == O_WRONLY)
		flags = (flags & ~O_ACCMODE) | O_RDWR;
	return flags;
}

static bool writes(uint32_t flags)
{
	return (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC);
}

int file_adopt(const struct graft_req *req, struct ov_node *node, int fd, int flags, struct fuse_open_out *out)
{
	struct ov_handle h = { .node = node, .flags = flags, .sync = (flags & (O_SYNC | O_DSYNC)) != 0 };

	atomic_init(&h.fd, fd);
	/* Nothing listens to a close(2): there are no locks here, and no network. */
	out->open_flags = FOPEN_NOFLUSH;
	return ov_handle_new(ov_session(req), &h, &out->fh);
}

static int open_above(struct graft_req *req, const struct ov_ref *ref)
{
	const struct fuse_open_in *in = req->in;
	struct graft_inst *inst = ov_session(req)->inst;
	int flags = file_flags(req, in->flags);

	if (!S_ISREG(ref->node->type))
		return -EBADF;
	if (!ov_fd_take(inst, false))
		return -ENFILE;
	bool dropped = (in->open_flags & FUSE_OPEN_KILL_SUIDGID) && ov_flag(req, FUSE_HANDLE_KILLPRIV_V2) &&
		       creds_fsetid_drop();
	int fd = ov_open_again(inst, ref->fd, flags);
	creds_fsetid_restore(dropped);
	int res = fd < 0 ? fd : file_adopt(req, ref->node, fd, flags, req->out);
	if (res == 0)
		return 0;
	if (fd >= 0)
		close(fd);
	ov_fd_give(inst);
	return res;
}

static int opened_below(struct graft_inst *inst, struct graft_req *req, int res, struct ov_forward *f)
{
	struct fuse_open_out *out = req->out;
	struct ov_handle h = { .node = f->node, .lower = true, .lower_fh = out->fh };
	(void)inst;

	if (res < 0)
		return res;
	atomic_init(&h.fd, -1);
	out->open_flags &= FOPEN_KEEP_CACHE;
	out->open_flags |= FOPEN_NOFLUSH;
	/* Without memory the handle below stays until the session ends. */
	return ov_handle_new(ov_session(req), &h, &out->fh);
}

/* For writing, of what lies below. */
static int open_copied(struct ov_work *w)
{
	struct ov_node *node = ov_node_get(w->s, w->req->node);
	struct ov_ref ref;

	if (!node)
		return -ESTALE;
	int res = ov_copy_up(w, node);
	if (res == 0)
		res = ov_ref_node(w->s, node, &ref);
	if (res == 0) {
		res = open_above(w->req, &ref);
		ov_ref_put(w->s, &ref);
	}
	ov_node_put(w->s, node);
	return res;
}

int ov_op_open(struct graft_inst *inst, struct graft_req *req)
{
	const struct fuse_open_in *in = req->in;
	struct ov_session *s = ov_session(req);
	struct ov_ref ref;
	int res = ov_ref_get(s, req->node, &ref);

	if (res < 0)
		return res;
	if (ref.fd >= 0) {
		res = open_above(req, &ref);
		ov_ref_put(s, &ref);
		return res;
	}
	if (writes(in->flags)) {
		ov_ref_put(s, &ref);
		return ov_work_start(inst, req, inst->changers, open_copied);
	}
	struct ov_forward *f = ov_forward_new(inst, req, ref.node, sizeof(*in));
	if (!f)
		return -ENOMEM;
	f->after = opened_below;
	return ov_forward(inst, req, f);
}

int ov_op_release(struct graft_inst *inst, struct graft_req *req)
{
	const struct fuse_release_in *in = req->in;
	struct ov_session *s = ov_session(req);
	struct ov_handle *h = ov_handle_take(s, in->fh, req->node);

	if (!h)
		return -EBADF;
	struct ov_forward *f = h->lower ? ov_forward_new(inst, req, ov_node_hold(s, h->node), sizeof(*in)) : NULL;
	if (!f) {
		ov_handle_put(s, h);
		return 0;
	}
	((struct fuse_release_in *)(void *)f->copy)->fh = h->lower_fh;
	f->h = h;
	return ov_forward(inst, req, f);
}

static int sync_done(struct graft_inst *inst, struct graft_req *req, int64_t res, void *cookie)
{
	(void)inst;
	ov_handle_put(ov_session(req), cookie);
	return res < 0 ? (int)res : 0;
}

/* What lies below does not change. */
int ov_op_fsync(struct graft_inst *inst, struct graft_req *req)
{
	const struct fuse_fsync_in *in = req->in;
	struct ov_session *s = ov_session(req);
	struct ov_handle *h = ov_handle_get(s, in->fh, req->node);

	if (!h)
		return -EBADF;
	int fd = ov_handle_fd(s, h);
	struct graft_io io = { .kind = in->fsync_flags & FUSE_FSYNC_FDATASYNC ? GRAFT_IO_FDATASYNC : GRAFT_IO_FSYNC,
			       .fd = fd };
	int res = fd >= 0 ? inst->host->io(req, &io, sync_done, h) : fd == -1 ? 0 : fd;
	if (res != GRAFT_ASYNC)
		ov_handle_put(s, h);
	return res;
}

/* What was just made becomes an entry and a handle. Takes its descriptors and the place that is held for the real one.
 */
static int file_made(struct ov_work *w, struct ov_made *m, int flags)
{
	struct create_out *out = w->req->out;
	struct graft_inst *inst = w->inst;
	struct ov_found f = { .parent = m->parent, .name = m->name, .fd = steal_fd(&m->fd) };
	struct statx stx;
	struct ov_node *node = NULL;
	int fd = steal_fd(&m->real);
	int res = ov_stat(f.fd, &stx);

	f.upper = &stx;
	if (res == 0)
		res = ov_node_enter(w->s, &f, &node);
	else
		close(f.fd);
	if (res == 0) {
		ov_fill_attr(node, &stx, &out->entry.attr);
		ov_fill_entry(node, &out->entry);
		res = file_adopt(w->req, node, fd, flags, &out->open);
		if (res < 0)
			ov_node_forget(w->s, node->id, 1);
		ov_node_put(w->s, node);
	}
	if (res < 0) {
		close(fd);
		ov_fd_give(inst);
	}
	return res;
}

static int create_file(struct ov_work *w)
{
	const struct fuse_create_in *in = w->req->in;
	int flags = file_flags(w->req, in->flags) & ~O_TRUNC;
	struct ov_made made;

	if (!ov_fd_take(w->inst, false))
		return -ENFILE;
	int res = ov_make(w, &(struct ov_recipe){ .type = S_IFREG, .mode = in->mode & 07777, .flags = flags }, &made);
	if (res == 0)
		res = file_made(w, &made, flags);
	else
		ov_fd_give(w->inst);
	ov_made_end(w, &made);
	/* There is one now: the client looks again, and opens it. */
	return res == -EEXIST && !(in->flags & O_EXCL) ? -ESTALE : res;
}

int ov_op_create(struct graft_inst *inst, struct graft_req *req)
{
	return ov_work_start(inst, req, inst->changers, create_file);
}

static int open_tmpfile(const struct graft_req *req, int dir_fd, int flags, mode_t mode)
{
	struct graft_inst *inst = ov_session(req)->inst;
	struct creds creds;
	int res = creds_enter(req, &creds);

	if (res < 0)
		return res;
	res = ov_open_name(inst, dir_fd, ".", flags | O_TMPFILE, mode);
	if (res == -EACCES && creds_insist(req, &creds))
		res = ov_open_name(inst, dir_fd, ".", flags | O_TMPFILE, mode);
	creds_leave(&creds);
	return res;
}

static int tmpfile_in(struct ov_work *w, const struct ov_ref *dir)
{
	const struct fuse_create_in *in = w->req->in;
	int flags = file_flags(w->req, in->flags) & ~O_TRUNC;
	struct ov_made made = { 0 };

	if ((flags & O_ACCMODE) == O_RDONLY)
		flags = (flags & ~O_ACCMODE) | O_RDWR;
	if (!ov_fd_take(w->inst, false))
		return -ENFILE;
	made.real = open_tmpfile(w->req, dir->fd, flags | (in->flags & O_EXCL), in->mode & 07777);
	made.fd = made.real < 0 ? made.real : ov_open_again(w->inst, made.real, O_PATH);
	if (made.fd >= 0)
		return file_made(w, &made, flags);
	cleanup_close(&made.real);
	ov_fd_give(w->inst);
	return made.fd;
}

static int make_tmpfile(struct ov_work *w)
{
	struct ov_node *node = ov_node_get(w->s, w->req->node);
	struct ov_ref dir;

	if (!node)
		return -ESTALE;
	int res = ov_copy_up(w, node);
	if (res == 0)
		res = ov_ref_node(w->s, node, &dir);
	if (res == 0) {
		res = tmpfile_in(w, &dir);
		ov_ref_put(w->s, &dir);
	}
	ov_node_put(w->s, node);
	return res;
}

int ov_op_tmpfile(struct graft_inst *inst, struct graft_req *req)
{
	return ov_work_start(inst, req, inst->changers, make_tmpfile);
}
