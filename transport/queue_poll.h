/* SPDX-License-Identifier: Apache-2.0 */
/* Whether and how long a queue looks at its ring before it sleeps. Only arithmetic: times come from the caller. */
#ifndef GRAFT_TRANSPORT_QUEUE_POLL_H
#define GRAFT_TRANSPORT_QUEUE_POLL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* The queues of all transports. Written only where a queue falls asleep or wakes; any thread. */
struct queue_crowd {
	uint32_t room; /* queues that may be awake while one looks: the processors but one, which is the drivers' */
	_Alignas(64) _Atomic uint32_t awake; /* queues that are not asleep */
};

/*
 * What a look won or lost is kept as credit, in nanoseconds: work met after t wins max - t, since a wake-up costs
 * about max; a look in vain loses its time. Without credit a queue does not look, until enough sleeps turned out to be
 * short. Each time that hope is disappointed, twice as many are asked for: where others want the processor, work comes
 * only because the queue sleeps. Owned by the queue's thread.
 */
struct queue_poll {
	uint64_t max_ns;   /* constant; 0: never look */
	uint64_t gap_ns;   /* from running dry to the next work, moving average of those up to 2 * max */
	int64_t credit_ns; /* 0..QUEUE_POLL_CREDIT * max */
	uint32_t hoped;    /* short sleeps since the last look */
	uint32_t asked;    /* how many make a new trial, 1..QUEUE_POLL_ASKED */
};

#define QUEUE_POLL_CREDIT 8
#define QUEUE_POLL_ASKED 1024
#define QUEUE_POLL_MIN_NS 5000   /* shortest look */
#define QUEUE_POLL_HOLE_NS 20000 /* between two glances: somebody else had the processor */

/* processors: that this process may use; one is left to the drivers. */
void queue_crowd_init(struct queue_crowd *c, uint32_t processors);
void queue_poll_init(struct queue_poll *p, uint64_t max_ns);
/* How long to look now, at most max; 0: sleep at once. */
uint64_t queue_poll_look(const struct queue_poll *p, const struct queue_crowd *c);
/* Work came ns after the queue had run dry, seen by the look. hole: the look was interrupted. */
void queue_poll_met(struct queue_poll *p, uint64_t ns, bool hole);
/* A look of ns saw nothing. */
void queue_poll_missed(struct queue_poll *p, uint64_t ns);
/* The queue slept; work came ns after it had run dry. */
void queue_poll_slept(struct queue_poll *p, uint64_t ns);

static inline void queue_crowd_wake(struct queue_crowd *c)
{
	atomic_fetch_add_explicit(&c->awake, 1, memory_order_relaxed);
}

static inline void queue_crowd_sleep(struct queue_crowd *c)
{
	atomic_fetch_sub_explicit(&c->awake, 1, memory_order_relaxed);
}

#endif
