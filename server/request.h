/* SPDX-License-Identifier: Apache-2.0 */
/* A client's request: what the decoder made of it, its way through the stack, its memory. In the transport's pool. */
#ifndef GRAFT_SERVER_REQUEST_H
#define GRAFT_SERVER_REQUEST_H

#include "server/arena.h"
#include "server/async.h"
#include "server/fuse/opcodes.h"
#include "server/session.h"
#include "server/stack.h"
#include "transport/transport.h"

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

/* Thread: the queue's until pinned, then whoever runs it, one at a time; session and async say themselves. */
struct request {
	/* The session it belongs to while in flight. Written by the owner; read by whoever wants to close a session. */
	_Atomic(struct session *) session;
	struct transport_request *transport;
	struct fuse_conn *conn;
	struct request *next, *prev;  /* in conn's list, protected by conn's lock */
	struct op_counters *counters; /* of its queue */
	const struct op_info *op;     /* never NULL once decoded; unknown opcodes have none */
	bool on_worker;               /* the stretch that runs now may block */
	uint32_t out_size;            /* bytes of the out struct in the reply */
	uint64_t alloc_left;          /* bytes plugins may still take */
	struct fuse_in_header header;
	struct stack_call call;
	_Alignas(16) struct request_head head;
	struct graft_req req;
	_Alignas(8) unsigned char in[OP_IN_MAX];
	_Alignas(8) unsigned char out[OP_OUT_MAX];
	struct stack_frame frames[STACK_FRAMES];
	struct async_state async;
	struct arena arena;
};

_Static_assert(offsetof(struct request, req) == offsetof(struct request, head) + sizeof(struct request_head),
	       "the head stands right before the request");

static inline struct request_head *request_head(struct graft_req *req)
{
	return (struct request_head *)req - 1;
}

/* Zeroed, 16-byte aligned, freed with the request. NULL when out of memory or above what plugins may take. */
void *request_alloc(struct request *r, size_t bytes);

/* Queue thread or already pinned: from now on other threads may run the request. */
void request_pin(struct request *r);

#endif
