/* SPDX-License-Identifier: Apache-2.0 */
/* Workloads with an end: what programs do with a tree of files, as the requests that a guest then sends. */
#ifndef GRAFT_BENCH_PROFILES_H
#define GRAFT_BENCH_PROFILES_H

#include "bench/bench.h"

#define TREE_DIR_FILES 50 /* files of a directory of the tree */

struct profile;

extern const struct profile profile_container, profile_git_status, profile_compile, profile_untar, profile_rm;

/* How many tasks a pass has. */
unsigned profile_tasks(const struct bench *b, const struct profile *p);
/* Brings the tree into the state that a pass begins with. Only while no run is on. 0 or -errno. */
int profile_reset(struct bench *b, const struct profile *p);
/* After a pass: sends the FORGETs still kept, and notes what is there now. 0 or -errno. */
int profile_passed(struct bench *b, const struct profile *p);
/* The functions of its struct workload. */
int profile_setup(struct bench_slot *s);
void profile_next(struct bench_slot *s);
int profile_done(struct bench_slot *s, uint32_t len);
int profile_refused(struct bench_slot *s, int error);
/* The same pass by bare system calls, in a folder of its own: processor time used and operations. 0 or -errno. */
int profile_bare(struct bare *x, const struct profile *p, int64_t *ns, uint64_t *ops);

/* Takes the tree away, where there is one. Only while no run is on. 0 or -errno. */
int bench_remove_tree(struct bench *b);
void tree_free(struct tree *tree);

/* profile_steps.c: one step of a task is one request. */
enum move {
	MOVE_END,
	MOVE_LOOKUP,
	MOVE_ABSENT, /* a LOOKUP that finds nothing */
	MOVE_OPEN,
	MOVE_READ,
	MOVE_FLUSH,
	MOVE_RELEASE,
	MOVE_CREATE,
	MOVE_WRITE,
	MOVE_TIMES, /* SETATTR of the times */
	MOVE_OPENDIR,
	MOVE_LIST, /* READDIRPLUS, as often as it takes */
	MOVE_RELEASEDIR,
	MOVE_UNLINK,
	MOVE_UNLINK_ALL, /* of the directory's files */
	MOVE_RMDIR
};

/* Whose file a step is about. */
enum whose { OWN, HEADER_1, HEADER_2, OBJECT };

struct step {
	unsigned char move, whose;
	bool op; /* its end completes an operation */
};

/* A file of the tree; several queues may look the same one up at a time. */
struct tree_file {
	_Atomic uint64_t node; /* 0: not known */
	_Atomic uint32_t lookups;
};

/* Files of 1 to 16 KiB in directories; names and sizes follow from their numbers. */
struct tree {
	unsigned files, dirs;
	uint64_t *dir; /* nodes */
	struct tree_file *file, *object;
	bool present, objects;  /* the files are there; those that `compile` makes are, too */
	_Atomic bool no_flush;  /* the daemon said ENOSYS */
};

/* The step's request; whether an answer is right: 1 if the step is over, 0 if it goes on, or -errno. */
void step_build(struct bench_slot *s, const struct tree *t, const struct step *step, unsigned file, unsigned dir);
int step_check(struct bench_slot *s, struct tree *t, const struct step *step, unsigned file, unsigned dir,
	       uint32_t len);
/* The same by a system call in the bare tree. 0 or -errno. */
int step_bare(struct bare *x, const struct step *step, unsigned file, unsigned dir);
void tree_name(char name[BENCH_NAME_SIZE], const char *kind, unsigned number);

#endif
