/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of graft-soak: workers whose requests must succeed, a hostile one whose requests must do no harm. */
#ifndef GRAFT_TESTS_VRING_SOAK_H
#define GRAFT_TESTS_VRING_SOAK_H

#include "tests/vring/daemon.h"
#include "tests/vring/fuse_client.h"

#include <linux/virtio_config.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define SOAK_MAX_WORKERS 16
#define SOAK_INIT                                                                                                  \
	(FUSE_ASYNC_READ | FUSE_ATOMIC_O_TRUNC | FUSE_BIG_WRITES | FUSE_MAX_PAGES | FUSE_DO_READDIRPLUS |          \
	 FUSE_PARALLEL_DIROPS | FUSE_SUBMOUNTS | FUSE_POSIX_LOCKS | FUSE_FLOCK_LOCKS)

/* The whole run. The counters are relaxed atomics; frontend messages go out under control. */
struct soak {
	struct daemon daemon;
	unsigned workers;
	unsigned seed; /* of the main thread */
	struct frontend *fe; /* of the present round */
	uint64_t hostile_gpa; /* an area of its memory that only hostile rings point to */
	pthread_mutex_t control;
	_Atomic bool stop; /* the round is over */
	_Atomic bool failed;
	char why[300]; /* protected by control; the first failure */
	_Atomic uint64_t good, hostile, broken, restarts, tables, rounds;
};

/* One thread of a round. */
struct soak_thread {
	struct soak *soak;
	pthread_t thread;
	unsigned ring, seed;
	char name[64]; /* of its own directory in the share */
	bool started;
};

/* Remembers the first failure and ends the round. */
void soak_fail(struct soak *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static inline bool soak_stopped(const struct soak *s)
{
	return atomic_load_explicit(&s->stop, memory_order_relaxed);
}
static inline void soak_count(_Atomic uint64_t *counter)
{
	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* Thread functions; the argument is a struct soak_thread. */
void *soak_worker(void *arg);
void *soak_hostile(void *arg);

/* Unrestricted malice at the end of a round, when no worker runs: requests, rings, messages. */
void soak_wild(struct soak *s);

#endif
