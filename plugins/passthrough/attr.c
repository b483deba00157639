/* SPDX-License-Identifier: Apache-2.0 */
/* GETATTR, SETATTR, STATX and ACCESS. */
#include "passthrough.h"

#include "handle.h"
#include "lib/fuse_attr.h"
#include "node.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NS UINT64_C(1000000000)

/* What a request is about: an open file if it names one, else the node. */
struct target {
	struct handle *h; /* NULL: by node */
	struct node_ref ref;
	int fd; /* real with h, else O_PATH */
};

static int target_get(struct pt_session *s, uint64_t node, const uint64_t *fh, struct target *t)
{
	int res;

	t->h = NULL;
	if (fh) {
		res = handle_get(s, *fh, node, &t->h);
		if (!res)
			t->fd = handle_fd(t->h);
		return res;
	}
	res = node_get(s, node, &t->ref);
	if (!res)
		t->fd = t->ref.fd;
	return res;
}

static void target_put(struct pt_session *s, struct target *t)
{
	if (t->h)
		handle_put(s, t->h);
	else
		node_put(s, &t->ref);
}

/* For what only looks: a file handle that is none is no reason to fail, the node says it as well. */
static int target_look(struct pt_session *s, uint64_t node, const uint64_t *fh, struct target *t)
{
	if (fh && target_get(s, node, fh, t) == 0)
		return 0;
	return target_get(s, node, NULL, t);
}

static int fill_attr(struct graft_inst *inst, int fd, struct fuse_attr_out *out)
{
	struct statx stx;

	if (statx(fd, "", AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &stx) < 0)
		return -errno;
	out->attr_valid = inst->attr_timeout / NS;
	out->attr_valid_nsec = (uint32_t)(inst->attr_timeout % NS);
	fuse_attr_fill(&stx, &out->attr);
	return 0;
}

int pt_op_getattr(struct graft_inst *inst, struct graft_req *req)
{
	const struct fuse_getattr_in *in = req->in;
	struct pt_session *s = pt_session(req);
	struct target t;
	int res = target_look(s, req->node, in->getattr_flags & FUSE_GETATTR_FH ? &in->fh : NULL, &t);

	if (res < 0)
		return res;
	res = fill_attr(inst, t.fd, req->out);
	target_put(s, &t);
	return res;
}

static int set_mode(struct graft_inst *inst, const struct target *t, mode_t mode)
{
	char buf[16];
	int res;

	mode &= 07777;
	if (t->h)
		res = fchmod(t->fd, mode);
	else if (S_ISLNK(node_type(&t->ref)))
		return -EOPNOTSUPP;
	else
		res = fchmodat(inst->proc_fd, node_fd_name(buf, t->fd), mode, 0);
	return res < 0 ? -errno : 0;
}

static int set_owner(const struct target *t, const struct fuse_setattr_in *in)
{
	uid_t uid = in->valid & FATTR_UID ? in->uid : GRAFT_NO_ID;
	gid_t gid = in->valid & FATTR_GID ? in->gid : GRAFT_NO_ID;

	return fchownat(t->fd, "", uid, gid, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

static int set_size(struct graft_req *req, const struct target *t)
{
	const struct fuse_setattr_in *in = req->in;
	struct pt_session *s = pt_session(req);
	int fd = t->h ? t->fd : node_open(s, &t->ref, O_WRONLY | O_NONBLOCK);
	bool dropped;
	int res;

	if (fd < 0)
		return fd;
	dropped = (in->valid & FATTR_KILL_SUIDGID) && pt_flag(req, FUSE_HANDLE_KILLPRIV_V2) && creds_fsetid_drop();
	res = ftruncate(fd, (off_t)in->size) < 0 ? -errno : 0;
	creds_fsetid_restore(dropped);
	if (!t->h)
		close(fd);
	return res;
}

static struct timespec time_of(uint32_t valid, uint32_t set, uint32_t now, uint64_t sec, uint32_t nsec)
{
	if (valid & now)
		return (struct timespec){.tv_nsec = UTIME_NOW};
	if (valid & set)
		return (struct timespec){.tv_sec = (time_t)sec, .tv_nsec = nsec};
	return (struct timespec){.tv_nsec = UTIME_OMIT};
}

static int set_times(struct graft_inst *inst, const struct target *t, const struct fuse_setattr_in *in)
{
	const struct timespec ts[2] = {
		time_of(in->valid, FATTR_ATIME, FATTR_ATIME_NOW, in->atime, in->atimensec),
		time_of(in->valid, FATTR_MTIME, FATTR_MTIME_NOW, in->mtime, in->mtimensec),
	};
	char buf[16];
	int res;

	if (t->h)
		res = futimens(t->fd, ts);
	else
		res = utimensat(inst->proc_fd, node_fd_name(buf, t->fd), ts, 0);
	return res < 0 ? -errno : 0;
}

/* In this order; what was done before a failure stays done. */
static int set_all(struct graft_inst *inst, struct graft_req *req, const struct target *t)
{
	const struct fuse_setattr_in *in = req->in;
	int res = 0;

	if (in->valid & FATTR_MODE)
		res = set_mode(inst, t, in->mode);
	if (!res && (in->valid & (FATTR_UID | FATTR_GID)))
		res = set_owner(t, in);
	if (!res && (in->valid & FATTR_SIZE))
		res = set_size(req, t);
	if (!res && (in->valid & (FATTR_ATIME | FATTR_MTIME | FATTR_ATIME_NOW | FATTR_MTIME_NOW)))
		res = set_times(inst, t, in);
	return res ? res : fill_attr(inst, t->fd, req->out);
}

static int setattr_now(struct graft_inst *inst, struct graft_req *req)
{
	const struct fuse_setattr_in *in = req->in;
	struct pt_session *s = pt_session(req);
	struct target t;
	int res = target_get(s, req->node, in->valid & FATTR_FH ? &in->fh : NULL, &t);

	if (res < 0)
		return res;
	res = set_all(inst, req, &t);
	target_put(s, &t);
	return res;
}

int pt_op_setattr(struct graft_inst *inst, struct graft_req *req)
{
	const struct fuse_setattr_in *in = req->in;

	if (inst->set->readonly)
		return -EROFS;
	/* Cutting a long file off can take long. */
	if (in->valid & FATTR_SIZE)
		return pt_defer(inst, req, setattr_now);
	return setattr_now(inst, req);
}

int pt_op_statx(struct graft_inst *inst, struct graft_req *req)
{
	const struct fuse_statx_in *in = req->in;
	struct fuse_statx_out *out = req->out;
	struct pt_session *s = pt_session(req);
	int flags = AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW | (int)(in->sx_flags & AT_STATX_SYNC_TYPE);
	struct statx stx;
	struct target t;
	int res = target_look(s, req->node, in->getattr_flags & FUSE_GETATTR_FH ? &in->fh : NULL, &t);

	if (res < 0)
		return res;
	/* The raw call: C library headers may name fewer bits than the guest knows. */
	if (syscall(SYS_statx, t.fd, "", flags, in->sx_mask & ~(unsigned int)STATX__RESERVED, &stx) < 0)
		res = -errno;
	target_put(s, &t);
	if (res < 0)
		return res;
	out->attr_valid = inst->attr_timeout / NS;
	out->attr_valid_nsec = (uint32_t)(inst->attr_timeout % NS);
	fuse_statx_fill(&stx, &out->stat);
	return 0;
}

/* By the mode alone, as the guest's ids see it: no supplementary groups, no access lists (reference 4.4). */
static bool allowed(const struct graft_req *req, const struct statx *stx, uint32_t mask)
{
	uint32_t bits = stx->stx_mode;

	if (req->uid == 0)
		return !(mask & X_OK) || S_ISDIR(bits) || (bits & 0111);
	if (req->uid == stx->stx_uid)
		bits >>= 6;
	else if (req->gid == stx->stx_gid)
		bits >>= 3;
	return (bits & mask) == mask;
}

int pt_op_access(struct graft_inst *inst, struct graft_req *req)
{
	const struct fuse_access_in *in = req->in;
	struct pt_session *s = pt_session(req);
	struct node_ref ref;
	struct statx stx;
	int res;

	if (in->mask & ~(uint32_t)(R_OK | W_OK | X_OK))
		return -EINVAL;
	res = node_get(s, req->node, &ref);
	if (res < 0)
		return res;
	if (statx(ref.fd, "", AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &stx) < 0)
		res = -errno;
	node_put(s, &ref);
	if (res < 0)
		return res;
	if ((in->mask & W_OK) && inst->set->readonly)
		return -EROFS;
	return allowed(req, &stx, in->mask) ? 0 : -EACCES;
}
