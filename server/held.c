/* SPDX-License-Identifier: Apache-2.0 */
/* A hash table of 8 bytes a node: 48 bits are its number, 16 the count. Linear probing, without marks of what went. */
#include "server/held.h"

#include "lib/cleanup.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define NODE_BITS 48
#define NODE_MASK (((uint64_t)1 << NODE_BITS) - 1)
#define ONE ((uint64_t)1 << NODE_BITS)
#define LEAST 16 /* places of a shard that has any */

struct shard {
	_Alignas(64) pthread_mutex_t lock;
	/* protected by lock */
	uint64_t *places; /* 0: free */
	uint32_t size, n; /* size is 0 or a power of two; at least a quarter is free */
};

struct held {
	struct shard shards[HELD_SHARDS];
};

static uint64_t hash_of(uint64_t node)
{
	return node * 0x9e3779b97f4a7c15ull;
}

static struct shard *shard_of(struct held *h, uint64_t node)
{
	return &h->shards[hash_of(node) >> 60];
}

/* Where a node would stand if nobody stood there. The shard's own bits are not looked at again. */
static uint32_t home_of(const struct shard *s, uint64_t node)
{
	return (uint32_t)(hash_of(node) >> 28) & (s->size - 1);
}

struct held *held_new(void)
{
	struct held *h = aligned_alloc(_Alignof(struct held), sizeof(*h));

	if (!h)
		return NULL;
	memset(h, 0, sizeof(*h));
	for (uint32_t i = 0; i < HELD_SHARDS; i++)
		pthread_mutex_init(&h->shards[i].lock, NULL);
	return h;
}

void held_free(struct held *h)
{
	if (!h)
		return;
	for (uint32_t i = 0; i < HELD_SHARDS; i++) {
		pthread_mutex_destroy(&h->shards[i].lock);
		free(h->shards[i].places);
	}
	free(h);
}

/* lock held, size not 0. Where the node stands, or the free place where it would. */
static uint32_t find(const struct shard *s, uint64_t node)
{
	uint32_t at = home_of(s, node);

	while (s->places[at] && (s->places[at] & NODE_MASK) != node)
		at = (at + 1) & (s->size - 1);
	return at;
}

/* lock held. False: as it was. */
static bool resize(struct shard *s, uint32_t size)
{
	uint64_t *places = calloc(size, sizeof(*places)), *old = s->places;
	uint32_t n = s->size;

	if (!places)
		return false;
	s->places = places;
	s->size = size;
	for (uint32_t i = 0; i < n; i++) {
		if (old[i])
			places[find(s, old[i] & NODE_MASK)] = old[i];
	}
	free(old);
	return true;
}

/* lock held: room for one more. */
static bool make_room(struct shard *s)
{
	if (s->n < s->size / 4 * 3)
		return true;
	return s->size < HELD_SHARD_MAX && resize(s, s->size ? s->size * 2 : LEAST);
}

void held_give(struct held *h, uint64_t node)
{
	struct shard *s = shard_of(h, node);

	LOCK_SCOPE(&s->lock);
	uint32_t at = s->size ? find(s, node) : 0;
	if (s->size && s->places[at]) {
		if (s->places[at] >> NODE_BITS < HELD_COUNT_MAX)
			s->places[at] += ONE;
		return;
	}
	if (!make_room(s))
		return;
	s->places[find(s, node)] = ONE | node;
	s->n++;
}

/* lock held. What stands behind the place and could not be found over a gap moves up. */
static void drop(struct shard *s, uint32_t at)
{
	uint32_t gap = at;

	for (;;) {
		at = (at + 1) & (s->size - 1);
		if (!s->places[at])
			break;
		uint32_t home = home_of(s, s->places[at] & NODE_MASK);
		if (((at - home) & (s->size - 1)) < ((at - gap) & (s->size - 1)))
			continue;
		s->places[gap] = s->places[at];
		gap = at;
	}
	s->places[gap] = 0;
	s->n--;
	/* Memory goes back too; where there is none for that, the next time. */
	if (s->size > LEAST && s->n < s->size / 8)
		resize(s, s->size / 2);
}

void held_take(struct held *h, uint64_t node, uint64_t n)
{
	struct shard *s = shard_of(h, node);

	LOCK_SCOPE(&s->lock);
	uint32_t at = s->size ? find(s, node) : 0;
	if (!s->size || !s->places[at])
		return;
	uint64_t count = s->places[at] >> NODE_BITS;
	if (n >= count)
		drop(s, at);
	else if (count < HELD_COUNT_MAX)
		s->places[at] -= n * ONE;
}

/* A copy of what a shard has; *n nodes. NULL where it has none, or (*n) without memory. */
static uint64_t *copy(struct shard *s, uint32_t *n)
{
	LOCK_SCOPE(&s->lock);
	*n = s->n;
	uint64_t *nodes = s->n ? reallocarray(NULL, s->n, sizeof(*nodes)) : NULL;
	if (!nodes)
		return NULL;
	uint32_t k = 0;
	for (uint32_t i = 0; i < s->size; i++) {
		if (s->places[i])
			nodes[k++] = s->places[i] & NODE_MASK;
	}
	return nodes;
}

bool held_each(struct held *h, void (*fn)(void *arg, uint64_t node), void *arg)
{
	bool whole = true;

	for (uint32_t i = 0; i < HELD_SHARDS; i++) {
		uint32_t n;
		auto_free uint64_t *nodes = copy(&h->shards[i], &n);

		if (!nodes)
			whole = whole && !n;
		for (uint32_t k = 0; nodes && k < n; k++)
			fn(arg, nodes[k]);
	}
	return whole;
}

size_t held_count(struct held *h, size_t *bytes)
{
	size_t n = 0;

	*bytes = sizeof(*h);
	for (uint32_t i = 0; i < HELD_SHARDS; i++) {
		LOCK_SCOPE(&h->shards[i].lock);
		n += h->shards[i].n;
		*bytes += h->shards[i].size * sizeof(uint64_t);
	}
	return n;
}
