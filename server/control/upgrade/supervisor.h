/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The supervisor's protocol: it listens, and keeps a state and the descriptor that belongs to it. One connection for
 * each operation: the bytes, the descriptor beside the first of them, the end.
 */
#ifndef GRAFT_CONTROL_UPGRADE_SUPERVISOR_H
#define GRAFT_CONTROL_UPGRADE_SUPERVISOR_H

#include "lib/error.h"

#include <stddef.h>

#define SUPERVISOR_MS 10000 /* for one operation */

/*
 * Any thread that may block. 0, or -errno with err and *step: where it failed, in nydusd's words (CreateUnixStream,
 * SendFd, RecvFd, NoEnoughFds), a constant text.
 */
/* fd stays the caller's. */
int supervisor_send(const char *path, int fd, const void *bytes, size_t len, const char **step,
		    struct graft_error *err);
/* *bytes is of malloc, at most NYDUS_STATE_MAX; *fd is the caller's. A supervisor that gives none, or several, is
 * refused. */
int supervisor_receive(const char *path, int *fd, unsigned char **bytes, size_t *len, const char **step,
		       struct graft_error *err);

#endif
