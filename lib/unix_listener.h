/* SPDX-License-Identifier: Apache-2.0 */
/* A listening unix stream socket: made at a path and taken away again, or one that is there. */
#ifndef GRAFT_LIB_UNIX_LISTENER_H
#define GRAFT_LIB_UNIX_LISTENER_H

#include "lib/held_path.h"

#define UNIX_ANY_GROUP ((gid_t)-1)

struct unix_listener {
	int fd;              /* listening, non-blocking, close-on-exec; -1: closed */
	struct held_path at; /* of the socket file made here; none: inherited, or closed */
	char hidden[64];     /* the name that the file has so far; empty: the one that is meant */
};

/* One that is closed. */
#define UNIX_LISTENER_NONE                                                                                             \
	{                                                                                                              \
		.fd = -1, .at = HELD_PATH_NONE                                                                         \
	}

/* Whose the file is, and how many connections wait. */
struct unix_listener_config {
	mode_t mode; /* whatever the umask */
	gid_t group; /* UNIX_ANY_GROUP: as it comes */
	int backlog;
	bool hidden; /* the file comes under a name of its own, and under the one that is meant by unix_listener_show */
};

/*
 * Listens at path, of at most 107 bytes. A socket there that nobody listens on is replaced; anything else is left alone
 * and an error. Changes the umask for a moment: call while the process has one thread. 0 or -errno with err; l is
 * closed then.
 */
int unix_listener_open(struct unix_listener *l, const char *path, const struct unix_listener_config *config,
		       struct graft_error *err);
/*
 * Gives a hidden socket's file its name; who waits for that name finds one that is served. What another process put there
 * meanwhile is left alone and an error. 0, also where nothing was hidden, or -errno with err.
 */
int unix_listener_show(struct unix_listener *l, struct graft_error *err);
/* No further connections: those that wait for one are refused. The socket file stays. May be called again. */
void unix_listener_shut(struct unix_listener *l);
/* Closes it and removes the socket file if it is still the one made here. May be called again. */
void unix_listener_close(struct unix_listener *l);
/* Closes it and leaves the file to another process that has the same one. */
void unix_listener_leave(struct unix_listener *l);
/* An option (SOL_SOCKET) of fd; -1 if it has none. */
int unix_socket_option(int fd, int name);

#endif
