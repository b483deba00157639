/* SPDX-License-Identifier: Apache-2.0 */
/* A server with test plugins and a transport made of function calls: requests go in as bytes, replies come back. */
#ifndef GRAFT_TESTS_UNIT_SERVER_RIG_H
#define GRAFT_TESTS_UNIT_SERVER_RIG_H

#include "server/fuse/conn.h"
#include "server/mounts.h"
#include "server/server.h"
#include "server_tree.h"
#include "transport/transport.h"

#include <pthread.h>

#define RIG_MOUNTS 3
#define RIG_ROOM 81920
#define RIG_INVALID 256
#define RIG_INIT_FLAGS (FUSE_INIT_EXT | FUSE_MAX_PAGES | FUSE_BIG_WRITES)

/* A stack: outermost first, ended by NULL. */
struct rig_mount {
	const char *name, *at;
	const struct graft_plugin *members[MOUNT_MAX_MEMBERS + 1];
};

struct rig {
	struct server *server;
	struct fuse_door door;
	struct transport transport;
	struct fuse_conn *conn;
	uint32_t keys[CONFIG_KEY_COUNT];
	struct mount_config mounts[RIG_MOUNTS];
	struct member_config members[RIG_MOUNTS][MOUNT_MAX_MEMBERS];
	struct plugin plugins[RIG_MOUNTS][MOUNT_MAX_MEMBERS];
	uint64_t unique;
	bool second; /* the server is another rig's */
	/* what the server sent unasked, where the transport takes that; protected by notices_lock */
	pthread_mutex_t notices_lock;
	struct rig_notice *notices;
	uint32_t nnotices;
	uint64_t invalid[RIG_INVALID]; /* inodes that were told at once */
	uint32_t ninvalid;
};

/* A notification as it was sent. */
struct rig_notice {
	uint32_t len;
	unsigned char bytes[TRANSPORT_NOTICE_MAX];
};

/* One request object, as a transport's pool has them; may be used again once done. */
struct rig_request {
	struct transport_request t;
	struct iovec in, out;
	unsigned char in_bytes[RIG_ROOM], out_bytes[RIG_ROOM];
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool pinned, done;
	uint32_t completions;
};

/* NULL with err where a part of it fails. */
struct rig *rig_try(const struct rig_mount *mounts, uint32_t n, struct graft_error *err);
struct rig *rig_new(const struct rig_mount *mounts, uint32_t n);
/* Also the way of a client that leaves. */
void rig_free(struct rig *rig);
/*
 * A further client of rig's server, by a transport of this kind; GRAFT_DEV_FUSE takes notifications. Ends with rig_free, before rig
 * does.
 */
struct rig *rig_connect(struct rig *rig, enum graft_transport kind);

/* The calls of mounts.h. A mount of a tree; err may be NULL. */
int rig_mount(struct rig *rig, const char *at, struct tree *t, struct graft_error *err);
/* Must get that slot. */
int rig_mount_slot(struct rig *rig, const char *at, struct tree *t, uint32_t slot, struct graft_error *err);
int rig_remount(struct rig *rig, const char *at, struct tree *t, struct graft_error *err);
int rig_umount(struct rig *rig, const char *at);
int rig_umount_strict(struct rig *rig, const char *at, struct graft_error *err);
int rig_umount_await(struct rig *rig, const char *at, bool strict, int ms);
uint32_t rig_count_mounts(struct rig *rig);
/* A mount at "/" of a passthrough plugin with this source, for mounts_add, which takes it. plugin is borrowed. */
struct mount_config *rig_share(struct plugin *plugin, const char *source);

struct rig_request *rig_request_new(void);
void rig_request_free(struct rig_request *q);

/* Lays a request out: header, in struct, then tail. The reply has `room` bytes. */
void rig_fill(struct rig *rig, struct rig_request *q, uint32_t opcode, uint64_t node, const void *in, size_t in_len,
	      const void *tail, size_t tail_len, size_t room);
/* Serves it; rig_wait for what went ASYNC (returns at once for what did not). */
bool rig_serve(struct rig *rig, struct rig_request *q);
void rig_wait(struct rig_request *q);

/* The reply's errno as sent (0 or negative), and what stands behind its header. */
int rig_error(const struct rig_request *q);
const void *rig_data(const struct rig_request *q);
uint64_t rig_data_len(const struct rig_request *q);

/* Fill, serve, wait. Returns the error. */
int rig_call(struct rig *rig, struct rig_request *q, uint32_t opcode, uint64_t node, const void *in, size_t in_len,
	     const void *tail, size_t tail_len);
/* INIT with these flags besides RIG_INIT_FLAGS; returns the error. */
int rig_init(struct rig *rig, uint64_t flags);

#endif
