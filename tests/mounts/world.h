/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon under test with both of its transports, a guest's rings, and what it holds. */
#ifndef GRAFT_TESTS_MOUNTS_WORLD_H
#define GRAFT_TESTS_MOUNTS_WORLD_H

#include "tests/mounts/api.h"
#include "tests/mounts/viewer.h"
#include "tests/vring/daemon.h"

#define WORLD_CLIENTS 3 /* request rings of the guest: two for watchers, the last for the main thread */

struct world {
	struct daemon daemon;
	char mountpoint[DAEMON_PATH + 16], api_socket[DAEMON_PATH + 16], images[DAEMON_PATH + 16];
	char server_keys[2 * DAEMON_PATH], transport_keys[2 * DAEMON_PATH];
	struct frontend *fe;
	struct fuse_client client[WORLD_CLIENTS];
	struct api api;
};

/* Makes the folder. 0, or -errno and why. 77: cannot run here, and why. */
int world_init(struct world *w, const char **why);
/* Starts the daemon, connects the guest and the API. 0, or -errno and why. */
int world_start(struct world *w, const char **why);
/* Ends all; 0 where the daemon ended in order and no sanitizer said anything. */
int world_stop(struct world *w);
/* A viewer for the main thread. */
struct viewer world_host(struct world *w);
struct viewer world_guest(struct world *w, unsigned client);

/* Makes this host's kernel forget what nobody uses at the mount point. */
void world_drop_caches(struct world *w);

/* What the daemon holds. */
struct held_by_daemon {
	long descriptors, threads, memory_kib;
};
/* world_drop_caches, then waits until the daemon holds no more than limit (NULL: until nothing has changed for half a second). */
struct held_by_daemon world_measure(struct world *w, const struct held_by_daemon *limit);

#endif
