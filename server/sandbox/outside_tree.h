/* SPDX-License-Identifier: Apache-2.0 */
/* Opens what the daemon is given from outside, so that nothing but that can be reached from the descriptor. */
#ifndef GRAFT_SANDBOX_OUTSIDE_TREE_H
#define GRAFT_SANDBOX_OUTSIDE_TREE_H

#include <fcntl.h>
#include <stdint.h>

/* Flags of open(2) that a path may be opened with; they make nothing and cut nothing short. */
#define OUTSIDE_TREE_FLAGS                                                                                        \
	(O_ACCMODE | O_CLOEXEC | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_PATH | O_DIRECT | O_NOATIME | \
	 O_APPEND | O_SYNC | O_DSYNC | O_LARGEFILE)

struct outside_opened {
	int fd;         /* the caller's */
	int tree;       /* the caller's: keeps what is mounted below fd; -1 for a file, or with OUTSIDE_NOTE_PLAIN */
	uint32_t notes; /* enum outside_note */
};

/*
 * What the comment of outside_open says (outside.h). Moves this process into other namespaces: for a child that ends
 * afterwards. userns: a descriptor of the user namespace to do it in, or -1. 0 or -errno.
 */
int outside_tree_open(int userns, const char *path, int flags, struct outside_opened *o);

#endif
