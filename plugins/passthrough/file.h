/* SPDX-License-Identifier: Apache-2.0 */
/* Opening: what file.c does for dir.c. */
#ifndef GRAFT_PASSTHROUGH_FILE_H
#define GRAFT_PASSTHROUGH_FILE_H

#include "passthrough.h"

/*
 * The flags a guest's OPEN, OPENDIR, CREATE or TMPFILE is served with: O_APPEND, O_NOFOLLOW and O_CREAT go, O_NOATIME
 * and O_DIRECT unless allowed, and O_WRONLY becomes O_RDWR where the guest writes back whole pages. O_EXCL stays.
 */
int file_flags(const struct graft_req *req, uint32_t guest);
/*
 * Opens a node and makes a handle of it. flags: from file_flags. kill: FUSE_OPEN_KILL_SUIDGID was given. Fills out.
 * May block (O_TRUNC). 0 or -errno.
 */
int file_open(const struct graft_req *req, const struct node_ref *ref, int flags, bool kill, struct fuse_open_out *out);

#endif
