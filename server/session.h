/* SPDX-License-Identifier: Apache-2.0 */
/* A session: one INIT to DESTROY of one client, with what each member of each mount keeps for it. */
#ifndef GRAFT_SERVER_SESSION_H
#define GRAFT_SERVER_SESSION_H

#include "server/mount_table.h"

#include <graftfs/plugin.h>

struct session {
	struct graft_session pub;
	const struct mount_table *table;
	struct session *next; /* among a connection's retired ones */
	uint32_t nslots;
	void **states[]; /* by slot: one for each member of the mount; NULL where there is no mount */
};

/* Opens a session with every member of every mount; calls plugins, so on a worker. 0 or -errno: then nothing is open.
 */
int session_open(const struct mount_table *table, const struct graft_session *pub, struct session **out);
/* Closes and frees; no request of it may be in flight. Calls plugins. NULL is fine. */
void session_close(struct session *s);

#endif
