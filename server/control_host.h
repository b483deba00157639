/* SPDX-License-Identifier: Apache-2.0 */
/* What the control module may call, over the running server. */
#ifndef GRAFT_SERVER_CONTROL_HOST_H
#define GRAFT_SERVER_CONTROL_HOST_H

#include "server/control.h"
#include "server/doors.h"
#include "server/life.h"

/* Behind control_host.server. Set as the parts come to stand, before a thread of the module runs; all borrowed. */
struct control_server {
	const struct config *config;
	struct plugin_registry *registry;
	struct life *life;
	struct server *server;
	struct doors *doors; /* NULL until they are made */
	bool waits;          /* the transport of /dev/fuse waits for a connection */
	pthread_mutex_t handover; /* held while one of connection_* works: doors stays */
};

/* host is the module's for its life; so is s, of which config is set already. */
void control_host_init(struct control_host *host, struct control_server *s);

#endif
