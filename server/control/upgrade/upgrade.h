/* SPDX-License-Identifier: Apache-2.0 */
/* The life of this daemon as nydusd's clients know it: INIT, READY, RUNNING, STOPPED, and what may follow what. */
#ifndef GRAFT_CONTROL_UPGRADE_UPGRADE_H
#define GRAFT_CONTROL_UPGRADE_UPGRADE_H

#include "server/control/manager.h"

struct upgrade;

struct upgrade *upgrade_new(const struct control_host *host, struct manager *manager, struct graft_error *err);
/* NULL is fine. */
void upgrade_free(struct upgrade *u);

/* "INIT", "READY", "RUNNING", "STOPPED". Any thread; never waits. */
const char *upgrade_state(const struct upgrade *u);

/* What came of a wish. */
struct upgrade_result {
	enum {
		UPGRADE_DONE,
		UPGRADE_UNEXPECTED,  /* not in this state */
		UPGRADE_NOT_READY,   /* the kernel has not said INIT yet */
		UPGRADE_UNSUPPORTED, /* no transport of /dev/fuse */
		UPGRADE_FAILED
	} how;
	struct graft_error err; /* UPGRADE_FAILED */
	/* UPGRADE_FAILED: nydusd's words around the error; NULL: none. */
	const char *step;
};

/* Any thread that may block, one after the other. */
void upgrade_start(struct upgrade *u, struct upgrade_result *res); /* READY: serves what was taken over */
void upgrade_take(struct upgrade *u,
		  struct upgrade_result *res); /* INIT: asks the supervisor for connection and state */
void upgrade_send(struct upgrade *u, struct upgrade_result *res); /* READY, RUNNING: gives both to the supervisor */
void upgrade_leave(struct upgrade *u,
		   struct upgrade_result *res); /* READY, RUNNING: the daemon shall end, its mount stays */

#endif
