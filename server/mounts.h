/* SPDX-License-Identifier: Apache-2.0 */
/* Mount, umount and remount while requests are served: the calls behind the configuration file and the control API. */
#ifndef GRAFT_SERVER_MOUNTS_H
#define GRAFT_SERVER_MOUNTS_H

#include "server/config.h"
#include "server/namespace.h"
#include "server/op_stats.h"

struct server;

/* Mounts a server may have at a time; slots have room for those that clients still hold nodes of. */
#define MOUNTS_MAX 32768

/*
 * All of these may be called on any thread that may block, but not on a worker's strand; they wait for plugins and for the
 * server's own strand of changes, never for a client's request. config is taken in every case. "at" is an absolute, normal path
 * of at most 4096 bytes (config_check_at). Errors leave everything as it was: no descriptor, thread or name stays.
 */

/* -EEXIST where something is mounted there already (other mounts above and below are fine). */
int mounts_add(struct server *s, struct mount_config *config, struct graft_error *err);
/*
 * The new one takes the path; the old one goes on for what is open on it and for nodes that clients hold, until they let go.
 * -ENOENT where nothing is mounted.
 */
int mounts_replace(struct server *s, struct mount_config *config, struct graft_error *err);
/*
 * Detaches at once: new look-ups do not find it, nodes and handles of it are ESTALE, clients that can be told are told. Returns
 * when no new request can reach it; its instance ends when the last running one has. -ENOENT where nothing is mounted; strict:
 * -EBUSY with the counts in err while clients hold nodes or open files of it.
 */
int mounts_remove(struct server *s, const char *at, bool strict, struct graft_error *err);
/* The same, and waits until the instance has ended, ms milliseconds at most: mostly nobody is inside, and what it does then is done. */
int mounts_remove_await(struct server *s, const char *at, bool strict, int ms, struct graft_error *err);

/* A mount in a listing; valid during the call of the function that gets it. */
struct mount_info {
	const char *name, *at, *type;
	const struct mount_key *keys; /* as configured: at, type, layers and the plugins' own; not their defaults */
	size_t nkeys;
	uint32_t slot;
	uint64_t since;  /* ns since 1970 */
	uint64_t nodes;  /* look-ups that clients hold, the mount's root's included */
	uint64_t handles; /* open files and directories */
	const struct op_stats *stats;
};

/* Calls fn for each mount, in the order they were made, until it returns other than 0; returns that. fn must not call back. */
int mounts_each(struct server *s, int (*fn)(const struct mount_info *info, void *arg), void *arg);

/*
 * All places but "/", each a mount point or a name on the way to one, parents first; a place's id is its node as a
 * pseudo directory. As above.
 */
int mounts_pseudo_each(struct server *s, int (*fn)(const struct place_record *record, void *arg), void *arg);
/*
 * Puts the places of an earlier process where there are none, in any order, before mounts are made: they get the ids of
 * what is on their way. last_id: the highest id ever given. What cannot be a tree is refused (namespace_restore).
 * -EBUSY while anything is mounted.
 */
int mounts_pseudo_restore(struct server *s, const struct place_record *list, size_t n, uint64_t last_id,
			  struct graft_error *err);
/* The highest place id that was ever given. */
uint64_t mounts_pseudo_last(struct server *s);
/*
 * With nydusd's node ids, whose slots are given in turn: the first that the next mount tries, 1 .. 256; 0 and 256 are
 * from 1 on. With our own it is 0, and setting it -EOPNOTSUPP; more than 256 is -EINVAL.
 */
uint32_t mounts_next_slot(struct server *s);
int mounts_set_next_slot(struct server *s, uint32_t slot, struct graft_error *err);

/*
 * graft_plugin.ask of the mount at that path, its members from the outermost on: what the first answers that knows the
 * word. -ENOENT: nothing is mounted there; -EOPNOTSUPP: no member knows it. The mount stays alive meanwhile; an umount
 * does not wait.
 */
int mounts_ask(struct server *s, const char *at, const char *what, const char *in, graft_ask_put *put, void *arg);

#endif
