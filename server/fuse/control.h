/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that the server answers itself: INIT, DESTROY, INTERRUPT, and what it never offers. */
#ifndef GRAFT_SERVER_FUSE_CONTROL_H
#define GRAFT_SERVER_FUSE_CONTROL_H

#include "server/fuse/conn.h"

/* Queue thread; r's header is decoded. Returns like an operation. */
int control_serve(struct request *r);

#endif
