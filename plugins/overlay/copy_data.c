/* SPDX-License-Identifier: Apache-2.0 */
/* What a copy is made of. */
#include "copy_data.h"

#include "lib/cleanup.h"
#include "lower.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COPY_BYTES (1u << 20) /* of one READ below */
#define HOLE_BYTES 4096u      /* zeros of this size and place are left out */
#define XATTR_MAX 65536u      /* XATTR_SIZE_MAX and XATTR_LIST_MAX of the kernel */

static bool is_zero(const char *p, size_t len)
{
	return !p[0] && memcmp(p, p + 1, len - 1) == 0;
}

static int write_all(int fd, const char *p, size_t len, uint64_t off)
{
	while (len) {
		ssize_t n = pwrite(fd, p, len, (off_t)off);
		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
		off += (uint64_t)n;
	}
	return 0;
}

/* Writes runs of blocks that are not all zeros. */
static int write_sparse(int fd, const char *p, size_t len, uint64_t off)
{
	size_t from = 0, at = 0;
	int res = 0;

	while (at < len && res == 0) {
		size_t n = len - at < HOLE_BYTES ? len - at : HOLE_BYTES;
		if (is_zero(p + at, n)) {
			res = write_all(fd, p + from, at - from, off + from);
			from = at + n;
		}
		at += n;
	}
	return res < 0 ? res : write_all(fd, p + from, len - from, off + from);
}

static int copy_open(struct ov_work *w, uint64_t lower, uint64_t fh, uint64_t size, int fd)
{
	auto_free char *buf = malloc(COPY_BYTES);
	uint64_t off = 0;
	uint64_t room = w->req->session->max_write;
	size_t piece = room && room < COPY_BYTES ? (size_t)room : COPY_BYTES;
	int res = 0;

	if (!buf)
		return -ENOMEM;
	while (off < size && res == 0) {
		size_t want = size - off < piece ? (size_t)(size - off) : piece;
		ssize_t n = lower_read(w, FUSE_READ, lower, fh, off, buf, want);
		/* A file that ends early has holes there. */
		if (n <= 0)
			return (int)n;
		res = write_sparse(fd, buf, (size_t)n, off);
		off += (uint64_t)n;
		atomic_fetch_add_explicit(&w->inst->copied_bytes, (uint64_t)n, memory_order_relaxed);
	}
	return res;
}

int copy_data(struct ov_work *w, uint64_t lower, const struct fuse_attr *attr, const char *temp)
{
	auto_close int fd = ov_open_name(w->inst, w->inst->temp_fd, temp, O_WRONLY | O_CREAT | O_EXCL, 0600);
	uint64_t fh;

	if (fd < 0)
		return fd;
	if (!attr->size)
		return 0;
	if (attr->size > INT64_MAX)
		return -EFBIG;
	if (ftruncate(fd, (off_t)attr->size) < 0)
		return -errno;
	int res = lower_open(w, FUSE_OPEN, lower, &fh);
	if (res < 0)
		return res;
	res = copy_open(w, lower, fh, attr->size, fd);
	lower_release(w, FUSE_RELEASE, lower, fh);
	return res;
}

/* An attribute that the file system above does not know, or this process may not set, stays below, as the kernel's
 * overlayfs has it. */
static bool may_be_left(int res)
{
	return res == -EOPNOTSUPP || res == -EPERM;
}

static int copy_xattr(struct ov_work *w, uint64_t lower, const char *name, int fd, char *value)
{
	if (ov_own_xattr(name))
		return 0;
	ssize_t n = lower_get_xattr(w, lower, name, value, XATTR_MAX);
	if (n < 0)
		return n == -ENODATA || may_be_left((int)n) ? 0 : (int)n;
	int res = ov_set_xattr(w->inst, fd, name, value, (size_t)n, 0);
	return may_be_left(res) ? 0 : res;
}

static int copy_xattrs(struct ov_work *w, uint64_t lower, int fd)
{
	auto_free char *names = malloc(2 * XATTR_MAX);
	int res = 0;

	if (!names)
		return -ENOMEM;
	ssize_t n = lower_list_xattr(w, lower, names, XATTR_MAX);
	if (n < 0)
		return n == -EOPNOTSUPP || n == -ENOSYS || n == -ENODATA ? 0 : (int)n;
	for (size_t at = 0; at < (size_t)n && res == 0;) {
		size_t len = strnlen(names + at, (size_t)n - at);
		if (at + len == (size_t)n)
			return -EIO; /* a list ends with a NUL */
		res = copy_xattr(w, lower, names + at, fd, names + XATTR_MAX);
		at += len + 1;
	}
	return res;
}

int copy_metadata(struct ov_work *w, uint64_t lower, const struct fuse_attr *attr, const char *temp)
{
	const struct timespec ts[2] = {
		{ .tv_sec = (time_t)attr->atime, .tv_nsec = attr->atimensec },
		{ .tv_sec = (time_t)attr->mtime, .tv_nsec = attr->mtimensec },
	};
	struct graft_inst *inst = w->inst;
	char buf[OV_NAME_BUF];
	auto_close int fd = ov_open_name(inst, inst->temp_fd, temp, O_PATH | O_NOFOLLOW, 0);

	if (fd < 0)
		return fd;
	if (fchownat(fd, "", attr->uid, attr->gid, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	/* Before the attributes: an access list is a part of the mode. */
	if (!S_ISLNK(attr->mode) && fchmodat(inst->proc_fd, ov_fd_name(buf, fd), attr->mode & 07777, 0) < 0)
		return -errno;
	int res = copy_xattrs(w, lower, fd);
	if (res < 0)
		return res;
	return utimensat(inst->temp_fd, temp, ts, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}
