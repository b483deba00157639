/* SPDX-License-Identifier: Apache-2.0 */
/* A bound of what one client may hold or make the server allocate. Without one nothing is counted. */
#ifndef GRAFT_SERVER_QUOTA_H
#define GRAFT_SERVER_QUOTA_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Any thread. held is exact: never above max, and 0 again when everything was given back. */
struct quota {
	uint64_t max; /* 0: no bound. Constant */
	_Atomic uint64_t held; /* relaxed: guards no other memory */
	_Atomic bool told;     /* somebody was told that it is full */
};

/* True: n more are held, to be given back by quota_give. */
static inline bool quota_take(struct quota *q, uint64_t n)
{
	uint64_t held;

	if (!q->max)
		return true;
	held = atomic_load_explicit(&q->held, memory_order_relaxed);
	do {
		if (n > q->max || held > q->max - n)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(&q->held, &held, held + n, memory_order_relaxed,
							memory_order_relaxed));
	return true;
}

/* More than was taken is a fault of a plugin's: then nothing is held. */
static inline void quota_give(struct quota *q, uint64_t n)
{
	uint64_t held;

	if (!q->max)
		return;
	held = atomic_load_explicit(&q->held, memory_order_relaxed);
	while (!atomic_compare_exchange_weak_explicit(&q->held, &held, held > n ? held - n : 0, memory_order_relaxed,
						      memory_order_relaxed))
		continue;
}

/* Whether one more would be refused now. */
static inline bool quota_full(const struct quota *q)
{
	return q->max && atomic_load_explicit(&q->held, memory_order_relaxed) >= q->max;
}

/* True for the first that asks. */
static inline bool quota_tell(struct quota *q)
{
	return !atomic_load_explicit(&q->told, memory_order_relaxed) &&
	       !atomic_exchange_explicit(&q->told, true, memory_order_relaxed);
}

#endif
