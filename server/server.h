/* SPDX-License-Identifier: Apache-2.0 */
/* What all parts of a running server share. One for the process; tests make their own. */
#ifndef GRAFT_SERVER_SERVER_H
#define GRAFT_SERVER_SERVER_H

#include "server/config.h"
#include "server/io.h"
#include "server/metrics.h"
#include "server/mount_table.h"
#include "server/op_stats.h"
#include "server/watch.h"
#include "server/workers.h"

#define SERVER_CALLERS 8 /* calls of the control API that run at a time */
#define SERVER_NODE_BITS GRAFT_NODE_BITS
#define SERVER_NODE_BITS_NYDUSD 56 /* slots 1 .. 255, in turn; and what else a client of nydusd finds in node ids */
#define SERVER_WORK_BOUND (65 * 256) /* deferred work that may wait: all that 64 queues and hiprio have in flight */

struct server {
	struct workers *workers; /* what may block in a request */
	struct io_engine *io;    /* transfers that may block */
	struct workers *callers; /* calls of the control API; they may wait for changes, so they must not take the workers from them */
	struct workers *changes; /* one thread: changes of mounts, INIT and DESTROY, one after the other */
	struct metrics *metrics;
	struct watch *watch;
	struct makings *makings; /* mounts that are being made at run time, see mounts.c */
	struct op_stats *stats; /* requests of no mount, and of those that are gone */
	struct strand serial_plugins; /* every mount with a member that is serial for its plugin */
	struct mount_table mounts;
	struct outside *outside; /* who opens the host's files where this process is in a sandbox (sandbox/outside.h); borrowed, NULL: itself */
	int own_fds; /* O_PATH of /proc/self/fd where no path leads to it, see sandbox/sandbox.h; borrowed; -1 */
	struct plugin_registry *registry; /* for mounts at run time; borrowed, may be NULL in tests */
	_Atomic uint32_t instances; /* plugin instances alive */
	_Atomic uint32_t shards;    /* taken by queues, see shard.h */
	_Atomic uint64_t sessions;  /* number of the last session */
	uint32_t fd_budget;         /* descriptors that plugins may share */
	uint32_t node_bits;         /* of a node id on the wire that are the mount's own, the slot stands above; set before mounts are made */
	bool fixed;                 /* mounts neither come nor go; set before server_start */
	bool confined;              /* Landlock keeps the process to what plugins told; set before mounts are made */
	bool membarrier;            /* light barriers need no instruction, see barrier.h */
};

static inline bool server_nydusd_ids(const struct server *s)
{
	return s->node_bits == SERVER_NODE_BITS_NYDUSD;
}

/* threads: of the workers, 0: auto. fds: descriptors that plugins may share. NULL when out of memory, with err. */
struct server *server_new(uint32_t threads, uint32_t fds, struct graft_error *err);
/* Before server_start: creates a mount of the configuration and adds it. config is borrowed. 0 or -errno with err. */
int server_mount(struct server *s, const struct mount_config *config, struct graft_error *err);
/* The threads, then the mounts. 0 or -errno with err. */
int server_start(struct server *s, struct graft_error *err);
/* Requests of an opcode (0: unknown ones) so far, of all mounts there ever were and of none. */
void server_op(struct server *s, uint32_t opcode, struct op_sum *sum);
/* Logs at info "metric: op.NAME.requests" and ".errors" for each opcode that came, and each counter of the plugins. */
void server_log_counters(struct server *s);
/* Ends the mounts, stops and frees; no transport may be alive. NULL is fine. */
void server_free(struct server *s);

#endif
