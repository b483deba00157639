/* SPDX-License-Identifier: Apache-2.0 */
/* Files that the client's kernel reads and writes without asking: who may have them, and the service for plugins. */
#ifndef GRAFT_SERVER_FUSE_BACKING_H
#define GRAFT_SERVER_FUSE_BACKING_H

#include "server/fuse/init.h"

#include <graftfs/plugin.h>

struct fuse_conn;

/* INIT: whether FUSE_PASSTHROUGH can be had on this connection is the transport's to say, not the mounts'. */
void backing_offer(const struct fuse_conn *c, struct init_policy *policy);
/*
 * After INIT: who opens files, and where. Logs why the mounts do not get what they want, where they could on another kernel or with
 * more rights.
 */
void backing_settle(struct fuse_conn *c, const struct init_policy *policy, uint64_t enabled);

/* The services of these names (plugin.h). */
int backing_open(struct graft_req *req, int fd);
void backing_close(const struct graft_session *session, int id);
/* Ends one at once. Any thread, while the client is connected. */
void backing_end(struct fuse_conn *c, int id);

#endif
