/* SPDX-License-Identifier: Apache-2.0 */
/* A thread that walks and reads everything while mounts come and go, and judges what it sees. */
#ifndef GRAFT_TESTS_MOUNTS_WATCHER_H
#define GRAFT_TESTS_MOUNTS_WATCHER_H

#include "tests/mounts/points.h"
#include "tests/mounts/viewer.h"

#include <pthread.h>

/* What all of them share. The first failure stands in why; counters are relaxed. */
struct watch {
	struct points *points;
	int64_t lag_ms; /* how long the host's kernel may still believe what was true before */
	_Atomic bool stop, failed;
	pthread_mutex_t lock;
	char why[512];
	_Atomic uint64_t reads, gone, stale;
};

struct watcher {
	struct watch *watch;
	struct viewer viewer;
	unsigned seed;
	pthread_t thread;
};

/* Remembers the first failure and stops all. */
void watch_fail(struct watch *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Thread function; the argument is a struct watcher. Holds nothing when it returns. */
void *watcher_run(void *watcher);

#endif
