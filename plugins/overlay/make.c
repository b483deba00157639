/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MKDIR, MKNOD, SYMLINK, LINK and what CREATE makes. As a rule an object is made where it belongs. Over a whiteout it
 * is made in a stage, a folder in temp_fd that is like the directory in all that new objects inherit, and then moved
 * onto the whiteout: the name is never free in between, or what lies below would show.
 */
#include "make.h"

#include "copy_up.h"
#include "lib/cleanup.h"
#include "lib/creds.h"
#include "lookup.h"
#include "lower.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define ACL_MAX 65536u
#define STAGED "new" /* the name in a stage */

static const char acl_default[] = "system.posix_acl_default";

int ov_change_dir(struct ov_work *w, uint64_t id, struct ov_ref *dir)
{
	struct ov_node *node = ov_node_get(w->s, id);

	if (!node)
		return -ESTALE;
	int res = S_ISDIR(node->type) ? ov_copy_up(w, node) : -ENOTDIR;
	if (res == 0)
		res = ov_ref_node(w->s, node, dir);
	ov_node_put(w->s, node);
	return res;
}

int ov_name_exists(struct ov_work *w, const struct ov_ref *dir, const char *name, int *above, struct statx *stx)
{
	struct fuse_attr attr;

	*above = ov_see(dir->fd, name, stx);
	if (*above < 0 || *above == OV_WHITEOUT)
		return *above < 0 ? *above : 0;
	if (*above == OV_OBJECT)
		return 1;
	int res = dir->node->lower ? lower_has(w, dir->node->lower, name, &attr) : 0;
	return res == 1 && S_ISCHR(attr.mode) && attr.rdev == 0 ? 0 : res;
}

/* As the caller, in dir_fd. A descriptor for a file, else 0; -errno. */
static int make_in(const struct ov_work *w, const struct ov_recipe *r, int dir_fd, const char *name)
{
	int res;

	switch (r->type) {
	case S_IFREG:
		if (r->flags >= 0)
			return ov_open_name(w->inst, dir_fd, name, r->flags | O_CREAT | O_EXCL | O_NOFOLLOW, r->mode);
		res = mknodat(dir_fd, name, S_IFREG | r->mode, 0);
		break;
	case S_IFDIR:
		res = mkdirat(dir_fd, name, r->mode);
		break;
	case S_IFLNK:
		res = symlinkat(w->req->name2, dir_fd, name);
		break;
	default:
		res = mknodat(dir_fd, name, r->type | r->mode, r->dev);
	}
	return res < 0 ? -errno : 0;
}

static int make_as_caller(const struct ov_work *w, const struct ov_recipe *r, int dir_fd, const char *name)
{
	struct creds creds;
	int res = creds_enter(w->req, &creds);

	if (res < 0)
		return res;
	res = make_in(w, r, dir_fd, name);
	if (res == -EACCES && creds_insist(w->req, &creds))
		res = make_in(w, r, dir_fd, name);
	creds_leave(&creds);
	return res;
}

/* A stage for dir: group, S_ISGID and default access list as there. Its descriptor, or -errno. */
static int make_stage(struct ov_work *w, const struct ov_ref *dir, char name[OV_TEMP_NAME])
{
	struct graft_inst *inst = w->inst;
	struct statx stx;
	int res = ov_stat(dir->fd, &stx);

	if (res < 0)
		return res;
	ov_temp_name(inst, name);
	if (mkdirat(inst->temp_fd, name, 0777) < 0)
		return -errno;
	auto_close int fd = ov_open_name(inst, inst->temp_fd, name, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return fd;
	if (fchown(fd, GRAFT_NO_ID, stx.stx_gid) < 0 || fchmod(fd, 0777 | (stx.stx_mode & S_ISGID)) < 0)
		return -errno;
	void *acl = inst->host->alloc(w->req, ACL_MAX);
	ssize_t n = acl ? ov_get_xattr(inst, dir->fd, acl_default, acl, ACL_MAX) : -ENOMEM;
	if (n > 0)
		n = ov_set_xattr(inst, fd, acl_default, acl, (size_t)n, 0);
	if (n < 0 && n != -ENODATA && n != -EOPNOTSUPP)
		return (int)n;
	return steal_fd(&fd);
}

/* Onto the whiteout. */
static int leave_stage(struct ov_work *w, const struct ov_recipe *r, int stage_fd, const struct ov_ref *dir,
		       const char *name)
{
	if (!S_ISDIR(r->type))
		return renameat2(stage_fd, STAGED, dir->fd, name, 0) < 0 ? -errno : 0;
	auto_close int fd = ov_open_name(w->inst, stage_fd, STAGED, O_PATH | O_DIRECTORY, 0);
	int res = fd < 0 ? fd : ov_set_opaque(w->inst, fd);
	if (res < 0)
		return res;
	return renameat2(stage_fd, STAGED, dir->fd, name, RENAME_EXCHANGE) < 0 ? -errno : 0;
}

static int make_staged(struct ov_work *w, const struct ov_recipe *r, const struct ov_ref *dir, const char *name)
{
	char stage[OV_TEMP_NAME];
	auto_close int fd = make_stage(w, dir, stage);
	int res = fd < 0 ? fd : make_as_caller(w, r, fd, STAGED);

	if (res >= 0) {
		int moved = leave_stage(w, r, fd, dir, name);
		if (moved < 0 && S_ISREG(r->type) && r->flags >= 0)
			close(res);
		res = moved < 0 ? moved : res;
	}
	ov_remove_tree(w->inst, w->inst->temp_fd, stage);
	return res;
}

static int label(const struct ov_work *w, int fd)
{
	const struct graft_req *req = w->req;

	if (!req->secctx_name || !req->secctx_len)
		return 0;
	return ov_set_xattr(w->inst, fd, req->secctx_name, req->secctx, req->secctx_len, 0);
}

/* A descriptor of what was made, labelled; if that fails it does not stay. */
static int look_at(struct ov_work *w, const struct ov_recipe *r, const struct ov_ref *dir, struct ov_made *made)
{
	struct statx stx;
	int fd = ov_open_name(w->inst, dir->fd, made->name, O_PATH | O_NOFOLLOW, 0);
	int res = fd < 0 ? fd : ov_stat(fd, &stx);

	if (res >= 0 && (stx.stx_mode & S_IFMT) != r->type)
		res = -ESTALE;
	if (res >= 0)
		res = label(w, fd);
	if (res < 0) {
		if (fd >= 0)
			close(fd);
		return res;
	}
	made->fd = fd;
	return 0;
}

/* Takes back what was made and could not be used: a whiteout again, where there was one. */
static void unmake(struct ov_work *w, const struct ov_recipe *r, const struct ov_ref *dir, const char *name, bool over)
{
	char temp[OV_TEMP_NAME];

	if (over && ov_temp_whiteout(w->inst, temp) == 0) {
		renameat2(w->inst->temp_fd, temp, dir->fd, name, RENAME_EXCHANGE);
		ov_remove_tree(w->inst, w->inst->temp_fd, temp);
	} else {
		unlinkat(dir->fd, name, S_ISDIR(r->type) ? AT_REMOVEDIR : 0);
	}
}

static int make_at(struct ov_work *w, const struct ov_recipe *r, const struct ov_ref *dir, struct ov_made *made)
{
	struct statx stx;
	int above, res = ov_name_exists(w, dir, made->name, &above, &stx);

	if (res != 0)
		return res < 0 ? res : -EEXIST;
	if (above == OV_WHITEOUT)
		res = make_staged(w, r, dir, made->name);
	else
		res = make_as_caller(w, r, dir->fd, made->name);
	if (res < 0)
		return res;
	made->real = S_ISREG(r->type) && r->flags >= 0 ? res : -1;
	res = look_at(w, r, dir, made);
	if (res < 0) {
		cleanup_close(&made->real);
		unmake(w, r, dir, made->name, above == OV_WHITEOUT);
	}
	return res;
}

int ov_make(struct ov_work *w, const struct ov_recipe *recipe, struct ov_made *made)
{
	struct ov_ref dir;

	*made = (struct ov_made){ .name = w->req->name, .fd = -1, .real = -1 };
	int res = ov_change_dir(w, w->req->node, &dir);
	if (res != 0)
		return res;
	res = make_at(w, recipe, &dir, made);
	if (res == 0)
		made->parent = ov_node_hold(w->s, dir.node);
	ov_ref_put(w->s, &dir);
	return res;
}

void ov_made_end(struct ov_work *w, struct ov_made *made)
{
	cleanup_close(&made->fd);
	made->fd = -1;
	ov_node_put(w->s, made->parent);
	made->parent = NULL;
}

/* Makes it and answers with its entry. */
static int make_entry(struct ov_work *w, const struct ov_recipe *recipe)
{
	struct ov_made made;
	struct statx stx;
	int res = ov_make(w, recipe, &made);

	if (res != 0)
		return res;
	res = ov_stat(made.fd, &stx);
	if (res == 0) {
		struct ov_found f = {
			.parent = made.parent, .name = made.name, .upper = &stx, .fd = steal_fd(&made.fd)
		};
		res = ov_enter_upper(w->s, &f, w->req->out);
	}
	ov_made_end(w, &made);
	return res;
}

static int do_mkdir(struct ov_work *w)
{
	const struct fuse_mkdir_in *in = w->req->in;

	return make_entry(w, &(struct ov_recipe){ .type = S_IFDIR, .mode = in->mode & 07777 });
}

static int do_mknod(struct ov_work *w)
{
	const struct fuse_mknod_in *in = w->req->in;
	struct ov_recipe r = { .type = in->mode & S_IFMT, .mode = in->mode & 07777, .flags = -1 };

	if (!r.type)
		r.type = S_IFREG;
	/* new_encode_dev of the kernel: 12 bits of major, 20 of minor. */
	r.dev = makedev((in->rdev & 0xfff00) >> 8, (in->rdev & 0xff) | (in->rdev >> 12 & 0xfff00));
	/* That would be a whiteout. */
	if (S_ISCHR(r.type) && r.dev == 0)
		return -EPERM;
	return make_entry(w, &r);
}

static int do_symlink(struct ov_work *w)
{
	return make_entry(w, &(struct ov_recipe){ .type = S_IFLNK });
}

int ov_op_mkdir(struct graft_inst *inst, struct graft_req *req)
{
	return ov_work_start(inst, req, inst->changers, do_mkdir);
}

int ov_op_mknod(struct graft_inst *inst, struct graft_req *req)
{
	return ov_work_start(inst, req, inst->changers, do_mknod);
}

int ov_op_symlink(struct graft_inst *inst, struct graft_req *req)
{
	return ov_work_start(inst, req, inst->changers, do_symlink);
}

static int link_to(const struct ov_work *w, int old_fd, int dir_fd, const char *name)
{
	char buf[OV_NAME_BUF];

	/* The name in /proc/self/fd means the inode itself, a symbolic link too. */
	return linkat(w->inst->proc_fd, ov_fd_name(buf, old_fd), dir_fd, name, AT_SYMLINK_FOLLOW) < 0 ? -errno : 0;
}

static int link_at(struct ov_work *w, const struct ov_ref *old, const struct ov_ref *dir, const char *name)
{
	char temp[OV_TEMP_NAME];
	struct statx stx;
	int above, res = ov_name_exists(w, dir, name, &above, &stx);

	if (res != 0)
		return res < 0 ? res : -EEXIST;
	if (above != OV_WHITEOUT)
		return link_to(w, old->fd, dir->fd, name);
	ov_temp_name(w->inst, temp);
	res = link_to(w, old->fd, w->inst->temp_fd, temp);
	if (res == 0 && renameat2(w->inst->temp_fd, temp, dir->fd, name, 0) < 0) {
		res = -errno;
		unlinkat(w->inst->temp_fd, temp, 0);
	}
	return res;
}

static int link_entry(struct ov_work *w, const struct ov_ref *old, const struct ov_ref *dir)
{
	struct ov_found f = { .parent = dir->node, .name = w->req->name };
	struct statx stx;
	int res = link_at(w, old, dir, w->req->name);

	if (res < 0)
		return res;
	f.fd = fcntl(old->fd, F_DUPFD_CLOEXEC, 0);
	if (f.fd < 0)
		return -errno;
	res = ov_stat(f.fd, &stx);
	f.upper = &stx;
	if (res >= 0)
		return ov_enter_upper(w->s, &f, w->req->out);
	cleanup_close(&f.fd);
	return res;
}

static int do_link(struct ov_work *w)
{
	struct ov_node *node = ov_node_get(w->s, w->req->node2);
	struct ov_ref old, dir;

	if (!node)
		return -ESTALE;
	int res = S_ISDIR(node->type) ? -EPERM : ov_copy_up(w, node);
	if (res == 0)
		res = ov_ref_node(w->s, node, &old);
	ov_node_put(w->s, node);
	if (res != 0)
		return res;
	res = ov_change_dir(w, w->req->node, &dir);
	if (res == 0) {
		res = link_entry(w, &old, &dir);
		ov_ref_put(w->s, &dir);
	}
	ov_ref_put(w->s, &old);
	return res;
}

int ov_op_link(struct graft_inst *inst, struct graft_req *req)
{
	return ov_work_start(inst, req, inst->changers, do_link);
}
