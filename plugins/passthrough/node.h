/* SPDX-License-Identifier: Apache-2.0 */
/* Nodes and descriptors: how a look-up's finding becomes a node, and how a node gives its descriptor up. */
#ifndef GRAFT_PASSTHROUGH_NODE_H
#define GRAFT_PASSTHROUGH_NODE_H

#include "node_table.h"

/* An inode that a look-up holds open. */
struct node_seen {
	struct node_key key;
	mode_t type;    /* S_IFMT bits */
	int fd;         /* O_PATH; owned */
	bool no_handle; /* the file system gives none */
	bool made;      /* the node is new */
	bool fresh;     /* set by the caller: the inode was just made, so looking for its node first does not pay */
	struct fhandle h; /* of length 0 until it was needed */
};

/*
 * The node of what was seen, found or made; its look-up count is raised. Either way fd may move into the node, then it
 * is -1. 0, -ENFILE where neither a descriptor nor a handle can be kept or the table is full, -ENOMEM, or what
 * name_to_handle_at says.
 */
int node_enter(struct pt_session *s, struct node_seen *seen, uint64_t *id);

/* Takes descriptor fd away from the node, if that has it, nobody uses it and its second chance is gone. */
bool node_evict(struct node_table *t, uint64_t id, int fd);

/* Name of a descriptor below /proc/self/fd, somewhere in buf. */
static inline const char *node_fd_name(char buf[16], int fd)
{
	char *p = buf + 15;

	*p = 0;
	do {
		*--p = (char)('0' + fd % 10);
		fd /= 10;
	} while (fd);
	return p;
}

#endif
