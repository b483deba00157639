/* SPDX-License-Identifier: Apache-2.0 */
/* LOOKUP and FORGET: from a name or a descriptor to a node, with as few system calls as the truth allows. */
#include "lookup.h"

#include "lib/cleanup.h"
#include "lib/fuse_attr.h"
#include "node.h"
#include "open.h"

#include <fcntl.h>

#define ENTRY_MASK (STATX_BASIC_STATS | STATX_MNT_ID)
#define NS         UINT64_C(1000000000)

/* Whether a directory is the root of another file system or mount than the directory it was found in. */
static bool submount(const struct pt_session *s, const struct node_ref *parent, const struct statx *stx)
{
	const struct node *p = parent->node;
	struct node_key k = node_key(stx);

	if (!S_ISDIR(stx->stx_mode) || !s->inst->set->submounts || !(s->session->flags & FUSE_SUBMOUNTS))
		return false;
	return k.mount != p->mount || k.dev_major != p->dev_major || k.dev_minor != p->dev_minor;
}

static void fill_entry(const struct pt_session *s, const struct node_ref *parent, const struct statx *stx, uint64_t id,
		       struct fuse_entry_out *out)
{
	const struct graft_inst *inst = s->inst;

	*out = (struct fuse_entry_out){
		.nodeid = id,
		.entry_valid = inst->entry_timeout / NS,
		.entry_valid_nsec = (uint32_t)(inst->entry_timeout % NS),
		.attr_valid = inst->attr_timeout / NS,
		.attr_valid_nsec = (uint32_t)(inst->attr_timeout % NS),
	};
	fuse_attr_fill(stx, &out->attr);
	if (submount(s, parent, stx))
		out->attr.flags |= FUSE_ATTR_SUBMOUNT;
}

/*
 * Each directory remembers in two bits whether its names lately turned out to be known. Known ones cost one system call
 * if asked for by name first, others two if opened at once; a wrong guess costs one more.
 */
static bool guess_known(const struct node_ref *parent)
{
	return atomic_load_explicit(&parent->node->known, memory_order_relaxed) >= 2;
}

static void learn(const struct node_ref *parent, bool known)
{
	uint8_t was = atomic_load_explicit(&parent->node->known, memory_order_relaxed);

	if (known && was < 3)
		atomic_store_explicit(&parent->node->known, was + 1, memory_order_relaxed);
	else if (!known && was > 0)
		atomic_store_explicit(&parent->node->known, was - 1, memory_order_relaxed);
}

/*
 * By name alone. A node that had its descriptor open the whole time keeps its inode's number from being reused, so the
 * numbers prove which it is; others prove it by file handle. 1: found, 0: not known or not certain, -errno.
 */
static int find_by_name(struct pt_session *s, const struct node_ref *parent, const char *name, struct statx *stx,
			uint64_t *id)
{
	struct node_table *t = s->nodes;
	/* Acquire pairs with the release in stamp (node.c). */
	struct node_query q = {.start = atomic_load_explicit(&t->clock, memory_order_acquire)};
	enum node_found found;

	/* A queue's thread must not wait for an automount of the host's; opening with O_PATH sets none off either (open(2)). */
	if (statx(parent->fd, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, ENTRY_MASK, stx) < 0)
		return -errno;
	q.key = node_key(stx);
	q.type = stx->stx_mode & S_IFMT;
	found = node_find(t, &q, id);
	if (found == NODE_COMPARE && s->inst->handles) {
		struct fhandle h;
		uint64_t mount;

		if (fhandle_of(parent->fd, name, &h, &mount) == 0 && mount == q.key.mount) {
			q.h = &h;
			found = node_find(t, &q, id);
		}
	}
	return found == NODE_FOUND;
}

/* Takes fd, an O_PATH descriptor of what stx is about. fresh: it was just made, so hardly a node has it. */
static int enter_seen(struct pt_session *s, int fd, const struct statx *stx, bool fresh, uint64_t *id, bool *made)
{
	struct node_seen seen;
	int res;

	seen.fd = fd;
	seen.h.len = 0;
	seen.no_handle = seen.made = false;
	seen.fresh = fresh;
	seen.key = node_key(stx);
	seen.type = stx->stx_mode & S_IFMT;
	res = node_enter(s, &seen, id);
	cleanup_close(&seen.fd);
	*made = seen.made;
	return res;
}

/* The same, asking for stx. */
static int enter_fd(struct pt_session *s, int fd, struct statx *stx, uint64_t *id, bool *made)
{
	if (statx(fd, "", AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, ENTRY_MASK, stx) < 0) {
		int res = -errno;

		close(fd);
		return res;
	}
	return enter_seen(s, fd, stx, false, id, made);
}

int pt_lookup(struct pt_session *s, const struct node_ref *parent, const char *name, struct fuse_entry_out *out)
{
	bool asked = guess_known(parent), made = false;
	struct statx stx;
	uint64_t id;
	int res = asked ? find_by_name(s, parent, name, &stx, &id) : 0;

	if (res < 0)
		return res;
	if (!res) {
		int fd = open_name(s->inst, parent->fd, name, O_PATH | O_NOFOLLOW, 0);

		if (fd < 0)
			return fd;
		res = enter_fd(s, fd, &stx, &id, &made);
		if (res < 0)
			return res;
	}
	learn(parent, !made);
	fill_entry(s, parent, &stx, id, out);
	return 0;
}

/* An O_PATH descriptor of the name, if it stands for what stx is about, which the caller holds open; else -1. */
static int open_same(struct pt_session *s, int dirfd, const char *name, const struct statx *stx)
{
	const unsigned int mask = STATX_TYPE | STATX_INO | STATX_MNT_ID;
	auto_close int fd = open_name(s->inst, dirfd, name, O_PATH | O_NOFOLLOW, 0);
	struct statx found;

	if (fd < 0 || statx(fd, "", AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, mask, &found) < 0)
		return -1;
	struct node_key want = node_key(stx), have = node_key(&found);
	if (want.ino != have.ino || want.dev_major != have.dev_major || want.dev_minor != have.dev_minor ||
	    want.mount != have.mount || (stx->stx_mode & S_IFMT) != (found.stx_mode & S_IFMT))
		return -1;
	return steal_fd(&fd);
}

/* The node of what fd has open. name: where it probably stands, for opening it there is cheaper; NULL: nowhere. */
static int enter_open(struct pt_session *s, const struct node_ref *parent, const char *name, int fd,
		      struct fuse_entry_out *out, bool fresh)
{
	struct node_query q = {.start = UINT64_MAX};
	struct statx stx;
	bool made;
	uint64_t id;

	if (statx(fd, "", AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, ENTRY_MASK, &stx) < 0)
		return -errno;
	q.key = node_key(&stx);
	q.type = stx.stx_mode & S_IFMT;
	if (fresh || node_find(s->nodes, &q, &id) != NODE_FOUND) {
		/* A node keeps an O_PATH descriptor only: one open for writing would make the file busy for ever. */
		int path_fd = name ? open_same(s, parent->fd, name, &stx) : -1;

		if (path_fd < 0)
			path_fd = open_again(s->inst, fd, O_PATH);
		if (path_fd < 0)
			return path_fd;
		int res = enter_seen(s, path_fd, &stx, fresh, &id, &made);
		if (res < 0)
			return res;
	}
	fill_entry(s, parent, &stx, id, out);
	return 0;
}

int pt_lookup_fd(struct pt_session *s, const struct node_ref *parent, int fd, struct fuse_entry_out *out)
{
	return enter_open(s, parent, NULL, fd, out, false);
}

int lookup_made(struct pt_session *s, const struct node_ref *parent, const char *name, int fd,
		struct fuse_entry_out *out)
{
	return enter_open(s, parent, name, fd, out, true);
}

int lookup_take(struct pt_session *s, const struct node_ref *parent, int fd, struct fuse_entry_out *out)
{
	struct statx stx;
	uint64_t id;
	bool made;
	int res = enter_fd(s, fd, &stx, &id, &made);

	if (!res)
		fill_entry(s, parent, &stx, id, out);
	return res;
}

int pt_op_lookup(struct graft_inst *inst, struct graft_req *req)
{
	struct pt_session *s = pt_session(req);
	struct fuse_entry_out *out = req->out;
	struct node_ref parent;
	int res = node_get(s, req->node, &parent);

	if (res < 0)
		return res;
	res = pt_lookup(s, &parent, req->name, out);
	node_put(s, &parent);
	if (res == -ENOENT && inst->set->negative_timeout) {
		/* Node 0: the guest may remember that there is nothing. */
		*out = (struct fuse_entry_out){
			.entry_valid = inst->set->negative_timeout / NS,
			.entry_valid_nsec = (uint32_t)(inst->set->negative_timeout % NS),
		};
		return 0;
	}
	return res;
}

int pt_op_forget(struct graft_inst *inst, struct graft_req *req)
{
	const struct fuse_forget_in *in = req->in;

	(void)inst;
	pt_forget(pt_session(req), req->node, in->nlookup);
	return 0;
}

int pt_op_batch_forget(struct graft_inst *inst, struct graft_req *req)
{
	const struct fuse_batch_forget_in *in = req->in;
	const struct fuse_forget_one *one = req->data;
	uint32_t n = req->data_len / sizeof(*one);

	(void)inst;
	if (in->count < n)
		n = in->count;
	for (uint32_t i = 0; i < n; i++)
		pt_forget(pt_session(req), one[i].nodeid, one[i].nlookup);
	return 0;
}
