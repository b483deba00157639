/* SPDX-License-Identifier: Apache-2.0 */
/* The sandbox that [server] sandbox asks for: entered once, before there are threads. */
#ifndef GRAFT_SERVER_SANDBOX_SANDBOX_H
#define GRAFT_SERVER_SANDBOX_SANDBOX_H

#include "lib/error.h"
#include "server/config.h"
#include "server/sandbox/outside.h"

#include <stdbool.h>

/* What the daemon has of it. Constant once entered. */
struct sandbox {
	uint32_t mode;   /* enum config_sandbox; with none, the rest is nothing */
	int own_fds;     /* O_PATH of this process's /proc/self/fd where no path leads to it; else -1 */
	int line;        /* to the parent; -1 */
	struct outside *outside; /* by which the parent opens what is outside; NULL */
	int status;      /* in the parent, when the daemon has ended: what to end with */
	bool killed;     /* it had no time to take things away */
};

/* None was entered. */
#define SANDBOX_NONE { .mode = CONFIG_SANDBOX_NONE, .own_fds = -1, .line = -1 }

/* What the process that stays outside needs; borrowed. */
struct sandbox_outer {
	int signals; /* signalfd of the signals that are passed on, which must be blocked (life_signals) */
	int manager; /* of sd_notify_open */
	/*
	 * Called first in the child, which the daemon is forked from: lets go of its copies of what only the one
	 * outside shall hold.
	 */
	void (*leave)(void *arg);
	void *arg;
};

/*
 * Returns 0 in the daemon. With namespace and chroot it is a process of its own; the one that called stays outside, and
 * returns SANDBOX_PARENT when the daemon has ended. Descriptors that are open stay so (folders: see root.h), but no
 * path leads to the host any more. -errno with err, in whichever process it happened; s is right either way, for
 * sandbox_leave. The only thread.
 */
#define SANDBOX_PARENT 1
int sandbox_enter(struct sandbox *s, const struct config *config, const struct sandbox_outer *outer,
		  struct graft_error *err);
/*
 * In the daemon of a sandbox: has the parent tell the service manager, which listens to nobody else. 0 or -errno. Any
 * thread.
 */
int sandbox_notify(const struct sandbox *s, const char *state);
/* The parent gives no more help. */
void sandbox_leave(struct sandbox *s);

#endif
