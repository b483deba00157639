/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that the server itself sends to a mount in a session's name, to look up the directories on the way to other mounts. */
#ifndef GRAFT_SERVER_FUSE_INTERNAL_H
#define GRAFT_SERVER_FUSE_INTERNAL_H

#include "server/session.h"

/* All wait for the answer. The caller is a user of sm; a thread that may block and is no worker. */

/* The node of a directory, with one look-up counted for it; 0 where there is no directory of that name. */
uint64_t internal_lookup_dir(struct session_mount *sm, uint64_t dir, const char *name);
/* Takes one look-up back. */
void internal_forget(struct session_mount *sm, uint64_t node);

#endif
