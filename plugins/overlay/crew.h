/* SPDX-License-Identifier: Apache-2.0 */
/* Work off the queues: threads of the overlay's own, where a request may block and may wait for answers from below. */
#ifndef GRAFT_OVERLAY_CREW_H
#define GRAFT_OVERLAY_CREW_H

#include "overlay.h"

#include <semaphore.h>

/*
 * Why not the server's workers: what is below may need one of them to answer, and would not get it if all of them
 * waited here. A serial mount's strand is another's thread in the same way.
 */
struct ov_crew;
struct ov_copy;
struct ov_work;

/* A step of a request's work. 0, -errno, or GRAFT_ASYNC: the work goes on elsewhere, or waits for a copy. */
typedef int ov_step(struct ov_work *w);

/* A request's work, in its memory. Owned by the thread that runs it, or by the list it is in. */
struct ov_work {
	struct ov_work *next;
	struct graft_inst *inst;
	struct graft_req *req;
	struct ov_session *s;
	ov_step *fn;          /* from the beginning */
	ov_step *step;        /* what comes next: fn, or what must be done first */
	struct ov_crew *to;   /* who does that, when the step that runs has returned */
	struct ov_copy *copy; /* copy_up.h: which this work carries out */
	/* The request that was sent below, see ov_ask. */
	struct ov_child *child;
	sem_t *answered; /* of the thread that runs it */
	int answer;
};

/* A crew of n threads. 0 or -errno. */
int ov_crew_start(struct ov_crew **crew, const char *name, uint32_t n);
/* Ends and joins them; no work may be left. NULL: nothing. */
void ov_crew_stop(struct ov_crew *crew);

/* Runs fn for the request on a thread of the crew. GRAFT_ASYNC or -ENOMEM: as an operation ends. */
int ov_work_start(struct graft_inst *inst, struct graft_req *req, struct ov_crew *crew, ov_step *fn);
/* When the step that runs returns, which it does with this result, crew goes on with step. GRAFT_ASYNC. */
int ov_work_pass(struct ov_work *w, struct ov_crew *crew, ov_step *step);
/* One that waited, and is in no list any more, goes on from its beginning. */
void ov_work_resume(struct ov_work *w, struct ov_crew *crew);

/* A request to what is below, and its answer; used once after the other. */
struct ov_child {
	struct graft_req req; /* first: from host->alloc */
	struct iovec iov;
	union {
		struct fuse_forget_in forget;
		struct fuse_getattr_in getattr;
		struct fuse_open_in open;
		struct fuse_read_in read;
		struct fuse_release_in release;
		struct fuse_getxattr_in getxattr;
		unsigned char room[256];
	} in;
	union {
		struct fuse_entry_out entry;
		struct fuse_attr_out attr;
		struct fuse_open_out open;
		struct fuse_getxattr_out getxattr;
		unsigned char room[512];
	} out;
};

/* Zeroed, for a request of opcode about a node below; dst of len bytes, or NULL. NULL: no memory. */
struct ov_child *ov_child(struct ov_work *w, uint32_t opcode, uint64_t node, void *dst, size_t len);
/* Sends it as root and waits. 0 or -errno. */
int ov_ask(struct ov_work *w);

#endif
