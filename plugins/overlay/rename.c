/* SPDX-License-Identifier: Apache-2.0 */
/* RENAME and RENAME2, as overlayfs does them without redirect_dir: a directory that has something below stays where it
 * is. */
#include "copy_up.h"
#include "make.h"
#include "remove.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* One name of the two. */
struct side {
	struct ov_ref dir;
	const char *name;
	struct statx stx; /* of what is above */
	int above;        /* enum ov_seen */
	bool exists;
	int below;            /* the name would show something of below */
	struct ov_node *node; /* what it names, in use; NULL: the client does not know it, or nothing */
};

static bool is_dir(const struct side *p)
{
	return p->exists && p->node && S_ISDIR(p->node->type);
}

static int look_at(struct ov_work *w, struct side *p)
{
	int res = ov_name_exists(w, &p->dir, p->name, &p->above, &p->stx);

	if (res < 0)
		return res;
	p->exists = res;
	p->below = p->above == OV_ABSENT ? res : ov_lower_shows(w, p->dir.node, p->name);
	if (p->below < 0)
		return p->below;
	if (p->exists)
		p->node = p->above == OV_OBJECT ? ov_node_find_upper(w->s, p->stx.stx_ino)
						: ov_node_find_name(w->s, p->dir.node, p->name);
	return 0;
}

/* What is moved has a part above, and if it is a directory, nothing below. As ov_copy_up. */
static int make_movable(struct ov_work *w, struct side *p)
{
	if (!p->node)
		return -ESTALE;
	if (S_ISDIR(p->node->type))
		return p->node->lower ? -EXDEV : 0;
	int res = ov_copy_up(w, p->node);
	if (res == 0)
		p->above = OV_OBJECT;
	return res;
}

static int check_target(struct ov_work *w, const struct side *from, const struct side *to)
{
	if (!to->exists)
		return 0;
	if (!to->node)
		return -ESTALE;
	if (is_dir(to) != is_dir(from))
		return is_dir(to) ? -EISDIR : -ENOTDIR;
	return is_dir(to) ? ov_check_empty(w, &to->dir, to->name, to->above, &to->stx) : 0;
}

/* A directory at a name that shows something of below must hide that. */
static int hide_below(struct ov_work *w, const struct side *moved, const struct side *place)
{
	struct ov_ref ref;

	if (!is_dir(moved) || !place->below)
		return 0;
	int res = ov_ref_node(w->s, moved->node, &ref);
	if (res == 0) {
		res = ov_set_opaque(w->inst, ref.fd);
		ov_ref_put(w->s, &ref);
	}
	return res;
}

static int call(const struct side *from, const struct side *to, unsigned int flags)
{
	return renameat2(from->dir.fd, from->name, to->dir.fd, to->name, flags) < 0 ? -errno : 0;
}

/* A directory onto what rename(2) does not replace: a whiteout, or a directory with whiteouts in it. */
static int swap_and_clear(struct ov_work *w, const struct side *from, const struct side *to)
{
	int res = call(from, to, RENAME_EXCHANGE);

	if (res < 0)
		return res;
	/* What was there is now where the directory was. */
	if (from->below)
		return to->above == OV_WHITEOUT ? 0 : ov_put_whiteout(w, from->dir.fd, from->name, true);
	if (to->above == OV_WHITEOUT)
		return unlinkat(from->dir.fd, from->name, 0) < 0 ? -errno : 0;
	return ov_discard(w, from->dir.fd, from->name);
}

/* Two names of one file: rename(2) does nothing. */
static bool same_file(const struct side *from, const struct side *to)
{
	return to->exists && from->node == to->node;
}

static int move(struct ov_work *w, struct side *from, struct side *to)
{
	int res = check_target(w, from, to);

	if (res == 0)
		res = hide_below(w, from, to);
	if (res < 0 || same_file(from, to))
		return res;
	ov_node_unname(w->s, to->dir.node, to->name);
	if (is_dir(from) && to->above != OV_ABSENT)
		res = swap_and_clear(w, from, to);
	else
		res = call(from, to, from->below ? RENAME_WHITEOUT : 0);
	if (res == 0)
		ov_node_rename(w->s, from->node, to->dir.node, to->name);
	return res;
}

static int exchange(struct ov_work *w, struct side *from, struct side *to)
{
	if (!to->exists)
		return -ENOENT;
	int res = make_movable(w, to);
	if (res == 0)
		res = hide_below(w, from, to);
	if (res == 0)
		res = hide_below(w, to, from);
	if (res != 0 || same_file(from, to))
		return res;
	res = call(from, to, RENAME_EXCHANGE);
	if (res == 0) {
		ov_node_rename(w->s, from->node, to->dir.node, to->name);
		ov_node_rename(w->s, to->node, from->dir.node, from->name);
	}
	return res;
}

static int between(struct ov_work *w, struct side *from, struct side *to, uint32_t flags)
{
	int res = look_at(w, from);

	if (res == 0)
		res = look_at(w, to);
	if (res < 0)
		return res;
	if (!from->exists)
		return -ENOENT;
	if (to->exists && (flags & RENAME_NOREPLACE))
		return -EEXIST;
	res = make_movable(w, from);
	if (res != 0)
		return res;
	return flags & RENAME_EXCHANGE ? exchange(w, from, to) : move(w, from, to);
}

static int do_rename(struct ov_work *w)
{
	const struct fuse_rename2_in *in = w->req->in;
	uint32_t flags = w->req->opcode == FUSE_RENAME2 ? in->flags : 0;
	struct side from = { .name = w->req->name }, to = { .name = w->req->name2 };
	int res = ov_change_dir(w, w->req->node, &from.dir);

	if (res != 0)
		return res;
	res = ov_change_dir(w, w->req->node2, &to.dir);
	if (res == 0) {
		res = between(w, &from, &to, flags);
		ov_node_put(w->s, from.node);
		ov_node_put(w->s, to.node);
		ov_ref_put(w->s, &to.dir);
	}
	ov_ref_put(w->s, &from.dir);
	return res;
}

int ov_op_rename(struct graft_inst *inst, struct graft_req *req)
{
	const struct fuse_rename2_in *in = req->in;
	uint32_t flags = req->opcode == FUSE_RENAME2 ? in->flags : 0;

	if (flags & ~(uint32_t)(RENAME_NOREPLACE | RENAME_EXCHANGE) || flags == (RENAME_NOREPLACE | RENAME_EXCHANGE))
		return -EINVAL;
	return ov_work_start(inst, req, inst->changers, do_rename);
}
