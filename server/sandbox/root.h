/* SPDX-License-Identifier: Apache-2.0 */
/* What the daemon sees of the file system: an empty root, its own descriptors, and folders without a way up. */
#ifndef GRAFT_SERVER_SANDBOX_ROOT_H
#define GRAFT_SERVER_SANDBOX_ROOT_H

#include "lib/error.h"

/*
 * In a mount namespace of the process's own: from now on "/" is a read-only directory with nothing in it but the
 * process's /proc/self/fd, what is mounted on the host later does not come in, and nothing mounted here gets out.
 * Folders that are open are replaced, under their numbers, by descriptors of the same folder from which ".." leads
 * nowhere. 0 or -errno with err. The only thread.
 */
int root_pivot(struct graft_error *err);
/*
 * For who may make no mounts: chroot(2) to a folder of the host. *own_fds is O_PATH of the process's /proc/self/fd, to
 * which no path leads then. Folders stay as they are, and ".." as well.
 */
int root_change(const char *to, int *own_fds, struct graft_error *err);

#endif
