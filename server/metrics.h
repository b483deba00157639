/* SPDX-License-Identifier: Apache-2.0 */
/* Counters: those that plugins register and requests and errors of each opcode; SIGUSR1 logs them. */
#ifndef GRAFT_SERVER_METRICS_H
#define GRAFT_SERVER_METRICS_H

#include <graftfs/fuse.h>
#include <stdatomic.h>
#include <stdint.h>

#define METRICS_MAX 262144   /* registered counters: eight for each of MOUNTS_MAX mounts */
#define METRICS_OWNER_MAX 64 /* of one owner */

struct metrics;

/*
 * Counts of one queue, by opcode, 0 for what is unknown. Written by the queue's thread alone, with plain relaxed
 * stores; a request that ended elsewhere counts its error in the connection's own block with atomic additions.
 */
struct op_counters {
	struct op_counters *next; /* metrics' */
	_Atomic uint64_t requests[GRAFT_OP_COUNT];
	_Atomic uint64_t errors[GRAFT_OP_COUNT];
};

struct metrics *metrics_new(void);
void metrics_free(struct metrics *m);

/*
 * Counters of an owner, an instance's slot: its address only, so that two of one object name may live side by side.
 * object, name and unit are copied; counter is borrowed until metrics_remove. 0, -ENOMEM, -EEXIST (this owner has one
 * of this name), or -ENOSPC. Any thread.
 */
int metrics_add(struct metrics *m, const void *owner, const char *object, const char *name, const char *unit,
		const uint64_t *counter);
/* Forgets all counters of an owner; one that has none is fine. */
void metrics_remove(struct metrics *m, const void *owner);
/*
 * Calls fn for each counter, owners and their counters in the order they came, until it returns other than 0; returns
 * that. Any thread; fn must not call back, and should not take long: whoever adds and removes waits.
 */
int metrics_each(struct metrics *m,
		 int (*fn)(const char *object, const char *name, const char *unit, uint64_t value, void *arg),
		 void *arg);

/* NULL when out of memory. */
struct op_counters *metrics_counters_new(struct metrics *m);
/* Adds what was counted to the totals and frees the block; NULL is fine. Nobody may count in it any more. */
void metrics_counters_end(struct metrics *m, struct op_counters *c);
/* Requests and errors of an opcode so far, of living and ended blocks. */
void metrics_ops(struct metrics *m, uint32_t opcode, uint64_t *requests, uint64_t *errors);

/* Logs at info "metric: OBJECT.NAME = VALUE UNIT" for each counter and "metric: op.NAME.requests" and ".errors" for
 * each opcode that came. */
void metrics_log(struct metrics *m);

/* Only the owning thread. */
static inline void op_counter_bump(_Atomic uint64_t *c)
{
	atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + 1, memory_order_relaxed);
}

#endif
