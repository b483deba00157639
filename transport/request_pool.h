/* SPDX-License-Identifier: Apache-2.0 */
/* Requests of one queue: a bounded pool that grows by slabs; last in, first out, so that few stay in cache. */
#ifndef GRAFT_TRANSPORT_REQUEST_POOL_H
#define GRAFT_TRANSPORT_REQUEST_POOL_H

#include "transport/transport.h"
#include "transport/vring.h"

#include <stdint.h>

#define REQUEST_POOL_SLAB 16 /* requests whose address space is taken at a time */
#define REQUEST_POOL_MAX 272 /* requests of one pool: more than may be in flight, see vhost_user_queue.h */
#define REQUEST_POOL_SLABS (REQUEST_POOL_MAX / REQUEST_POOL_SLAB)

/* What a queue keeps for a request. The lists of base point into iov. */
struct queue_request {
	struct transport_request base; /* first: the client's pointer is this one */
	struct queue_request *next;    /* free list, or list of completions */
	struct vring_chain chain;
	struct guest_memory *mem; /* held while pinned */
	bool pinned;
	struct iovec *iov; /* 2 * TRANSPORT_MAX_IOV, physical memory only where touched */
};

/* Owned by one thread. */
struct request_pool {
	const struct transport_client *client;
	struct transport_queue *queue;
	struct queue_request *free;
	size_t stride, slab_bytes;
	uint32_t nslabs, nmade; /* requests are made in the slabs' order when they are first taken */
	uint8_t *slabs[REQUEST_POOL_SLABS];
};

/* Takes the first slab. 0 or -ENOMEM. client is borrowed. */
int request_pool_init(struct request_pool *pool, const struct transport_client *client, struct transport_queue *queue);
/* All requests must have been given back. */
void request_pool_fini(struct request_pool *pool);
/* NULL: the bound is reached or memory is out; later it may be there again. */
struct queue_request *request_pool_take(struct request_pool *pool);
void request_pool_give(struct request_pool *pool, struct queue_request *req);

#endif
