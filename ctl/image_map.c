/* SPDX-License-Identifier: Apache-2.0 */
/* A map from 64-bit keys to 64-bit values, by open addressing. */
#include "ctl/image_map.h"

#include <stdlib.h>
#include <sys/random.h>

#define ROOM_MIN 1024

/* Keyed, so that no image can choose keys that all meet in one place. */
static size_t place(const struct image_map *m, uint64_t key)
{
	uint64_t x = key ^ m->seed;
	x = (x ^ (x >> 32)) * UINT64_C(0xd6e8feb86659fd93);
	x = (x ^ (x >> 32) ^ (m->seed >> 7)) * UINT64_C(0xd6e8feb86659fd93);
	return (size_t)(x ^ (x >> 32)) & (m->room - 1);
}

static struct image_map_slot *find(const struct image_map *m, uint64_t key)
{
	size_t i = place(m, key);
	while (m->slots[i].value != 0 && m->slots[i].key != key)
		i = (i + 1) & (m->room - 1);
	return &m->slots[i];
}

static int grow(struct image_map *m)
{
	struct image_map bigger = { .room = m->room > 0 ? m->room * 2 : ROOM_MIN, .seed = m->seed };
	if (m->room == 0 && getrandom(&bigger.seed, sizeof(bigger.seed), 0) != (ssize_t)sizeof(bigger.seed))
		bigger.seed = (uint64_t)(uintptr_t)m;
	bigger.slots = calloc(bigger.room, sizeof(*bigger.slots));
	if (!bigger.slots)
		return -1;
	for (size_t i = 0; i < m->room; i++) {
		if (m->slots[i].value != 0)
			*find(&bigger, m->slots[i].key) = m->slots[i];
	}
	free(m->slots);
	m->slots = bigger.slots;
	m->room = bigger.room;
	m->seed = bigger.seed;
	return 0;
}

uint64_t *image_map_at(struct image_map *m, uint64_t key)
{
	/* A quarter stays free. */
	if (m->n >= m->room / 4 * 3 && grow(m) != 0)
		return NULL;
	struct image_map_slot *slot = find(m, key);
	if (slot->value != 0)
		return &slot->value;
	if (m->max > 0 && m->n >= m->max)
		return NULL;
	slot->key = key;
	m->n++;
	return &slot->value;
}

uint64_t image_map_get(const struct image_map *m, uint64_t key)
{
	return m->room > 0 ? find(m, key)->value : 0;
}

void image_map_free(struct image_map *m)
{
	free(m->slots);
	*m = (struct image_map){ 0 };
}
