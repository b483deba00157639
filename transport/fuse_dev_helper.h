/* SPDX-License-Identifier: Apache-2.0 */
/* fusermount3(1): mounts and unmounts for a user who may not. */
#ifndef GRAFT_TRANSPORT_FUSE_DEV_HELPER_H
#define GRAFT_TRANSPORT_FUSE_DEV_HELPER_H

#include "lib/error.h"

/* Mounts dir with the given -o options. A descriptor of /dev/fuse (blocking, close-on-exec), or -errno with err. */
int fuse_dev_helper_mount(const char *dir, const char *options, struct graft_error *err);
/* Detaches what is mounted on dir. 0 or -errno. */
int fuse_dev_helper_umount(const char *dir);

#endif
