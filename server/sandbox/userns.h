/* SPDX-License-Identifier: Apache-2.0 */
/* The user namespace of an ordinary user's daemon, and its maps of ids. */
#ifndef GRAFT_SERVER_SANDBOX_USERNS_H
#define GRAFT_SERVER_SANDBOX_USERNS_H

#include "server/config.h"

#include <stdbool.h>
#include <sys/types.h>

/*
 * In the parent: writes uid-map and gid-map of the process pid, which has just made its user namespace; where one of
 * them says nothing, the own id means itself. One range of the own id is written here (and setgroups denied), others by
 * newuidmap(1) and newgidmap(1). 0 or -errno with err.
 */
int userns_write_maps(pid_t pid, const struct server_config *server, struct graft_error *err);
/* In that process, afterwards: takes user and group 0 on where the maps have them. 0 or -errno with err. */
int userns_become_root(const struct server_config *server, struct graft_error *err);

#endif
