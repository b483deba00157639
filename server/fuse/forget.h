/* SPDX-License-Identifier: Apache-2.0 */
/* FORGET and BATCH_FORGET: what the client lets go of is counted, and told to the mount. */
#ifndef GRAFT_SERVER_FUSE_FORGET_H
#define GRAFT_SERVER_FUSE_FORGET_H

#include "server/fuse/conn.h"

/* Both return like an operation. What belongs to no mount, or to one that was umounted, goes no further. */
int forget_one(struct request *r, const struct view *v);
/* Sends each mount the entries that are its own, one mount after the other. */
int forget_batch(struct request *r, const struct view *v);

/* The client let go of something in sm: its slot may have become free. */
void forget_check(const struct session_mount *sm);

#endif
