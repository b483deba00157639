/* SPDX-License-Identifier: Apache-2.0 */
/* UNLINK and RMDIR: what lies below is hidden by a whiteout, in one step with what goes above. */
#include "remove.h"

#include "list.h"
#include "lower.h"
#include "make.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int ov_lower_shows(struct ov_work *w, const struct ov_node *dir, const char *name)
{
	struct fuse_attr attr;
	int res = dir->lower ? lower_has(w, dir->lower, name, &attr) : 0;

	return res == 1 && S_ISCHR(attr.mode) && attr.rdev == 0 ? 0 : res;
}

int ov_put_whiteout(struct ov_work *w, int dir_fd, const char *name, bool over)
{
	char temp[OV_TEMP_NAME];
	int res = ov_temp_whiteout(w->inst, temp);

	if (res < 0)
		return res;
	if (renameat2(w->inst->temp_fd, temp, dir_fd, name, over ? RENAME_EXCHANGE : RENAME_NOREPLACE) < 0)
		res = -errno;
	/* The whiteout that was of no use, or what was there before. */
	ov_remove_tree(w->inst, w->inst->temp_fd, temp);
	return res;
}

int ov_discard(struct ov_work *w, int dir_fd, const char *name)
{
	char temp[OV_TEMP_NAME];

	ov_temp_name(w->inst, temp);
	if (renameat2(dir_fd, name, w->inst->temp_fd, temp, RENAME_NOREPLACE) < 0)
		return -errno;
	ov_remove_tree(w->inst, w->inst->temp_fd, temp);
	return 0;
}

/* Nothing in the merged directory. 0 or -errno. */
static int must_be_empty(struct ov_work *w, const struct ov_ref *dir)
{
	int res = ov_list_is_empty(w, dir);

	return res < 0 ? res : res ? 0 : -ENOTEMPTY;
}

/* A merged directory by its name. */
int ov_check_empty(struct ov_work *w, const struct ov_ref *parent, const char *name, int above, const struct statx *stx)
{
	struct ov_node *node = above == OV_OBJECT ? ov_node_find_upper(w->s, stx->stx_ino)
						  : ov_node_find_name(w->s, parent->node, name);
	struct ov_ref dir;

	/* A client removes what it has looked up. */
	if (!node)
		return -ESTALE;
	int res = ov_ref_node(w->s, node, &dir);
	if (res == 0) {
		res = must_be_empty(w, &dir);
		ov_ref_put(w->s, &dir);
	}
	ov_node_put(w->s, node);
	return res;
}

static int type_below(struct ov_work *w, const struct ov_ref *dir, const char *name, bool *is_dir)
{
	struct fuse_attr attr;
	int res = lower_has(w, dir->node->lower, name, &attr);

	*is_dir = res == 1 && S_ISDIR(attr.mode);
	return res < 0 ? res : res ? 0 : -ENOENT;
}

static int remove_name(struct ov_work *w, const struct ov_ref *dir, bool rmdir)
{
	const char *name = w->req->name;
	struct statx stx;
	bool is_dir;
	int above, res = ov_name_exists(w, dir, name, &above, &stx);

	if (res <= 0)
		return res < 0 ? res : -ENOENT;
	is_dir = above == OV_OBJECT && S_ISDIR(stx.stx_mode);
	if (above == OV_ABSENT) {
		res = type_below(w, dir, name, &is_dir);
		if (res < 0)
			return res;
	}
	if (is_dir != rmdir)
		return is_dir ? -EISDIR : -ENOTDIR;
	if (is_dir) {
		res = ov_check_empty(w, dir, name, above, &stx);
		if (res < 0)
			return res;
	}
	int below = ov_lower_shows(w, dir->node, name);
	if (below < 0)
		return below;
	ov_node_unname(w->s, dir->node, name);
	if (below)
		return ov_put_whiteout(w, dir->fd, name, above == OV_OBJECT);
	if (is_dir)
		return ov_discard(w, dir->fd, name);
	return unlinkat(dir->fd, name, 0) < 0 ? -errno : 0;
}

static int do_remove(struct ov_work *w)
{
	struct ov_ref dir;
	int res = ov_change_dir(w, w->req->node, &dir);

	if (res != 0)
		return res;
	res = remove_name(w, &dir, w->req->opcode == FUSE_RMDIR);
	ov_ref_put(w->s, &dir);
	return res;
}

int ov_op_unlink(struct graft_inst *inst, struct graft_req *req)
{
	return ov_work_start(inst, req, inst->changers, do_remove);
}

int ov_op_rmdir(struct graft_inst *inst, struct graft_req *req)
{
	return ov_work_start(inst, req, inst->changers, do_remove);
}
