/* SPDX-License-Identifier: Apache-2.0 */
/* BLAKE3's constants, and its chunks and parents hashed several at once: one lane of a vector for each. */
#ifndef GRAFT_RAFS_CODEC_BLAKE3_INTERNAL_H
#define GRAFT_RAFS_CODEC_BLAKE3_INTERNAL_H

#include "rafs/codec/blake3.h"

#include <stdbool.h>

#define BLAKE3_BLOCK  64 /* bytes */
#define BLAKE3_BLOCKS (BLAKE3_CHUNK / BLAKE3_BLOCK)

/* Domain flags of a compression (paper, table 3). */
enum { BLAKE3_CHUNK_START = 1, BLAKE3_CHUNK_END = 2, BLAKE3_PARENT = 4, BLAKE3_ROOT = 8 };

static const uint32_t blake3_iv[8] = {
	0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};

/* Which word of the block a round takes where: the permutation of the paper's table 2, once more for each round. */
static const uint8_t blake3_order[7][16] = {
	{ 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 },
	{ 2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8 },
	{ 3, 4, 10, 12, 13, 2, 7, 14, 6, 5, 9, 0, 11, 15, 8, 1 },
	{ 10, 7, 12, 9, 14, 3, 13, 15, 4, 0, 11, 2, 5, 8, 1, 6 },
	{ 12, 13, 9, 11, 15, 10, 14, 8, 7, 2, 5, 3, 0, 1, 6, 4 },
	{ 9, 14, 11, 5, 8, 12, 15, 1, 13, 3, 0, 10, 2, 6, 4, 7 },
	{ 11, 15, 5, 0, 1, 9, 8, 6, 14, 10, 2, 12, 3, 4, 7, 13 },
};

/*
 * The chaining values of LANES chunks that lie one behind the other, the first being chunk number counter; or of LANES
 * parents, in being 2 * LANES chaining values, counter 0. out may be in. Only where the processor has SSE4.1 or AVX2.
 */
#if defined(__x86_64__)
void blake3_lanes4(const uint8_t *in, bool parents, uint64_t counter, uint32_t (*out)[8]);
void blake3_lanes8(const uint8_t *in, bool parents, uint64_t counter, uint32_t (*out)[8]);
#endif

#endif
