/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mounts of a server: the tree of places, slots, and the sessions that see them. Everything here that is not said to be for any
 * thread belongs to the thread of changes, which makes one change after the other (server->changes).
 */
#ifndef GRAFT_SERVER_MOUNT_TABLE_H
#define GRAFT_SERVER_MOUNT_TABLE_H

#include "server/mounts.h"
#include "server/namespace.h"
#include "server/session.h"
#include "server/workers.h"

#define MOUNT_TABLE_SLOTS 65535u /* 1 .. 65534; 0 is the router's own */
#define MOUNT_TABLE_SLOTS_NYDUSD 256u
#define MOUNT_NODE_MASK ((1ull << GRAFT_NODE_BITS) - 1)

struct mount_table {
	struct server *server;
	struct namespace ns;
	struct fuse_conn *conns; /* those with a session */
	uint32_t *holders;       /* by slot: sessions that count it, and the tree */
	uint32_t nslots;         /* one more than the highest ever used */
	uint32_t next_slot;      /* nydusd's ids: the first that is looked at for the next mount; else 0 */
	_Atomic bool sweeping;   /* sweep is posted */
	struct work sweep;
	pthread_mutex_t lock; /* any thread, for a few instructions */
	/* protected by lock */
	struct mount *first, *last; /* in the order they were made */
	uint32_t n;
};

/* 0 or -ENOMEM. */
int mount_table_init(struct mount_table *t, struct server *server);
/* Lets go of all mounts; no session may be left. Those that nobody uses end on a worker. */
void mount_table_fini(struct mount_table *t);

/* Before anything is served, main thread: takes m, created and not started. */
int mount_table_add_first(struct mount_table *t, struct mount *m, struct graft_error *err);
int mount_table_start(struct mount_table *t, struct graft_error *err);

/* INIT flags: all mounts can, some want, some need. */
void mount_table_features(struct mount_table *t, uint64_t *can, uint64_t *want, uint64_t *need);
/* Opens every mount for a session and shows it to new requests. 0, or -errno and nothing is open. */
int mount_table_join(struct mount_table *t, struct fuse_conn *c, const struct graft_session *pub);
/* Takes the connection's session away from new requests; returns at once. */
void mount_table_leave(struct mount_table *t, struct fuse_conn *c);

/* A change, on the thread of changes: see mounts.h. add takes a started mount, and leaves it to the caller where it fails. */
int mount_table_add(struct mount_table *t, struct mount *m, bool replace, struct graft_error *err);
/* *gone: those clients' views of it that can be told of what they hold, each counted; for mount_notice_gone. */
int mount_table_remove(struct mount_table *t, const char *at, bool strict, struct session_mount **gone,
		       struct graft_error *err);

/* See mounts_pseudo_restore. */
int mount_table_restore(struct mount_table *t, const struct place_record *list, size_t n, uint64_t last_id,
			struct graft_error *err);

/* See mounts_next_slot. */
uint32_t mount_table_next_slot(const struct mount_table *t);
int mount_table_set_next_slot(struct mount_table *t, uint32_t slot, struct graft_error *err);

/* Any thread: looks soon which slots clients have let go of. */
void mount_table_sweep(struct mount_table *t);
/* Any thread: a session's view of a mount is on the mount's list while it is open. */
void mount_table_link(struct mount_table *t, struct session_mount *sm);
void mount_table_unlink(struct mount_table *t, struct session_mount *sm);
/* Any thread: m as the session has it, as one more user; NULL where it is not open in it. */
struct session_mount *mount_table_enter(struct mount_table *t, struct mount *m, const struct graft_session *session);
/* Any thread: tells all clients of m to forget what they cache of a node, or (name) of an entry of it. -ENOTSUP: none can be told. */
int mount_table_invalidate(struct mount_table *t, const struct mount *m, uint64_t node, const char *name);
/* Any thread that answers no requests: puts data into that session's cache (notify_store). -ENOTCONN: not open in it. */
int mount_table_store(struct mount_table *t, struct mount *m, const struct graft_session *session, uint64_t node, uint64_t off,
		      const struct iovec *iov, uint32_t niov);
/* Sums over the sessions. lock held. */
void mount_table_usage(const struct mount *m, uint64_t *nodes, uint64_t *handles);

#endif
