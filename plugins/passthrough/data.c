/* SPDX-License-Identifier: Apache-2.0 */
/* READ, WRITE, FALLOCATE, LSEEK and COPY_FILE_RANGE: file data, straight between guest memory and the file. */
#include "handle.h"

#include "lib/iov.h"
#include "node.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#define COPY_MAX UINT64_C(0x7ffff000) /* bytes: all that one system call moves, and fits COPY_FILE_RANGE's 32 bits */

/* The file system knows no RWF_NOWAIT. The flags to read with from now on; 0 only where memory is all it has. */
static int learn_read(struct handle *h)
{
	struct statfs st;
	bool memory = fstatfs(h->fd, &st) == 0 && (st.f_type == TMPFS_MAGIC || st.f_type == RAMFS_MAGIC);

	atomic_store_explicit(&h->read, memory ? HANDLE_READ_PLAIN : HANDLE_READ_BLOCKING, memory_order_relaxed);
	return memory ? 0 : -EAGAIN;
}

/*
 * Reads by fd to the end of the file or of dst. 0, -errno, or with RWF_NOWAIT -EAGAIN where the rest would block; req->done
 * says how far it came. The usual read, all of it cached, is one system call; a short one needs another to tell the end
 * of the file from a page that is not there yet.
 */
static int read_on(struct graft_req *req, struct handle *h, int fd, int rwf)
{
	const struct fuse_read_in *in = req->in;

	while (req->done < req->dst_len) {
		ssize_t n = iov_move(preadv2, fd, req->dst, req->ndst, req->done, in->offset, rwf);
		if (n == -EOPNOTSUPP && rwf) {
			rwf = learn_read(h);
			if (rwf < 0)
				return rwf;
			continue;
		}
		if (n == -EAGAIN && rwf)
			return -EAGAIN;
		if (n < 0)
			return req->done ? 0 : (int)n;
		if (n == 0)
			break;
		req->done += (uint64_t)n;
	}
	return 0;
}

/*
 * An O_DIRECT transfer whose place, length or memory the file system does not take (EINVAL; how it wants them statx can
 * tell, but only the attempt is sure) goes through the page cache, which stays coherent with direct transfers: by a
 * descriptor of the same file that is open for this one call. fd or -errno.
 */
static int open_cached(const struct graft_inst *inst, const struct handle *h)
{
	int flags = fcntl(h->fd, F_GETFL) & (O_ACCMODE | O_SYNC | O_DSYNC | O_NOATIME);
	char name[16];
	int fd = openat(inst->proc_fd, node_fd_name(name, h->fd), flags | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* From req->done on; may block. */
static int read_rest(struct graft_req *req, struct handle *h)
{
	int res = read_on(req, h, h->fd, 0);

	if (res != -EINVAL || !h->direct)
		return res;
	int fd = open_cached(pt_session(req)->inst, h);
	if (fd < 0)
		return res;
	res = read_on(req, h, fd, 0);
	close(fd);
	return res;
}

/* On a worker. */
static int read_blocking(struct graft_inst *inst, struct graft_req *req)
{
	const struct fuse_read_in *in = req->in;
	(void)inst;

	return handle_with(req, in->fh, read_rest);
}

/* h is pinned since the transfer began. */
static int read_done(struct graft_inst *inst, struct graft_req *req, int64_t res, void *cookie)
{
	struct handle *h = cookie;
	bool again = res == -EINVAL && h->direct;

	handle_put(pt_session(req), h);
	if (again)
		return pt_defer(inst, req, read_blocking);
	if (res > 0)
		req->done += (uint64_t)res;
	return res < 0 && !req->done ? (int)res : 0;
}

/* Sets io's list to what of dst is not there yet; it must stay until the transfer ends. False: no memory. */
static bool set_list(struct graft_req *req, struct graft_io *io)
{
	io->iov = req->dst;
	io->niov = req->ndst;
	if (!req->done)
		return true;
	struct iovec *rest = pt_session(req)->inst->host->alloc(req, req->ndst * sizeof(*rest));
	struct iov_cursor c = iov_cursor(req->dst, req->ndst);
	uint64_t bytes;
	if (!rest)
		return false;
	iov_skip(&c, req->done);
	io->niov = iov_slice(&c, UINT64_MAX, rest, req->ndst, &bytes);
	io->iov = rest;
	return true;
}

/* What would block goes to the server's ring; where it takes no more, to a worker. h's pin is given away. */
static int read_later(struct graft_inst *inst, struct graft_req *req, struct handle *h)
{
	const struct fuse_read_in *in = req->in;
	struct graft_io io = {.kind = GRAFT_IO_READ, .fd = h->fd, .off = in->offset + req->done};

	if (set_list(req, &io) && inst->host->io(req, &io, read_done, h) == GRAFT_ASYNC)
		return GRAFT_ASYNC;
	handle_put(pt_session(req), h);
	return pt_defer(inst, req, read_blocking);
}

int pt_op_read(struct graft_inst *inst, struct graft_req *req)
{
	const struct fuse_read_in *in = req->in;
	struct pt_session *s = pt_session(req);
	struct handle *h;

	int res = handle_get(s, in->fh, req->node, &h);
	if (res < 0)
		return res;
	uint8_t how = atomic_load_explicit(&h->read, memory_order_relaxed);
	if (in->offset > INT64_MAX)
		res = -EINVAL;
	else if (inst->blocking || (how == HANDLE_READ_PLAIN && !h->direct))
		res = read_rest(req, h);
	else if (h->direct || how == HANDLE_READ_BLOCKING)
		res = -EAGAIN;
	else
		res = read_on(req, h, h->fd, RWF_NOWAIT);
	if (res == -EAGAIN)
		return read_later(inst, req, h);
	handle_put(s, h);
	return res;
}

/* What the guest's cache writes back has its place already, whatever the flags of the file it goes through. */
static int append_flag(const struct fuse_write_in *in)
{
	return (in->flags & O_APPEND) && !(in->write_flags & FUSE_WRITE_CACHE) ? RWF_APPEND : 0;
}

static bool kills_privileges(const struct graft_req *req)
{
	const struct fuse_write_in *in = req->in;

	return (in->write_flags & FUSE_WRITE_KILL_SUIDGID) && pt_flag(req, FUSE_HANDLE_KILLPRIV_V2);
}

/* What was written before an error counts; the error comes with the next WRITE. */
static int write_result(struct graft_req *req, uint64_t done, int64_t last)
{
	struct fuse_write_out *out = req->out;

	out->size = (uint32_t)done;
	return last < 0 && !done ? (int)last : 0;
}

static int write_on(struct graft_req *req, int fd)
{
	const struct fuse_write_in *in = req->in;
	bool dropped = kills_privileges(req) && creds_fsetid_drop();
	uint64_t done = 0;
	ssize_t n;

	do {
		n = iov_move(pwritev2, fd, req->src, req->nsrc, done, in->offset, append_flag(in));
		if (n > 0)
			done += (uint64_t)n;
	} while (n > 0 && done < req->src_len);
	creds_fsetid_restore(dropped);
	return write_result(req, done, n);
}

/* Here and now, by whatever way the file system takes. */
static int write_whole(struct graft_req *req, struct handle *h)
{
	int res = write_on(req, h->fd);

	if (res != -EINVAL || !h->direct)
		return res;
	int fd = open_cached(pt_session(req)->inst, h);
	if (fd < 0)
		return res;
	res = write_on(req, fd);
	close(fd);
	return res;
}

/* On a worker. */
static int write_blocking(struct graft_inst *inst, struct graft_req *req)
{
	const struct fuse_write_in *in = req->in;
	(void)inst;

	return handle_with(req, in->fh, write_whole);
}

/* h is pinned since the transfer began. */
static int write_done(struct graft_inst *inst, struct graft_req *req, int64_t res, void *cookie)
{
	struct handle *h = cookie;

	handle_put(pt_session(req), h);
	if (res == -EINVAL)
		return pt_defer(inst, req, write_blocking);
	return write_result(req, res > 0 ? (uint64_t)res : 0, res);
}

/*
 * Direct writes go to the server's ring, whose thread has its own rights: what needs them dropped is a worker's. So is
 * O_SYNC through the page cache, which the kernel would do on a thread of its own, one write of a file after the other.
 * h's pin is given away.
 */
static int write_later(struct graft_inst *inst, struct graft_req *req, struct handle *h)
{
	const struct fuse_write_in *in = req->in;
	struct graft_io io = {.kind = GRAFT_IO_WRITE,
			      .fd = h->fd,
			      .off = in->offset,
			      .iov = req->src,
			      .niov = req->nsrc,
			      .flags = (uint32_t)append_flag(in)};

	if (h->direct && !kills_privileges(req) && inst->host->io(req, &io, write_done, h) == GRAFT_ASYNC)
		return GRAFT_ASYNC;
	handle_put(pt_session(req), h);
	return pt_defer(inst, req, write_blocking);
}

/* Into the page cache here and now: RWF_NOWAIT costs more than the rare wait (docs/performance.md). */
int pt_op_write(struct graft_inst *inst, struct graft_req *req)
{
	const struct fuse_write_in *in = req->in;
	struct pt_session *s = pt_session(req);
	struct handle *h;

	if (inst->set->readonly)
		return -EROFS;
	if (in->offset > INT64_MAX)
		return -EINVAL;
	int res = handle_get(s, in->fh, req->node, &h);
	if (res < 0)
		return res;
	if (h->sync && !inst->blocking)
		return write_later(inst, req, h);
	res = write_whole(req, h);
	handle_put(s, h);
	return res;
}

static int allocate(struct graft_req *req, struct handle *h)
{
	const struct fuse_fallocate_in *in = req->in;

	return fallocate(h->fd, (int)in->mode, (off_t)in->offset, (off_t)in->length) < 0 ? -errno : 0;
}

static int fallocate_now(struct graft_inst *inst, struct graft_req *req)
{
	const struct fuse_fallocate_in *in = req->in;
	(void)inst;

	return handle_with(req, in->fh, allocate);
}

int pt_op_fallocate(struct graft_inst *inst, struct graft_req *req)
{
	return inst->set->readonly ? -EROFS : pt_defer(inst, req, fallocate_now);
}

static int seek(struct graft_req *req, struct handle *h)
{
	const struct fuse_lseek_in *in = req->in;
	struct fuse_lseek_out *out = req->out;

	/* A directory's position belongs to READDIR. A file's is used by nothing: reads and writes name their place. */
	if (h->dir)
		return -EINVAL;
	off_t at = lseek(h->fd, (off_t)in->offset, (int)in->whence);
	if (at < 0)
		return -errno;
	out->offset = (uint64_t)at;
	return 0;
}

int pt_op_lseek(struct graft_inst *inst, struct graft_req *req)
{
	const struct fuse_lseek_in *in = req->in;
	(void)inst;

	return handle_with(req, in->fh, seek);
}

static void copy_reply(struct graft_req *req, ssize_t copied)
{
	if (req->opcode == GRAFT_OP_COPY_FILE_RANGE_64)
		((struct graft_copy_file_range_out *)req->out)->bytes_copied = (uint64_t)copied;
	else
		((struct fuse_write_out *)req->out)->size = (uint32_t)copied;
}

static int copy_now(struct graft_inst *inst, struct graft_req *req)
{
	const struct fuse_copy_file_range_in *in = req->in;
	struct pt_session *s = pt_session(req);
	struct handle *from, *to;
	(void)inst;

	int res = handle_get(s, in->fh_in, req->node, &from);
	if (res < 0)
		return res;
	res = handle_get(s, in->fh_out, req->node2, &to);
	if (res == 0) {
		off_t off_in = (off_t)in->off_in, off_out = (off_t)in->off_out;
		size_t len = in->len < COPY_MAX ? in->len : COPY_MAX;
		ssize_t n = copy_file_range(from->fd, &off_in, to->fd, &off_out, len, (unsigned int)in->flags);
		if (n < 0)
			res = -errno;
		else
			copy_reply(req, n);
		handle_put(s, to);
	}
	handle_put(s, from);
	return res;
}

int pt_op_copy_file_range(struct graft_inst *inst, struct graft_req *req)
{
	return inst->set->readonly ? -EROFS : pt_defer(inst, req, copy_now);
}
