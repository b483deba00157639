/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the service: its state, and what the parts of it answer. */
#ifndef GRAFT_SANDBOX_OUTSIDE_SERVICE_H
#define GRAFT_SANDBOX_OUTSIDE_SERVICE_H

#include "lib/log.h"
#include "server/config.h"
#include "server/sandbox/outside.h"
#include "server/sandbox/outside_wire.h"
#include "transport/fuse_dev_mount.h"

#include <sys/types.h>

/* A mount of /dev/fuse. */
struct outside_mount {
	struct fuse_dev_mount host;
	bool aborted; /* by its device's number, which may be another's once this one has gone: so only once */
};

struct outside_service {
	const struct config *config;
	struct outside_mount *mounts; /* of each transport, shared with children; NULL where none is of /dev/fuse */
	int userns;
	bool run_time; /* mounts may come at run time */
	bool sealed;
	pid_t children[OUTSIDE_CHILDREN]; /* 0: none */
	struct log_limit refusals;
};

/* An answer in the making. The service closes fds when it was sent. */
struct outside_result {
	int res; /* 0 or more, or -errno */
	uint32_t notes, nfds;
	int fds[OUTSIDE_FDS];
	char text[OUTSIDE_TEXT_MAX + 1];
};

/* The mounts of a configuration's transports: shared memory. 0 or -errno with err. */
int outside_mounts_init(struct outside_service *s, struct graft_error *err);
void outside_mounts_fini(struct outside_service *s);
/* Takes away what still stands; may wait. */
void outside_mounts_end(struct outside_service *s);
/* Whether a question about /dev/fuse is about a mount of the configuration: 0 or -errno. */
int outside_mounts_check(const struct outside_service *s, const struct outside_packet *q);
/* Questions about /dev/fuse, checked. */
void outside_mounts_serve(struct outside_service *s, const struct outside_packet *q, struct outside_result *r);

#endif
