/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that lead from one mount into another: the look-up of a mount point, and a sync of all. */
#ifndef GRAFT_SERVER_FUSE_CROSSING_H
#define GRAFT_SERVER_FUSE_CROSSING_H

#include "server/request.h"

/* LOOKUP of a name that sm covers: its root, with the attributes that it gives. Returns like an operation. */
int crossing_lookup(struct request *r, struct session_mount *sm);
/* SYNCFS of node 1: all mounts where the client sees them as one file system, else the one at "/". Returns like an operation. */
int crossing_syncfs(struct request *r, const struct view *v);

#endif
