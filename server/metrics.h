/* SPDX-License-Identifier: Apache-2.0 */
/* Counters that plugins register. */
#ifndef GRAFT_SERVER_METRICS_H
#define GRAFT_SERVER_METRICS_H

#include <stdint.h>

#define METRICS_MAX 262144   /* registered counters: eight for each of MOUNTS_MAX mounts */
#define METRICS_OWNER_MAX 64 /* of one owner */

struct metrics;

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

/* Logs at info "metric: OBJECT.NAME = VALUE UNIT" for each counter. */
void metrics_log(struct metrics *m);

#endif
