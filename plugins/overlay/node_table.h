/* SPDX-License-Identifier: Apache-2.0 */
/* The table of a session's nodes: inside of node.c and node_table.c. */
#ifndef GRAFT_OVERLAY_NODE_TABLE_H
#define GRAFT_OVERLAY_NODE_TABLE_H

#include "node.h"

#define OV_NODES_MAX (UINT32_C(1) << 20) /* of one session */

struct ov_slot {
	struct ov_node *node; /* NULL: free */
	uint32_t generation;  /* 15 bits, raised when the slot is given back */
	uint32_t next_free;   /* index + 1; 0: none */
};

struct ov_nodes {
	pthread_mutex_t lock;
	/* Protected by lock. */
	struct ov_slot *slots;
	uint32_t nslots, room, free;               /* free: index + 1 */
	struct ov_node **buckets, **lower_buckets; /* nbuckets each, a power of two */
	uint32_t nbuckets;
	struct fuse_forget_one *dead;
	uint32_t ndead, dead_room;
	struct ov_node *root;
};

/* All with the lock held. */
uint32_t table_hash_upper(uint64_t ino);
uint32_t table_hash_name(const struct ov_node *parent, const char *name);
struct ov_node *table_find_upper(const struct ov_nodes *t, uint64_t ino);
/* One that has nothing above. */
struct ov_node *table_find_name(const struct ov_nodes *t, const struct ov_node *parent, const char *name);
struct ov_node *table_find_lower(const struct ov_nodes *t, uint64_t lower);
struct ov_node *table_find(const struct ov_nodes *t, uint64_t id);
void table_link(struct ov_nodes *t, struct ov_node *n, uint32_t hash);
void table_unlink(struct ov_nodes *t, struct ov_node *n);
void table_link_lower(struct ov_nodes *t, struct ov_node *n);
void table_unlink_lower(struct ov_nodes *t, struct ov_node *n);
/* An id. 0, -ENFILE or -ENOMEM. */
int table_add(struct ov_nodes *t, struct ov_node *n);
void table_remove(struct ov_nodes *t, const struct ov_node *n);
/* Look-ups below that are to be forgotten. Without memory the session's end does it. */
void table_dead(struct ov_nodes *t, uint64_t lower, uint64_t count);

#endif
