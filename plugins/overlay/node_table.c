/* SPDX-License-Identifier: Apache-2.0 */
/* The table of a session's nodes: ids are index and generation, never pointers. */
#include "node_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_ROOM 64
#define GENERATION_MASK 0x7fffu

static uint64_t mix(uint64_t x)
{
	x ^= x >> 32;
	x *= 0x9e3779b97f4a7c15ull;
	return x ^ x >> 29;
}

uint32_t table_hash_upper(uint64_t ino)
{
	return (uint32_t)mix(ino);
}

/* FNV-1a, begun with the directory's id. */
uint32_t table_hash_name(const struct ov_node *parent, const char *name)
{
	uint64_t h = 0xcbf29ce484222325ull ^ mix(parent->id);

	for (const char *p = name; *p; p++)
		h = (h ^ (unsigned char)*p) * 0x100000001b3ull;
	return (uint32_t)mix(h);
}

struct ov_node *table_find_upper(const struct ov_nodes *t, uint64_t ino)
{
	uint32_t hash = table_hash_upper(ino);
	struct ov_node *n = t->buckets[hash & (t->nbuckets - 1)];

	while (n && !(n->hash == hash && ov_has_upper(n) && n->upper_ino == ino))
		n = n->next;
	return n;
}

struct ov_node *table_find_name(const struct ov_nodes *t, const struct ov_node *parent, const char *name)
{
	uint32_t hash = table_hash_name(parent, name);
	struct ov_node *n = t->buckets[hash & (t->nbuckets - 1)];

	while (n &&
	       !(n->hash == hash && !ov_has_upper(n) && n->parent == parent && n->name && strcmp(n->name, name) == 0))
		n = n->next;
	return n;
}

static struct ov_node **lower_bucket(const struct ov_nodes *t, uint64_t lower)
{
	return &t->lower_buckets[mix(lower) & (t->nbuckets - 1)];
}

struct ov_node *table_find_lower(const struct ov_nodes *t, uint64_t lower)
{
	struct ov_node *n = *lower_bucket(t, lower);

	while (n && n->lower != lower)
		n = n->next_lower;
	return n;
}

struct ov_node *table_find(const struct ov_nodes *t, uint64_t id)
{
	uint32_t index = (uint32_t)id;
	struct ov_node *n = index < t->nslots ? t->slots[index].node : NULL;

	return n && n->id == id ? n : NULL;
}

void table_link(struct ov_nodes *t, struct ov_node *n, uint32_t hash)
{
	struct ov_node **b = &t->buckets[hash & (t->nbuckets - 1)];

	n->hash = hash;
	n->next = *b;
	*b = n;
}

void table_unlink(struct ov_nodes *t, struct ov_node *n)
{
	struct ov_node **p = &t->buckets[n->hash & (t->nbuckets - 1)];

	while (*p && *p != n)
		p = &(*p)->next;
	if (*p)
		*p = n->next;
}

void table_link_lower(struct ov_nodes *t, struct ov_node *n)
{
	struct ov_node **b = lower_bucket(t, n->lower);

	n->next_lower = *b;
	*b = n;
}

void table_unlink_lower(struct ov_nodes *t, struct ov_node *n)
{
	struct ov_node **p = lower_bucket(t, n->lower);

	while (*p && *p != n)
		p = &(*p)->next_lower;
	if (*p)
		*p = n->next_lower;
}

/* Where it fails, chains are longer. */
static void grow_buckets(struct ov_nodes *t)
{
	uint32_t n = t->nbuckets * 2;
	struct ov_node **all = calloc(n, sizeof(struct ov_node *)), **below = calloc(n, sizeof(struct ov_node *));

	if (!all || !below) {
		free(all);
		free(below);
		return;
	}
	free(t->buckets);
	free(t->lower_buckets);
	t->buckets = all;
	t->lower_buckets = below;
	t->nbuckets = n;
	for (uint32_t i = 0; i < t->nslots; i++) {
		struct ov_node *node = t->slots[i].node;
		if (!node)
			continue;
		if (!node->gone || ov_has_upper(node))
			table_link(t, node, node->hash);
		if (node->lower && S_ISDIR(node->type))
			table_link_lower(t, node);
	}
}

static int grow_slots(struct ov_nodes *t)
{
	uint32_t room = t->room ? t->room * 2 : FIRST_ROOM;
	struct ov_slot *slots;

	if (t->room >= OV_NODES_MAX)
		return -ENFILE;
	slots = realloc(t->slots, room * sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	memset(slots + t->room, 0, (room - t->room) * sizeof(*slots));
	t->slots = slots;
	t->room = room;
	return 0;
}

int table_add(struct ov_nodes *t, struct ov_node *n)
{
	uint32_t index = t->free ? t->free - 1 : t->nslots;

	if (t->free) {
		t->free = t->slots[index].next_free;
	} else {
		int res = t->nslots < t->room ? 0 : grow_slots(t);
		if (res < 0)
			return res;
		t->nslots++;
		if (t->nslots > t->nbuckets)
			grow_buckets(t);
	}
	t->slots[index].node = n;
	/* Never 1, the root's: the first two indexes begin with another generation. */
	n->id = (uint64_t)(t->slots[index].generation + 1) << 32 | index;
	return 0;
}

void table_remove(struct ov_nodes *t, const struct ov_node *n)
{
	uint32_t index = (uint32_t)n->id;
	struct ov_slot *slot = &t->slots[index];

	slot->node = NULL;
	slot->generation = (slot->generation + 1) & GENERATION_MASK;
	slot->next_free = t->free;
	t->free = index + 1;
}

void table_dead(struct ov_nodes *t, uint64_t lower, uint64_t count)
{
	if (t->ndead == t->dead_room) {
		uint32_t room = t->dead_room ? t->dead_room * 2 : FIRST_ROOM;
		struct fuse_forget_one *dead = realloc(t->dead, room * sizeof(*dead));
		if (!dead)
			return;
		t->dead = dead;
		t->dead_room = room;
	}
	t->dead[t->ndead++] = (struct fuse_forget_one){ .nodeid = lower, .nlookup = count };
}
