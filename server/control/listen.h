/* SPDX-License-Identifier: Apache-2.0 */
/* The socket of the API: made at a path and taken away again, or handed over by the service manager. */
#ifndef GRAFT_SERVER_CONTROL_LISTEN_H
#define GRAFT_SERVER_CONTROL_LISTEN_H

#include "lib/unix_listener.h"

/*
 * Adopts the inherited socket (LISTEN_FDS) that is named "api" in LISTEN_FDNAMES or bound to path; otherwise, with a
 * path, listens there: the file has that mode whatever the umask is, a socket that no process holds is replaced, anything else is
 * left alone and an error; it has its name from unix_listener_show on. With neither, fd is -1. 0 or -errno with err. Main thread, while it is the only one.
 */
int api_listener_open(struct unix_listener *l, const char *path, mode_t mode, struct graft_error *err);
#endif
