/* SPDX-License-Identifier: Apache-2.0 */
/* The state of this daemon as another can take it over, and the way back: mounts, their indexes, directories, the
 * session. */
#ifndef GRAFT_CONTROL_UPGRADE_HANDOVER_H
#define GRAFT_CONTROL_UPGRADE_HANDOVER_H

#include "server/control/manager.h"
#include "server/control/upgrade/nydus_state.h"

/* Fills s, which is empty, and *connection, whose fd is the caller's. -ENOTCONN: the kernel has not said INIT yet. */
int handover_save(const struct control_host *host, struct nydus_state *s, struct control_connection *connection,
		  struct graft_error *err);
/*
 * Makes directories and mounts of s, in the place of all there are. Where it fails there is none, and it may be called
 * again. fd: of the connection; taken on success.
 */
int handover_load(const struct control_host *host, struct manager *manager, const struct nydus_state *s, int fd,
		  struct graft_error *err);

#endif
