/* SPDX-License-Identifier: Apache-2.0 */
/* The way of a request through a mount: down by next, back through each layer's up, also when it went ASYNC. */
#ifndef GRAFT_SERVER_STACK_H
#define GRAFT_SERVER_STACK_H

#include "lib/iov.h"
#include "server/arena.h"
#include "server/io.h"
#include "server/mount.h"
#include "server/workers.h"

#include <graftfs/plugin.h>
#include <stdatomic.h>

#define STACK_SUB_DEPTH 4                    /* a client's request is 0 */
#define STACK_FRAMES (MOUNT_MAX_MEMBERS + 1) /* each member once, and one of a fallback */

struct listing;
struct request;

/* A member that waits for the result from below. */
struct stack_frame {
	graft_up *up;
	void *cookie;
	uint8_t member;
};

/*
 * One request going through one mount: the client's own, or one that a member made with sub. Owned by whoever runs the
 * root request; one thread at a time.
 */
struct stack_call {
	struct graft_req *req;
	struct mount *mount;
	void **states; /* of the session, by member */
	struct request *root;
	struct stack_frame *frames;
	uint8_t nframes;
	uint8_t first; /* the first member that takes part */
	uint8_t cur;   /* the member that runs, or ran last */
	uint8_t depth;
	const struct listing *covered; /* READDIR: names that are not the mount's, see fuse/listing.h; NULL: none */
	bool plus; /* READDIR in place of READDIRPLUS: entries are written in the long form */
	/* sub: who goes on with the result */
	struct stack_call *parent;
	struct session_mount *entered; /* a named other instance's, used until the call ends; else NULL */
	struct stack_call *spare; /* the last child that ended, for the next: a member may ask any number of questions */
	struct arena_mark mark;   /* what was allocated before this child began */
	uint64_t alloc_left;      /* and was left to be */
	graft_up *up;
	void *cookie;
	/* Position in dst of what put and dirent wrote last */
	struct iov_cursor put;
	const struct iovec *put_dst; /* the list put walks */
	uint64_t put_at;
	/* What a worker or strand does next; work is queued while it waits */
	struct work work;
	int (*step)(struct stack_call *call);
	_Atomic bool completing; /* a result is on its way to the strand */
	union {
		graft_op *op;
		int res;
		struct stack_call *child;
		struct {
			graft_io_done *done;
			void *cookie;
			int64_t res;
		} io;
	} arg;
	struct io_op io; /* a transfer that this call waits for */
};

/* Starts a call at its first member. Result of the operation, or GRAFT_ASYNC. */
int stack_start(struct stack_call *call);
/* Calls who serves the request's opcode from member `from` on. */
int stack_descend(struct stack_call *call, uint32_t from);

/* Frames, for next and for fallbacks. push: false when there is no room, a fault of the plugin. */
bool stack_push(struct stack_call *call, uint8_t member, graft_up *up, void *cookie);
/* The rest of the way: the caller's member is running again. */
void stack_return_to(struct stack_call *call, uint8_t member);

/* The services of the same names (plugin.h). */
int stack_next(struct graft_req *req, graft_up *up, void *cookie);
int stack_sub(struct graft_req *parent, struct graft_req *child, struct graft_slot *to, graft_up *up, void *cookie);
void stack_complete(struct graft_req *req, int res);
void stack_cancel(struct graft_req *req, void (*fn)(struct graft_inst *, struct graft_req *));
int stack_defer(struct graft_req *req, graft_op *fn);
int stack_io(struct graft_req *req, const struct graft_io *io, graft_io_done *done, void *cookie);

static inline struct mount_member *stack_member(struct stack_call *call)
{
	return &call->mount->members[call->cur];
}

#endif
