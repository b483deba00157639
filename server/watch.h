/* SPDX-License-Identifier: Apache-2.0 */
/* Looks for plugins that do not come back: requests that are never completed, and calls of the life cycle. */
#ifndef GRAFT_SERVER_WATCH_H
#define GRAFT_SERVER_WATCH_H

#include "server/async.h"

#include <stddef.h>

#define WATCH_EVERY_MS 10000
#define WATCH_PATIENCE_NS (60 * (uint64_t)1000000000) /* after that a line in the log, once for each request and call */

struct watch;

/* A call into a plugin that has not returned; on the caller's stack. */
struct watch_call {
	struct watch_call *next, *prev;
	const char *what, *plugin, *mount; /* constant texts, or alive until the call ends */
	uint64_t since;                    /* ns, CLOCK_MONOTONIC */
	bool start; /* it is a part of the start, which cannot go on without it */
	bool told;
};

/* Counted, as the thread that looks outlives the server. NULL when out of memory. */
struct watch *watch_new(void);
struct watch *watch_hold(struct watch *w);
void watch_release(struct watch *w);

/* A connection's requests, from now on until list_remove. */
void watch_list_add(struct watch *w, struct async_list *l);
void watch_list_remove(struct watch *w, struct async_list *l);

/* Calls fn for each of them until it returns other than 0; returns that. None comes or goes meanwhile; fn calls nothing
 * here. */
int watch_each_list(struct watch *w, int (*fn)(struct async_list *l, void *arg), void *arg);

/* Around each call of a plugin's life cycle. */
void watch_begin(struct watch *w, struct watch_call *call, const char *what, const char *plugin, const char *mount);
void watch_end(struct watch *w, struct watch_call *call);
/* Calls that begin from now on are, or are not, parts of the start. */
void watch_starting(struct watch *w, bool starting);

/*
 * Logs what waits for longer than patience, and an umount that waits for requests at the second look that finds it, by
 * mount, plugin and operation. now: ns, CLOCK_MONOTONIC. True: a part of the start does not come back, which was said.
 * SETLKW may wait for ever. Any thread, one at a time.
 */
bool watch_look(struct watch *w, uint64_t now, uint64_t patience);
/* The same for all that is under way, whatever its age: what the end waits for. */
void watch_tell(struct watch *w);
/* Into text: the call that a mount of this name is in, "plugin x: create"; empty if there is none. */
void watch_find(struct watch *w, const char *mount, char *text, size_t room);

#endif
