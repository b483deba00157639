/* SPDX-License-Identifier: Apache-2.0 */
/* Requests of one queue. */
#include "transport/request_pool.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#define CACHE_LINE 64
#define IOV_BYTES (2 * TRANSPORT_MAX_IOV * sizeof(struct iovec))

static size_t line_up(size_t bytes)
{
	return (bytes + CACHE_LINE - 1) & ~(size_t)(CACHE_LINE - 1);
}

static struct queue_request *nth(const struct request_pool *pool, uint32_t n)
{
	return (struct queue_request *)(void *)(pool->slabs[n / REQUEST_POOL_SLAB] + n % REQUEST_POOL_SLAB * pool->stride);
}

/* Address space for the longest lists is taken at once; pages come when a request is made, and when one is that long. */
static int slab_add(struct request_pool *pool)
{
	uint8_t *slab;

	if (pool->nslabs == REQUEST_POOL_SLABS)
		return -ENOMEM;
	slab = mmap(NULL, pool->slab_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (slab == MAP_FAILED)
		return -ENOMEM;
	pool->slabs[pool->nslabs++] = slab;
	return 0;
}

static struct queue_request *make(struct request_pool *pool)
{
	size_t priv = line_up(sizeof(struct queue_request));
	size_t iov = priv + line_up(pool->client->request_size);
	struct queue_request *req;

	if (pool->nmade == pool->nslabs * REQUEST_POOL_SLAB && slab_add(pool) < 0)
		return NULL;
	req = nth(pool, pool->nmade++);
	req->base.queue = pool->queue;
	req->base.priv = (uint8_t *)req + priv;
	req->iov = (struct iovec *)(void *)((uint8_t *)req + iov);
	if (pool->client->request_init)
		pool->client->request_init(req->base.priv);
	return req;
}

int request_pool_init(struct request_pool *pool, const struct transport_client *client, struct transport_queue *queue)
{
	memset(pool, 0, sizeof(*pool));
	pool->client = client;
	pool->queue = queue;
	pool->stride = line_up(sizeof(struct queue_request)) + line_up(client->request_size) + IOV_BYTES;
	/* An odd number of lines: the heads of all requests spread over the cache's sets. */
	if (pool->stride / CACHE_LINE % 2 == 0)
		pool->stride += CACHE_LINE;
	pool->slab_bytes = pool->stride * REQUEST_POOL_SLAB;
	return slab_add(pool);
}

void request_pool_fini(struct request_pool *pool)
{
	uint32_t i;

	for (i = 0; pool->client->request_fini && i < pool->nmade; i++)
		pool->client->request_fini(nth(pool, i)->base.priv);
	for (i = 0; i < pool->nslabs; i++)
		munmap(pool->slabs[i], pool->slab_bytes);
	pool->nslabs = pool->nmade = 0;
	pool->free = NULL;
}

struct queue_request *request_pool_take(struct request_pool *pool)
{
	struct queue_request *req = pool->free;

	if (!req)
		return make(pool);
	pool->free = req->next;
	return req;
}

void request_pool_give(struct request_pool *pool, struct queue_request *req)
{
	req->next = pool->free;
	pool->free = req;
}
