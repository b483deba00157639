/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Notifications to the kernel, sent by a thread of their own: the kernel may wait for a page whose READ is still to be
 * answered, so no thread that answers requests may send them.
 */
#ifndef GRAFT_TRANSPORT_FUSE_DEV_NOTIFY_H
#define GRAFT_TRANSPORT_FUSE_DEV_NOTIFY_H

#include "lib/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define FUSE_DEV_NOTICES 8192 /* that may wait */

struct fuse_dev_notify;

/* Starts the thread. fd is borrowed until fuse_dev_notify_settle returns, object (for the log) until free. NULL with
 * err. */
struct fuse_dev_notify *fuse_dev_notify_new(int fd, const char *object, struct graft_error *err);
/* Any thread. 0, -EINVAL for a length that cannot be, -ENOTCONN after the end, -ENOBUFS when too many wait. */
int fuse_dev_notify_send(struct fuse_dev_notify *n, const void *bytes, size_t len);
/*
 * Sends one now, on the caller's thread. 0, -ENOTCONN after the end, or what the kernel says. Not on a thread that answers requests.
 */
int fuse_dev_notify_store(struct fuse_dev_notify *n, const struct iovec *iov, uint32_t niov);
/*
 * The end: what waits is dropped, then last(arg), if any, runs on the thread. Only the first call counts. Returns at
 * once.
 */
void fuse_dev_notify_end(struct fuse_dev_notify *n, void (*last)(void *arg), void *arg);
/* After the end: a thread stays inside the kernel with a notification; waits a moment to see. */
bool fuse_dev_notify_busy(struct fuse_dev_notify *n);
/* After the end: waits until that is no longer so. */
void fuse_dev_notify_settle(struct fuse_dev_notify *n);
/* After the end: waits for the thread, last included, and frees. NULL is fine. */
void fuse_dev_notify_free(struct fuse_dev_notify *n);

#endif
