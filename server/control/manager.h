/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mounts made at run time: makes them in the server, keeps them in the state folder, brings them back after a restart. The HTTP
 * handlers call this and nothing of control_host that changes mounts.
 */
#ifndef GRAFT_SERVER_CONTROL_MANAGER_H
#define GRAFT_SERVER_CONTROL_MANAGER_H

#include "server/control.h"

struct manager;

/* Opens the state folder where one is configured: lock, check, read. NULL with err. */
struct manager *manager_new(const struct control_host *host, struct graft_error *err);
void manager_free(struct manager *m);

/* Mounts what the state folder says, in order. A record that fails is kept, with why. 0 also then. */
int manager_restore(struct manager *m, struct graft_error *err);
/* Writes config.ini and state.json. */
int manager_started(struct manager *m, struct graft_error *err);

/*
 * Any thread; several at a time. The result is on disk when these return 0; where saving fails the call fails and the server is as
 * it was. -EEXIST, -ENOENT, -EBUSY as in mounts.h. A record that could not be restored is replaced by a mount at its path, and
 * dropped by an umount of it.
 */
int manager_mount(struct manager *m, const struct mount_spec *spec, struct graft_error *err);
int manager_remount(struct manager *m, const struct mount_spec *spec, struct graft_error *err);
int manager_umount(struct manager *m, const char *at, bool strict, struct graft_error *err);
/* Tries the record that failed at this path again, or all (at NULL). -ENOENT where none failed. */
int manager_retry(struct manager *m, const char *at, struct graft_error *err);

/* A record that could not be restored. */
struct manager_failed {
	const char *name, *at, *type, *why;
	const struct mount_key *keys;
	size_t nkeys;
};
int manager_each_failed(struct manager *m, int (*fn)(const struct manager_failed *, void *), void *arg);

#endif
