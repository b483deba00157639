/* SPDX-License-Identifier: Apache-2.0 */
/* A connection of /dev/fuse that comes from another process: is it one, and what becomes of the requests that were taken before. */
#ifndef GRAFT_TRANSPORT_FUSE_DEV_DRAIN_H
#define GRAFT_TRANSPORT_FUSE_DEV_DRAIN_H

#include "transport/fuse_dev.h"

/* fd is an open /dev/fuse. 0 or -EINVAL with err. */
int fuse_dev_check(int fd, struct graft_error *err);
/* By a notification where the kernel has that (Linux 6.9), else by the fusectl file of the connection. Logs what fails. */
void fuse_dev_drain(int fd, uint64_t dev, enum fuse_dev_drain drain, const char *object);

#endif
