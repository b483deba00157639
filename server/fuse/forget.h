/* SPDX-License-Identifier: Apache-2.0 */
/* BATCH_FORGET: one request, nodes of many mounts. */
#ifndef GRAFT_SERVER_FUSE_FORGET_H
#define GRAFT_SERVER_FUSE_FORGET_H

#include "server/fuse/conn.h"

/* Sends each mount the entries that are its own, one mount after the other; others are left out. Returns like an
 * operation. */
int forget_batch(struct request *r, struct session *s);

#endif
