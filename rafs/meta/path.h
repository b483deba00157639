/* SPDX-License-Identifier: Apache-2.0 */
/* What an inode is called: for messages, since neither version's inodes say it. */
#ifndef GRAFT_RAFS_META_PATH_H
#define GRAFT_RAFS_META_PATH_H

#include "rafs/meta/image.h"

/*
 * Looks for a name of an inode, from the root down, in at most `entries` directory entries. to has room (at
 * least 2) bytes. 0 and an absolute path; -ENOENT: not found within that, or in a directory whose path has no room; -ENOMEM.
 */
int rafs_path_of(const struct rafs_image *image, uint64_t ino, uint32_t entries, char *to, size_t room);

#endif
