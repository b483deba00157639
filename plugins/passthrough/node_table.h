/* SPDX-License-Identifier: Apache-2.0 */
/* Nodes of one session: their layout, how they are pinned and counted, and the hash that finds them by inode. */
#ifndef GRAFT_PASSTHROUGH_NODE_TABLE_H
#define GRAFT_PASSTHROUGH_NODE_TABLE_H

#include "fhandle.h"
#include "passthrough.h"
#include "slab.h"

#include <pthread.h>

#define NODE_SHARDS 64
#define NODE_BAND_SHIFT 30 /* an index has no more bits (SLAB_MAX) */
#define NODE_BANDS 4
#define NODE_INDEX_MASK ((UINT32_C(1) << NODE_BAND_SHIFT) - 1)
#define NODE_INLINE 20  /* bytes of file handle inside the node: ext4 8, tmpfs and xfs 12, btrfs 20 */
#define NODE_OUTSIDE 255 /* node.hlen: the handle lies in node_table.outside */

/*
 * node.word: users << 40 | (descriptor + 1) << 16 | generation. One compare-and-swap checks the generation, counts the
 * user and yields the descriptor. Generation 0: not in use, dying, or the root. Nobody takes the descriptor away while
 * there are users; a node whose generation went to 0 is freed by its last user.
 */
#define NODE_GENERATION UINT64_C(0xffff)
#define NODE_FD_SHIFT   16
#define NODE_FD_MASK    (UINT64_C(0xffffff) << NODE_FD_SHIFT)
#define NODE_FD_MAX     0xfffffe /* a greater descriptor is not kept */
#define NODE_USER       (UINT64_C(1) << 40)

/*
 * A node is found by id (node_pin) or by inode (node_find). Fields without a remark are constant from publication on.
 * Publication is the release store of word, the other half any acquire load of it, or the shard's lock.
 */
struct node {
	_Atomic uint64_t word;
	_Atomic uint64_t lookups; /* never raised from 0: the node that reached it is on its way out */
	uint64_t ino;
	uint32_t dev_major, dev_minor;
	_Atomic uint64_t since; /* node_table.clock when its descriptor had been opened; valid while it has one */
	uint32_t mount;         /* id; 0 where the kernel does not tell */
	uint32_t next;          /* index in the chain, 0: end; protected by the shard's lock */
	uint8_t type;           /* S_IFMT bits >> 12 */
	_Atomic uint8_t used;   /* since the eviction hand last passed; relaxed */
	_Atomic uint8_t known;  /* directory: 0..3, how likely its names are known already; relaxed, see lookup.c */
	_Atomic bool busy;      /* one thread gives or takes the descriptor; acquire on taking, release on leaving */
	_Atomic uint8_t hlen;   /* bytes of file handle, 0: none yet, NODE_OUTSIDE; set last, by busy's holder */
	bool counted;           /* as a user in mount_fds; by busy's holder */
	bool stays;             /* no handle can be had for it, so it needs its descriptor; by busy's holder */
	uint16_t htype;
	union {
		unsigned char bytes[NODE_INLINE];
		uint32_t outside;
	} handle;
};

struct node_shard {
	_Alignas(64) pthread_mutex_t lock;
	/* Protected by lock. */
	uint32_t *buckets; /* indices of nodes, 0: empty; NULL until the first node */
	uint32_t size;     /* a power of 2 */
	uint32_t count;
};

/* Lock order: shard, slab. No lock is held across a system call on the share. */
struct node_table {
	struct graft_inst *inst;
	const struct graft_session *session;
	bool bounded;  /* nodes are claimed */
	uint32_t slot; /* in fd_budget */
	uint32_t band; /* upper bits of each id's index: another than the servers' before, whose ids the client may still have */
	struct node *root;
	uint64_t seed;
	struct slab nodes;
	struct slab outside;         /* struct fhandle for those beyond NODE_INLINE */
	_Atomic uint64_t clock;      /* +1 whenever a node got a descriptor; see node.since */
	_Atomic uint32_t generation; /* the last one given out; relaxed */
	struct node_shard shards[NODE_SHARDS];
};

static inline int node_word_fd(uint64_t word)
{
	return (int)((word & NODE_FD_MASK) >> NODE_FD_SHIFT) - 1;
}

/* What identifies an inode while something pins it. */
struct node_key {
	uint64_t ino;
	uint32_t dev_major, dev_minor;
	uint32_t mount;
};

struct node_key node_key(const struct statx *stx);

/*
 * What a look-up knows of the inode it wants the node of. A candidate of the same key is the one if its descriptor was
 * open from `start` on, while the key was being read: then the inode's number cannot have changed hands. Others compare
 * file handles.
 */
struct node_query {
	struct node_key key;
	mode_t type;             /* S_IFMT bits */
	uint64_t start;          /* of node_table.clock; UINT64_MAX: the caller itself holds the inode open */
	const struct fhandle *h; /* NULL: not asked for yet; of length 0: there is none */
};

enum node_found {
	NODE_ABSENT,
	NODE_FOUND,  /* its look-up count was raised */
	NODE_COMPARE /* it depends on the file handle, or (h given) cannot be told by name */
};

enum node_found node_find(struct node_table *t, const struct node_query *q, uint64_t *id);
/*
 * As node_find, but what is absent is put in: n, made by node_alloc under id own and filled, with descriptor fd (or
 * -1). *id is own then. NODE_ABSENT: no memory.
 */
enum node_found node_publish(struct node_table *t, struct node *n, uint64_t own, int fd, const struct node_query *q,
			     uint64_t *id);

/* The node of an id with one more user, and its word; NULL for an id this session does not hold. Not for the root. */
struct node *node_pin(struct node_table *t, uint64_t id, uint64_t *word);
/* The last user frees a node that was forgotten. */
void node_unpin(struct node_table *t, struct node *n);

/* A new node with a look-up count of 1 and the id it will have; NULL when the table or the session's bound is full, or memory short. */
struct node *node_alloc(struct node_table *t, uint64_t *id);
/* Gives back what node_alloc gave, or a forgotten node nobody uses: with its handle, mount and descriptor. */
void node_release(struct node_table *t, struct node *n);

/* The handle, if the node has one. */
bool node_handle(const struct node_table *t, const struct node *n, struct fhandle *h);
/* Stores one; by busy's holder or before publication, once. 0 or -ENOMEM. */
int node_handle_set(struct node_table *t, struct node *n, const struct fhandle *h);

#endif
