/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copying up. What is copied is put together in temp_fd and moved to its name in one step. Directories come first, from
 * the top; a file's data are copied by a helper, and only what needs them waits.
 */
#include "copy_up.h"

#include "copy_data.h"
#include "lib/cleanup.h"
#include "lower.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define DEPTH_MAX 2048 /* directories above each other: more than PATH_MAX holds */

/* A file whose data are being copied. In the memory of the request that began it. */
struct ov_copy {
	struct ov_node *node; /* in use */
	struct fuse_attr attr;
	char temp[OV_TEMP_NAME];
	int res;
	struct ov_work *waiting; /* others that need the same */
};

/* An O_PATH descriptor of what was put together. */
static int open_made(struct ov_work *w, const char *temp, struct statx *stx)
{
	int fd = ov_open_name(w->inst, w->inst->temp_fd, temp, O_PATH | O_NOFOLLOW, 0);
	int res = fd < 0 ? fd : ov_stat(fd, stx);

	if (res < 0 && fd >= 0) {
		close(fd);
		fd = res;
	}
	return res < 0 ? res : fd;
}

/* Somebody else has copied it up: another client of this mount. */
static int adopt(struct ov_work *w, struct ov_node *node, int dir_fd, const char *name)
{
	struct statx stx;
	int fd = ov_open_name(w->inst, dir_fd, name, O_PATH | O_NOFOLLOW, 0);
	int res = fd < 0 ? fd : ov_stat(fd, &stx);

	if (res < 0 || (stx.stx_mode & S_IFMT) != node->type || ov_is_whiteout(&stx)) {
		if (fd >= 0)
			close(fd);
		return res < 0 ? res : -ESTALE;
	}
	ov_node_set_upper(w->s, node, stx.stx_ino, fd);
	return 0;
}

/* The directory looks as if nothing had happened in it: copying up is no change. */
static void keep_times(int dir_fd, const struct statx *before, const struct graft_inst *inst)
{
	const struct timespec ts[2] = {
		{ .tv_sec = before->stx_atime.tv_sec, .tv_nsec = before->stx_atime.tv_nsec },
		{ .tv_sec = before->stx_mtime.tv_sec, .tv_nsec = before->stx_mtime.tv_nsec },
	};
	char buf[OV_NAME_BUF];

	utimensat(inst->proc_fd, ov_fd_name(buf, dir_fd), ts, 0);
}

/* Moves what was put together to the node's name. */
static int move_in(struct ov_work *w, struct ov_node *node, const char *temp)
{
	struct ov_node *parent;
	struct statx stx, before;
	char name[NAME_MAX + 1];
	struct ov_ref dir;
	int fd = open_made(w, temp, &stx);

	if (fd < 0)
		return fd;
	if (ov_node_place(w->s, node, &parent, name) < 0) {
		/* Removed meanwhile: it goes on without a name. */
		ov_remove_tree(w->inst, w->inst->temp_fd, temp);
		ov_node_set_upper(w->s, node, stx.stx_ino, fd);
		return 0;
	}
	int res = ov_ref_node(w->s, parent, &dir);
	if (res == 0) {
		bool known = ov_stat(dir.fd, &before) == 0;
		if (renameat2(w->inst->temp_fd, temp, dir.fd, name, RENAME_NOREPLACE) < 0)
			res = -errno;
		if (res == 0)
			ov_node_set_upper(w->s, node, stx.stx_ino, steal_fd(&fd));
		else if (res == -EEXIST)
			res = adopt(w, node, dir.fd, name);
		if (known)
			keep_times(dir.fd, &before, w->inst);
		ov_ref_put(w->s, &dir);
	}
	ov_node_put(w->s, parent);
	cleanup_close(&fd);
	atomic_fetch_add_explicit(&w->inst->copies, 1, memory_order_relaxed);
	return res;
}

static int make_link(struct ov_work *w, uint64_t lower, const char *temp)
{
	char target[PATH_MAX];
	ssize_t n = lower_readlink(w, lower, target, sizeof(target) - 1);

	if (n < 0)
		return (int)n;
	target[n] = '\0';
	return symlinkat(target, w->inst->temp_fd, temp) < 0 ? -errno : 0;
}

static int make_object(struct ov_work *w, const struct ov_node *node, const struct fuse_attr *attr, const char *temp)
{
	dev_t dev = makedev((attr->rdev & 0xfff00) >> 8, (attr->rdev & 0xff) | (attr->rdev >> 12 & 0xfff00));
	int res;

	if (S_ISDIR(attr->mode))
		res = mkdirat(w->inst->temp_fd, temp, 0700);
	else if (S_ISLNK(attr->mode))
		return make_link(w, node->lower, temp);
	else
		res = mknodat(w->inst->temp_fd, temp, (attr->mode & S_IFMT) | 0600, dev);
	return res < 0 ? -errno : 0;
}

/* All of it at once, but a file's data. */
static int copy_object(struct ov_work *w, struct ov_node *node, const struct fuse_attr *attr)
{
	char temp[OV_TEMP_NAME];

	ov_temp_name(w->inst, temp);
	int res = make_object(w, node, attr, temp);
	if (res == 0)
		res = copy_metadata(w, node->lower, attr, temp);
	if (res == 0)
		res = move_in(w, node, temp);
	if (res < 0)
		ov_remove_tree(w->inst, w->inst->temp_fd, temp);
	return res;
}

/* On the thread of changes again: the data are there, or cannot be had. */
static int copied(struct ov_work *w)
{
	struct ov_copy *c = w->copy;
	struct ov_node *node = c->node;
	struct ov_work *waiting = c->waiting;
	int res = c->res;

	node->copy = NULL;
	w->copy = NULL;
	if (res == 0 && !ov_has_upper(node))
		res = move_in(w, node, c->temp);
	if (res < 0 || ov_has_upper(node))
		ov_remove_tree(w->inst, w->inst->temp_fd, c->temp);
	ov_node_put(w->s, node);
	while (waiting) {
		struct ov_work *next = waiting->next;
		ov_work_resume(waiting, w->inst->changers);
		waiting = next;
	}
	return res < 0 ? res : w->fn(w);
}

/* On a helper. */
static int copy_file(struct ov_work *w)
{
	struct ov_copy *c = w->copy;

	c->res = copy_data(w, c->node->lower, &c->attr, c->temp);
	if (c->res == 0)
		c->res = copy_metadata(w, c->node->lower, &c->attr, c->temp);
	return ov_work_pass(w, w->inst->changers, copied);
}

static int begin_file(struct ov_work *w, struct ov_node *node, const struct fuse_attr *attr)
{
	struct ov_copy *c = w->inst->host->alloc(w->req, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->node = ov_node_hold(w->s, node);
	c->attr = *attr;
	ov_temp_name(w->inst, c->temp);
	node->copy = c;
	w->copy = c;
	return ov_work_pass(w, w->inst->helpers, copy_file);
}

/* Whose parents have parts above. */
static int copy_one(struct ov_work *w, struct ov_node *node)
{
	struct fuse_attr attr;
	int res = lower_getattr(w, node->lower, &attr);

	if (res < 0)
		return res;
	if ((attr.mode & S_IFMT) != node->type)
		return -ESTALE;
	if (S_ISREG(attr.mode))
		return begin_file(w, node, &attr);
	return copy_object(w, node, &attr);
}

/* The topmost directory on the way to node that lies below only; node itself in the end. In use. */
static struct ov_node *topmost(struct ov_session *s, struct ov_node *node)
{
	struct ov_node *n = ov_node_hold(s, node);

	for (int depth = 0; depth < DEPTH_MAX; depth++) {
		struct ov_node *parent;
		char name[NAME_MAX + 1];

		if (ov_node_place(s, n, &parent, name) < 0 || ov_has_upper(parent)) {
			ov_node_put(s, parent);
			return n;
		}
		ov_node_put(s, n);
		n = parent;
	}
	ov_node_put(s, n);
	return NULL;
}

static bool has_no_name(struct ov_session *s, struct ov_node *node)
{
	struct ov_node *parent;
	char name[NAME_MAX + 1];
	bool none = ov_node_place(s, node, &parent, name) < 0;

	ov_node_put(s, parent);
	return none;
}

int ov_copy_up(struct ov_work *w, struct ov_node *node)
{
	while (!ov_has_upper(node)) {
		/* Its data are on their way already. */
		if (node->copy) {
			w->next = node->copy->waiting;
			node->copy->waiting = w;
			return GRAFT_ASYNC;
		}
		struct ov_node *n = topmost(w->s, node);
		if (!n)
			return -ELOOP;
		int res = S_ISDIR(n->type) && has_no_name(w->s, n) ? -ENOENT : copy_one(w, n);
		ov_node_put(w->s, n);
		if (res != 0)
			return res;
	}
	return 0;
}
