/* SPDX-License-Identifier: Apache-2.0 */
/* Questions to what is below. */
#include "lower.h"

#include <errno.h>
#include <fcntl.h>

static void forget(struct ov_work *w, uint64_t node)
{
	struct ov_child *c = ov_child(w, FUSE_FORGET, node, NULL, 0);

	if (!c)
		return;
	c->in.forget.nlookup = 1;
	ov_ask(w);
}

int lower_lookup(struct ov_work *w, uint64_t dir, const char *name, struct fuse_entry_out *out)
{
	struct ov_child *c = ov_child(w, FUSE_LOOKUP, dir, NULL, 0);

	if (!c)
		return -ENOMEM;
	c->req.name = name;
	int res = ov_ask(w);
	if (res < 0)
		return res;
	*out = c->out.entry;
	return out->nodeid ? 0 : -ENOENT;
}

int lower_has(struct ov_work *w, uint64_t dir, const char *name, struct fuse_attr *attr)
{
	struct fuse_entry_out out;
	int res = lower_lookup(w, dir, name, &out);

	if (res < 0)
		return res == -ENOENT ? 0 : res;
	*attr = out.attr;
	forget(w, out.nodeid);
	return 1;
}

int lower_getattr(struct ov_work *w, uint64_t node, struct fuse_attr *attr)
{
	struct ov_child *c = ov_child(w, FUSE_GETATTR, node, NULL, 0);
	int res = c ? ov_ask(w) : -ENOMEM;

	if (res == 0)
		*attr = c->out.attr.attr;
	return res;
}

int lower_open(struct ov_work *w, uint32_t opcode, uint64_t node, uint64_t *fh)
{
	struct ov_child *c = ov_child(w, opcode, node, NULL, 0);

	if (!c)
		return -ENOMEM;
	c->in.open.flags = opcode == FUSE_OPENDIR ? O_RDONLY | O_DIRECTORY : O_RDONLY;
	int res = ov_ask(w);
	*fh = c->out.open.fh;
	return res;
}

void lower_release(struct ov_work *w, uint32_t opcode, uint64_t node, uint64_t fh)
{
	struct ov_child *c = ov_child(w, opcode, node, NULL, 0);

	if (!c)
		return;
	c->in.release.fh = fh;
	ov_ask(w);
}

ssize_t lower_read(struct ov_work *w, uint32_t opcode, uint64_t node, uint64_t fh, uint64_t off, void *buf, size_t len)
{
	struct ov_child *c = ov_child(w, opcode, node, buf, len);

	if (!c)
		return -ENOMEM;
	c->in.read.fh = fh;
	c->in.read.offset = off;
	c->in.read.size = (uint32_t)len;
	int res = ov_ask(w);
	return res < 0 ? res : (ssize_t)c->req.done;
}

ssize_t lower_readlink(struct ov_work *w, uint64_t node, char *buf, size_t len)
{
	struct ov_child *c = ov_child(w, FUSE_READLINK, node, buf, len);
	int res = c ? ov_ask(w) : -ENOMEM;

	return res < 0 ? res : (ssize_t)c->req.done;
}

ssize_t lower_list_xattr(struct ov_work *w, uint64_t node, char *names, size_t len)
{
	struct ov_child *c = ov_child(w, FUSE_LISTXATTR, node, names, len);

	if (!c)
		return -ENOMEM;
	c->in.getxattr.size = (uint32_t)len;
	int res = ov_ask(w);
	return res < 0 ? res : (ssize_t)c->req.done;
}

ssize_t lower_get_xattr(struct ov_work *w, uint64_t node, const char *name, void *value, size_t len)
{
	struct ov_child *c = ov_child(w, FUSE_GETXATTR, node, value, len);

	if (!c)
		return -ENOMEM;
	c->req.name = name;
	c->in.getxattr.size = (uint32_t)len;
	int res = ov_ask(w);
	return res < 0 ? res : (ssize_t)c->req.done;
}
