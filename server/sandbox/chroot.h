/* SPDX-License-Identifier: Apache-2.0 */
/* Where a daemon without CAP_SYS_ADMIN changes its root to. */
#ifndef GRAFT_SERVER_SANDBOX_CHROOT_H
#define GRAFT_SERVER_SANDBOX_CHROOT_H

#include "server/config.h"

#include <limits.h>

/*
 * The deepest folder that holds the sources of all mounts of the configuration, with symbolic links resolved; "/" where
 * there is none. A source that does not exist is left out.
 */
void chroot_shared(const struct config *config, char shared[PATH_MAX]);

#endif
