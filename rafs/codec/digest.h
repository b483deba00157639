/* SPDX-License-Identifier: Apache-2.0 */
/* Checksums of chunks: CRC-32C, BLAKE3, SHA-256. */
#ifndef GRAFT_RAFS_CODEC_DIGEST_H
#define GRAFT_RAFS_CODEC_DIGEST_H

#include "rafs/chunk.h"

#include <stddef.h>

/* All may be called from any thread at the same time and allocate nothing that stays. */

/* CRC-32C (Castagnoli, reflected, init and final xor all ones) of len bytes. Uses SSE4.2 where the processor has it. */
uint32_t crc32c(const void *bytes, size_t len);

/* Running digest, for what does not lie in one piece. */
struct digest;
struct digest *digest_new(enum rafs_digester digester); /* NULL when out of memory */
void digest_free(struct digest *d);
void digest_add(struct digest *d, const void *bytes, size_t len);
/* The digest of all that was added; d is as new afterwards. */
void digest_end(struct digest *d, uint8_t out[RAFS_DIGEST_SIZE]);
/* Of one piece. No allocation for BLAKE3. 0 or -ENOMEM. */
int digest_of(enum rafs_digester digester, const void *bytes, size_t len, uint8_t out[RAFS_DIGEST_SIZE]);

#endif
