/* SPDX-License-Identifier: Apache-2.0 */
/* The socket a front end connects to: made at a path and taken away again, or inherited. */
#ifndef GRAFT_TRANSPORT_VHOST_USER_LISTENER_H
#define GRAFT_TRANSPORT_VHOST_USER_LISTENER_H

#include "lib/unix_listener.h"
#include "lib/unix_name.h"

struct vhost_user_listener {
	struct unix_listener socket;
	char where[UNIX_NAME_MAX]; /* for messages: the path, or "descriptor N" */
};

/* One that is closed. */
#define VHOST_USER_LISTENER_NONE                                                                                       \
	{                                                                                                              \
		.socket = UNIX_LISTENER_NONE                                                                           \
	}

/*
 * Listens at path, mode 0700, or with a group (else UNIX_ANY_GROUP) 0770 and the file given to it. The path has at most
 * 107 bytes, or has them behind the working directory. A socket there that nobody listens on is replaced; anything else
 * is left alone and an error. Changes the umask for a moment: call while the process has one thread. 0 or -errno with
 * err.
 */
int vhost_user_listener_open(struct vhost_user_listener *l, const char *path, gid_t group, struct graft_error *err);
/* Takes a listening unix stream socket; not taken on failure. */
int vhost_user_listener_adopt(struct vhost_user_listener *l, int fd, struct graft_error *err);
/* The next connection, non-blocking. -EAGAIN: nobody is there; other -errno. */
int vhost_user_listener_accept(struct vhost_user_listener *l);

#endif
