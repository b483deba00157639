/* SPDX-License-Identifier: Apache-2.0 */
/* READ, WRITE, FALLOCATE, LSEEK and COPY_FILE_RANGE: above straight between the client's memory and the file. */
#include "forward.h"
#include "lib/creds.h"
#include "lib/iov.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define COPY_MAX UINT64_C(0x7ffff000) /* bytes: all that one system call moves */

/* 0, -errno, or -EAGAIN where the rest would block: req->done says how far it came. */
static int read_on(struct graft_req *req, int fd, int rwf)
{
	const struct fuse_read_in *in = req->in;

	while (req->done < req->dst_len) {
		ssize_t n = iov_move(preadv2, fd, req->dst, req->ndst, req->done, in->offset, rwf);
		if (n == -EAGAIN || (n == -EOPNOTSUPP && rwf))
			return -EAGAIN;
		if (n < 0)
			return req->done ? 0 : (int)n;
		if (n == 0)
			break;
		req->done += (uint64_t)n;
	}
	return 0;
}

/* On a worker. */
static int read_blocking(struct graft_inst *inst, struct graft_req *req)
{
	const struct fuse_read_in *in = req->in;
	struct ov_session *s = ov_session(req);
	struct ov_handle *h = ov_handle_get(s, in->fh, req->node);
	(void)inst;

	if (!h)
		return -EBADF;
	int fd = ov_handle_fd(s, h);
	int res = fd < 0 ? -EBADF : read_on(req, fd, 0);
	ov_handle_put(s, h);
	return res;
}

/* h is in use since the transfer began. */
static int read_done(struct graft_inst *inst, struct graft_req *req, int64_t res, void *cookie)
{
	(void)inst;
	ov_handle_put(ov_session(req), cookie);
	if (res > 0)
		req->done += (uint64_t)res;
	return res < 0 && !req->done ? (int)res : 0;
}

/* The list of what is not there yet; it stays until the transfer ends. */
static bool set_list(struct graft_inst *inst, struct graft_req *req, struct graft_io *io)
{
	struct iov_cursor c = iov_cursor(req->dst, req->ndst);
	uint64_t bytes;

	io->iov = req->dst;
	io->niov = req->ndst;
	if (!req->done)
		return true;
	struct iovec *rest = inst->host->alloc(req, req->ndst * sizeof(*rest));
	if (!rest)
		return false;
	iov_skip(&c, req->done);
	io->niov = iov_slice(&c, UINT64_MAX, rest, req->ndst, &bytes);
	io->iov = rest;
	return true;
}

/* Takes h. */
static int read_above(struct graft_inst *inst, struct graft_req *req, struct ov_handle *h, int fd)
{
	const struct fuse_read_in *in = req->in;
	int res = in->offset > INT64_MAX ? -EINVAL : read_on(req, fd, inst->memory ? 0 : RWF_NOWAIT);

	if (res == -EAGAIN) {
		struct graft_io io = { .kind = GRAFT_IO_READ, .fd = fd, .off = in->offset + req->done };
		if (set_list(inst, req, &io) && inst->host->io(req, &io, read_done, h) == GRAFT_ASYNC)
			return GRAFT_ASYNC;
		res = inst->host->defer(req, read_blocking);
	}
	ov_handle_put(ov_session(req), h);
	return res;
}

int ov_op_read(struct graft_inst *inst, struct graft_req *req)
{
	const struct fuse_read_in *in = req->in;
	struct ov_session *s = ov_session(req);
	struct ov_handle *h = ov_handle_get(s, in->fh, req->node);

	if (!h)
		return -EBADF;
	int fd = h->dir ? -EISDIR : ov_handle_fd(s, h);
	if (fd >= 0)
		return read_above(inst, req, h, fd);
	if (fd != -1 || !h->lower) {
		ov_handle_put(s, h);
		return fd == -1 ? -EBADF : fd;
	}
	struct ov_forward *f = ov_forward_new(inst, req, ov_node_hold(s, h->node), sizeof(*in));
	if (!f) {
		ov_handle_put(s, h);
		return -ENOMEM;
	}
	f->h = h;
	((struct fuse_read_in *)(void *)f->copy)->fh = h->lower_fh;
	return ov_forward(inst, req, f);
}

/* What the client's cache writes back has its place already, whatever the flags of the file it goes through. */
static int append_flag(const struct fuse_write_in *in)
{
	return (in->flags & O_APPEND) && !(in->write_flags & FUSE_WRITE_CACHE) ? RWF_APPEND : 0;
}

/* What was written before an error counts; the error comes with the next WRITE. */
static int write_on(struct graft_req *req, int fd)
{
	const struct fuse_write_in *in = req->in;
	struct fuse_write_out *out = req->out;
	bool dropped = (in->write_flags & FUSE_WRITE_KILL_SUIDGID) && ov_flag(req, FUSE_HANDLE_KILLPRIV_V2) &&
		       creds_fsetid_drop();
	uint64_t done = 0;
	ssize_t n;

	do {
		n = iov_move(pwritev2, fd, req->src, req->nsrc, done, in->offset, append_flag(in));
		if (n > 0)
			done += (uint64_t)n;
	} while (n > 0 && done < req->src_len);
	creds_fsetid_restore(dropped);
	out->size = (uint32_t)done;
	return n < 0 && !done ? (int)n : 0;
}

/* A handle of the client's that has a descriptor above for this. 0 or -errno. */
static int get_above(struct ov_session *s, uint64_t fh, uint64_t node, struct ov_handle **h, int *fd)
{
	*h = ov_handle_get(s, fh, node);
	if (!*h)
		return -EBADF;
	*fd = (*h)->dir ? -1 : ov_handle_fd(s, *h);
	if (*fd >= 0)
		return 0;
	ov_handle_put(s, *h);
	return *fd == -1 ? -EBADF : *fd;
}

static int write_now(struct graft_inst *inst, struct graft_req *req)
{
	const struct fuse_write_in *in = req->in;
	struct ov_session *s = ov_session(req);
	struct ov_handle *h;
	int fd, res = get_above(s, in->fh, req->node, &h, &fd);
	(void)inst;

	if (res < 0)
		return res;
	res = write_on(req, fd);
	ov_handle_put(s, h);
	return res;
}

/* Into the page cache here and now, as passthrough does; what waits for the disk is a worker's. */
int ov_op_write(struct graft_inst *inst, struct graft_req *req)
{
	const struct fuse_write_in *in = req->in;
	struct ov_session *s = ov_session(req);
	struct ov_handle *h;
	int fd;

	if (in->offset > INT64_MAX)
		return -EINVAL;
	int res = get_above(s, in->fh, req->node, &h, &fd);
	if (res < 0)
		return res;
	bool sync = h->sync;
	if (!sync)
		res = write_on(req, fd);
	ov_handle_put(s, h);
	return sync ? inst->host->defer(req, write_now) : res;
}

static int fallocate_now(struct graft_inst *inst, struct graft_req *req)
{
	const struct fuse_fallocate_in *in = req->in;
	struct ov_session *s = ov_session(req);
	struct ov_handle *h;
	int fd, res = get_above(s, in->fh, req->node, &h, &fd);
	(void)inst;

	if (res < 0)
		return res;
	if (fallocate(fd, (int)in->mode, (off_t)in->offset, (off_t)in->length) < 0)
		res = -errno;
	ov_handle_put(s, h);
	return res;
}

int ov_op_fallocate(struct graft_inst *inst, struct graft_req *req)
{
	return inst->host->defer(req, fallocate_now);
}

/* Takes h. */
static int lseek_below(struct graft_inst *inst, struct graft_req *req, struct ov_handle *h)
{
	struct ov_session *s = ov_session(req);
	struct ov_forward *f = ov_forward_new(inst, req, ov_node_hold(s, h->node), sizeof(struct fuse_lseek_in));

	if (!f) {
		ov_handle_put(s, h);
		return -ENOMEM;
	}
	f->h = h;
	((struct fuse_lseek_in *)(void *)f->copy)->fh = h->lower_fh;
	return ov_forward(inst, req, f);
}

int ov_op_lseek(struct graft_inst *inst, struct graft_req *req)
{
	const struct fuse_lseek_in *in = req->in;
	struct fuse_lseek_out *out = req->out;
	struct ov_session *s = ov_session(req);
	struct ov_handle *h = ov_handle_get(s, in->fh, req->node);

	if (!h)
		return -EBADF;
	int fd = h->dir ? -EINVAL : ov_handle_fd(s, h);
	if (fd == -1 && h->lower)
		return lseek_below(inst, req, h);
	/* The descriptor's position is used by nothing else. */
	off_t at = fd < 0 ? -1 : lseek(fd, (off_t)in->offset, (int)in->whence);
	int res = at >= 0 ? 0 : fd == -1 ? -EBADF : fd < 0 ? fd : -errno;
	ov_handle_put(s, h);
	out->offset = at < 0 ? 0 : (uint64_t)at;
	return res;
}

static void copy_reply(struct graft_req *req, ssize_t copied)
{
	if (req->opcode == GRAFT_OP_COPY_FILE_RANGE_64)
		((struct graft_copy_file_range_out *)req->out)->bytes_copied = (uint64_t)copied;
	else
		((struct fuse_write_out *)req->out)->size = (uint32_t)copied;
}

/* From below nothing is copied in one call: EXDEV has the client read and write. */
static int copy_now(struct graft_inst *inst, struct graft_req *req)
{
	const struct fuse_copy_file_range_in *in = req->in;
	struct ov_session *s = ov_session(req);
	struct ov_handle *from, *to;
	int fd_from, fd_to;
	int res = get_above(s, in->fh_in, req->node, &from, &fd_from);
	(void)inst;

	if (res < 0)
		return res == -EBADF ? -EXDEV : res;
	res = get_above(s, in->fh_out, req->node2, &to, &fd_to);
	if (res == 0) {
		off_t off_in = (off_t)in->off_in, off_out = (off_t)in->off_out;
		size_t len = in->len < COPY_MAX ? in->len : COPY_MAX;
		ssize_t n = copy_file_range(fd_from, &off_in, fd_to, &off_out, len, (unsigned int)in->flags);
		if (n < 0)
			res = -errno;
		else
			copy_reply(req, n);
		ov_handle_put(s, to);
	}
	ov_handle_put(s, from);
	return res;
}

int ov_op_copy_file_range(struct graft_inst *inst, struct graft_req *req)
{
	return inst->host->defer(req, copy_now);
}
