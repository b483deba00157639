/* SPDX-License-Identifier: Apache-2.0 */
/* Decoded pieces in memory: a fixed table that is searched from end to end, which costs nothing beside decoding one. */
#include "rafs/cache/plain_cache.h"

#include "lib/cleanup.h"
#include "rafs/chunk.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#define SLOTS 256

/* A piece with its count. */
struct piece {
	_Atomic uint32_t refs;
	struct plain plain; /* last: its bytes follow */
};

struct slot {
	const void *owner;
	uint64_t key;
	struct plain *plain; /* counted; NULL: free */
	uint64_t used;       /* by the cache's clock */
};

struct plain_cache {
	size_t limit; /* constant */
	/* protected by lock */
	pthread_mutex_t lock;
	size_t bytes;
	uint64_t clock;
	struct slot slots[SLOTS];
};

/* Pieces that lost their place, to be given back after the lock. */
struct victims {
	struct plain *plain[SLOTS];
	size_t n;
};

static struct piece *piece_of(struct plain *p)
{
	return (struct piece *)(void *)((char *)p - offsetof(struct piece, plain));
}

struct plain *plain_new(size_t len)
{
	struct piece *p;

	if (len > RAFS_CHUNK_MAX)
		return NULL;
	p = malloc(sizeof(*p) + len);
	if (!p)
		return NULL;
	atomic_init(&p->refs, 1);
	p->plain.len = len;
	return &p->plain;
}

static struct plain *plain_ref(struct plain *p)
{
	atomic_fetch_add_explicit(&piece_of(p)->refs, 1, memory_order_relaxed);
	return p;
}

void plain_put(struct plain *p)
{
	/* Release and acquire: whoever frees it comes after all who used it. */
	if (p && atomic_fetch_sub_explicit(&piece_of(p)->refs, 1, memory_order_acq_rel) == 1)
		free(piece_of(p));
}

struct plain_cache *plain_cache_new(size_t limit)
{
	struct plain_cache *c = calloc(1, sizeof(*c));

	if (c) {
		c->limit = limit;
		pthread_mutex_init(&c->lock, NULL);
	}
	return c;
}

void plain_cache_free(struct plain_cache *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < SLOTS; i++)
		plain_put(c->slots[i].plain);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

static struct slot *find(struct plain_cache *c, const void *owner, uint64_t key)
{
	for (size_t i = 0; i < SLOTS; i++) {
		struct slot *s = &c->slots[i];

		if (s->plain && s->key == key && s->owner == owner)
			return s;
	}
	return NULL;
}

struct plain *plain_cache_get(struct plain_cache *c, const void *owner, uint64_t key)
{
	struct slot *s;

	LOCK_SCOPE(&c->lock);
	s = find(c, owner, key);
	if (!s)
		return NULL;
	s->used = ++c->clock;
	return plain_ref(s->plain);
}

static void evict(struct plain_cache *c, struct slot *s, struct victims *v)
{
	c->bytes -= s->plain->len;
	v->plain[v->n++] = steal_ptr(s->plain);
}

/* A free slot, and room for len bytes, from those that were used longest ago. len <= limit. */
static struct slot *make_room(struct plain_cache *c, size_t len, struct victims *v)
{
	for (;;) {
		struct slot *oldest = NULL, *empty = NULL;

		for (size_t i = 0; i < SLOTS; i++) {
			struct slot *s = &c->slots[i];

			if (!s->plain)
				empty = s;
			else if (!oldest || s->used < oldest->used)
				oldest = s;
		}
		if (empty && len <= c->limit - c->bytes)
			return empty;
		evict(c, oldest, v);
	}
}

static void victims_put(struct victims *v)
{
	for (size_t i = 0; i < v->n; i++)
		plain_put(v->plain[i]);
}

void plain_cache_put(struct plain_cache *c, const void *owner, uint64_t key, struct plain *p)
{
	struct victims v;

	if (p->len > c->limit)
		return;
	v.n = 0;
	pthread_mutex_lock(&c->lock);
	if (!find(c, owner, key)) {
		*make_room(c, p->len, &v) =
			(struct slot){ .owner = owner, .key = key, .plain = plain_ref(p), .used = ++c->clock };
		c->bytes += p->len;
	}
	pthread_mutex_unlock(&c->lock);
	victims_put(&v);
}

void plain_cache_drop(struct plain_cache *c, const void *owner)
{
	struct victims v;

	v.n = 0;
	pthread_mutex_lock(&c->lock);
	for (size_t i = 0; i < SLOTS; i++) {
		if (c->slots[i].plain && c->slots[i].owner == owner)
			evict(c, &c->slots[i], &v);
	}
	pthread_mutex_unlock(&c->lock);
	victims_put(&v);
}
