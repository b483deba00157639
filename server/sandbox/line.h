/* SPDX-License-Identifier: Apache-2.0 */
/* Between the parent outside and the daemon: short notes on a socket pair, which also tells that the other has gone. */
#ifndef GRAFT_SERVER_SANDBOX_LINE_H
#define GRAFT_SERVER_SANDBOX_LINE_H

#include "lib/error.h"

#include <stdbool.h>
#include <sys/types.h>

enum note_kind {
	NOTE_MAPS = 1, /* from inside: the user namespace is there, its maps wanted; answered by NOTE_GO or NOTE_FAILED */
	NOTE_DAEMON,   /* from inside: the daemon is pid; answered by NOTE_GO once nobody stands between the two */
	NOTE_STATE,    /* from the daemon: text, READY=1 or STOPPING=1, is for the service manager */
	NOTE_GO,
	NOTE_FAILED,   /* code, text */
};

struct note {
	int kind; /* enum note_kind */
	int code; /* errno value */
	pid_t pid; /* in the parent's pid namespace */
	char text[ERROR_TEXT_MAX];
};

/* Both ends, close-on-exec. 0 or -errno with err. */
int line_pair(int ends[2], struct graft_error *err);
/* 0 or -errno. Any thread. */
int line_send(int end, const struct note *note);
/*
 * Waits for a note, whole and with its text ended. 0, -EPIPE when the other side has gone (or says nothing at all), -EPROTO for what has
 * another size than a note, or -errno.
 */
int line_receive(int end, struct note *note);
/* The other side is there, whatever it said. */
bool line_alive(int end);

#endif
