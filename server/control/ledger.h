/* SPDX-License-Identifier: Apache-2.0 */
/* Records of mounts made at run time, with their file, and the calls that work on them. */
#ifndef GRAFT_SERVER_CONTROL_LEDGER_H
#define GRAFT_SERVER_CONTROL_LEDGER_H

#include "server/control/record.h"

#include <pthread.h>

#define LEDGER_NAME_ROOM 65 /* of a mount's name, as in a configuration file */

/* A call that works on a path, on its stack. */
struct ledger_call {
	struct ledger_call *next;
	const char *at;
	char name[LEDGER_NAME_ROOM]; /* that it gives a mount; empty: none. Written by the call, with lock held */
};

/*
 * Lock order: a path (struct ledger_call), saving, lock. Saving covers a change of the list together with the file,
 * so that what one call takes back is never in a file that another wrote meanwhile. lock is held for moments only.
 */
struct ledger {
	const struct store *store; /* NULL: nothing is kept on disk */
	pthread_mutex_t saving;
	bool behind; /* protected by saving: the last write failed, the file may lack something */

	pthread_mutex_t lock;
	pthread_cond_t left; /* a call has ended */
	/* protected by lock; the list is changed with saving held as well, a record by the call that has its path */
	struct ledger_call *calls;
	struct record **records; /* in order of mounting */
	size_t n, room;
};

void ledger_init(struct ledger *l);
/* Reads the file; what is changed from now on is written to it. Before other threads. 0 or -errno with err. */
int ledger_open(struct ledger *l, const struct store *store, struct graft_error *err);
/* Writes what could not be written before; the records stay until ledger_fini. */
int ledger_close(struct ledger *l, struct graft_error *err);
void ledger_fini(struct ledger *l);

/* Waits until no other call has this path. at is borrowed until ledger_leave. */
void ledger_enter(struct ledger *l, struct ledger_call *c, const char *at);
void ledger_leave(struct ledger *l, struct ledger_call *c);
/*
 * Puts a name that no other call, and no record of another path, has into c; NULL takes it away. False, and none in
 * c, if one has.
 */
bool ledger_reserve(struct ledger *l, struct ledger_call *c, const char *name);

/*
 * All below: by the call that has the record's path. On failure the list and, if the disk allows, the file are as
 * before.
 */

/* NULL where there is none. Valid until the call changes it. */
struct record *ledger_find(struct ledger *l, const char *at);
/* A new mount, behind all others; a record of its path that failed goes. r is the ledger's on success. */
int ledger_add(struct ledger *l, struct record *r, struct graft_error *err);
/* What a path has now, in its place where it has a record. r is the ledger's on success. */
int ledger_change(struct ledger *l, struct record *r, struct graft_error *err);
/* Out of the file; ledger_drop or ledger_put_back follows. */
int ledger_take_out(struct ledger *l, struct record *r, struct graft_error *err);
void ledger_drop(struct ledger *l, struct record *r);
/* Stands again whatever is returned; on failure the next write, or ledger_close, puts it into the file. */
int ledger_put_back(struct ledger *l, struct record *r, struct graft_error *err);
/* Why it is not mounted; NULL: it is. */
void ledger_set_why(struct ledger *l, struct record *r, const char *why);

/* Any thread. fn gets each record until it returns other than 0, which is returned; it must not call back. */
int ledger_each(struct ledger *l, int (*fn)(const struct record *r, void *arg), void *arg);

#endif
