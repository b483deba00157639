/* SPDX-License-Identifier: Apache-2.0 */
/* The two ways to a descriptor: by one name in a directory, and anew by a descriptor that is at hand. */
#ifndef GRAFT_PASSTHROUGH_OPEN_H
#define GRAFT_PASSTHROUGH_OPEN_H

#include "passthrough.h"

/* Finds out whether there is openat2, which the instance uses from then on; without it the decoder's check of names stands alone. */
void open_probe(struct graft_inst *inst, int dirfd);
/*
 * openat2 of a name in a directory, links not followed, and not out of that directory whatever the name. flags: as for open(2), those
 * that Linux does not know are dropped; O_CLOEXEC is added. Both functions try again where nodes can give descriptors up. fd or -errno.
 */
int open_name(struct graft_inst *inst, int dirfd, const char *name, int flags, mode_t mode);
/* What fd has open, once more, through its name below /proc/self/fd; on a read-only mount without touching access times, where the file
 * system lets this process ask for that. */
int open_again(struct graft_inst *inst, int fd, int flags);
/* A path of the host that holds no link, as O_PATH; fd or -errno. */
int open_path(const char *path);
/* The same, but taken as if root_fd were the root, out of which nothing leads. */
int open_path_below(int root_fd, const char *path);

#endif
