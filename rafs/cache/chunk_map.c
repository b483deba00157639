/* SPDX-License-Identifier: Apache-2.0 */
/* Chunk maps: header and bits. */
#include "rafs/cache/chunk_map.h"

#include "rafs/bytes.h"

#include <stdatomic.h>

#define MAGIC UINT32_C(0x424d4150)
#define VERSION UINT32_C(1)
#define MAGIC2 UINT32_C(0x434d4150)
#define ALL_READY UINT32_C(0x4d4d4150)
#define FIELDS 16   /* bytes of the header that are used: four words */
#define AT_READY 12 /* byte of the word that is 0 or ALL_READY */

uint64_t chunk_map_size(uint32_t chunks)
{
	return CHUNK_MAP_HEADER + ((uint64_t)chunks + 7) / 8;
}

void chunk_map_header_make(unsigned char *header)
{
	const uint32_t fields[4] = { htole32(MAGIC), htole32(VERSION), htole32(MAGIC2), 0 };

	memset(header, 0, CHUNK_MAP_HEADER);
	memcpy(header, fields, sizeof(fields));
}

bool chunk_map_header_ok(const unsigned char *header)
{
	uint32_t ready = bytes_u32(header + AT_READY);

	if (bytes_u32(header) != MAGIC || bytes_u32(header + 4) != VERSION || bytes_u32(header + 8) != MAGIC2 ||
	    (ready != 0 && ready != ALL_READY))
		return false;
	for (uint32_t i = FIELDS; i < CHUNK_MAP_HEADER; i++) {
		if (header[i])
			return false;
	}
	return true;
}

static unsigned char bit_of(uint32_t i)
{
	return (unsigned char)(0x80 >> (i % 8));
}

/* Other processes change the same bytes: every access is atomic. */
static _Atomic unsigned char *byte_of(unsigned char *map, uint32_t i)
{
	return (_Atomic unsigned char *)(map + CHUNK_MAP_HEADER + i / 8);
}

bool chunk_map_ready(const unsigned char *map, uint32_t i)
{
	const _Atomic unsigned char *byte = (const _Atomic unsigned char *)(map + CHUNK_MAP_HEADER + i / 8);

	/* Acquire pairs with the release in chunk_map_set: who sees the bit sees the data. */
	return atomic_load_explicit(byte, memory_order_acquire) & bit_of(i);
}

void chunk_map_set(unsigned char *map, uint32_t i)
{
	atomic_fetch_or_explicit(byte_of(map, i), bit_of(i), memory_order_release);
}

void chunk_map_clear(unsigned char *map, uint32_t i)
{
	atomic_store_explicit((_Atomic uint32_t *)(void *)(map + AT_READY), 0, memory_order_relaxed);
	atomic_fetch_and_explicit(byte_of(map, i), (unsigned char)~bit_of(i), memory_order_relaxed);
}

uint32_t chunk_map_count(const unsigned char *map, uint32_t chunks)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < chunks; i++)
		n += chunk_map_ready(map, i);
	return n;
}
