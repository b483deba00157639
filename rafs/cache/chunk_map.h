/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of a chunk map (reference 4): a header, and a bit for each chunk, the highest of a byte first. */
#ifndef GRAFT_RAFS_CACHE_CHUNK_MAP_H
#define GRAFT_RAFS_CACHE_CHUNK_MAP_H

#include <stdbool.h>
#include <stdint.h>

#define CHUNK_MAP_HEADER 4096 /* bytes */

/* Bytes of a map of that many chunks. */
uint64_t chunk_map_size(uint32_t chunks);
/* CHUNK_MAP_HEADER bytes each. ok: of version 1, and nothing in it that we do not know. */
void chunk_map_header_make(unsigned char *header);
bool chunk_map_header_ok(const unsigned char *header);

/*
 * map: all of it, perhaps shared with other processes. i: less than the chunks it was made for. Any thread.
 * ready: acquire, pairs with the release of set.
 */
bool chunk_map_ready(const unsigned char *map, uint32_t i);
void chunk_map_set(unsigned char *map, uint32_t i);
/* Also takes back "all are ready" from the header, which nydusd would believe before the bits. */
void chunk_map_clear(unsigned char *map, uint32_t i);
uint32_t chunk_map_count(const unsigned char *map, uint32_t chunks);

#endif
