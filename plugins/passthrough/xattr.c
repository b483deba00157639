/* SPDX-License-Identifier: Apache-2.0 */
/* Extended attributes: get, set, list, remove, and the security context of what was just created. */
#include "handle.h"

#include "lib/cleanup.h"
#include "node.h"

#include <fcntl.h>
#include <string.h>
#include <sys/xattr.h>

#define VALUE_MAX 65536u           /* XATTR_SIZE_MAX and XATTR_LIST_MAX of the kernel */
#define REQUEST_MAX (1024u * 1024) /* a guest that wants to be given more is refused */
#define LIST_STACK 4096            /* bytes: holds nearly every list of names */

static const char acl_access[] = "system.posix_acl_access";
static const char acl_default[] = "system.posix_acl_default";

enum xattr_kind { XATTR_GET, XATTR_SET, XATTR_LIST, XATTR_REMOVE };

/* One system call, for whatever way to the object. */
struct xattr_call {
	enum xattr_kind kind;
	const char *name;
	void *value;       /* GET, LIST: filled */
	const void *given; /* SET */
	size_t size;
	int flags;      /* SET: XATTR_CREATE, XATTR_REPLACE */
	bool drop_sgid; /* SET: S_ISGID goes first */
};

/* GET, LIST: bytes. -errno. */
static ssize_t call_fd(int fd, const struct xattr_call *c)
{
	ssize_t res = -1;

	switch (c->kind) {
	case XATTR_GET:
		res = fgetxattr(fd, c->name, c->value, c->size);
		break;
	case XATTR_SET:
		res = fsetxattr(fd, c->name, c->given, c->size, c->flags);
		break;
	case XATTR_LIST:
		res = flistxattr(fd, c->value, c->size);
		break;
	case XATTR_REMOVE:
		res = fremovexattr(fd, c->name);
		break;
	}
	return res < 0 ? -errno : res;
}

static ssize_t call_path(const char *path, const struct xattr_call *c)
{
	ssize_t res = -1;

	switch (c->kind) {
	case XATTR_GET:
		res = getxattr(path, c->name, c->value, c->size);
		break;
	case XATTR_SET:
		res = setxattr(path, c->name, c->given, c->size, c->flags);
		break;
	case XATTR_LIST:
		res = listxattr(path, c->value, c->size);
		break;
	case XATTR_REMOVE:
		res = removexattr(path, c->name);
		break;
	}
	return res < 0 ? -errno : res;
}

/*
 * For what must not be opened (links, pipes, devices): the descriptor's name in /proc/self/fd leads to the object
 * itself, also when that is a symbolic link. The calls take no directory descriptor, so this thread goes there and
 * back; each thread of the server has a working directory of its own (lib/thread.h).
 */
static ssize_t call_proc(const struct graft_inst *inst, int fd, const struct xattr_call *c)
{
	auto_close int here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	char name[16];

	if (here < 0 || fchdir(inst->proc_fd) < 0)
		return -errno;
	ssize_t res = call_path(node_fd_name(name, fd), c);
	return fchdir(here) < 0 ? -errno : res;
}

/* The guest's kernel would not let the caller keep S_ISGID; this process, with CAP_FSETID, would keep it for him. */
static int drop_sgid(const struct graft_inst *inst, int fd, bool path_only)
{
	struct stat st;
	char name[16];
	int res;

	if (fstatat(fd, "", &st, AT_EMPTY_PATH) < 0)
		return -errno;
	if (!(st.st_mode & S_ISGID))
		return 0;
	mode_t mode = st.st_mode & 07777 & ~(mode_t)S_ISGID;
	res = path_only ? fchmodat(inst->proc_fd, node_fd_name(name, fd), mode, 0) : fchmod(fd, mode);
	return res < 0 ? -errno : 0;
}

static ssize_t call_either(const struct graft_inst *inst, int fd, bool path_only, const struct xattr_call *c)
{
	int res = c->drop_sgid ? drop_sgid(inst, fd, path_only) : 0;

	if (res < 0)
		return res;
	return path_only ? call_proc(inst, fd, c) : call_fd(fd, c);
}

/* On a node: through a real descriptor where there may be one, else by its name below /proc. */
static ssize_t call_node(struct pt_session *s, uint64_t node, const struct xattr_call *c)
{
	struct node_ref ref;
	ssize_t res = node_get(s, node, &ref);

	if (res < 0)
		return res;
	auto_close int fd = -1;
	if (S_ISREG(node_type(&ref)) || S_ISDIR(node_type(&ref)))
		fd = node_open(s, &ref, O_RDONLY | O_NONBLOCK);
	/* Not to be opened for reading, or not without waiting (a lease): the other way asks for no such right. */
	if (fd == -1 || fd == -EACCES || fd == -EPERM || fd == -EAGAIN)
		res = call_either(s->inst, ref.fd, true, c);
	else
		res = fd < 0 ? fd : call_either(s->inst, fd, false, c);
	node_put(s, &ref);
	return res;
}

static bool is_acl(const char *name)
{
	return strcmp(name, acl_access) == 0 || strcmp(name, acl_default) == 0;
}

/* Whether the names of ACLs are hidden: they mean nothing to a guest that does not enforce them. */
static bool acls_off(const struct graft_req *req)
{
	return !pt_flag(req, FUSE_POSIX_ACL);
}

/* Whether this mount has extended attributes, and of this name (NULL: any). 0 or -errno. */
static int check(const struct graft_req *req, const char *name, bool changes)
{
	const struct pt_settings *set = pt_session(req)->inst->set;

	if (changes && set->readonly)
		return -EROFS;
	if (!set->xattr)
		return -EOPNOTSUPP;
	return name && acls_off(req) && is_acl(name) ? -EOPNOTSUPP : 0;
}

int pt_op_setxattr(struct graft_inst *inst, struct graft_req *req)
{
	const struct fuse_setxattr_in *in = req->in;
	struct xattr_call c = {.kind = XATTR_SET, .name = req->name, .given = req->data};
	int res = check(req, req->name, true);
	(void)inst;

	if (res < 0)
		return res;
	c.size = req->data_len;
	c.flags = (int)in->flags;
	if (pt_flag(req, FUSE_SETXATTR_EXT) && (in->setxattr_flags & FUSE_SETXATTR_ACL_KILL_SGID))
		c.drop_sgid = strcmp(req->name, acl_access) == 0;
	return (int)call_node(pt_session(req), req->node, &c);
}

int pt_op_removexattr(struct graft_inst *inst, struct graft_req *req)
{
	struct xattr_call c = {.kind = XATTR_REMOVE, .name = req->name};
	int res = check(req, req->name, true);
	(void)inst;

	return res < 0 ? res : (int)call_node(pt_session(req), req->node, &c);
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

int pt_op_getxattr(struct graft_inst *inst, struct graft_req *req)
{
	const struct fuse_getxattr_in *in = req->in;
	struct xattr_call c = {.kind = XATTR_GET, .name = req->name};
	int res = check(req, req->name, false);

	if (res < 0)
		return res;
	if (in->size > REQUEST_MAX)
		return -ENOMEM;
	c.size = in->size < VALUE_MAX ? in->size : VALUE_MAX;
	if (c.size > req->dst_len)
		c.size = req->dst_len;
	if (in->size && !c.size)
		return -ERANGE;
	bool direct = c.size && req->dst[0].iov_len >= c.size;
	if (c.size)
		c.value = direct ? req->dst[0].iov_base : inst->host->alloc(req, c.size);
	if (c.size && !c.value)
		return -ENOMEM;
	ssize_t n = call_node(pt_session(req), req->node, &c);
	if (n < 0)
		return (int)n;
	if (!direct)
		return reply_bytes(inst, req, in->size, c.value, (size_t)n);
	req->done = (uint64_t)n;
	return 0;
}

/* Takes the names of ACLs out of a list. The bytes left. */
static size_t hide_acls(char *names, size_t len)
{
	size_t kept = 0, i = 0;

	while (i < len) {
		size_t n = strnlen(names + i, len - i - 1) + 1;
		if (!is_acl(names + i)) {
			memmove(names + kept, names + i, n);
			kept += n;
		}
		i += n;
	}
	return kept;
}

int pt_op_listxattr(struct graft_inst *inst, struct graft_req *req)
{
	const struct fuse_getxattr_in *in = req->in;
	char names[LIST_STACK];
	struct xattr_call c = {.kind = XATTR_LIST, .value = names, .size = sizeof(names)};
	int res = check(req, NULL, false);

	if (res < 0)
		return res;
	if (in->size > REQUEST_MAX)
		return -ENOMEM;
	/* Always the whole list, so that the length told is the length of what will be given. */
	ssize_t n = call_node(pt_session(req), req->node, &c);
	if (n == -ERANGE) {
		c.size = VALUE_MAX;
		c.value = inst->host->alloc(req, c.size);
		n = c.value ? call_node(pt_session(req), req->node, &c) : -ENOMEM;
	}
	if (n < 0)
		return (int)n;
	size_t len = acls_off(req) ? hide_acls(c.value, (size_t)n) : (size_t)n;
	return reply_bytes(inst, req, in->size, c.value, len);
}

int pt_set_secctx(struct pt_session *s, const struct graft_req *req, int fd)
{
	struct xattr_call c = {.kind = XATTR_SET, .name = req->secctx_name, .given = req->secctx};

	if (!req->secctx_name || !req->secctx_len)
		return 0;
	c.size = req->secctx_len;
	ssize_t res = call_fd(fd, &c);
	if (res == -EBADF) /* O_PATH */
		res = call_proc(s->inst, fd, &c);
	return (int)res;
}
