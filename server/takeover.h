/* SPDX-License-Identifier: Apache-2.0 */
/* Whether this process begins with a mount that another made, and waits to be told. */
#ifndef GRAFT_SERVER_TAKEOVER_H
#define GRAFT_SERVER_TAKEOVER_H

#include "server/config.h"

/*
 * takeover = yes; or auto, where the process before has crashed: a FUSE file system is mounted on the mount point, and
 * nobody listens at the API's socket, which is there. Before that socket is opened anew.
 */
bool takeover_waits(const struct config *c);

#endif
