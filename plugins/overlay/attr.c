/* SPDX-License-Identifier: Apache-2.0 */
/* GETATTR, STATX, ACCESS, READLINK, STATFS and SYNCFS. */
#include "forward.h"
#include "lib/fuse_attr.h"
#include "lookup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

/* The node, in use, whether it lies above or below. A file that was removed is reached by its handle, if the client
 * names one. */
static int find(struct graft_req *req, bool by_handle, uint64_t fh, struct ov_ref *ref)
{
	struct ov_session *s = ov_session(req);
	int res = ov_ref_get(s, req->node, ref);

	if (res != -ESTALE || !by_handle)
		return res;
	struct ov_handle *h = ov_handle_get(s, fh, req->node);
	if (!h)
		return res;
	int fd = ov_handle_fd(s, h);
	if (fd >= 0) {
		ref->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
		ref->temp = true;
		ref->node = ov_node_hold(s, h->node);
		res = ref->fd < 0 ? -errno : 0;
		if (res < 0)
			ov_node_put(s, ref->node);
	}
	ov_handle_put(s, h);
	return res;
}

static int getattr_below(struct graft_inst *inst, struct graft_req *req, int res, struct ov_forward *f)
{
	struct fuse_attr_out *out = req->out;
	(void)inst;

	if (res == 0) {
		ov_fix_attr(f->node, &out->attr);
		out->attr_valid = out->attr_valid < OV_VALID ? out->attr_valid : OV_VALID;
	}
	return res;
}

int ov_op_getattr(struct graft_inst *inst, struct graft_req *req)
{
	const struct fuse_getattr_in *in = req->in;
	struct fuse_attr_out *out = req->out;
	struct ov_session *s = ov_session(req);
	struct ov_ref ref;
	struct statx stx;
	int res = find(req, in->getattr_flags & FUSE_GETATTR_FH, in->fh, &ref);

	if (res < 0)
		return res;
	if (ref.fd < 0) {
		struct ov_forward *f = ov_forward_new(inst, req, ref.node, 0);
		if (!f)
			return -ENOMEM;
		f->after = getattr_below;
		return ov_forward(inst, req, f);
	}
	res = ov_stat(ref.fd, &stx);
	if (res == 0) {
		ov_fill_attr(ref.node, &stx, &out->attr);
		out->attr_valid = OV_VALID;
	}
	ov_ref_put(s, &ref);
	return res;
}

static int statx_below(struct graft_inst *inst, struct graft_req *req, int res, struct ov_forward *f)
{
	struct fuse_statx_out *out = req->out;
	(void)inst;

	if (res == 0) {
		out->stat.ino = f->node->ino;
		out->attr_valid = out->attr_valid < OV_VALID ? out->attr_valid : OV_VALID;
	}
	return res;
}

int ov_op_statx(struct graft_inst *inst, struct graft_req *req)
{
	const struct fuse_statx_in *in = req->in;
	struct fuse_statx_out *out = req->out;
	struct ov_session *s = ov_session(req);
	int flags = AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW | (int)(in->sx_flags & AT_STATX_SYNC_TYPE);
	struct ov_ref ref;
	struct statx stx;
	int res = find(req, in->getattr_flags & FUSE_GETATTR_FH, in->fh, &ref);

	if (res < 0)
		return res;
	if (ref.fd < 0) {
		struct ov_forward *f = ov_forward_new(inst, req, ref.node, sizeof(*in));
		if (!f)
			return -ENOMEM;
		f->after = statx_below;
		((struct fuse_statx_in *)(void *)f->copy)->getattr_flags = 0;
		return ov_forward(inst, req, f);
	}
	if (syscall(SYS_statx, ref.fd, "", flags, in->sx_mask & ~(unsigned int)STATX__RESERVED, &stx) < 0)
		res = -errno;
	if (res == 0) {
		fuse_statx_fill(&stx, &out->stat);
		out->stat.ino = ref.node->ino;
		out->stat.nlink = ov_merged(ref.node) ? 1 : out->stat.nlink;
		out->attr_valid = OV_VALID;
	}
	ov_ref_put(s, &ref);
	return res;
}

static bool in_group(const struct graft_req *req, uint32_t gid)
{
	bool found = req->gid == gid;

	for (uint32_t i = 0; req->has_groups && i < req->ngroups; i++)
		found = found || req->groups[i] == gid;
	return found;
}

/* By the mode alone: clients that know access lists (FUSE_POSIX_ACL) do not ask. */
static bool allowed(const struct graft_req *req, const struct statx *stx, uint32_t mask)
{
	uint32_t bits = stx->stx_mode;

	if (req->uid == 0)
		return !(mask & X_OK) || S_ISDIR(bits) || (bits & 0111);
	if (req->uid == stx->stx_uid)
		bits >>= 6;
	else if (in_group(req, stx->stx_gid))
		bits >>= 3;
	return (bits & mask) == mask;
}

/* What lies below could be copied up: writing is not refused because of where it lies. */
static int access_below(struct graft_inst *inst, struct graft_req *req, struct ov_node *node)
{
	struct ov_forward *f = ov_forward_new(inst, req, node, sizeof(struct fuse_access_in));

	if (!f)
		return -ENOMEM;
	((struct fuse_access_in *)(void *)f->copy)->mask &= ~(uint32_t)W_OK;
	return ov_forward(inst, req, f);
}

int ov_op_access(struct graft_inst *inst, struct graft_req *req)
{
	const struct fuse_access_in *in = req->in;
	struct ov_session *s = ov_session(req);
	struct ov_ref ref;
	struct statx stx;

	if (in->mask & ~(uint32_t)(R_OK | W_OK | X_OK))
		return -EINVAL;
	int res = ov_ref_get(s, req->node, &ref);
	if (res < 0)
		return res;
	if (ref.fd < 0)
		return access_below(inst, req, ref.node);
	res = ov_stat(ref.fd, &stx);
	ov_ref_put(s, &ref);
	if (res < 0)
		return res;
	return allowed(req, &stx, in->mask) ? 0 : -EACCES;
}

int ov_op_readlink(struct graft_inst *inst, struct graft_req *req)
{
	struct ov_session *s = ov_session(req);
	char target[PATH_MAX];
	struct ov_ref ref;
	int res = ov_ref_get(s, req->node, &ref);

	if (res < 0)
		return res;
	if (ref.fd < 0) {
		struct ov_forward *f = ov_forward_new(inst, req, ref.node, 0);
		return f ? ov_forward(inst, req, f) : -ENOMEM;
	}
	ssize_t n = S_ISLNK(ref.node->type) ? readlinkat(ref.fd, "", target, sizeof(target)) : -1;
	if (n < 0)
		res = S_ISLNK(ref.node->type) ? -errno : -EINVAL;
	ov_ref_put(s, &ref);
	if (res < 0)
		return res;
	return (size_t)n < sizeof(target) ? inst->host->put(req, target, (size_t)n) : -ENAMETOOLONG;
}

/* Room is what there is above. */
int ov_op_statfs(struct graft_inst *inst, struct graft_req *req)
{
	struct fuse_statfs_out *out = req->out;
	struct statfs st;

	if (fstatfs(inst->upper_fd, &st) < 0)
		return -errno;
	out->st = (struct fuse_kstatfs){
		.blocks = st.f_blocks,
		.bfree = st.f_bfree,
		.bavail = st.f_bavail,
		.files = st.f_files,
		.ffree = st.f_ffree,
		.bsize = (uint32_t)st.f_bsize,
		.namelen = (uint32_t)st.f_namelen,
		.frsize = (uint32_t)st.f_frsize,
	};
	return 0;
}

static int sync_now(struct graft_inst *inst, struct graft_req *req)
{
	(void)req;
	return syncfs(inst->temp_fd) < 0 ? -errno : 0;
}

int ov_op_syncfs(struct graft_inst *inst, struct graft_req *req)
{
	return inst->host->defer(req, sync_now);
}
