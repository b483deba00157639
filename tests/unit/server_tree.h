/* SPDX-License-Identifier: Apache-2.0 */
/* A backend whose file system is a small tree in memory that a test wrote down, and that counts everything clients hold of it. */
#ifndef GRAFT_TESTS_UNIT_SERVER_TREE_H
#define GRAFT_TESTS_UNIT_SERVER_TREE_H

#include <graftfs/plugin.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#define TREE_NODES 64
#define TREE_WAITING 8
#define TREE_NAME 64 /* bytes of a name with its NUL */
/* What the tree's own node id of node i > 1 is: high bits, so that a router that cuts some off is seen. */
#define TREE_ID(i) ((7ull << 40) + (i))

struct tree_node {
	uint32_t parent; /* 0: free, or unlinked */
	uint32_t mode;
	char name[TREE_NAME];
	const char *text;
};

enum tree_wait {
	TREE_WAIT_NOT,
	TREE_WAIT_CANCEL,  /* READ waits until tree_release, or until it is cancelled: -EINTR */
	TREE_WAIT_STUBBORN /* READ waits until tree_release; being cancelled is only counted */
};

/* One file system; mounted at one place at a time. */
struct tree {
	pthread_mutex_t lock;
	/* how it behaves; set before it is mounted */
	int create_error, start_error, session_error; /* negative, or 0 */
	uint64_t need;                                /* INIT flags; wanted too */
	uint64_t cannot;                              /* INIT flags it cannot serve */
	uint64_t root;                                /* graft_features.root */
	uint64_t ino;                                 /* added to the number of a node for its inode number */
	bool negative;                                /* a missing name is an entry without a node, to be kept */
	_Atomic enum tree_wait wait;
	/* protected by lock */
	const struct graft_host *host;
	struct tree_node nodes[TREE_NODES]; /* 1 is the root */
	struct graft_req *waiting[TREE_WAITING];
	/* seen */
	_Atomic int64_t held;     /* look-ups of all sessions */
	_Atomic int32_t handles;  /* open files and directories */
	_Atomic int32_t sessions; /* open now */
	_Atomic uint32_t creates, destroys, statfs, syncfs, changes, cancels, faults;
};

extern const struct graft_plugin tree_plugin;

/*
 * words: names separated by blanks, parents first: "dir/" is a directory, "dir/file=text" a file. Text of a file must
 * not hold blanks. The tree must outlive its mount.
 */
void tree_init(struct tree *t, const char *words);
/* Nothing is held, open or mounted any more, and no call was wrong. Waits a little for workers. */
void tree_check_empty(struct tree *t);
void tree_fini(struct tree *t);
/* Requests that wait in it now. */
uint32_t tree_waiting(struct tree *t);
/* Completes all that wait. */
void tree_release(struct tree *t, int res);

#endif
