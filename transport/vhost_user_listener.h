/* SPDX-License-Identifier: Apache-2.0 */
/* The socket a front end connects to: made at a path and taken away again, or inherited. */
#ifndef GRAFT_TRANSPORT_VHOST_USER_LISTENER_H
#define GRAFT_TRANSPORT_VHOST_USER_LISTENER_H

#include "lib/error.h"
#include "lib/unix_name.h"

#include <limits.h>
#include <sys/types.h>

#define VHOST_USER_ANY_GROUP ((gid_t)-1)

struct vhost_user_listener {
	int fd;  /* listening, non-blocking; -1: closed */
	int dir; /* where the path's last part is; -1: inherited, or closed */
	dev_t dev;
	ino_t ino; /* of the socket file, so that only our own is removed */
	char name[NAME_MAX + 1];  /* last part of the path */
	char where[UNIX_NAME_MAX]; /* for messages: the path, or "descriptor N" */
};

/* One that is closed. */
#define VHOST_USER_LISTENER_NONE { .fd = -1, .dir = -1 }

/*
 * Listens at path, mode 0700, or with a group 0770 and the file given to it. The path has at most 107 bytes, or has them
 * behind the working directory. A socket there that nobody listens on is replaced; anything else is left alone and an
 * error. Changes the umask for a moment: call while the process has one thread. 0 or -errno with err.
 */
int vhost_user_listener_open(struct vhost_user_listener *l, const char *path, gid_t group, struct graft_error *err);
/* Takes a listening unix stream socket; not taken on failure. */
int vhost_user_listener_adopt(struct vhost_user_listener *l, int fd, struct graft_error *err);
/* The next connection, non-blocking. -EAGAIN: nobody is there; other -errno. */
int vhost_user_listener_accept(struct vhost_user_listener *l);
/* No further connections: those that wait for one are refused. The socket file stays. May be called again. */
void vhost_user_listener_shut(struct vhost_user_listener *l);
/* Closes it and removes the socket file if it is still the one made here. May be called again. */
void vhost_user_listener_close(struct vhost_user_listener *l);
/* Closes it and leaves the file to another process that has the same one. */
void vhost_user_listener_leave(struct vhost_user_listener *l);

#endif
