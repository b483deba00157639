/* SPDX-License-Identifier: Apache-2.0 */
/* The socket of the API: made at a path and taken away again, or handed over by the service manager. */
#ifndef GRAFT_SERVER_CONTROL_LISTEN_H
#define GRAFT_SERVER_CONTROL_LISTEN_H

#include "lib/error.h"

#include <stdbool.h>
#include <sys/types.h>

struct api_listener {
	int fd;     /* listening, non-blocking, close-on-exec; -1: none */
	int dir;    /* O_PATH, of the socket's folder; -1: inherited, or none */
	char *name; /* in it, to remove at the end; NULL: inherited, or none */
	dev_t dev;
	ino_t ino; /* of the socket file, so that only our own is removed */
};

/*
 * Adopts the inherited socket (LISTEN_FDS) that is named "api" in LISTEN_FDNAMES or bound to path; otherwise, with a
 * path, listens there: mode 0600 whatever the umask is, a socket that no process holds is replaced, anything else is
 * left alone and an error. With neither, fd is -1. 0 or -errno with err. Main thread.
 */
int api_listener_open(struct api_listener *l, const char *path, struct graft_error *err);
/* Closes it and removes the file if it is still the one made here. May be called again. */
void api_listener_close(struct api_listener *l);

#endif
