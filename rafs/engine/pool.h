/* SPDX-License-Identifier: Apache-2.0 */
/* The workers of all readers of the process: jobs by priority, and jobs for later. */
#ifndef GRAFT_RAFS_ENGINE_POOL_H
#define GRAFT_RAFS_ENGINE_POOL_H

#include "rafs/cache/plain_cache.h"
#include "rafs/codec/codec.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define POOL_THREADS_MAX 64
#define MAX_HELPERS      7                /* workers that join one fetch */
#define POOL_PLAIN_LIMIT (16 << 20)       /* bytes of decoded chunks kept for blobs without a cache folder */

/* Memory that goes back to the system when it is freed, whatever its size. */
struct buffer {
	unsigned char *bytes;
	size_t size;
};
/* Makes it at least size bytes; what was in it is lost. 0 or -ENOMEM. */
int buffer_reserve(struct buffer *b, size_t size);
void buffer_free(struct buffer *b);

/* A worker's own: no other thread touches it. */
struct worker {
	struct codec *codec;
	struct buffer plain, secret, raw; /* output of a unit; its decrypted bytes; what one unit reads for itself */
	struct buffer pages;              /* a chunk as it is written to an encrypted cache */
	struct pool *pool;
};

enum pool_urgency { POOL_DEMAND = 0, POOL_AHEAD = 1, POOL_PREFETCH = 2 };
#define POOL_QUEUES 3

/* A piece of work, the pusher's memory, zeroed at first. run may free it. */
struct job {
	void (*run)(struct job *job, struct worker *w);
	struct job *next, *prev; /* the pool's, like all below */
	uint64_t not_before;
	enum { JOB_IDLE = 0, JOB_WAITING = 1 } state;
	enum pool_urgency urgency;
};

struct pool;

/* The process's pool, counted, with at least `threads` workers (0: one for each processor, 2 to 16). NULL: no memory. */
struct pool *pool_get(uint32_t threads);
/* The last one ends the workers. No job may be waiting. Not on a worker. */
void pool_put(struct pool *p);
void pool_push(struct pool *p, struct job *job, enum pool_urgency urgency);
/* Not before ns nanoseconds from now, then as POOL_PREFETCH. */
void pool_push_later(struct pool *p, struct job *job, uint64_t ns);
/* A waiting job becomes POOL_DEMAND's first. One that runs, or was never pushed, stays as it is. */
void pool_promote(struct pool *p, struct job *job);
/* Takes a waiting job back: false if it is not waiting (any more). */
bool pool_cancel(struct pool *p, struct job *job);
/* True when a worker sleeps: helpers are worth calling. */
bool pool_has_idle(const struct pool *p);
struct plain_cache *pool_plain(struct pool *p);

#endif
