/* SPDX-License-Identifier: Apache-2.0 */
/* Open files: flags, and how a descriptor becomes a handle. */
#ifndef GRAFT_OVERLAY_FILE_H
#define GRAFT_OVERLAY_FILE_H

#include "handle.h"

/* Flags of a client's open(2) as they are used above. */
int file_flags(const struct graft_req *req, uint32_t client);
/* A handle of fd, which has its place among the descriptors; both stay the caller's where it fails. */
int file_adopt(const struct graft_req *req, struct ov_node *node, int fd, int flags, struct fuse_open_out *out);

#endif
