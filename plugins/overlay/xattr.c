/* SPDX-License-Identifier: Apache-2.0 */
/* Extended attributes: the overlay's own marks are neither shown nor set. */
#include "copy_up.h"
#include "forward.h"
#include "lib/creds.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define VALUE_MAX 65536u /* XATTR_SIZE_MAX and XATTR_LIST_MAX of the kernel */

static const char acl_access[] = "system.posix_acl_access";
static const char acl_default[] = "system.posix_acl_default";

static bool is_acl(const char *name)
{
	return strcmp(name, acl_access) == 0 || strcmp(name, acl_default) == 0;
}

/* Access lists mean nothing to a client that does not enforce them. */
static bool hidden(const struct graft_req *req, const char *name)
{
	return ov_own_xattr(name) || (is_acl(name) && !ov_flag(req, FUSE_POSIX_ACL));
}

/* Answers how long it is, or gives the bytes where `want` is enough for them. */
static int reply_bytes(const struct graft_inst *inst, struct graft_req *req, uint32_t want, const void *bytes,
		       size_t len)
{
	if (!want) {
		((struct fuse_getxattr_out *)req->out)->size = (uint32_t)len;
		return 0;
	}
	return len > want ? -ERANGE : inst->host->put(req, bytes, len);
}

int ov_op_getxattr(struct graft_inst *inst, struct graft_req *req)
{
	const struct fuse_getxattr_in *in = req->in;
	struct ov_session *s = ov_session(req);
	size_t room = in->size < VALUE_MAX ? in->size : VALUE_MAX;
	struct ov_ref ref;

	if (hidden(req, req->name))
		return is_acl(req->name) ? -EOPNOTSUPP : -ENODATA;
	int res = ov_ref_get(s, req->node, &ref);
	if (res < 0)
		return res;
	if (ref.fd < 0) {
		struct ov_forward *f = ov_forward_new(inst, req, ref.node, sizeof(*in));
		return f ? ov_forward(inst, req, f) : -ENOMEM;
	}
	char *value = room ? inst->host->alloc(req, room) : NULL;
	ssize_t n = room && !value ? -ENOMEM : ov_get_xattr(inst, ref.fd, req->name, value, room);
	ov_ref_put(s, &ref);
	return n < 0 ? (int)n : reply_bytes(inst, req, in->size, value, (size_t)n);
}

/* Takes hidden names out of a list. The bytes left. */
static size_t hide(const struct graft_req *req, char *names, size_t len)
{
	size_t kept = 0, i = 0;

	while (i < len) {
		size_t n = strnlen(names + i, len - i - 1) + 1;
		if (!hidden(req, names + i)) {
			memmove(names + kept, names + i, n);
			kept += n;
		}
		i += n;
	}
	return kept;
}

/* A list of below, in memory of ours: what was given to a client cannot be read back. */
struct list_below {
	struct graft_req req;
	struct fuse_getxattr_in in;
	struct iovec iov;
	struct ov_node *node;
	union {
		struct fuse_getxattr_out out;
		char room[64];
	} out;
	char names[];
};

static int listed_below(struct graft_inst *inst, struct graft_req *req, int res, void *cookie)
{
	const struct fuse_getxattr_in *in = req->in;
	struct list_below *l = cookie;

	ov_node_put(ov_session(req), l->node);
	if (res < 0)
		return res;
	size_t len = l->req.done ? hide(req, l->names, l->req.done) : 0;
	return reply_bytes(inst, req, in->size, l->names, len);
}

static int list_below(struct graft_inst *inst, struct graft_req *req, struct ov_node *node)
{
	struct list_below *l = inst->host->alloc(req, sizeof(*l) + VALUE_MAX);

	if (!l) {
		ov_node_put(ov_session(req), node);
		return -ENOMEM;
	}
	l->node = node;
	l->in.size = VALUE_MAX;
	l->iov = (struct iovec){ l->names, VALUE_MAX };
	l->req.opcode = FUSE_LISTXATTR;
	l->req.node = node->lower;
	l->req.in = &l->in;
	l->req.out = &l->out;
	l->req.dst = &l->iov;
	l->req.ndst = 1;
	l->req.dst_len = VALUE_MAX;
	return inst->host->sub(req, &l->req, NULL, listed_below, l);
}

int ov_op_listxattr(struct graft_inst *inst, struct graft_req *req)
{
	const struct fuse_getxattr_in *in = req->in;
	struct ov_session *s = ov_session(req);
	struct ov_ref ref;
	int res = ov_ref_get(s, req->node, &ref);

	if (res < 0)
		return res;
	if (ref.fd < 0)
		return list_below(inst, req, ref.node);
	/* Always the whole list, so that the length told is the length of what will be given. */
	char few[1024], *names = few;
	ssize_t n = ov_list_xattr(inst, ref.fd, few, sizeof(few));
	if (n == -ERANGE) {
		names = inst->host->alloc(req, VALUE_MAX);
		n = names ? ov_list_xattr(inst, ref.fd, names, VALUE_MAX) : -ENOMEM;
	}
	ov_ref_put(s, &ref);
	if (n < 0)
		return (int)n;
	return reply_bytes(inst, req, in->size, names, n ? hide(req, names, (size_t)n) : 0);
}

/* The guest's kernel would not let the caller keep S_ISGID; this process, with CAP_FSETID, would keep it for him. */
static int drop_sgid(const struct graft_inst *inst, int fd)
{
	char buf[OV_NAME_BUF];
	struct statx stx;
	int res = ov_stat(fd, &stx);

	if (res < 0 || !(stx.stx_mode & S_ISGID))
		return res;
	return fchmodat(inst->proc_fd, ov_fd_name(buf, fd), stx.stx_mode & 07777 & ~(mode_t)S_ISGID, 0) < 0 ? -errno
													    : 0;
}

static int set_one(const struct graft_inst *inst, const struct graft_req *req, int fd)
{
	const struct fuse_setxattr_in *in = req->in;
	bool kill = ov_flag(req, FUSE_SETXATTR_EXT) && (in->setxattr_flags & FUSE_SETXATTR_ACL_KILL_SGID) &&
		    strcmp(req->name, acl_access) == 0;
	int res = kill ? drop_sgid(inst, fd) : 0;

	return res < 0 ? res : ov_set_xattr(inst, fd, req->name, req->data, req->data_len, (int)in->flags);
}

/* SETXATTR or REMOVEXATTR of what has a part above. */
static int change_above(struct graft_inst *inst, struct graft_req *req)
{
	struct ov_session *s = ov_session(req);
	struct ov_ref ref;
	int res = ov_ref_get(s, req->node, &ref);

	if (res < 0)
		return res;
	if (ref.fd < 0)
		res = -ESTALE;
	else if (req->opcode == FUSE_SETXATTR)
		res = set_one(inst, req, ref.fd);
	else
		res = ov_remove_xattr(inst, ref.fd, req->name);
	ov_ref_put(s, &ref);
	return res;
}

static int change_below(struct ov_work *w)
{
	struct ov_node *node = ov_node_get(w->s, w->req->node);

	if (!node)
		return -ESTALE;
	int res = ov_copy_up(w, node);
	ov_node_put(w->s, node);
	return res ? res : change_above(w->inst, w->req);
}

static int change(struct graft_inst *inst, struct graft_req *req)
{
	struct ov_session *s = ov_session(req);

	if (hidden(req, req->name))
		return is_acl(req->name) ? -EOPNOTSUPP : -EPERM;
	struct ov_node *node = ov_node_get(s, req->node);
	if (!node)
		return -ESTALE;
	bool above = ov_has_upper(node);
	ov_node_put(s, node);
	return above ? change_above(inst, req) : ov_work_start(inst, req, inst->changers, change_below);
}

int ov_op_setxattr(struct graft_inst *inst, struct graft_req *req)
{
	return change(inst, req);
}

int ov_op_removexattr(struct graft_inst *inst, struct graft_req *req)
{
	return change(inst, req);
}
