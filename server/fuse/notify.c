/* SPDX-License-Identifier: Apache-2.0 */
/* Notifications: an out header whose unique is 0 and whose error is the code, and what belongs to it. */
#include "server/fuse/notify.h"

#include "lib/iov.h"

#include <errno.h>
#include <string.h>

#define NOTIFY_INC_EPOCH 8 /* FUSE_NOTIFY_INC_EPOCH, newer than our headers */

struct notice {
	struct fuse_out_header header;
	unsigned char body[TRANSPORT_NOTICE_MAX - sizeof(struct fuse_out_header)];
};

static int send(struct fuse_conn *c, struct notice *n, int code, size_t len)
{
	struct transport *t = c->transport;

	if (!t->ops->send)
		return -ENOTSUP;
	n->header = (struct fuse_out_header){ .len = (uint32_t)(sizeof(n->header) + len), .error = code };
	return t->ops->send(t, n, n->header.len);
}

/* The struct, then the name with its NUL. */
static int send_name(struct fuse_conn *c, int code, const void *fixed, size_t fixed_len, const char *name)
{
	struct notice n;
	size_t len = strlen(name) + 1;

	if (len > sizeof(n.body) - fixed_len)
		return -ENAMETOOLONG;
	memcpy(n.body, fixed, fixed_len);
	memcpy(n.body + fixed_len, name, len);
	return send(c, &n, code, fixed_len + len);
}

int notify_entry(struct fuse_conn *c, uint64_t parent, const char *name, uint64_t gone)
{
	const struct fuse_notify_inval_entry_out inval = { .parent = parent, .namelen = (uint32_t)strlen(name) };
	const struct fuse_notify_delete_out delete = { .parent = parent, .child = gone, .namelen = inval.namelen };

	if (gone)
		return send_name(c, FUSE_NOTIFY_DELETE, &delete, sizeof(delete), name);
	return send_name(c, FUSE_NOTIFY_INVAL_ENTRY, &inval, sizeof(inval), name);
}

int notify_inode(struct fuse_conn *c, uint64_t node)
{
	const struct fuse_notify_inval_inode_out out = { .ino = node };
	struct notice n;

	memcpy(n.body, &out, sizeof(out));
	return send(c, &n, FUSE_NOTIFY_INVAL_INODE, sizeof(out));
}

int notify_inode_now(struct fuse_conn *c, uint64_t node)
{
	struct fuse_notify_inval_inode_out out = { .ino = node };
	struct fuse_out_header header = { .len = sizeof(header) + sizeof(out), .error = FUSE_NOTIFY_INVAL_INODE };
	const struct iovec iov[] = { { &header, sizeof(header) }, { &out, sizeof(out) } };
	struct transport *t = c->transport;

	return t->ops->store ? t->ops->store(t, iov, 2) : -ENOTSUP;
}

int notify_store(struct fuse_conn *c, uint64_t node, uint64_t off, const struct iovec *iov, uint32_t niov)
{
	struct transport *t = c->transport;
	uint64_t bytes = iov_length(iov, niov);
	struct fuse_notify_store_out store = { .nodeid = node, .offset = off, .size = (uint32_t)bytes };
	struct fuse_out_header header = { .error = FUSE_NOTIFY_STORE };
	struct iovec all[NOTIFY_STORE_IOV + 2] = { { &header, sizeof(header) }, { &store, sizeof(store) } };

	if (!t->ops->store)
		return -ENOTSUP;
	if (!bytes || bytes > NOTIFY_STORE_MAX || niov > NOTIFY_STORE_IOV)
		return -EINVAL;
	header.len = (uint32_t)(sizeof(header) + sizeof(store) + bytes);
	memcpy(all + 2, iov, niov * sizeof(*iov));
	return t->ops->store(t, all, niov + 2);
}

int notify_epoch(struct fuse_conn *c)
{
	struct notice n;

	return send(c, &n, NOTIFY_INC_EPOCH, 0);
}
