/* SPDX-License-Identifier: Apache-2.0 */
/* BLAKE3, unkeyed, 32 bytes of output (the BLAKE3 paper, 2020): portable, SSE4.1, AVX2, chosen at run time. */
#ifndef GRAFT_RAFS_CODEC_BLAKE3_H
#define GRAFT_RAFS_CODEC_BLAKE3_H

#include <stddef.h>
#include <stdint.h>

#define BLAKE3_CHUNK 1024 /* bytes */
#define BLAKE3_DEPTH 54   /* levels of the tree over 2^64 bytes */

/* Plain memory of the caller's; copying it forks the hash. Not thread-safe. */
struct blake3 {
	uint32_t cv_stack[BLAKE3_DEPTH + 1][8]; /* chaining values of finished subtrees, largest first */
	uint32_t cvs;
	uint64_t chunks; /* finished */
	uint32_t cv[8];  /* of the present chunk */
	uint8_t block[64];
	uint32_t block_len, blocks; /* bytes in block; blocks of the present chunk done */
};

void blake3_init(struct blake3 *b);
void blake3_add(struct blake3 *b, const void *bytes, size_t len);
void blake3_end(const struct blake3 *b, uint8_t out[32]);

/* How many chunks at once are hashed; for tests: the widest of 1 (portable), 4 (SSE4.1), 8 (AVX2) not above want that
 * this processor can do is used from now on by the calling thread; returns it. 0: the widest. */
unsigned int blake3_use(unsigned int want);

#endif
