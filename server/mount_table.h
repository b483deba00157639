/* SPDX-License-Identifier: Apache-2.0 */
/* Mounts by slot. A node id is slot << 48 | the plugin's own node; "/" is slot 0, so its root is node 1. */
#ifndef GRAFT_SERVER_MOUNT_TABLE_H
#define GRAFT_SERVER_MOUNT_TABLE_H

#include "server/mount.h"

#define MOUNT_TABLE_SLOTS (1u << (64 - GRAFT_NODE_BITS))
#define MOUNT_NODE_MASK ((1ull << GRAFT_NODE_BITS) - 1)

/* Filled before the first request and constant from then on. */
struct mount_table {
	struct mount **slots;     /* by slot; NULL: none */
	uint32_t nslots;          /* one more than the highest in use */
	uint64_t can, want, need; /* INIT flags: all mounts can, some want, some need */
};

/* 0 or -ENOMEM. */
int mount_table_init(struct mount_table *t);
/* Frees the mounts, last slot first. */
void mount_table_fini(struct mount_table *t);
/* Takes m: slot 0 for "/", the next free one otherwise. -EEXIST where a mount at the same path stands, -ENOSPC. */
int mount_table_add(struct mount_table *t, struct mount *m, struct graft_error *err);
int mount_table_start(struct mount_table *t, struct graft_error *err);
void mount_table_quiesce(struct mount_table *t);

/* The mount that a client's node id names, NULL where there is none. */
static inline struct mount *mount_table_find(const struct mount_table *t, uint64_t node)
{
	uint64_t slot = node >> GRAFT_NODE_BITS;

	return slot < t->nslots && node & MOUNT_NODE_MASK ? t->slots[slot] : NULL;
}

#endif
