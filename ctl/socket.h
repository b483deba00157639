/* SPDX-License-Identifier: Apache-2.0 */
/* Which server is meant where nobody says it. */
#ifndef GRAFT_CTL_SOCKET_H
#define GRAFT_CTL_SOCKET_H

#include "lib/error.h"

#define SOCKET_ENV "GRAFTCTL_SOCKET"
#define SOCKET_PATTERN "/run/graftfs/*/api.sock"

/*
 * The path of the API socket: given where that is not NULL, else the environment's, else the only one that the pattern
 * finds. The caller frees it. NULL with err: -ENOENT for none, -EINVAL for several (all are named) or an empty one.
 */
char *socket_find(const char *given, struct graft_error *err);

#endif
