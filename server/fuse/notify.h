/* SPDX-License-Identifier: Apache-2.0 */
/* Notifications: what a client is told without having asked (FUSE_NOTIFY_*, Linux include/uapi/linux/fuse.h). */
#ifndef GRAFT_SERVER_FUSE_NOTIFY_H
#define GRAFT_SERVER_FUSE_NOTIFY_H

#include "server/fuse/conn.h"

#define NOTIFY_STORE_IOV 16             /* elements at most */
#define NOTIFY_STORE_MAX (UINT64_C(1) << 30) /* bytes at most: the kernel writes less than 2 GiB at a time */

/* All return at once; 0, or -ENOTSUP where the client cannot be told, -ENOTCONN, -ENOBUFS. Node ids as on the wire. Any thread. */

/* What the client caches of an entry is wrong. gone: the node that was removed there, told as such; 0: none, or unknown. */
int notify_entry(struct fuse_conn *c, uint64_t parent, const char *name, uint64_t gone);
/* Attributes, data and listings that the client caches of a node are wrong. */
int notify_inode(struct fuse_conn *c, uint64_t node);
/* The same, told when it returns, with the client's -errno: -ENOENT, it knows no such node. Waits as notify_store does.
 */
int notify_inode_now(struct fuse_conn *c, uint64_t node);
/*
 * The client may put this into its cache: data of a file from off on. Waits while the client reads those pages: never on a thread that
 * answers requests. 0, -ENOENT: the client knows no such node; -EINVAL: nothing, or too much; -ENOTSUP, -ENOTCONN.
 */
int notify_store(struct fuse_conn *c, uint64_t node, uint64_t off, const struct iovec *iov, uint32_t niov);
/* All entries the client caches are wrong (7.44, Linux 6.16; older ones ignore it). */
int notify_epoch(struct fuse_conn *c);

#endif
