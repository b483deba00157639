/* SPDX-License-Identifier: Apache-2.0 */
/* The tree below. */
#include "overlay_lower.h"

#include "layer_plain.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HANDLE 4711u

struct lower lower;

static const struct entry {
	uint64_t dir, node;
	const char *name;
} entries[] = {
	{ LOWER_ROOT, LOWER_DIR, "dir" },       { LOWER_ROOT, LOWER_FILE, "file" }, { LOWER_ROOT, LOWER_HARD, "one" },
	{ LOWER_ROOT, LOWER_HARD, "two" },      { LOWER_ROOT, LOWER_LINK, "link" }, { LOWER_DIR, LOWER_INNER, "inner" },
	{ LOWER_ROOT, LOWER_WHITEOUT, "gone" },
};
#define NENTRIES (sizeof(entries) / sizeof(entries[0]))

static const mode_t modes[LOWER_NODES] = {
	[LOWER_ROOT] = S_IFDIR | 0755, [LOWER_DIR] = S_IFDIR | 0750,  [LOWER_FILE] = S_IFREG | 0644,
	[LOWER_HARD] = S_IFREG | 0600, [LOWER_LINK] = S_IFLNK | 0777, [LOWER_INNER] = S_IFREG | 0644,
	[LOWER_WHITEOUT] = S_IFCHR,
};

unsigned char lower_byte(uint64_t at)
{
	return (unsigned char)(at * 7 + at / 4096);
}

static void fill(uint64_t node, struct fuse_attr *attr)
{
	*attr = (struct fuse_attr){ .ino = 100 + node,
				    .mode = modes[node],
				    .nlink = node == LOWER_HARD ? 2 : 1,
				    .mtime = 12345,
				    .uid = getuid(),
				    .gid = getgid() };
	attr->size = node == LOWER_FILE ? LOWER_SIZE : S_ISLNK(modes[node]) ? 4 : S_ISREG(modes[node]) ? 3 : 0;
}

static void give_entry(uint64_t node, struct fuse_entry_out *out)
{
	out->nodeid = node;
	out->entry_valid = out->attr_valid = 1u << 30;
	fill(node, &out->attr);
	atomic_fetch_add(&lower.lookups[node], 1);
}

static int look_up(struct graft_req *req)
{
	for (size_t i = 0; i < NENTRIES; i++) {
		if (entries[i].dir == req->node && strcmp(entries[i].name, req->name) == 0) {
			give_entry(entries[i].node, req->out);
			return 0;
		}
	}
	return -ENOENT;
}

static int list(struct graft_req *req)
{
	const struct fuse_read_in *in = req->in;

	for (size_t i = in->offset; i < NENTRIES; i++) {
		struct fuse_direntplus e = { .dirent = { .off = i + 1, .ino = 100 + entries[i].node } };
		if (entries[i].dir != req->node)
			continue;
		e.dirent.type = modes[entries[i].node] >> 12;
		e.dirent.namelen = (uint32_t)strlen(entries[i].name);
		if (req->opcode == FUSE_READDIRPLUS)
			give_entry(entries[i].node, &e.entry_out);
		int res = plain_host->dirent(req, &e, entries[i].name);
		if (res != GRAFT_DIRENT_OK && req->opcode == FUSE_READDIRPLUS)
			atomic_fetch_sub(&lower.lookups[entries[i].node], 1);
		if (res == GRAFT_DIRENT_FULL)
			break;
	}
	return 0;
}

static int read_file(struct graft_req *req)
{
	const struct fuse_read_in *in = req->in;
	struct fuse_attr attr;
	unsigned char piece[4096];

	if (in->fh != HANDLE)
		atomic_fetch_add(&lower.strange, 1);
	fill(req->node, &attr);
	for (uint64_t at = in->offset; at < attr.size && req->done < req->dst_len;) {
		size_t n = sizeof(piece);
		n = n < attr.size - at ? n : attr.size - at;
		n = n < req->dst_len - req->done ? n : req->dst_len - req->done;
		for (size_t i = 0; i < n; i++)
			piece[i] = lower_byte(at + i);
		if (plain_host->put(req, piece, n) < 0)
			return -EIO;
		at += n;
	}
	return 0;
}

static int give_bytes(struct graft_req *req, const char *bytes, size_t len)
{
	const struct fuse_getxattr_in *in = req->in;

	if (!in->size) {
		((struct fuse_getxattr_out *)req->out)->size = (uint32_t)len;
		return 0;
	}
	return plain_host->put(req, bytes, len);
}

static int answer(struct graft_inst *inst, struct graft_req *req)
{
	const struct fuse_forget_in *forget = req->in;

	(void)inst;
	if (req->node < 1 || req->node >= LOWER_NODES ||
	    (req->node != LOWER_ROOT && atomic_load(&lower.lookups[req->node]) <= 0)) {
		atomic_fetch_add(&lower.strange, 1);
		return -ESTALE;
	}
	if ((int)req->opcode == lower.fail)
		return -lower.error;
	switch (req->opcode) {
	case FUSE_LOOKUP:
		return look_up(req);
	case FUSE_FORGET:
		atomic_fetch_sub(&lower.lookups[req->node], (int64_t)forget->nlookup);
		return 0;
	case FUSE_GETATTR:
		((struct fuse_attr_out *)req->out)->attr_valid = 1u << 30;
		fill(req->node, &((struct fuse_attr_out *)req->out)->attr);
		return 0;
	case FUSE_OPEN:
	case FUSE_OPENDIR:
		atomic_fetch_add(&lower.opens, 1);
		((struct fuse_open_out *)req->out)->fh = HANDLE;
		return 0;
	case FUSE_RELEASE:
	case FUSE_RELEASEDIR:
		atomic_fetch_sub(&lower.opens, 1);
		return 0;
	case FUSE_READ:
		return read_file(req);
	case FUSE_READLINK:
		return plain_host->put(req, "file", 4);
	case FUSE_LISTXATTR:
		return give_bytes(req, "user.a\0trusted.overlay.opaque", 30);
	case FUSE_GETXATTR:
		return strcmp(req->name, "user.a") == 0 ? give_bytes(req, "value", 5) : -ENODATA;
	default:
		return list(req);
	}
}

static int operation(struct graft_inst *inst, struct graft_req *req)
{
	return lower.later && req->opcode != FUSE_FORGET ? plain_host->defer(req, answer) : answer(inst, req);
}

graft_op *const lower_ops[GRAFT_OP_COUNT] = {
	[FUSE_LOOKUP] = operation,     [FUSE_FORGET] = operation,      [FUSE_GETATTR] = operation,
	[FUSE_OPEN] = operation,       [FUSE_OPENDIR] = operation,     [FUSE_RELEASE] = operation,
	[FUSE_RELEASEDIR] = operation, [FUSE_READ] = operation,        [FUSE_READLINK] = operation,
	[FUSE_READDIR] = operation,    [FUSE_READDIRPLUS] = operation, [FUSE_LISTXATTR] = operation,
	[FUSE_GETXATTR] = operation,
};
