/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the daemon's end: a question and its answer. */
#ifndef GRAFT_SANDBOX_OUTSIDE_CLIENT_H
#define GRAFT_SANDBOX_OUTSIDE_CLIENT_H

#include "server/sandbox/outside_wire.h"

struct outside;

struct outside_ask {
	enum outside_kind kind;
	int32_t arg;
	uint32_t value;
	const char *text; /* NULL: none */
	int fds[OUTSIDE_FDS]; /* borrowed */
	uint32_t nfds;
	uint32_t wait_ms; /* 0: 30 seconds */
};

/*
 * Any thread; waits. p NULL: no answer comes, and there is no wait but for room in the socket. The answer's result,
 * with what else it holds in *p, whose descriptors are the caller's now; or -ETIMEDOUT, -EPIPE, -errno, with nothing in
 * *p.
 */
int outside_ask(struct outside *o, const struct outside_ask *ask, struct outside_packet *p);

#endif
