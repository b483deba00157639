/* SPDX-License-Identifier: Apache-2.0 */
/* A session: one INIT to DESTROY of one client, and each mount as it has it: the members' states and what the client holds. */
#ifndef GRAFT_SERVER_SESSION_H
#define GRAFT_SERVER_SESSION_H

#include "server/held.h"
#include "server/mount.h"
#include "server/quota.h"
#include "server/root_handles.h"
#include "server/shard.h"

#include <graftfs/plugin.h>

struct fuse_conn;
struct session;

enum session_held { SESSION_NODES /* look-ups */, SESSION_HANDLES, SESSION_HELD_COUNT };

/*
 * Counts of what the client holds, by enum session_held; one for each shard (shard.h). What was given and what was let go of stand
 * apart: whoever reads the latter first never sees less held than is. A hostile client can make more let go of than given.
 */
struct session_shard {
	_Alignas(64) _Atomic uint64_t given[SESSION_HELD_COUNT];
	_Atomic uint64_t gone[SESSION_HELD_COUNT];
};

/*
 * A mount as one session has it. users are those who may go into the members' operations: views that show it, requests that went
 * ASYNC, the maker. When the last is gone a worker closes the members' states. The object itself stays until refs is 0: what
 * was umounted is still counted until the client has forgotten it, so that its slot is not given to another mount too early.
 */
struct session_mount {
	struct session *session; /* counted */
	struct mount *mount;     /* counted until closed */
	uint32_t slot, serial; /* serial: of those in this session */
	uint64_t wire;     /* what stands before its node ids on the wire, in place */
	uint64_t swap;     /* 0, or these bits change in a node id on the wire that is the root's or has its number */
	uint64_t ino_tag;  /* what stands before its inode numbers, in place; 0: they are as the mount gave them */
	uint64_t ino_mask; /* room for those */
	_Atomic uint32_t users, refs;
	struct held *held;   /* by its number on the wire; NULL: the client cannot be told of what is gone */
	_Atomic bool closed; /* nobody is inside and nobody will be */
	_Atomic bool fading; /* umounted or replaced: tell the mount table when the client let go of the last */
	struct work close;
	/*
	 * Backing files whose end must wait: a client that has an answer to OPEN looks its backing file up only when it runs again, so
	 * they stay until it has let go of every handle. Filled while the mount is closed, then the thread of changes'.
	 */
	int *backing;
	_Atomic uint32_t nbacking;
	_Atomic uint64_t open; /* places of the session's quota that its handles have; relaxed */
	struct session_mount *next_gone;   /* of whoever umounts it, see mount_table_remove */
	struct session_mount *next, *prev; /* of the mount, protected by the mount table's lock */
	struct session_shard shards[SHARD_COUNT];
	void *states[]; /* by member */
};

/* A directory on the way to a mount, in the mount above it: looked up and not forgotten while it is one. Or that there is none. */
struct session_pin {
	uint64_t place;
	struct session_mount *sm;
	uint64_t node; /* 0: no such directory */
	bool fresh;    /* looked up by the change that is being made */
};

struct session_slot {
	struct session_mount *sm; /* NULL: free */
	bool live;                /* false: umounted, only counted */
};

struct session {
	struct graft_session pub;
	struct fuse_conn *conn;
	_Atomic uint32_t refs; /* views, session_mounts, and one of the connection while it is the present one */
	struct root_handles roots;
	bool resumed; /* another process began it: the client may have handles of node 1 that are not in roots */
	/* only the thread of changes, see mount_table.h */
	struct session_slot *slots;
	uint32_t nslots;
	struct session_pin *pins; /* ascending places */
	uint32_t npins;
	uint32_t serials; /* given so far */
	/* any thread; written often where they are bounded, so far from what each request reads */
	struct quota nodes, open;
};

/* No mount yet; one reference. NULL when out of memory. */
struct session *session_new(struct fuse_conn *c, const struct graft_session *pub);
void session_hold(struct session *s);
/* Any thread; calls conn_session_gone with the last. */
void session_release(struct session *s);

/* Opens the members' states, the backend's first; calls plugins. One user and one reference are the caller's. 0 or -errno. */
int session_mount_open(struct session *s, struct mount *m, struct session_mount **out);
void session_mount_enter(struct session_mount *sm);
/* Any thread. */
void session_mount_leave(struct session_mount *sm);
void session_mount_hold(struct session_mount *sm);
void session_mount_release(struct session_mount *sm);

/* From a member's session_close: the backing file is to end when the client has let go of its handles. False: it is not called there, or memory is out. */
bool session_mount_keep_backing(int id);
/* Thread of changes, closed: ends them, if that is so. */
void session_mount_end_backing(struct session_mount *sm);
/* What the client holds; at most too many while other threads count. */
uint64_t session_mount_held(const struct session_mount *sm, enum session_held what);
/* Umounted or replaced, and the client holds nothing of it any more. */
bool session_mount_let_go(const struct session_mount *sm);

/* From now on the client may have one handle more in sm. -ENFILE: no. */
int session_mount_may_open(struct session_mount *sm);
/* It has one handle less there, or got none after all. */
void session_mount_not_open(struct session_mount *sm);
/* -ENFILE: the client could not be told of a new object, since it knows as many as it may. Else 0. */
int session_may_make(struct session *s);

/* The services of the same names (plugin.h). */
int session_claim(const struct graft_session *pub, uint32_t what);
void session_unclaim(const struct graft_session *pub, uint32_t what, uint64_t n);

/* From a node id as the mount gives it to the lower bits of the one on the wire, and back. */
static inline uint64_t session_mount_number(const struct session_mount *sm, uint64_t node)
{
	if (sm->swap && (node == GRAFT_ROOT_NODE || node == (GRAFT_ROOT_NODE ^ sm->swap)))
		node ^= sm->swap;
	return node;
}

/* Whoever sees what was let go of sees what was given before: release and acquire. */
static inline void session_mount_give(struct session_mount *sm, uint32_t shard, enum session_held what)
{
	shard_add(&sm->shards[shard].given[what], shard, 1, memory_order_relaxed);
}

/* The client gets a node, by its number on the wire. */
static inline void session_mount_give_node(struct session_mount *sm, uint32_t shard, uint64_t number)
{
	session_mount_give(sm, shard, SESSION_NODES);
	if (sm->held)
		held_give(sm->held, number);
}

static inline void session_mount_take(struct session_mount *sm, uint32_t shard, enum session_held what, uint64_t n)
{
	shard_add(&sm->shards[shard].gone[what], shard, n, memory_order_release);
}

#endif
