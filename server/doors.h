/* SPDX-License-Identifier: Apache-2.0 */
/* The running transports of a configuration: made, started, and ended together. */
#ifndef GRAFT_SERVER_DOORS_H
#define GRAFT_SERVER_DOORS_H

#include "lib/error.h"
#include "server/config.h"
#include "server/fuse/resume.h"
#include "server/server.h"
#include "transport/transport.h"

struct doors;

/* A connection of /dev/fuse on its way from one process to another. */
struct doors_connection {
	int fd;
	uint64_t dev; /* of its file system, major << 20 | minor */
	struct init_words init;
};

/*
 * Makes the transports that have sockets, which are bound; nobody is served. Before the sandbox. NULL with err. The server and
 * config are borrowed.
 */
struct doors *doors_new(const struct config *config, struct server *server, struct graft_error *err);
/* Makes the others, those of /dev/fuse, whose mount points are looked at. In the sandbox. 0 or -errno with err. */
int doors_look(struct doors *d, const struct config *config, struct server *server, struct graft_error *err);
/* One of /dev/fuse waits to be given a connection: it does not start with the others. Before doors_look. */
void doors_wait(struct doors *d);
/* 0 or -errno with err; some may run then, doors_free ends them. */
int doors_start(struct doors *d, struct graft_error *err);
/*
 * Of the transport of /dev/fuse, the one there is. Any thread, one call at a time; may block. 0, or -errno with err: -EOPNOTSUPP where there
 * is none, -ENOTCONN before its client's INIT.
 */
/* What another process needs to go on; fd is the caller's. */
int doors_give(struct doors *d, struct doors_connection *c, struct graft_error *err);
/* It has this connection now, and still does not serve it. Takes fd on success. After doors_wait. */
int doors_take(struct doors *d, const struct doors_connection *c, struct graft_error *err);
/* Serves what it took. */
int doors_begin(struct doors *d, struct graft_error *err);
/* Serves no more; every request that was taken has been answered, and the mount stays. */
int doors_leave(struct doors *d, struct graft_error *err);

/* Calls fn for each transport, in the order of the file, until it returns other than 0; returns that. Any thread. */
int doors_each(const struct doors *d, int (*fn)(const char *name, const struct transport *t, void *arg), void *arg);
/* Readable (an eventfd) once every transport has ended by itself. */
int doors_ended_fd(const struct doors *d);
/* Asks all that run for an orderly end: no new requests. Returns at once; again is fine, and so is NULL. */
void doors_stop(struct doors *d);
/* Stops, waits for and frees all. 0, or -errno if one of them ended for a fault. NULL is fine. */
int doors_free(struct doors *d);

#endif
