/* SPDX-License-Identifier: Apache-2.0 */
/* Example of a backend: a file system in memory, gone with the umount. One thread at a time, so it needs no locks. */
#include <graftfs/plugin.h>

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define NODES 65536 /* node ids lie below; id 0 is nobody, 1 the root */

struct settings {
	uint64_t size;
};

struct node {
	struct node *parent; /* NULL: the root, or removed */
	uint64_t held;       /* look-ups of all sessions: a removed node lives until they are given back */
	char name[256];
	struct fuse_attr attr;
	unsigned char *data;
	uint64_t room; /* bytes of data */
};

struct graft_inst {
	const struct graft_host *host;
	uint64_t size, used; /* bytes of all files together */
	uint64_t generation;
	uint64_t top; /* ids that were ever used lie below */
	struct node *nodes[NODES]; /* by id */
};

/* What a session holds, by id: a guest names only nodes that were given to it. */
struct held {
	uint32_t n[NODES];
};

static struct node *find(struct graft_inst *inst, const struct graft_req *req, uint64_t id)
{
	const struct held *held = (const struct held *)req->state;
	return id < NODES && (id == GRAFT_ROOT_NODE || held->n[id]) ? inst->nodes[id] : NULL;
}

static uint64_t child(struct graft_inst *inst, const struct node *dir, const char *name)
{
	for (uint64_t id = 2; id < inst->top; id++)
		if (inst->nodes[id] && inst->nodes[id]->parent == dir && strcmp(inst->nodes[id]->name, name) == 0)
			return id;
	return 0;
}

static bool is_empty(struct graft_inst *inst, const struct node *dir)
{
	for (uint64_t id = 2; id < inst->top; id++)
		if (inst->nodes[id] && inst->nodes[id]->parent == dir)
			return false;
	return true;
}

static void touch(struct node *n)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	n->attr.mtime = n->attr.ctime = (uint64_t)now.tv_sec;
	n->attr.mtimensec = n->attr.ctimensec = (uint32_t)now.tv_nsec;
}

static struct node *add(struct graft_inst *inst, uint64_t id, struct node *parent, const char *name, uint32_t mode)
{
	struct node *n = calloc(1, sizeof(*n));
	if (!n)
		return NULL;
	n->parent = parent;
	strncpy(n->name, name, sizeof(n->name) - 1);
	n->attr.ino = id;
	n->attr.mode = mode;
	n->attr.nlink = S_ISDIR(mode) ? 2 : 1;
	n->attr.blksize = 4096;
	touch(n);
	inst->top = id >= inst->top ? id + 1 : inst->top;
	return inst->nodes[id] = n;
}

static void drop_if_unused(struct graft_inst *inst, struct node *n)
{
	if (n->parent || n->held || n->attr.ino == GRAFT_ROOT_NODE)
		return;
	inst->used -= n->room;
	inst->nodes[n->attr.ino] = NULL;
	free(n->data);
	free(n);
}

/* The name is gone; the node stays while a client holds it. */
static void unname(struct graft_inst *inst, struct node *n)
{
	touch(n->parent);
	n->parent = NULL;
	n->attr.nlink = 0;
	drop_if_unused(inst, n);
}

static void give_back(struct graft_inst *inst, struct held *held, uint64_t id, uint64_t count)
{
	if (id == GRAFT_ROOT_NODE || id >= NODES || !inst->nodes[id])
		return;
	if (count > held->n[id])
		count = held->n[id];
	held->n[id] -= (uint32_t)count;
	inst->nodes[id]->held -= count;
	drop_if_unused(inst, inst->nodes[id]);
}

/* An entry in the reply counts one look-up, until FORGET or the session's end. */
static int entry(struct graft_req *req, struct node *n)
{
	struct fuse_entry_out *out = (struct fuse_entry_out *)req->out;
	out->nodeid = n->attr.ino;
	out->entry_valid = out->attr_valid = 1;
	out->attr = n->attr;
	((struct held *)req->state)->n[n->attr.ino]++;
	n->held++;
	return 0;
}

static int op_lookup(struct graft_inst *inst, struct graft_req *req)
{
	struct node *dir = find(inst, req, req->node);
	uint64_t id = dir ? child(inst, dir, req->name) : 0;
	return !dir ? -ESTALE : id ? entry(req, inst->nodes[id]) : -ENOENT;
}

static int op_forget(struct graft_inst *inst, struct graft_req *req)
{
	const struct fuse_forget_in *in = (const struct fuse_forget_in *)req->in;
	give_back(inst, (struct held *)req->state, req->node, in->nlookup);
	return 0;
}

static int op_getattr(struct graft_inst *inst, struct graft_req *req)
{
	const struct node *n = find(inst, req, req->node);
	struct fuse_attr_out *out = (struct fuse_attr_out *)req->out;
	if (!n)
		return -ESTALE;
	out->attr_valid = 1;
	out->attr = n->attr;
	return 0;
}

/* Files grow by doubling; what a file has room for counts against the size of the mount. */
static int resize(struct graft_inst *inst, struct node *n, uint64_t size)
{
	uint64_t room = n->room ? n->room : 4096;
	if (size > inst->size)
		return -ENOSPC;
	while (room < size)
		room *= 2;
	if (size > n->room) {
		if (room - n->room > inst->size - inst->used)
			return -ENOSPC;
		unsigned char *data = realloc(n->data, room);
		if (!data)
			return -ENOMEM;
		memset(data + n->room, 0, room - n->room);
		inst->used += room - n->room;
		n->data = data;
		n->room = room;
	}
	if (size < n->attr.size)
		memset(n->data + size, 0, n->attr.size - size);
	n->attr.size = size;
	n->attr.blocks = (size + 511) / 512;
	touch(n);
	return 0;
}

static int op_setattr(struct graft_inst *inst, struct graft_req *req)
{
	const struct fuse_setattr_in *in = (const struct fuse_setattr_in *)req->in;
	struct node *n = find(inst, req, req->node);
	if (!n)
		return -ESTALE;
	int res = in->valid & FATTR_SIZE ? S_ISREG(n->attr.mode) ? resize(inst, n, in->size) : -EISDIR : 0;
	if (res)
		return res;
	if (in->valid & FATTR_MODE)
		n->attr.mode = (n->attr.mode & S_IFMT) | (in->mode & 07777);
	if (in->valid & FATTR_UID)
		n->attr.uid = in->uid;
	if (in->valid & FATTR_GID)
		n->attr.gid = in->gid;
	if (in->valid & FATTR_MTIME && !(in->valid & FATTR_MTIME_NOW)) {
		n->attr.mtime = in->mtime;
		n->attr.mtimensec = in->mtimensec;
	} else if (in->valid & FATTR_MTIME) {
		touch(n);
	}
	return op_getattr(inst, req);
}

static int make(struct graft_inst *inst, struct graft_req *req, uint32_t mode)
{
	struct node *dir = find(inst, req, req->node);
	uint64_t id = 2;
	if (!dir || (!dir->parent && dir != inst->nodes[GRAFT_ROOT_NODE]))
		return dir ? -ENOENT : -ESTALE;
	if (!S_ISDIR(dir->attr.mode))
		return -ENOTDIR;
	if (child(inst, dir, req->name))
		return -EEXIST;
	while (id < NODES && inst->nodes[id])
		id++;
	struct node *n = id < NODES ? add(inst, id, dir, req->name, mode) : NULL;
	if (!n)
		return id < NODES ? -ENOMEM : -ENOSPC;
	n->attr.uid = req->uid;
	n->attr.gid = req->gid;
	touch(dir);
	/* Ids are used again: the generation tells the client that it is another file. */
	((struct fuse_entry_out *)req->out)->generation = ++inst->generation;
	return entry(req, n);
}

static int op_mkdir(struct graft_inst *inst, struct graft_req *req)
{
	return make(inst, req, S_IFDIR | (((const struct fuse_mkdir_in *)req->in)->mode & 07777));
}

static int op_create(struct graft_inst *inst, struct graft_req *req)
{
	return make(inst, req, S_IFREG | (((const struct fuse_create_in *)req->in)->mode & 07777));
}

static int op_remove(struct graft_inst *inst, struct graft_req *req)
{
	struct node *dir = find(inst, req, req->node);
	uint64_t id = dir ? child(inst, dir, req->name) : 0;
	if (!id)
		return dir ? -ENOENT : -ESTALE;
	if (!S_ISDIR(inst->nodes[id]->attr.mode) != (req->opcode == FUSE_UNLINK))
		return req->opcode == FUSE_UNLINK ? -EISDIR : -ENOTDIR;
	if (!is_empty(inst, inst->nodes[id]))
		return -ENOTEMPTY;
	unname(inst, inst->nodes[id]);
	return 0;
}

static int op_rename(struct graft_inst *inst, struct graft_req *req)
{
	struct node *from = find(inst, req, req->node), *to = find(inst, req, req->node2);
	uint64_t id = from ? child(inst, from, req->name) : 0, old = to ? child(inst, to, req->name2) : 0;
	if (!from || !to || !id || old == id)
		return !from || !to ? -ESTALE : id ? 0 : -ENOENT;
	if (!S_ISDIR(to->attr.mode) || (!to->parent && to != inst->nodes[GRAFT_ROOT_NODE]))
		return -ENOENT;
	for (const struct node *up = to; up; up = up->parent)
		if (up == inst->nodes[id])
			return -EINVAL;
	if (old && S_ISDIR(inst->nodes[old]->attr.mode) != S_ISDIR(inst->nodes[id]->attr.mode))
		return S_ISDIR(inst->nodes[old]->attr.mode) ? -EISDIR : -ENOTDIR;
	if (old && !is_empty(inst, inst->nodes[old]))
		return -ENOTEMPTY;
	if (old)
		unname(inst, inst->nodes[old]);
	touch(from);
	touch(to);
	inst->nodes[id]->parent = to;
	strncpy(inst->nodes[id]->name, req->name2, sizeof(inst->nodes[id]->name) - 1);
	return 0;
}

static int op_read(struct graft_inst *inst, struct graft_req *req)
{
	const struct fuse_read_in *in = (const struct fuse_read_in *)req->in;
	const struct node *n = find(inst, req, req->node);
	if (!n || in->offset >= n->attr.size)
		return n ? 0 : -ESTALE;
	uint64_t left = n->attr.size - in->offset;
	return inst->host->put(req, n->data + in->offset, left < req->dst_len ? left : req->dst_len);
}

static int op_write(struct graft_inst *inst, struct graft_req *req)
{
	const struct fuse_write_in *in = (const struct fuse_write_in *)req->in;
	struct node *n = find(inst, req, req->node);
	if (!n || !S_ISREG(n->attr.mode))
		return n ? -EISDIR : -ESTALE;
	if (in->offset > inst->size)
		return -ENOSPC;
	uint64_t at = in->offset, end = at + in->size;
	int res = end > n->attr.size ? resize(inst, n, end) : 0;
	for (uint32_t i = 0; !res && i < req->nsrc; at += req->src[i++].iov_len)
		memcpy(n->data + at, req->src[i].iov_base, req->src[i].iov_len);
	touch(n);
	((struct fuse_write_out *)req->out)->size = in->size;
	return res;
}

/* Offsets: 1 is behind ".", 2 behind "..", id + 1 behind a node; ids stay, so a listing can be gone on with. */
static int op_readdir(struct graft_inst *inst, struct graft_req *req)
{
	const struct node *dir = find(inst, req, req->node);
	if (!dir)
		return -ESTALE;
	for (uint64_t off = ((const struct fuse_read_in *)req->in)->offset; off < inst->top || off < 2; off++) {
		const struct node *n = off < 2 ? dir : inst->nodes[off];
		const char *name = off == 0 ? "." : off == 1 ? ".." : n ? n->name : "";
		if (!n || (off >= 2 && n->parent != dir))
			continue;
		struct fuse_direntplus e = { .dirent = { .ino = n->attr.ino, .off = off + 1,
							 .namelen = (uint32_t)strlen(name), .type = n->attr.mode >> 12 } };
		if (inst->host->dirent(req, &e, name) == GRAFT_DIRENT_FULL)
			break;
	}
	return 0;
}

static int op_statfs(struct graft_inst *inst, struct graft_req *req)
{
	struct fuse_kstatfs *st = &((struct fuse_statfs_out *)req->out)->st;
	st->bsize = st->frsize = 4096;
	st->blocks = inst->size / 4096;
	st->bfree = st->bavail = (inst->size - inst->used) / 4096;
	st->namelen = 255;
	return 0;
}

static int session_open(struct graft_inst *inst, const struct graft_session *session, void **state)
{
	(void)inst;
	(void)session;
	*state = calloc(1, sizeof(struct held));
	return *state ? 0 : -ENOMEM;
}

/* A client that left forgot everything. */
static void session_close(struct graft_inst *inst, void *state)
{
	for (uint64_t id = 2; id < inst->top; id++)
		give_back(inst, (struct held *)state, id, UINT64_MAX);
	free(state);
}

static void destroy(struct graft_inst *inst)
{
	for (uint64_t id = 0; id < inst->top; id++) {
		if (inst->nodes[id])
			free(inst->nodes[id]->data);
		free(inst->nodes[id]);
	}
	free(inst);
}

static int create(const struct graft_host *host, struct graft_slot *slot, const void *settings, struct graft_inst **inst,
		  struct graft_error *err)
{
	struct graft_inst *made = calloc(1, sizeof(*made));
	if (!made || !add(made, GRAFT_ROOT_NODE, NULL, "", S_IFDIR | 0755)) {
		free(made);
		return host->fail(err, ENOMEM, "no memory for a file system in memory");
	}
	made->host = host;
	made->size = ((const struct settings *)settings)->size;
	host->metric(slot, "used", "bytes", &made->used);
	*inst = made;
	return 0;
}

static graft_op *const ops[] = {
	[FUSE_LOOKUP] = op_lookup, [FUSE_FORGET] = op_forget,	[FUSE_GETATTR] = op_getattr, [FUSE_SETATTR] = op_setattr,
	[FUSE_MKDIR] = op_mkdir,   [FUSE_CREATE] = op_create,	[FUSE_UNLINK] = op_remove,   [FUSE_RMDIR] = op_remove,
	[FUSE_RENAME] = op_rename, [FUSE_READ] = op_read,	[FUSE_WRITE] = op_write,     [FUSE_READDIR] = op_readdir,
	[FUSE_STATFS] = op_statfs,
};

static const struct graft_opt options[] = {
	{ .key = "size", .dflt = "64M", .help = "bytes that all files may have together", .type = GRAFT_OPT_U64,
	  .offset = offsetof(struct settings, size), .min = 4096, .max = (uint64_t)1 << 40 },
	{ .key = NULL },
};

GRAFT_PLUGIN_EXPORT extern const struct graft_plugin graft_plugin_v1;
const struct graft_plugin graft_plugin_v1 = {
	.size = sizeof(struct graft_plugin),
	.abi_major = GRAFT_ABI_MAJOR,
	.abi_minor = GRAFT_ABI_MINOR,
	.name = "memfs",
	.version = "1",
	.summary = "a file system in memory",
	.kind = GRAFT_BACKEND,
	.threads = GRAFT_SERIAL_INSTANCE,
	.opts = options,
	.settings_size = sizeof(struct settings),
	.nops = sizeof(ops) / sizeof(ops[0]),
	.ops = ops,
	.create = create,
	.session_open = session_open,
	.session_close = session_close,
	.destroy = destroy,
};
