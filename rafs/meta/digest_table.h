/* SPDX-License-Identifier: Apache-2.0 */
/* The chunk digests that a v6 bootstrap keeps for tools (reference 2.9), to compare with where a blob has none. */
#ifndef GRAFT_RAFS_META_DIGEST_TABLE_H
#define GRAFT_RAFS_META_DIGEST_TABLE_H

#include "rafs/meta/image.h"

/* An index over the table, by blob and chunk: 12 bytes of memory for each of its entries, which take 80. Constant. */
struct digest_table;

/*
 * image must outlive it. *digests is NULL, with 0, where the image has no such table: v5 (there each chunk has its
 * digest), TARFS. 0 or -ENOMEM. For tools: nothing on the way of a read should need it.
 */
int digest_table_new(struct digest_table **digests, const struct rafs_image *image);
void digest_table_free(struct digest_table *d);

/* The digest of chunk index of blob (its index in the blob table) at that U-offset. False where the table has none. */
bool digest_table_find(const struct digest_table *d, uint32_t blob, uint32_t index, uint64_t u_off,
		       uint8_t digest[RAFS_DIGEST_SIZE]);

/*
 * For readers: puts the digest of each chunk of blob at its place in array (count of them, RAFS_DIGEST_SIZE bytes each,
 * zeroed). Returns how many of them the table has; 0 where the image has none. Goes through the whole table once and gives its
 * pages back. array may be a mapping of a file.
 */
uint32_t digest_table_fill(const struct rafs_image *image, uint32_t blob, uint8_t *array, uint32_t count);
/* Whether digest_table_fill would make exactly this array. False also where it cannot be told: then fill one and compare. */
bool digest_table_same(const struct rafs_image *image, uint32_t blob, const uint8_t *array, uint32_t count);

#endif
