/* SPDX-License-Identifier: Apache-2.0 */
/* Open files and directories of one session: what a guest's file handle stands for, and how requests pin it. */
#ifndef GRAFT_PASSTHROUGH_HANDLE_H
#define GRAFT_PASSTHROUGH_HANDLE_H

#include "passthrough.h"

#include <errno.h>

struct backing;    /* backing.h */
struct dir_stream; /* dir.h */

/* How READ may be served on the queue thread; found out at the first read. */
enum handle_read {
	HANDLE_READ_NOWAIT,  /* RWF_NOWAIT works, or was not tried yet */
	HANDLE_READ_PLAIN,   /* the file system keeps all data in memory: no read waits for a disk */
	HANDLE_READ_BLOCKING /* no RWF_NOWAIT: every read goes to a worker */
};

/*
 * Constant while pinned, but `read`. handle_get pins it with one compare-and-swap, handle_put lets it go. What the guest
 * released lives until its last pin is gone; then its descriptor is closed and its place in the budget given back.
 */
struct handle {
	_Atomic uint64_t state; /* handle.c's own: generation, released or not, pins */
	uint32_t index;         /* in the table */
	int fd;
	_Atomic uint64_t node;  /* the node it was opened on; every use must name it too; relaxed, see handle_close */
	bool direct;            /* O_DIRECT: reads and writes wait for the disk */
	bool readonly;          /* O_RDONLY: nothing that FLUSH could bring to the file system */
	bool sync;              /* O_SYNC, O_DSYNC or O_DIRECT: writes wait for the disk */
	_Atomic uint8_t read;   /* enum handle_read; relaxed, a lost update costs one more try */
	struct dir_stream *dir; /* NULL unless it is a directory that can be listed */
	struct backing *backing; /* of a regular file; may be NULL */
};

/* What a handle is made of: an open descriptor, the flags it was opened with, and two that may be NULL. */
struct handle_parts {
	uint64_t node;
	int fd, flags;
	struct dir_stream *dir;
	struct backing *backing;
};

static inline uint64_t handle_node(const struct handle *h)
{
	return atomic_load_explicit(&h->node, memory_order_relaxed);
}

/*
 * Makes a handle. Takes its parts and the place that pt_handle_fd_take reserved, but only if it succeeds. *fh is never
 * 0. 0 or -ENFILE.
 */
int handle_new(struct pt_session *s, const struct handle_parts *parts, uint64_t *fh);
/* Ends a file handle: no later handle_get finds it. 0, or -EBADF where this session holds no such one on that node. */
int handle_close(struct pt_session *s, uint64_t fh, uint64_t node);

/* Calls fn with the handle pinned; its result, or -EBADF where this session holds no such handle on the request's node. */
typedef int handle_fn(struct graft_req *req, struct handle *h);
int handle_with(struct graft_req *req, uint64_t fh, handle_fn *fn);

/*
 * Moves what may block to a worker. Where the server runs everything on workers already, and where the workers' queue
 * is full, it is done here and now: slower for this queue, but never wrong.
 */
static inline int pt_defer(struct graft_inst *inst, struct graft_req *req, graft_op *fn)
{
	int res = inst->blocking ? -EAGAIN : inst->host->defer(req, fn);
	return res == -EAGAIN ? fn(inst, req) : res;
}

#endif
