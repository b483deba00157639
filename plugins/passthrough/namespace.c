/* SPDX-License-Identifier: Apache-2.0 */
/* What makes, names and removes objects other than open files: MKDIR to RENAME, and READLINK. */
#include "passthrough.h"

#include "lib/cleanup.h"
#include "lookup.h"
#include "node.h"
#include "open.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/sysmacros.h>

#define RENAME_FLAGS (RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT)

/* Labels what stands under the name now; it must be of the type that was made. */
static int label(const struct graft_req *req, int fd, mode_t type)
{
	struct statx stx;

	if (!req->secctx_name)
		return 0;
	if (statx(fd, "", AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, STATX_TYPE, &stx) < 0)
		return -errno;
	return (stx.stx_mode & S_IFMT) == type ? pt_set_secctx(pt_session(req), req, fd) : -ESTALE;
}

/* The entry of a new object. -ESTALE: somebody put something of another type in its place. */
static int adopt(const struct graft_req *req, const struct node_ref *parent, mode_t type)
{
	struct pt_session *s = pt_session(req);
	struct fuse_entry_out *out = req->out;
	auto_close int fd = open_name(s->inst, parent->fd, req->name, O_PATH | O_NOFOLLOW, 0);
	int res;

	if (fd < 0)
		return fd;
	res = label(req, fd, type);
	if (!res)
		res = lookup_take(s, parent, steal_fd(&fd), out);
	if (!res && (out->attr.mode & S_IFMT) != type) {
		pt_forget(s, out->nodeid, 1);
		res = -ESTALE;
	}
	return res;
}

/* Makes an object of that type as the caller and answers with its entry. If that fails the object does not stay. */
static int create(struct graft_inst *inst, struct graft_req *req, mode_t type,
		  int (*make)(const struct graft_req *req, int dirfd))
{
	struct pt_session *s = pt_session(req);
	struct node_ref parent;
	struct creds creds;
	int res;

	if (inst->set->readonly)
		return -EROFS;
	res = node_get(s, req->node, &parent);
	if (res < 0)
		return res;
	res = creds_enter(req, &creds);
	if (!res) {
		res = make(req, parent.fd) < 0 ? -errno : 0;
		if (res == -EACCES && creds_insist(req, &creds))
			res = make(req, parent.fd) < 0 ? -errno : 0;
		creds_leave(&creds);
	}
	if (!res) {
		res = adopt(req, &parent, type);
		if (res < 0 && res != -ESTALE && res != -ENOENT)
			unlinkat(parent.fd, req->name, S_ISDIR(type) ? AT_REMOVEDIR : 0);
	}
	node_put(s, &parent);
	return res;
}

static int make_dir(const struct graft_req *req, int dirfd)
{
	const struct fuse_mkdir_in *in = req->in;

	return mkdirat(dirfd, req->name, in->mode & 07777);
}

int pt_op_mkdir(struct graft_inst *inst, struct graft_req *req)
{
	return create(inst, req, S_IFDIR, make_dir);
}

static int make_node(const struct graft_req *req, int dirfd)
{
	const struct fuse_mknod_in *in = req->in;
	/* new_encode_dev of the kernel: 12 bits of major, 20 of minor. */
	dev_t dev = makedev((in->rdev & 0xfff00) >> 8, (in->rdev & 0xff) | (in->rdev >> 12 & 0xfff00));

	return mknodat(dirfd, req->name, in->mode & (S_IFMT | 07777), dev);
}

int pt_op_mknod(struct graft_inst *inst, struct graft_req *req)
{
	const struct fuse_mknod_in *in = req->in;
	mode_t type = in->mode & S_IFMT;

	return create(inst, req, type ? type : S_IFREG, make_node);
}

static int make_symlink(const struct graft_req *req, int dirfd)
{
	return symlinkat(req->name2, dirfd, req->name);
}

int pt_op_symlink(struct graft_inst *inst, struct graft_req *req)
{
	return create(inst, req, S_IFLNK, make_symlink);
}

static int link_to(struct pt_session *s, struct graft_req *req, const struct node_ref *parent,
		   const struct node_ref *old)
{
	char buf[16];

	/* The name in /proc/self/fd means the inode itself, a symlink too; AT_EMPTY_PATH would need a capability. */
	if (linkat(s->inst->proc_fd, node_fd_name(buf, old->fd), parent->fd, req->name, AT_SYMLINK_FOLLOW) < 0)
		return -errno;
	return pt_lookup_fd(s, parent, old->fd, req->out);
}

int pt_op_link(struct graft_inst *inst, struct graft_req *req)
{
	struct pt_session *s = pt_session(req);
	struct node_ref parent, old;
	int res;

	if (inst->set->readonly)
		return -EROFS;
	res = node_get(s, req->node, &parent);
	if (res < 0)
		return res;
	res = node_get(s, req->node2, &old);
	if (!res) {
		res = link_to(s, req, &parent, &old);
		node_put(s, &old);
	}
	node_put(s, &parent);
	return res;
}

/*
 * A name that a mount stands on is busy. The kernel says so for mounts of its caller's namespace only; those of others it takes away with
 * the name, on the host too. Where the source is in another namespace, as in a sandbox, it is looked at here.
 */
static bool carries_mount(const struct graft_inst *inst, int dirfd, const char *name)
{
	struct statx stx;

	return inst->foreign && statx(dirfd, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, 0, &stx) == 0 &&
	       (stx.stx_attributes & STATX_ATTR_MOUNT_ROOT);
}

static int remove_name(struct graft_inst *inst, struct graft_req *req, int flags)
{
	struct pt_session *s = pt_session(req);
	struct node_ref parent;
	int res;

	if (inst->set->readonly)
		return -EROFS;
	res = node_get(s, req->node, &parent);
	if (res < 0)
		return res;
	if (carries_mount(inst, parent.fd, req->name))
		res = -EBUSY;
	else if (unlinkat(parent.fd, req->name, flags) < 0)
		res = -errno;
	node_put(s, &parent);
	return res;
}

int pt_op_unlink(struct graft_inst *inst, struct graft_req *req)
{
	return remove_name(inst, req, 0);
}

int pt_op_rmdir(struct graft_inst *inst, struct graft_req *req)
{
	return remove_name(inst, req, AT_REMOVEDIR);
}

int pt_op_rename(struct graft_inst *inst, struct graft_req *req)
{
	const struct fuse_rename2_in *in = req->in;
	uint32_t flags = req->opcode == FUSE_RENAME2 ? in->flags : 0;
	struct pt_session *s = pt_session(req);
	struct node_ref from, to;
	int res;

	if (inst->set->readonly)
		return -EROFS;
	if (flags & ~(uint32_t)RENAME_FLAGS)
		return -EINVAL;
	res = node_get(s, req->node, &from);
	if (res < 0)
		return res;
	res = node_get(s, req->node2, &to);
	if (!res) {
		if (carries_mount(inst, from.fd, req->name) || carries_mount(inst, to.fd, req->name2))
			res = -EBUSY;
		else if (renameat2(from.fd, req->name, to.fd, req->name2, flags) < 0)
			res = -errno;
		node_put(s, &to);
	}
	node_put(s, &from);
	return res;
}

int pt_op_readlink(struct graft_inst *inst, struct graft_req *req)
{
	struct pt_session *s = pt_session(req);
	char target[PATH_MAX];
	struct node_ref ref;
	ssize_t n = -1;
	int res = node_get(s, req->node, &ref);

	if (res < 0)
		return res;
	if (!S_ISLNK(node_type(&ref))) {
		res = -EINVAL;
	} else {
		n = readlinkat(ref.fd, "", target, sizeof(target));
		res = n < 0 ? -errno : 0;
	}
	node_put(s, &ref);
	if (res < 0)
		return res;
	/* As long as the buffer: perhaps cut. */
	return (size_t)n < sizeof(target) ? inst->host->put(req, target, (size_t)n) : -ENAMETOOLONG;
}
