/* SPDX-License-Identifier: Apache-2.0 */
/* The node table: sharded hash by inode, pinning by id, look-up counts. */
#include "node_table.h"

#include "fd_budget.h"
#include "lib/cleanup.h"
#include "mount_fds.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#define SHARD_MIN    64   /* buckets */
#define SHARD_MAPPED 2048 /* from here on an array of buckets has pages of its own */
#define ROOT_INDEX   1    /* item 0 stays unused, so that 0 can end a chain */

struct node_key node_key(const struct statx *stx)
{
	return (struct node_key){
		.ino = stx->stx_ino,
		.dev_major = stx->stx_dev_major,
		.dev_minor = stx->stx_dev_minor,
		.mount = stx->stx_mask & STATX_MNT_ID ? (uint32_t)stx->stx_mnt_id : 0,
	};
}

/* The finalizer of MurmurHash3 (public domain) over a mix that only this session knows. */
static uint64_t hash(const struct node_table *t, const struct node_key *k)
{
	uint64_t h = k->ino * UINT64_C(0x9e3779b97f4a7c15) + t->seed;

	h ^= ((uint64_t)k->dev_major << 32 | k->dev_minor) * UINT64_C(0xc2b2ae3d27d4eb4f);
	h ^= k->mount * UINT64_C(0x165667b19e3779f9);
	h = (h ^ (h >> 33)) * UINT64_C(0xff51afd7ed558ccd);
	h = (h ^ (h >> 33)) * UINT64_C(0xc4ceb9fe1a85ec53);
	return h ^ (h >> 33);
}

static struct node_shard *shard_of(struct node_table *t, uint64_t h)
{
	return &t->shards[h >> 58];
}

static struct node_key key_of(const struct node *n)
{
	return (struct node_key){
		.ino = n->ino,
		.dev_major = n->dev_major,
		.dev_minor = n->dev_minor,
		.mount = n->mount,
	};
}

static bool key_equal(const struct node *n, const struct node_key *k)
{
	return n->ino == k->ino && n->dev_minor == k->dev_minor && n->dev_major == k->dev_major && n->mount == k->mount;
}

bool node_handle(const struct node_table *t, const struct node *n, struct fhandle *h)
{
	/* Pairs with the release store in node_handle_set. */
	uint8_t len = atomic_load_explicit(&n->hlen, memory_order_acquire);

	if (len == NODE_OUTSIDE) {
		const struct fhandle *kept = slab_at(&t->outside, n->handle.outside);

		h->len = kept->len;
		h->type = kept->type;
		memcpy(h->bytes, kept->bytes, kept->len);
		return true;
	}
	h->len = len;
	h->type = n->htype;
	memcpy(h->bytes, n->handle.bytes, len);
	return len != 0;
}

int node_handle_set(struct node_table *t, struct node *n, const struct fhandle *h)
{
	uint8_t len = NODE_OUTSIDE;

	if (h->len <= NODE_INLINE && h->type >= 0 && h->type <= UINT16_MAX) {
		n->htype = (uint16_t)h->type;
		memcpy(n->handle.bytes, h->bytes, h->len);
		len = (uint8_t)h->len;
	} else {
		uint32_t index = slab_alloc(&t->outside);
		struct fhandle *kept;

		if (index == SLAB_NONE)
			return -ENOMEM;
		kept = slab_at(&t->outside, index);
		kept->len = h->len;
		kept->type = h->type;
		memcpy(kept->bytes, h->bytes, h->len);
		n->handle.outside = index;
	}
	/* Pairs with the acquire load in node_handle. */
	atomic_store_explicit(&n->hlen, len, memory_order_release);
	return 0;
}

/* Whether n, of the right key, is what q means. NODE_COMPARE: cannot be told. */
static enum node_found same(const struct node_table *t, const struct node *n, const struct node_query *q)
{
	struct fhandle h;

	if (n->type != q->type >> 12)
		return NODE_ABSENT;
	/* Acquire: who sees the descriptor sees since when it is open (node_fd_give in node.c). */
	if (node_word_fd(atomic_load_explicit(&n->word, memory_order_acquire)) >= 0 &&
	    atomic_load_explicit(&n->since, memory_order_relaxed) <= q->start)
		return NODE_FOUND;
	if (!q->h)
		return NODE_COMPARE;
	if (!node_handle(t, n, &h))
		return NODE_COMPARE;
	return fhandle_equal(&h, q->h) ? NODE_FOUND : NODE_ABSENT;
}

static bool lookups_raise(struct node *n)
{
	uint64_t seen = atomic_load_explicit(&n->lookups, memory_order_relaxed);

	do {
		if (!seen)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(&n->lookups, &seen, seen + 1, memory_order_relaxed,
							memory_order_relaxed));
	return true;
}

/* With the shard's lock. */
static enum node_found find(struct node_table *t, struct node_shard *shard, uint64_t h, const struct node_query *q,
			    uint64_t *id)
{
	enum node_found res = NODE_ABSENT;
	uint32_t index = shard->size ? shard->buckets[h & (shard->size - 1)] : 0;

	while (index) {
		struct node *n = slab_at(&t->nodes, index);
		enum node_found one = key_equal(n, &q->key) ? same(t, n, q) : NODE_ABSENT;

		if (one == NODE_FOUND && lookups_raise(n)) {
			uint64_t word = atomic_load_explicit(&n->word, memory_order_relaxed);

			*id = (word & NODE_GENERATION) << 32 | t->band | index;
			atomic_store_explicit(&n->used, 1, memory_order_relaxed);
			return NODE_FOUND;
		}
		if (one == NODE_COMPARE)
			res = NODE_COMPARE;
		index = n->next;
	}
	return res;
}

enum node_found node_find(struct node_table *t, const struct node_query *q, uint64_t *id)
{
	uint64_t h = hash(t, &q->key);
	struct node_shard *shard = shard_of(t, h);

	LOCK_SCOPE(&shard->lock);
	return find(t, shard, h, q, id);
}

/* Large arrays are mapped: their memory goes back at once when a guest drops its caches. NULL: out of memory. */
static uint32_t *buckets_new(uint32_t size)
{
	void *buckets;

	if (size < SHARD_MAPPED)
		return calloc(size, sizeof(uint32_t));
	buckets = mmap(NULL, size * sizeof(uint32_t), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return buckets == MAP_FAILED ? NULL : buckets;
}

static void buckets_free(struct node_shard *shard)
{
	if (shard->size < SHARD_MAPPED)
		free(shard->buckets);
	else
		munmap(shard->buckets, shard->size * sizeof(uint32_t));
}

/* With the shard's lock. On want of memory the chains stay as they are. */
static void resize(struct node_table *t, struct node_shard *shard, uint32_t size)
{
	uint32_t *buckets = buckets_new(size);

	if (!buckets)
		return;
	for (uint32_t i = 0; i < shard->size; i++) {
		uint32_t index = shard->buckets[i];

		while (index) {
			struct node *n = slab_at(&t->nodes, index);
			struct node_key k = key_of(n);
			uint32_t *bucket = &buckets[hash(t, &k) & (size - 1)];
			uint32_t next = n->next;

			n->next = *bucket;
			*bucket = index;
			index = next;
		}
	}
	buckets_free(shard);
	shard->buckets = buckets;
	shard->size = size;
}

static uint64_t next_generation(struct node_table *t)
{
	uint64_t g;

	do
		g = (atomic_fetch_add_explicit(&t->generation, 1, memory_order_relaxed) + 1) & NODE_GENERATION;
	while (!g);
	return g;
}

enum node_found node_publish(struct node_table *t, struct node *n, uint64_t own, int fd, const struct node_query *q,
			     uint64_t *id)
{
	uint64_t h = hash(t, &q->key);
	struct node_shard *shard = shard_of(t, h);
	uint32_t index = (uint32_t)own & NODE_INDEX_MASK;
	enum node_found res;

	LOCK_SCOPE(&shard->lock);
	res = find(t, shard, h, q, id);
	if (res != NODE_ABSENT)
		return res;
	if (shard->count >= shard->size && shard->size < SLAB_MAX)
		resize(t, shard, shard->size ? shard->size * 2 : SHARD_MIN);
	if (!shard->size)
		return NODE_ABSENT;
	*id = own;
	n->next = shard->buckets[h & (shard->size - 1)];
	shard->buckets[h & (shard->size - 1)] = index;
	shard->count++;
	/* Pairs with the acquire in node_pin. */
	atomic_store_explicit(&n->word, own >> 32 | (uint64_t)(fd + 1) << NODE_FD_SHIFT, memory_order_release);
	return NODE_FOUND;
}

/* Takes a node whose count reached 0 out of the hash and marks it, so that its last user frees it. */
static void unlink_node(struct node_table *t, struct node *n)
{
	struct node_key k = key_of(n);
	uint64_t h = hash(t, &k);
	struct node_shard *shard = shard_of(t, h);
	uint32_t index = slab_index(&t->nodes, n);

	pthread_mutex_lock(&shard->lock);
	uint32_t *link = &shard->buckets[h & (shard->size - 1)];
	while (*link != index)
		link = &((struct node *)slab_at(&t->nodes, *link))->next;
	*link = n->next;
	if (--shard->count < shard->size / 8 && shard->size > SHARD_MIN)
		resize(t, shard, shard->size / 2);
	pthread_mutex_unlock(&shard->lock);
	atomic_fetch_and_explicit(&n->word, ~NODE_GENERATION, memory_order_relaxed);
}

struct node *node_pin(struct node_table *t, uint64_t id, uint64_t *word)
{
	uint64_t generation = id >> 32;
	struct node *n = slab_at(&t->nodes, (uint32_t)id ^ t->band);
	uint64_t seen;

	if (!n || !generation)
		return NULL;
	seen = atomic_load_explicit(&n->word, memory_order_relaxed);
	do {
		/* Nothing may be written unless the node is the one meant: its memory may have been given back. */
		if ((seen & NODE_GENERATION) != generation || seen >= UINT64_MAX - NODE_USER)
			return NULL;
		/* Acquire pairs with the release stores of word. */
	} while (!atomic_compare_exchange_weak_explicit(&n->word, &seen, seen + NODE_USER, memory_order_acquire,
							memory_order_relaxed));
	*word = seen;
	return n;
}

void node_unpin(struct node_table *t, struct node *n)
{
	/* Release: this user's reads come before the node's end; acquire: the one who ends it comes after all users. */
	uint64_t was = atomic_fetch_sub_explicit(&n->word, NODE_USER, memory_order_acq_rel);

	if (!(was & NODE_GENERATION) && was < 2 * NODE_USER)
		node_release(t, n);
}

static struct node *alloc(struct node_table *t, uint64_t *id)
{
	uint32_t index = slab_alloc(&t->nodes);
	struct node *n;

	if (index == SLAB_NONE)
		return NULL;
	n = slab_at(&t->nodes, index);
	/* word is 0 already, and a stale id may be looking at it. */
	atomic_store_explicit(&n->lookups, 1, memory_order_relaxed);
	atomic_store_explicit(&n->since, 0, memory_order_relaxed);
	atomic_store_explicit(&n->used, 0, memory_order_relaxed);
	atomic_store_explicit(&n->known, 1, memory_order_relaxed);
	atomic_store_explicit(&n->busy, false, memory_order_relaxed);
	atomic_store_explicit(&n->hlen, 0, memory_order_relaxed);
	n->counted = false;
	n->stays = false;
	n->htype = 0;
	n->next = 0;
	atomic_fetch_add_explicit(&t->inst->count.nodes, 1, memory_order_relaxed);
	*id = next_generation(t) << 32 | t->band | index;
	return n;
}

static void unclaim(const struct node_table *t)
{
	if (t->bounded)
		t->inst->host->unclaim(t->session, GRAFT_CLAIM_NODE, 1);
}

/* The root is not counted: it is there whether the client knows it or not. */
struct node *node_alloc(struct node_table *t, uint64_t *id)
{
	if (t->bounded && t->inst->host->claim(t->session, GRAFT_CLAIM_NODE))
		return NULL;
	struct node *n = alloc(t, id);
	if (!n)
		unclaim(t);
	return n;
}

void node_release(struct node_table *t, struct node *n)
{
	int fd = node_word_fd(atomic_load_explicit(&n->word, memory_order_relaxed));

	if (fd >= 0)
		fd_budget_node_close(t->inst, fd);
	if (atomic_load_explicit(&n->hlen, memory_order_relaxed) == NODE_OUTSIDE)
		slab_free(&t->outside, n->handle.outside);
	if (n->counted)
		mount_fds_put(t->inst->mounts, n->mount);
	atomic_store_explicit(&n->word, 0, memory_order_relaxed);
	atomic_fetch_sub_explicit(&t->inst->count.nodes, 1, memory_order_relaxed);
	unclaim(t);
	slab_free(&t->nodes, slab_index(&t->nodes, n));
}

void pt_forget(struct pt_session *s, uint64_t id, uint64_t n)
{
	struct node_table *t = s->nodes;
	uint64_t word, seen, left;
	struct node *node;

	if (id == GRAFT_ROOT_NODE || !n)
		return;
	node = node_pin(t, id, &word);
	if (!node)
		return;
	seen = atomic_load_explicit(&node->lookups, memory_order_relaxed);
	do {
		left = seen > n ? seen - n : 0;
	} while (seen && !atomic_compare_exchange_weak_explicit(&node->lookups, &seen, left, memory_order_relaxed,
								memory_order_relaxed));
	if (seen && !left)
		unlink_node(t, node);
	node_unpin(t, node);
}

/* The root is no node like others: id 1, generation 0, the instance's own descriptor, and never forgotten. */
static int add_root(struct node_table *t)
{
	struct statx stx;
	struct node *n;
	uint64_t h, id;

	if (statx(t->inst->root_fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_MNT_ID, &stx) < 0)
		return -errno;
	if (slab_alloc(&t->nodes) != 0)
		return -ENOMEM;
	n = t->root = alloc(t, &id);
	if (!n || ((uint32_t)id & NODE_INDEX_MASK) != ROOT_INDEX)
		return -ENOMEM;
	struct node_key k = node_key(&stx);
	n->ino = k.ino;
	n->dev_major = k.dev_major;
	n->dev_minor = k.dev_minor;
	n->mount = k.mount;
	n->type = S_IFDIR >> 12;
	atomic_store_explicit(&n->word, NODE_USER | (uint64_t)(t->inst->root_fd + 1) << NODE_FD_SHIFT,
			      memory_order_relaxed);
	h = hash(t, &k);
	resize(t, shard_of(t, h), SHARD_MIN);
	if (!shard_of(t, h)->size)
		return -ENOMEM;
	shard_of(t, h)->buckets[h & (SHARD_MIN - 1)] = ROOT_INDEX;
	shard_of(t, h)->count = 1;
	return 0;
}

static void drop_table(struct pt_session *s)
{
	struct node_table *t = s->nodes;

	if (t->root)
		atomic_fetch_sub_explicit(&t->inst->count.nodes, 1, memory_order_relaxed);
	for (size_t i = 0; i < NODE_SHARDS; i++) {
		buckets_free(&t->shards[i]);
		pthread_mutex_destroy(&t->shards[i].lock);
	}
	slab_fini(&t->nodes);
	slab_fini(&t->outside);
	free(t);
	s->nodes = NULL;
}

int node_table_new(struct pt_session *s)
{
	uint32_t max = (uint32_t)s->inst->set->max_nodes + 2; /* the root, and item 0 */
	struct node_table *t = aligned_alloc(64, sizeof(*t));
	int res;

	if (!t)
		return -ENOMEM;
	memset(t, 0, sizeof(*t));
	t->inst = s->inst;
	t->session = s->session;
	t->band = s->session->life % NODE_BANDS << NODE_BAND_SHIFT;
	t->bounded = s->session->max_nodes;
	s->nodes = t;
	for (size_t i = 0; i < NODE_SHARDS; i++)
		pthread_mutex_init(&t->shards[i].lock, NULL);
	if (getrandom(&t->seed, sizeof(t->seed), 0) < 0)
		t->seed = (uintptr_t)t;
	res = slab_init(&t->nodes, sizeof(struct node), max);
	if (!res)
		res = slab_init(&t->outside, sizeof(struct fhandle), max);
	if (!res)
		res = add_root(t);
	if (!res)
		res = fd_budget_join(s->inst->budget, t);
	if (res < 0)
		drop_table(s);
	return res;
}

void node_table_free(struct pt_session *s)
{
	struct node_table *t = s->nodes;

	if (!t)
		return;
	/* Other sessions look for descriptors to take here; after this none does. */
	fd_budget_leave(t->inst->budget, t);
	for (uint32_t i = slab_next(&t->nodes, ROOT_INDEX + 1); i != SLAB_NONE; i = slab_next(&t->nodes, i + 1))
		node_release(t, slab_at(&t->nodes, i));
	drop_table(s);
}
