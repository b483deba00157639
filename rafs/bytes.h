/* SPDX-License-Identifier: Apache-2.0 */
/* Little-endian fields in memory of any alignment, and sums and ranges that cannot wrap. */
#ifndef GRAFT_RAFS_BYTES_H
#define GRAFT_RAFS_BYTES_H

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static inline uint16_t bytes_u16(const void *p)
{
	uint16_t v;
	memcpy(&v, p, sizeof(v));
	return le16toh(v);
}

static inline uint32_t bytes_u32(const void *p)
{
	uint32_t v;
	memcpy(&v, p, sizeof(v));
	return le32toh(v);
}

static inline uint64_t bytes_u64(const void *p)
{
	uint64_t v;
	memcpy(&v, p, sizeof(v));
	return le64toh(v);
}

/* Whether [off, off + len) lies in [0, size). */
static inline bool bytes_within(uint64_t off, uint64_t len, uint64_t size)
{
	return off <= size && len <= size - off;
}

/* x rounded up to a multiple of a, a power of two. x must be at most UINT64_MAX - a + 1. */
static inline uint64_t bytes_round_up(uint64_t x, uint64_t a)
{
	return (x + a - 1) & ~(a - 1);
}

#endif
