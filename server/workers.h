/* SPDX-License-Identifier: Apache-2.0 */
/* Worker threads for what may block, and strands: queues whose work runs on a worker one at a time, in order. */
#ifndef GRAFT_SERVER_WORKERS_H
#define GRAFT_SERVER_WORKERS_H

#include "lib/error.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Embedded in what waits; in at most one queue at a time. fn may free or post it again. */
struct work {
	struct work *next;
	void (*fn)(struct work *w);
};

struct work_list {
	struct work *head, **tail;
};

struct workers;

/* threads 0: twice the processors, 4 to 64. bound: work that workers_try takes before it says full. NULL: no memory. */
struct workers *workers_new(uint32_t threads, uint32_t bound);
uint32_t workers_threads(const struct workers *w);
/* What 0 threads would be. */
uint32_t workers_auto(void);
/* Between workers_start and the end of workers_stop. */
bool workers_running(const struct workers *w);
/* 0 or -errno with err; then no thread runs. */
int workers_start(struct workers *w, struct graft_error *err);
/* The same in two steps, so that several pools come to life at a time: after a workers_begin that returned 0, workers_await. */
int workers_begin(struct workers *w, struct graft_error *err);
int workers_await(struct workers *w, struct graft_error *err);
/* Runs what waits, work posted meanwhile included, and joins the threads. */
void workers_stop(struct workers *w);
/* Stops and frees; NULL is fine. */
void workers_free(struct workers *w);

/* Any thread. For work whose number is bounded by what embeds it: always taken. */
void workers_post(struct workers *w, struct work *work);
/* Any thread. False, and nothing done, when bound pieces of work wait already. */
bool workers_try(struct workers *w, struct work *work);

struct strand {
	struct workers *workers;
	struct work work;         /* in the workers' queue while scheduled */
	_Atomic(uintptr_t) owner; /* pthread_self() of the worker that runs it, 0: none */
	pthread_mutex_t lock;
	pthread_cond_t idle;
	/* protected by lock */
	struct work_list queue;
	bool scheduled;
};

void strand_init(struct strand *s, struct workers *w);
/* Waits until nothing is queued or running; nobody may post any more. */
void strand_fini(struct strand *s);
/* Nothing is queued or running. */
bool strand_is_idle(struct strand *s);
/* Any thread. */
void strand_post(struct strand *s, struct work *work);
/* True on the thread that runs a piece of this strand's work now. */
bool strand_is_current(const struct strand *s);

#endif
