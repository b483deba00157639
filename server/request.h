/* SPDX-License-Identifier: Apache-2.0 */
/* A client's request: what the decoder made of it, its way through the stack, its memory. In the transport's pool. */
#ifndef GRAFT_SERVER_REQUEST_H
#define GRAFT_SERVER_REQUEST_H

#include "lib/iov.h"
#include "server/arena.h"
#include "server/async.h"
#include "server/fuse/opcodes.h"
#include "server/view.h"
#include "server/stack.h"
#include "transport/transport.h"

#include <semaphore.h>
#include <stdatomic.h>

struct fuse_conn;

/*
 * Stands before every graft_req: the embedded one and those that plugins take from alloc. It leads from the ABI's
 * struct to the server's.
 */
struct request_head {
	struct stack_call *call; /* whose request the struct behind is; of a piece of alloc, until sub: NULL */
	uint64_t bytes;          /* room behind this head */
};

/* What a request of /dev/fuse is while it is served, for whoever looks. began: ns, CLOCK_MONOTONIC; 0: nothing is
 * served. */
struct request_flight {
	_Atomic uint64_t began, node, unique;
	_Atomic uint32_t opcode;
};

/* Thread: the queue's until pinned, then whoever runs it, one at a time; view and async say themselves. */
struct request {
	/* The view it goes by. Written by the owner; read by whoever wants to free a view. */
	_Atomic(struct view *) view;
	struct session_mount *sm; /* the mount it goes to; NULL: the router's own */
	bool entered;             /* it is a user of sm by itself: it went ASYNC and let go of the view */
	bool switch_off;          /* ENOSYS may leave: the client need not ask again */
	bool keep_view;           /* it needs the view until it ends */
	bool opens;               /* it has a place for the handle that it may give, see session_mount_may_open */
	struct root_handles *roots; /* OPENDIR of node 1: where root_fh was taken for it; else NULL */
	uint64_t root_fh;
	uint32_t queue_shard; /* its queue's; constant while it has a conn */
	uint32_t shard;       /* where it is counted now: SHARD_SHARED once it is pinned */
	uint64_t began; /* ns, CLOCK_MONOTONIC */
	uint64_t *queue_ended; /* its queue's, by the queue's thread: when the request before ended, 0: not known; NULL */
	struct transport_request *transport; /* NULL: the server's own request, see fuse/internal.h */
	struct request_flight flight;
	struct fuse_conn *conn;
	struct request *next, *prev;  /* in conn's list, protected by conn's lock */
	const struct op_info *op;     /* never NULL once decoded; unknown opcodes have none */
	bool on_worker;               /* the stretch that runs now may block */
	uint32_t out_size;            /* bytes of the out struct in the reply */
	uint64_t alloc_left;          /* bytes plugins may still take */
	struct fuse_in_header header;
	struct iov_cursor rest; /* what the client sent behind the header */
	struct stack_call call;
	_Alignas(16) struct request_head head;
	struct graft_req req;
	_Alignas(8) unsigned char in[OP_IN_MAX];
	/* The reply's front, written in one piece. */
	_Alignas(8) struct fuse_out_header out_header;
	unsigned char out[OP_OUT_MAX];
	struct stack_frame frames[STACK_FRAMES];
	struct async_state async;
	/* of the server's own request */
	sem_t answered;
	int result;
	struct arena arena;
};

_Static_assert(offsetof(struct request, req) == offsetof(struct request, head) + sizeof(struct request_head),
	       "the head stands right before the request");

_Static_assert(offsetof(struct request, out) == offsetof(struct request, out_header) + sizeof(struct fuse_out_header),
	       "the out struct follows its header, as on the wire");
_Static_assert(offsetof(struct request, out) % 8 == 0, "aligned for every out struct");

static inline struct request_head *request_head(struct graft_req *req)
{
	return (struct request_head *)req - 1;
}

/* Queue thread: the header was read. */
static inline void request_takes_off(struct request *r)
{
	struct request_flight *f = &r->flight;

	/* That the last one has landed goes before what this one is: pairs with the acquires in read_flight. */
	atomic_store_explicit(&f->node, r->header.nodeid, memory_order_release);
	atomic_store_explicit(&f->unique, r->header.unique, memory_order_release);
	atomic_store_explicit(&f->opcode, r->header.opcode, memory_order_release);
	atomic_store_explicit(&f->began, r->began, memory_order_release);
}

/* Its owner: the reply is about to leave. */
static inline void request_lands(struct request *r)
{
	atomic_store_explicit(&r->flight.began, 0, memory_order_relaxed);
}

/* Zeroed, 16-byte aligned, freed with the request. NULL when out of memory or above what plugins may take. */
void *request_alloc(struct request *r, size_t bytes);

/* Queue thread or already pinned: from now on other threads may run the request. It lets go of its view unless it needs it: what
 * waits for long must not keep other mounts alive. */
void request_pin(struct request *r);

#endif
