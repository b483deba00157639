/* SPDX-License-Identifier: Apache-2.0 */
/* From a node id to the mount it belongs to, and what the router answers itself: names that mounts cover, and pseudo directories. */
#ifndef GRAFT_SERVER_FUSE_ROUTER_H
#define GRAFT_SERVER_FUSE_ROUTER_H

#include "server/request.h"

/* Where a node lies. */
struct router_spot {
	struct session_mount *sm;   /* NULL: a pseudo directory */
	uint64_t node;              /* the mount's own */
	const struct view_dir *dir; /* NULL: every name in it is the mount's own */
};

/* A decoded request but FORGET and BATCH_FORGET; r holds v. Returns like an operation. */
int router_start(struct request *r, const struct view *v);
/* Starts the decoded request in a mount. */
int router_go(struct request *r, struct session_mount *sm, uint64_t node);
/*
 * The same with a way back of the router's own behind the last member's, from where it may call again. up gets the result only of what
 * went ASYNC; what ends at once is returned, and the caller goes on. -EIO where there is no room for it.
 */
int router_call(struct request *r, struct session_mount *sm, uint64_t node, graft_up *up, void *cookie);

/* True where the router answers for the name, false where the mount above has the directory. */
bool router_owns(const struct view *v, const struct place_child *child);
/* Seconds that a client may keep what the router says: 0 where it cannot be told of changes. */
uint64_t router_timeout(const struct request *r);

/* An inode number as the client sees it. */
static inline uint64_t router_ino(const struct session_mount *sm, uint64_t ino)
{
	if (!sm || !sm->ino_tag)
		return ino;
	if (ino & ~sm->ino_mask)
		ino = ino * 0x9e3779b97f4a7c15ull >> __builtin_clzll(sm->ino_mask);
	return sm->ino_tag | ino;
}

#endif
