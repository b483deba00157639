/* SPDX-License-Identifier: Apache-2.0 */
/* A real descriptor on each mount that file handles are opened on, counted by the nodes that need it. */
#ifndef GRAFT_PASSTHROUGH_MOUNT_FDS_H
#define GRAFT_PASSTHROUGH_MOUNT_FDS_H

#include "fhandle.h"

#include <sys/types.h>

#define MOUNT_FDS_MAX 1024 /* mounts below one share, the share's own not counted */

struct mount_fds;

/* What an object must tell so that its mount's descriptor can be found. */
struct mount_fds_probe {
	uint64_t mount;          /* mount id */
	int fd;                  /* O_PATH, of an object on that mount */
	mode_t type;             /* S_IFMT bits of it */
	const struct fhandle *h; /* its handle: a new descriptor is kept only if this opens on it */
};

/*
 * root_mount is the mount id of the share, which is always known, root_fd a real descriptor of it; proc_fd is
 * /proc/self/fd, mountinfo_fd /proc/self/mountinfo or -1. Descriptors are borrowed. NULL when out of memory.
 */
struct mount_fds *mount_fds_new(uint64_t root_mount, int root_fd, int proc_fd, int mountinfo_fd);
void mount_fds_free(struct mount_fds *m);

/* Counts one more user of a mount, which may have to be opened first. 0 or -errno. Any thread. */
int mount_fds_get(struct mount_fds *m, const struct mount_fds_probe *probe);
/* Counts one less; the last one closes the descriptor. */
void mount_fds_put(struct mount_fds *m, uint64_t mount);
/* The descriptor; the caller (or its node) is counted as a user. -1 for a mount without one. */
int mount_fds_fd(struct mount_fds *m, uint64_t mount);

/* Whether the mount namespace that this process is in has the mount, as far as it can be seen here. Reads a file of /proc. */
bool mount_fds_own(uint64_t mount);

#endif
