/* SPDX-License-Identifier: Apache-2.0 */
/* What statx(2) told of a file, as FUSE's replies carry it. */
#ifndef GRAFT_LIB_FUSE_ATTR_H
#define GRAFT_LIB_FUSE_ATTR_H

#include <graftfs/plugin.h>
#include <sys/stat.h>

/* All fields; flags are 0. Inode and device numbers are the file's own. */
void fuse_attr_fill(const struct statx *stx, struct fuse_attr *attr);
/* The same for FUSE_STATX; mask has only bits whose fields the protocol has. */
void fuse_statx_fill(const struct statx *stx, struct fuse_statx *out);

#endif
