/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All mounts as one session sees them at one time. Constant. Every change of mounts makes a new one for each session; a request
 * goes by the one it began with, so nothing is locked on its way.
 */
#ifndef GRAFT_SERVER_VIEW_H
#define GRAFT_SERVER_VIEW_H

#include "server/namespace.h"
#include "server/session.h"

struct view_slot {
	struct session_mount *sm; /* NULL: no such slot */
	bool live;                /* false: umounted; nodes of it are ESTALE, only their FORGET counts */
	bool dirs;                /* some directory of it has names that other mounts cover */
};

/* A directory in which the router answers for some names: a pseudo directory, or one of a mount. */
struct view_dir {
	uint64_t key;   /* node id on the wire */
	uint64_t place; /* id; of a pseudo directory also its node id */
	uint64_t parent; /* id of the place above; the root's own */
	uint64_t since;  /* ns since 1970 */
	struct place_list *list; /* referenced */
};

struct view {
	struct view *next;       /* among a connection's retired ones */
	struct session *session; /* referenced */
	struct session_mount *root; /* at "/", NULL: the root is a pseudo directory */
	uint64_t node_mask;         /* server.node_bits of them */
	uint32_t node_bits;
	uint32_t nslots, ndirs, room, mask;
	struct view_slot *slots;
	struct view_dir *dirs;
	uint32_t *hash; /* by key: index + 1 into dirs, 0: empty; linear probing */
};

/* Of a node id: its mount's slot, and what stands below. */
static inline uint64_t view_slot_of(const struct view *v, uint64_t nodeid)
{
	return nodeid >> v->node_bits;
}

static inline uint64_t view_number_of(const struct view *v, uint64_t nodeid)
{
	return nodeid & v->node_mask;
}

/*
 * By the session's slots and the tree as they are now. Looks up directories on the way to mounts that are new to the session and
 * pins them: replaces the session's pins. Thread of changes; calls plugins. NULL when out of memory: then the session is unchanged.
 */
struct view *view_new(struct session *s, const struct place *root);
/* Nobody looks at it any more. NULL is fine. */
void view_free(struct view *v);

/* NULL where every name in the directory is its mount's own. */
const struct view_dir *view_find(const struct view *v, uint64_t key);
/* Node id on the wire of a place that is a directory in this view; 0 if it is not one. */
uint64_t view_key(const struct view *v, const struct place *p);

#endif
