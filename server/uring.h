/* SPDX-License-Identifier: Apache-2.0 */
/* One io_uring and the thread that alone submits to it and takes from it. Used by io.c only. */
#ifndef GRAFT_SERVER_URING_H
#define GRAFT_SERVER_URING_H

#include "lib/error.h"
#include "server/io.h"

#define URING_DEPTH 256 /* transfers in the kernel at a time; more wait in order */

struct uring;

/* Takes a transfer that the kernel could not do here; op->done says how far it came. On the ring's thread. */
typedef void uring_refused(struct io_op *op, void *user);

/*
 * Makes the ring, restricted for good to what uring.c does with it; without a thread, and before the server confines itself: whoever may
 * make a ring may do by it what the list of system calls forbids. Needs Linux 6.1 (DEFER_TASKRUN). NULL with err: an older
 * kernel, or one that gives this process no ring (seccomp, kernel.io_uring_disabled, limits).
 */
struct uring *uring_new(uring_refused *refused, void *user, struct graft_error *err);
/* Its thread. 0 or -errno with err; then it can only be freed. */
int uring_start(struct uring *u, struct graft_error *err);
/* Waits until every transfer has ended. NULL is fine. */
void uring_free(struct uring *u);

/* Any thread. READ or WRITE of at most 1024 elements; op's own fields are set (io.c). */
void uring_post(struct uring *u, struct io_op *op);
/* Any thread: looks for transfers whose `cancelled` was set before. */
void uring_cancel(struct uring *u);

#endif
