/* SPDX-License-Identifier: Apache-2.0 */
/* The process that was started, where there is a sandbox: it stays outside, passes signals on, serves the daemon. */
#ifndef GRAFT_SERVER_SANDBOX_PARENT_H
#define GRAFT_SERVER_SANDBOX_PARENT_H

#include "server/config.h"
#include "server/sandbox/outside.h"

#include <sys/types.h>

struct parent {
	const struct config *config;
	int signals;  /* signalfd of those that are passed on; they are blocked */
	int manager;  /* of sd_notify_open */
	int line;     /* its end of the line */
	int requests; /* its end of the outside's pair */
	struct outside_service *service;
	pid_t child;  /* what was forked: the daemon, or who forks it */
	pid_t daemon; /* 0: not known yet */
};

/*
 * Goes on until the daemon has ended. Its wait status (waitpid(2)); the ends and the service are gone then. Sockets
 * that listened before do not any more: they are the daemon's. The only thread.
 */
int parent_run(struct parent *p);

#endif
