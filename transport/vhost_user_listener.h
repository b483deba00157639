/* SPDX-License-Identifier: Apache-2.0 */
/* The socket a front end connects to: made at a path and taken away again, or inherited. */
#ifndef GRAFT_TRANSPORT_VHOST_USER_LISTENER_H
#define GRAFT_TRANSPORT_VHOST_USER_LISTENER_H

#include "lib/error.h"

#include <stdbool.h>
#include <sys/types.h>
#include <sys/un.h>

struct vhost_user_listener {
	int fd;  /* listening, non-blocking; -1: closed */
	int dir; /* where the path's last part is; -1: inherited */
	dev_t dev;
	ino_t ino; /* of the socket file, so that only our own is removed */
	char name[sizeof(((struct sockaddr_un *)0)->sun_path)]; /* last part of the path */
};

/*
 * Listens at path, mode 0700. A socket there that nobody listens on is replaced; anything else is left alone and an
 * error. Changes the umask for a moment: call while the process has one thread. 0 or -errno with err.
 */
int vhost_user_listener_open(struct vhost_user_listener *l, const char *path, struct graft_error *err);
/* Takes a listening unix stream socket; not taken on failure. */
int vhost_user_listener_adopt(struct vhost_user_listener *l, int fd, struct graft_error *err);
/* The next connection, non-blocking. -EAGAIN: nobody is there; other -errno. */
int vhost_user_listener_accept(struct vhost_user_listener *l);
/* Closes it and removes the socket file if it is still the one made here. May be called again. */
void vhost_user_listener_close(struct vhost_user_listener *l);

#endif
