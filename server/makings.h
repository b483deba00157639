/* SPDX-License-Identifier: Apache-2.0 */
/* Mounts being made at run time: a plugin has a limited time for create and start, and a thread of its own to hang on. */
#ifndef GRAFT_SERVER_MAKINGS_H
#define GRAFT_SERVER_MAKINGS_H

#include "server/mount.h"

struct makings;

/* NULL when out of memory. */
struct makings *makings_new(void);
/* None may be under way. NULL is fine. */
void makings_free(struct makings *all);
/* The time a plugin has, WATCH_PATIENCE_NS if nothing is said. Before any mount is made. */
void makings_set_patience(struct makings *all, uint64_t ns);
/* Waits for those that were given up and still run. */
void makings_wait(struct makings *all);

/*
 * mount_new and mount_start; takes config. 0 with *m, started and with one reference, or -errno with err: -ETIMEDOUT names
 * the plugin that does not come back; what it makes, if it ever does, is dropped. Any thread that may block.
 */
int makings_make(struct server *server, struct mount_config *config, struct mount **m, struct graft_error *err);

#endif
