/* SPDX-License-Identifier: Apache-2.0 */
/* Nodes: what a client holds of the merged tree, each with its part above, its part below, or both. */
#ifndef GRAFT_OVERLAY_NODE_H
#define GRAFT_OVERLAY_NODE_H

#include "upper.h"

#include <pthread.h>

#define OV_NODE_FD_NONE (-1)   /* there is nothing above */
#define OV_NODE_FD_UNKEPT (-2) /* there is, and it is opened by its path each time: descriptors are short */

struct ov_copy; /* copy_up.h */

/*
 * Found by the number of the inode above; where there is none yet, by directory and name. So two names of one file
 * below are two files here, as copying one up leaves the other alone. What stands above is never taken away from a node
 * again.
 */
struct ov_node {
	/* Constant. */
	uint64_t id;
	uint64_t ino;   /* as clients see it: does not change by copying up */
	mode_t type;    /* S_IFMT bits */
	uint64_t lower; /* node id below, 0: nothing there, or nothing that shows */
	_Atomic int fd; /* O_PATH above, or OV_NODE_FD_*; changes once from NONE */

	/* Protected by the table's lock. */
	struct ov_node *parent; /* a reference; NULL: the root, or a name that is gone */
	char *name;             /* in parent; NULL as well */
	uint64_t upper_ino;     /* where there is an upper part */
	uint64_t lower_count;   /* look-ups below */
	uint64_t nlookup;       /* the client's */
	uint32_t refs;          /* requests, handles and children */
	bool gone;              /* the name was removed, or is another's */
	uint32_t hash;
	struct ov_node *next;       /* in a bucket */
	struct ov_node *next_lower; /* directories with something below, in a bucket by that */

	struct ov_copy *copy; /* under way; owned by the thread of changes */
};

/* A look-up's finding, to become a node. */
struct ov_found {
	struct ov_node *parent; /* NULL: it has no name */
	const char *name;
	const struct statx *upper; /* NULL: nothing above */
	int fd;                    /* O_PATH of that, owned: taken, then -1 */
	uint64_t lower;            /* with one look-up below, which the node takes; 0: none */
	uint64_t lower_ino;
	mode_t lower_mode;
};

/* A node in use, and a descriptor of its part above. */
struct ov_ref {
	struct ov_node *node;
	int fd; /* O_PATH, -1: nothing above */
	bool temp;
};

int ov_nodes_new(struct ov_session *s);
void ov_nodes_free(struct ov_session *s);

/* -ESTALE for an id that this session does not hold; what opening says, where a descriptor is not kept. */
int ov_ref_get(struct ov_session *s, uint64_t id, struct ov_ref *ref);
/* The same for a node that is in use. */
int ov_ref_node(struct ov_session *s, struct ov_node *node, struct ov_ref *ref);
void ov_ref_put(struct ov_session *s, struct ov_ref *ref);
/* Without the descriptor. NULL: there is no such node. */
struct ov_node *ov_node_get(struct ov_session *s, uint64_t id);
struct ov_node *ov_node_hold(struct ov_session *s, struct ov_node *node);
void ov_node_put(struct ov_session *s, struct ov_node *node);
static inline bool ov_has_upper(const struct ov_node *n)
{
	return atomic_load_explicit(&n->fd, memory_order_acquire) != OV_NODE_FD_NONE;
}

/*
 * The node of a finding, found or made, with one look-up more for the client, and in use: the caller puts it. 0,
 * -ENFILE, -ENOMEM; then the look-up below is among those to be forgotten.
 */
int ov_node_enter(struct ov_session *s, struct ov_found *f, struct ov_node **node);
/* A directory above that is known: what it has below needs no look-up then. In use; or NULL. */
struct ov_node *ov_node_find_upper(struct ov_session *s, uint64_t upper_ino);
/* One that has nothing above, by its name. In use; or NULL. */
struct ov_node *ov_node_find_name(struct ov_session *s, const struct ov_node *parent, const char *name);
/* The node of a directory below. In use; or NULL. */
struct ov_node *ov_node_find_lower(struct ov_session *s, uint64_t lower);
/* The number by which clients know an inode above, where they do; else 0. */
uint64_t ov_node_shown_ino(struct ov_session *s, uint64_t upper_ino);
/* An inode number above as clients see it. */
uint64_t ov_upper_ino(uint64_t ino);

/* The node was copied up: fd (owned) and number of its part above. */
void ov_node_set_upper(struct ov_session *s, struct ov_node *node, uint64_t upper_ino, int fd);
/* The name in parent is another's from now on, or nobody's: who has it and no descriptor is given one first, if there
 * is one to give. */
void ov_node_unname(struct ov_session *s, struct ov_node *parent, const char *name);
/* The node has this name now. Without memory for it, none. */
void ov_node_rename(struct ov_session *s, struct ov_node *node, struct ov_node *parent, const char *name);
/* Copies of parent (in use then; NULL: gone) and name. 0 or -ENOENT. */
int ov_node_place(struct ov_session *s, struct ov_node *node, struct ov_node **parent, char name[256]);

/* Look-ups of the client's that it gives back. */
void ov_node_forget(struct ov_session *s, uint64_t id, uint64_t n);
/* Look-ups below that nobody needs any more, at most max of them. How many. */
uint32_t ov_nodes_dead(struct ov_session *s, struct fuse_forget_one *to, uint32_t max);
uint32_t ov_nodes_count_dead(struct ov_session *s);
/* One to forget that came with no node. */
void ov_nodes_drop_lower(struct ov_session *s, uint64_t lower);

/* Room for one more descriptor of an open file: handles may have twice what nodes may. */
bool ov_fd_take(struct graft_inst *inst, bool for_node);
void ov_fd_give(struct graft_inst *inst);

#endif
