/* SPDX-License-Identifier: Apache-2.0 */
/* READ, WRITE, FALLOCATE, LSEEK and COPY_FILE_RANGE: file data, straight between guest memory and the file. */
#include "handle.h"

#include "lib/iov.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#define REST_IOVECS 64                /* of a list that the first system call did not use up */
#define COPY_MAX UINT64_C(0x7ffff000) /* bytes: all that one system call moves, and fits COPY_FILE_RANGE's 32 bits */

typedef ssize_t data_call(int fd, const struct iovec *iov, int n, off_t off, int flags);

/* One system call for what of a list is behind `done` bytes. Bytes moved, 0 at the end of the file, -errno. */
static ssize_t move_some(data_call *call, int fd, const struct iovec *iov, uint32_t n, uint64_t done, uint64_t off,
			 int rwf)
{
	struct iovec part[REST_IOVECS];
	uint64_t bytes;

	if (done) {
		struct iov_cursor c = iov_cursor(iov, n);
		iov_skip(&c, done);
		n = iov_slice(&c, UINT64_MAX, part, REST_IOVECS, &bytes);
		iov = part;
	}
	ssize_t moved = call(fd, iov, (int)n, (off_t)(off + done), rwf);
	return moved < 0 ? -errno : moved;
}

/* The file system knows no RWF_NOWAIT. The flags to read with from now on; 0 only where memory is all it has. */
static int learn_read(struct handle *h)
{
	struct statfs st;
	bool memory = fstatfs(h->fd, &st) == 0 && (st.f_type == TMPFS_MAGIC || st.f_type == RAMFS_MAGIC);

	atomic_store_explicit(&h->read, memory ? HANDLE_READ_PLAIN : HANDLE_READ_BLOCKING, memory_order_relaxed);
	return memory ? 0 : -EAGAIN;
}

/*
 * Reads to the end of the file or of dst. 0, -errno, or with RWF_NOWAIT -EAGAIN where the rest would block; req->done
 * says how far it came. The usual read, all of it cached, is one system call; a short one needs another to tell the end
 * of the file from a page that is not there yet.
 */
static int read_on(struct graft_req *req, struct handle *h, int rwf)
{
	const struct fuse_read_in *in = req->in;

	while (req->done < req->dst_len) {
		ssize_t n = move_some(preadv2, h->fd, req->dst, req->ndst, req->done, in->offset, rwf);
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

static int read_rest(struct graft_req *req, struct handle *h)
{
	return read_on(req, h, 0);
}

/* On a worker: from req->done on. */
static int read_blocking(struct graft_inst *inst, struct graft_req *req)
{
	const struct fuse_read_in *in = req->in;
	(void)inst;

	return handle_with(req, in->fh, read_rest);
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
		res = read_on(req, h, 0);
	else if (h->direct || how == HANDLE_READ_BLOCKING)
		res = -EAGAIN;
	else
		res = read_on(req, h, RWF_NOWAIT);
	handle_put(s, h);
	return res == -EAGAIN ? pt_defer(inst, req, read_blocking) : res;
}

static int write_on(struct graft_req *req, struct handle *h)
{
	const struct fuse_write_in *in = req->in;
	struct fuse_write_out *out = req->out;
	bool kill = (in->write_flags & FUSE_WRITE_KILL_SUIDGID) && pt_flag(req, FUSE_HANDLE_KILLPRIV_V2);
	/* What the guest's cache writes back has its place already, whatever the flags of the file it goes through. */
	int rwf = (in->flags & O_APPEND) && !(in->write_flags & FUSE_WRITE_CACHE) ? RWF_APPEND : 0;
	uint64_t done = 0;
	ssize_t n;

	bool dropped = kill && pt_fsetid_drop();
	do {
		n = move_some(pwritev2, h->fd, req->src, req->nsrc, done, in->offset, rwf);
		if (n > 0)
			done += (uint64_t)n;
	} while (n > 0 && done < req->src_len);
	pt_fsetid_restore(dropped);
	out->size = (uint32_t)done;
	return n < 0 && !done ? (int)n : 0;
}

static int write_blocking(struct graft_inst *inst, struct graft_req *req)
{
	const struct fuse_write_in *in = req->in;
	(void)inst;

	return handle_with(req, in->fh, write_on);
}

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
	bool waits = h->sync && !inst->blocking;
	if (!waits)
		res = write_on(req, h);
	handle_put(s, h);
	return waits ? pt_defer(inst, req, write_blocking) : res;
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
