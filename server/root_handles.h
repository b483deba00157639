/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open handles of node 1. What stands at "/" may change while they are open, so the number on the wire is ours and leads to the
 * mount that opened it; everywhere else the node id says which mount a handle belongs to.
 */
#ifndef GRAFT_SERVER_ROOT_HANDLES_H
#define GRAFT_SERVER_ROOT_HANDLES_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define ROOT_HANDLES_MAX 65536

/* Whose handle it is. */
struct root_handle {
	uint32_t slot;   /* 0: the pseudo root's */
	uint32_t serial; /* of the session_mount in that slot */
	uint64_t fh;     /* the plugin's */
};

struct root_handle_entry;

/* Any thread; the lock is held for a few instructions only. */
struct root_handles {
	pthread_mutex_t lock;
	struct root_handle_entry *entries;
	uint32_t n, room;
	uint32_t free; /* index + 1 of the first free one, 0: none */
	uint32_t first; /* generation before the first */
};

/* others: the client has handles that another process gave it, and none of them shall be taken for one of these. */
void root_handles_init(struct root_handles *t, bool others);
void root_handles_fini(struct root_handles *t);
/* 0 with *wire; -ENFILE, -ENOMEM. */
int root_handles_add(struct root_handles *t, const struct root_handle *h, uint64_t *wire);
/* Changes what stands behind a number that was given. */
void root_handles_set(struct root_handles *t, uint64_t wire, const struct root_handle *h);
/* False: no such handle. */
bool root_handles_find(struct root_handles *t, uint64_t wire, struct root_handle *h);
void root_handles_remove(struct root_handles *t, uint64_t wire);

#endif
