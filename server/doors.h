/* SPDX-License-Identifier: Apache-2.0 */
/* The running transports of a configuration: made, started, and ended together. */
#ifndef GRAFT_SERVER_DOORS_H
#define GRAFT_SERVER_DOORS_H

#include "lib/error.h"
#include "server/config.h"
#include "server/server.h"
#include "transport/transport.h"

struct doors;

/*
 * Makes the transports that have sockets, which are bound; nobody is served. Before the sandbox. NULL with err. The server and
 * config are borrowed.
 */
struct doors *doors_new(const struct config *config, struct server *server, struct graft_error *err);
/* Makes the others, those of /dev/fuse, whose mount points are looked at. In the sandbox. 0 or -errno with err. */
int doors_look(struct doors *d, const struct config *config, struct server *server, struct graft_error *err);
/* 0 or -errno with err; some may run then, doors_free ends them. */
int doors_start(struct doors *d, struct graft_error *err);
/* Calls fn for each transport, in the order of the file, until it returns other than 0; returns that. Any thread. */
int doors_each(const struct doors *d, int (*fn)(const char *name, const struct transport *t, void *arg), void *arg);
/* Readable (an eventfd) once every transport has ended by itself. */
int doors_ended_fd(const struct doors *d);
/* Asks all that run for an orderly end: no new requests. Returns at once; again is fine, and so is NULL. */
void doors_stop(struct doors *d);
/* Stops, waits for and frees all. 0, or -errno if one of them ended for a fault. NULL is fine. */
int doors_free(struct doors *d);

#endif
