/* SPDX-License-Identifier: Apache-2.0 */
/* Replies: header and out struct into the client's memory, and the data that put and dirent add behind them. */
#ifndef GRAFT_SERVER_FUSE_REPLY_H
#define GRAFT_SERVER_FUSE_REPLY_H

#include "server/request.h"

/* Writes the reply of a decoded or refused request. Returns the bytes for the used ring: 0 where there is no room for a
 * header. */
uint64_t reply_write(struct request *r, int res);

/* The services put and dirent (plugin.h). */
int reply_put(struct graft_req *req, const void *bytes, size_t len);
int reply_dirent(struct graft_req *req, struct fuse_direntplus *e, const char *name);

/* The same for an entry of the router's own: no layer and no covered name is asked. */
int reply_entry(struct graft_req *req, struct fuse_direntplus *e, const char *name);

#endif
