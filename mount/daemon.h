/* SPDX-License-Identifier: Apache-2.0 */
/* Starts graftfsd as a session of its own and waits until it serves. */
#ifndef GRAFT_MOUNT_DAEMON_H
#define GRAFT_MOUNT_DAEMON_H

#include "lib/error.h"

#include <sys/types.h>

/*
 * Runs argv (NULL-terminated; argv[0] is a path) and returns its process id once it has sent READY=1. When it ends
 * before that, or a SIGINT or SIGTERM comes, it is gone on return. -errno with err, which holds the last line it wrote
 * to stderr.
 */
pid_t mount_daemon_start(char *const argv[], struct graft_error *err);

#endif
