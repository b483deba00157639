/* SPDX-License-Identifier: Apache-2.0 */
/* The life of the process: signals, the wish to end, and the time that the end may take. */
#ifndef GRAFT_SERVER_LIFE_H
#define GRAFT_SERVER_LIFE_H

#include "lib/error.h"
#include "server/door.h"
#include "server/server.h"

#define LIFE_END_MS 4500 /* from the wish to end: then the process ends with status 1, whatever still runs */

struct life;

/*
 * From now on SIGTERM, SIGINT (the end), SIGHUP (as the door says) and SIGUSR1 (logs the counters) wait to be taken. Before any other
 * thread starts. The door is borrowed. NULL with err.
 */
struct life *life_new(const struct door *door, struct graft_error *err);
/*
 * Takes them, also those that came since life_new, on a thread of its own, so that a start that takes long can be ended as well. The
 * process may have forked meanwhile. 0 or -errno with err.
 */
int life_start(struct life *l, struct graft_error *err);
/* A signalfd of those signals, the life's: for a process that calls no life_start. */
int life_signals(const struct life *l);
/* Signals are not looked at any more. NULL is fine. */
void life_free(struct life *l);
/*
 * Whose counters SIGUSR1 logs; NULL from before they are freed. Every ten seconds the thread also looks for plugins that
 * do not come back (watch.h), and ends a start that hangs in one.
 */
void life_watch(struct life *l, struct server *server);

/* Asks for the end, as SIGTERM does, and starts its time. Any thread; returns at once; again is fine. */
void life_end(struct life *l);
/*
 * Waits until somebody asked for the end, or ended (a descriptor) is readable. Opens the log again meanwhile. Main
 * thread.
 */
void life_wait(struct life *l, int ended);
/* Exit status of an orderly end: 0, or the door's where a signal asked for it. NULL is fine. Any thread. */
int life_status(const struct life *l);
/* What is being ended now, a constant text: named if it takes too long. Asks for the end if nobody has. */
void life_ending(struct life *l, const char *what);

#endif
