/* SPDX-License-Identifier: Apache-2.0 */
/* File handles of the kernel (name_to_handle_at(2)): what names an inode without holding a descriptor. */
#ifndef GRAFT_PASSTHROUGH_FHANDLE_H
#define GRAFT_PASSTHROUGH_FHANDLE_H

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>

/* Laid out as the kernel's struct file_handle, with room for the largest. */
struct fhandle {
	uint32_t len; /* bytes used; 0: none */
	int32_t type; /* the file system's own */
	unsigned char bytes[MAX_HANDLE_SZ];
};

/*
 * Handle of what name below dirfd stands for (a symlink: its own), or of dirfd itself where name is "". *mount is the
 * id of its mount. 0 or -errno: -EOPNOTSUPP where the file system has none, or one that is too long.
 */
int fhandle_of(int dirfd, const char *name, struct fhandle *h, uint64_t *mount);
/* An O_PATH descriptor of the inode. mount_fd: any real descriptor on its mount. fd or -errno, -ESTALE. */
int fhandle_open(int mount_fd, const struct fhandle *h);
bool fhandle_equal(const struct fhandle *a, const struct fhandle *b);

#endif
