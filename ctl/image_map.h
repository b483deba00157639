/* SPDX-License-Identifier: Apache-2.0 */
/* A map from 64-bit keys to 64-bit values that grows up to a bound. Its order is of no use to who made the keys. */
#ifndef GRAFT_CTL_IMAGE_MAP_H
#define GRAFT_CTL_IMAGE_MAP_H

#include <stddef.h>
#include <stdint.h>

struct image_map_slot {
	uint64_t key, value; /* value 0: free */
};

/* Zeroed: an empty one. One thread. */
struct image_map {
	struct image_map_slot *slots;
	size_t room, n; /* room: a power of two, or 0 */
	uint64_t max;   /* entries; 0: no bound */
	uint64_t seed;
};

/*
 * The value of key, made as 0 where it was not there: the caller must make it another one then. NULL when out of
 * memory, or where the map is full. Valid until the next call.
 */
uint64_t *image_map_at(struct image_map *m, uint64_t key);
/* The value of key, or 0 where it is not there. */
uint64_t image_map_get(const struct image_map *m, uint64_t key);
void image_map_free(struct image_map *m);

#endif
