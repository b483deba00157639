/* SPDX-License-Identifier: Apache-2.0 */
/* SETATTR: above, after copying up where need be. */
#include "copy_up.h"
#include "handle.h"
#include "lib/creds.h"
#include "lookup.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static int set_mode(struct graft_inst *inst, const struct ov_ref *ref, mode_t mode)
{
	char buf[OV_NAME_BUF];

	if (S_ISLNK(ref->node->type))
		return -EOPNOTSUPP;
	return fchmodat(inst->proc_fd, ov_fd_name(buf, ref->fd), mode & 07777, 0) < 0 ? -errno : 0;
}

static int set_owner(const struct ov_ref *ref, const struct fuse_setattr_in *in)
{
	uid_t uid = in->valid & FATTR_UID ? in->uid : GRAFT_NO_ID;
	gid_t gid = in->valid & FATTR_GID ? in->gid : GRAFT_NO_ID;

	return fchownat(ref->fd, "", uid, gid, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

static int set_size(struct graft_req *req, const struct ov_ref *ref)
{
	const struct fuse_setattr_in *in = req->in;

	if (in->size > INT64_MAX)
		return -EFBIG;
	if (!S_ISREG(ref->node->type))
		return S_ISDIR(ref->node->type) ? -EISDIR : -EINVAL;
	int fd = ov_open_again(ov_session(req)->inst, ref->fd, O_WRONLY | O_NONBLOCK);
	if (fd < 0)
		return fd;
	bool dropped = (in->valid & FATTR_KILL_SUIDGID) && ov_flag(req, FUSE_HANDLE_KILLPRIV_V2) && creds_fsetid_drop();
	int res = ftruncate(fd, (off_t)in->size) < 0 ? -errno : 0;
	creds_fsetid_restore(dropped);
	close(fd);
	return res;
}

static struct timespec time_of(uint32_t valid, uint32_t set, uint32_t now, uint64_t sec, uint32_t nsec)
{
	if (valid & now)
		return (struct timespec){ .tv_nsec = UTIME_NOW };
	if (valid & set)
		return (struct timespec){ .tv_sec = (time_t)sec, .tv_nsec = nsec };
	return (struct timespec){ .tv_nsec = UTIME_OMIT };
}

static int set_times(struct graft_inst *inst, const struct ov_ref *ref, const struct fuse_setattr_in *in)
{
	const struct timespec ts[2] = {
		time_of(in->valid, FATTR_ATIME, FATTR_ATIME_NOW, in->atime, in->atimensec),
		time_of(in->valid, FATTR_MTIME, FATTR_MTIME_NOW, in->mtime, in->mtimensec),
	};
	char buf[OV_NAME_BUF];

	/* The name in /proc leads to the object itself, a link as well. */
	return utimensat(inst->proc_fd, ov_fd_name(buf, ref->fd), ts, 0) < 0 ? -errno : 0;
}

/* In this order; what was done before a failure stays done. */
static int set_all(struct graft_inst *inst, struct graft_req *req, const struct ov_ref *ref)
{
	const struct fuse_setattr_in *in = req->in;
	struct fuse_attr_out *out = req->out;
	struct statx stx;
	int res = 0;

	if (in->valid & FATTR_MODE)
		res = set_mode(inst, ref, in->mode);
	if (!res && (in->valid & (FATTR_UID | FATTR_GID)))
		res = set_owner(ref, in);
	if (!res && (in->valid & FATTR_SIZE))
		res = set_size(req, ref);
	if (!res && (in->valid & (FATTR_ATIME | FATTR_MTIME | FATTR_ATIME_NOW | FATTR_MTIME_NOW)))
		res = set_times(inst, ref, in);
	if (!res)
		res = ov_stat(ref->fd, &stx);
	if (!res) {
		ov_fill_attr(ref->node, &stx, &out->attr);
		out->attr_valid = OV_VALID;
	}
	return res;
}

/* What has a part above. */
static int set_above(struct graft_inst *inst, struct graft_req *req)
{
	struct ov_session *s = ov_session(req);
	struct ov_ref ref;
	int res = ov_ref_get(s, req->node, &ref);

	if (res < 0)
		return res;
	res = ref.fd < 0 ? -ESTALE : set_all(inst, req, &ref);
	ov_ref_put(s, &ref);
	return res;
}

static int set_below(struct ov_work *w)
{
	struct ov_node *node = ov_node_get(w->s, w->req->node);

	if (!node)
		return -ESTALE;
	int res = ov_copy_up(w, node);
	ov_node_put(w->s, node);
	return res ? res : set_above(w->inst, w->req);
}

int ov_op_setattr(struct graft_inst *inst, struct graft_req *req)
{
	const struct fuse_setattr_in *in = req->in;
	struct ov_session *s = ov_session(req);
	struct ov_node *node = ov_node_get(s, req->node);

	if (!node)
		return -ESTALE;
	bool above = ov_has_upper(node);
	ov_node_put(s, node);
	if (!above)
		return ov_work_start(inst, req, inst->changers, set_below);
	/* Cutting a long file off can take long. */
	return in->valid & FATTR_SIZE ? inst->host->defer(req, set_above) : set_above(inst, req);
}
