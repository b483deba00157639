/* SPDX-License-Identifier: Apache-2.0 */
/* OPENDIR, READDIR and READDIRPLUS: entries come straight from the metadata, nothing is kept between two calls. */
#include "operations.h"
#include "push.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

/*
 * Offsets are nydusd's, which may have begun a listing that goes on here, or end it. Version 5: 1 is behind ".", 2 behind "..", and 2 + n behind
 * the n-th entry. Version 6: n is behind the n-th, "." and ".." among them.
 */
#define OFFSET_DOT 1
#define OFFSET_ENTRIES 2

static int opendir_now(struct graft_inst *inst, struct graft_req *req)
{
	struct fuse_open_out *out = req->out;
	struct rafs_inode inode;
	int res = node_of_req(inst, req, &inode);

	if (res == 0 && !S_ISDIR(inode.mode))
		res = -ENOTDIR;
	if (res == 0)
		res = node_verify(inst, &inode);
	if (res < 0)
		return res;
	out->open_flags = FOPEN_KEEP_CACHE | FOPEN_CACHE_DIR;
	return 0;
}

int nr_op_opendir(struct graft_inst *inst, struct graft_req *req)
{
	const struct fuse_open_in *in = req->in;

	if ((in->flags & O_ACCMODE) != O_RDONLY)
		return -EROFS;
	return node_run(inst, req, false, opendir_now);
}

/* An entry whose inode is bad is listed without a node, and so are all where a look-up has digests to check. */
static void look_up(const struct graft_inst *inst, struct fuse_direntplus *e)
{
	struct rafs_inode inode;

	if (!inst->verify && rafs_inode_get(inst->image, e->dirent.ino, &inode) == 0 &&
	    node_entry(inst, &inode, &e->entry_out) == 0) {
		e->dirent.type = (inode.mode & S_IFMT) >> 12;
		return;
	}
	e->entry_out = (struct fuse_entry_out){ .attr.ino = e->dirent.ino, .attr.mode = e->dirent.type << 12 };
}

/* enum graft_dirent_result. with_node: for READDIRPLUS. */
static int give(const struct graft_inst *inst, struct graft_req *req, const struct rafs_dirent *d, uint64_t offset,
		bool with_node)
{
	struct fuse_direntplus e = { .dirent = { .ino = d->ino, .off = offset, .namelen = d->len, .type = d->type } };

	if (graft_dirent_size(req->opcode, d->len) > req->dst_len - req->done)
		return GRAFT_DIRENT_FULL;
	if (req->opcode == FUSE_READDIRPLUS && with_node)
		look_up(inst, &e);
	else if (req->opcode == FUSE_READDIRPLUS)
		e.entry_out.attr = (struct fuse_attr){ .ino = d->ino, .mode = d->type << 12 };
	int res = inst->host->dirent(req, &e, d->name);
	if (inst->files && res == GRAFT_DIRENT_OK)
		file_stats_seen(inst->files, d->ino);
	if (res == GRAFT_DIRENT_OK && e.entry_out.nodeid && S_ISREG(e.entry_out.attr.mode))
		push_listed(req->state, e.entry_out.nodeid, e.entry_out.attr.size);
	return res;
}

/* "." and "..", from *offset on. 0, or GRAFT_DIRENT_FULL, or -errno. */
static int give_dots(const struct graft_inst *inst, struct graft_req *req, const struct rafs_inode *dir,
		     uint64_t *offset)
{
	while (*offset < OFFSET_ENTRIES) {
		struct rafs_dirent dot = {
			.ino = dir->ino, .type = DT_DIR, .len = (uint32_t)*offset + 1, .name = ".."
		};

		dot.name[dot.len] = '\0';
		int res = *offset == OFFSET_DOT ? rafs_parent(inst->image, dir, &dot.ino) : 0;
		if (res < 0)
			return res;
		if (give(inst, req, &dot, *offset + 1, false) == GRAFT_DIRENT_FULL)
			return GRAFT_DIRENT_FULL;
		++*offset;
	}
	return 0;
}

/* Until the reply is full or the directory ends. 0, GRAFT_DIRENT_FULL, -errno. */
static int give_entries(const struct graft_inst *inst, struct graft_req *req, const struct rafs_inode *dir,
			uint64_t cookie)
{
	struct rafs_dirent d;
	int res;

	while ((res = rafs_dir_next(inst->image, dir, &cookie, &d)) > 0) {
		if (give(inst, req, &d, cookie + OFFSET_ENTRIES, true) == GRAFT_DIRENT_FULL)
			return GRAFT_DIRENT_FULL;
	}
	return res;
}

static bool is_dots(const struct rafs_dirent *d)
{
	return d->name[0] == '.' && (d->len == 1 || (d->len == 2 && d->name[1] == '.'));
}

/* As give_entries, with "." and ".." where they stand. */
static int give_all(const struct graft_inst *inst, struct graft_req *req, const struct rafs_inode *dir, uint64_t offset)
{
	struct rafs_dirent d;
	uint64_t cookie;
	int res = rafs_dir_seek(inst->image, dir, offset, &cookie);

	while (res == 0 && (res = rafs_dir_next_all(inst->image, dir, &cookie, &d)) > 0) {
		res = 0;
		if (d.len == 1 && is_dots(&d))
			d.ino = dir->ino;
		else if (is_dots(&d))
			res = rafs_parent(inst->image, dir, &d.ino);
		if (res == 0 && give(inst, req, &d, ++offset, !is_dots(&d)) == GRAFT_DIRENT_FULL)
			return GRAFT_DIRENT_FULL;
	}
	return res;
}

int nr_op_readdir(struct graft_inst *inst, struct graft_req *req)
{
	const struct fuse_read_in *in = req->in;
	uint64_t offset = in->offset;
	struct rafs_inode dir;
	int res = node_of_req(inst, req, &dir);

	if (res < 0)
		return res;
	if (!S_ISDIR(dir.mode))
		return -ENOTDIR;
	if (!req->dst_len)
		return 0;
	if (rafs_dir_has_dots(inst->image)) {
		res = give_all(inst, req, &dir, offset);
	} else {
		res = give_dots(inst, req, &dir, &offset);
		if (res == 0)
			res = give_entries(inst, req, &dir, offset - OFFSET_ENTRIES);
	}
	push_listing_done(req->state);
	if (req->done)
		return 0;                                /* an error comes again when this reply was used up */
	return res == GRAFT_DIRENT_FULL ? -EINVAL : res; /* an empty reply would mean the end */
}
