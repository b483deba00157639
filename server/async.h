/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that left their queue's thread: references, the list INTERRUPT looks in, and cancelling. */
#ifndef GRAFT_SERVER_ASYNC_H
#define GRAFT_SERVER_ASYNC_H

#include "server/workers.h"

#include <graftfs/plugin.h>
#include <stdatomic.h>

/*
 * A request is pinned on its queue's thread before any other thread can see it. From then on it is on its connection's
 * list and counted: one reference for being in flight, one for each stretch of code that runs it (serve, a worker,
 * complete), one for a cancel call. The last one finishes it. A cancel function is called when nothing of the request
 * runs, so never before the operation that named it has returned GRAFT_ASYNC.
 */
struct async_list {
	pthread_mutex_t lock;
	struct async_state *head; /* protected by lock */
	struct async_list *after, *before; /* protected by the watch's lock, see watch.h */
};

/* What the log has been told of a request that waits. */
enum async_told { ASYNC_TOLD_NOTHING, ASYNC_TOLD_LATE, ASYNC_SEEN_ENDING, ASYNC_TOLD_ENDING };

typedef void async_cancel_fn(struct graft_inst *inst, struct graft_req *req);

struct async_cancel {
	async_cancel_fn *fn; /* NULL: none */
	struct graft_inst *inst;
	struct graft_req *req;
	struct strand *strand; /* where a serial plugin's cancel must run, or NULL */
};

struct async_state {
	bool pinned; /* queue thread, constant once other threads see the request */
	struct async_list *list;
	uint64_t unique;
	/* From pinning on, NULL: nobody. Whose work the request waits for; who completed it last. */
	_Atomic(const struct graft_plugin *) who, completer;
	/* protected by list->lock from pinning on */
	struct async_state *next, *prev;
	uint32_t refs, running;
	bool wanted; /* the client wants the request ended */
	bool linked;
	enum async_told told;
	int result;      /* once unlinked */
	bool cancelling; /* a call of taken is on its way */
	struct async_cancel cancel;
	/* constant while cancelling */
	struct async_cancel taken;
	struct work cancel_work;
};

void async_list_init(struct async_list *l);
/* No request may be in flight. */
void async_list_fini(struct async_list *l);

/* For each new request, before it is served. */
static inline void async_start(struct async_state *a, struct async_list *list, uint64_t unique)
{
	a->pinned = false;
	a->list = list;
	a->unique = unique;
}

/* Queue thread: puts the request on the list, with the caller's stretch running. Does nothing for a pinned one. The
 * transport's own pin is the caller's. */
void async_pin(struct async_state *a);
/* A stretch of code begins to run a pinned request (false: it was completed already, and nothing is to be done) ... */
bool async_enter(struct async_state *a);
/* ... and ends with GRAFT_ASYNC, or with the request's result: then it is over once no stretch runs. Do not touch it
 * after. */
void async_exit(struct async_state *a, int res);

/* Names what ends the waiting request; replaces what was named before. Only while a stretch runs. */
void async_set_cancel(struct async_state *a, const struct async_cancel *cancel);
/* A function that was named for cancel is being called: what it may look at must stay. */
bool async_cancelling(struct async_state *a);
/* Takes back what another instance than inst named: its part has ended. */
void async_keep_cancel(struct async_state *a, const struct graft_inst *inst);

/* Any thread: the client wants the request of this number, or every one, ended. */
void async_interrupt(struct async_list *l, uint64_t unique);
void async_cancel_all(struct async_list *l);
/* The same for those that match. */
void async_cancel_some(struct async_list *l, bool (*match)(const struct async_state *a, const void *arg),
		       const void *arg);

/* Where the last reference leads; implemented by fuse/serve.c. */
void async_finished(struct async_state *a, int res);

#endif
