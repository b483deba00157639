/* SPDX-License-Identifier: Apache-2.0 */
/* Landlock: the kernel keeps the process to the paths that its configuration needs, whatever it is made to do. */
#ifndef GRAFT_SERVER_SANDBOX_LANDLOCK_H
#define GRAFT_SERVER_SANDBOX_LANDLOCK_H

#include "server/config.h"

#include <stdbool.h>

/*
 * An addition to the other sandboxes, and the only one that an ordinary user gets with sandbox = none. Rules can never
 * be widened, so it is used only where what will be opened is known beforehand: no api-socket and no state-dir (mounts
 * may come), no [transport fuse] (a process under Landlock cannot mount), and only plugins that say what they reach
 * (graft_plugin.reach), which the passthrough backend cannot where it may need file handles: what is opened by one has
 * no path. Linux 5.19 (ABI 2), for before that no file can be renamed from one folder to another.
 */
struct landlock {
	int ruleset; /* -1: not used */
	int abi;     /* of the kernel */
	unsigned int paths;
};

/* Not prepared. */
#define LANDLOCK_NONE { .ruleset = -1 }

/*
 * Opens every path by its name on the host, so before the sandbox is entered, and makes the rules; says at info why
 * there are none. Nothing is restricted yet. landlock_drop or landlock_apply must follow.
 */
void landlock_prepare(struct landlock *l, const struct config *c);
/*
 * From now on this thread, and all that it starts, can open, make and remove nothing but below those paths, and use no
 * TCP. Sets NoNewPrivs. The only thread. Says at info what it did. True: it is so.
 */
bool landlock_apply(struct landlock *l);
void landlock_drop(struct landlock *l);

#endif
