/* SPDX-License-Identifier: Apache-2.0 */
/* The server as its transports see it: struct transport_client, one table for all. */
#ifndef GRAFT_SERVER_FUSE_SERVE_H
#define GRAFT_SERVER_FUSE_SERVE_H

#include "transport/transport.h"

/* transport.user must be a struct fuse_door (conn.h) that outlives the transport. */
extern const struct transport_client fuse_client;

struct request;

/* A request object without a transport, for fuse/internal.h. NULL when out of memory. */
struct request *serve_request_new(void);
/* NULL is fine. */
void serve_request_free(struct request *r);

#endif
