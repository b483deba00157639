/* SPDX-License-Identifier: Apache-2.0 */
/* A v6 blob's chunk table ("blob.meta", reference 3.3, 3.4): chunks, batches, gzip access points, digests. */
#ifndef GRAFT_RAFS_BLOB_CHUNK_TABLE_H
#define GRAFT_RAFS_BLOB_CHUNK_TABLE_H

#include "lib/mapping.h"
#include "rafs/blob/backend.h"
#include "rafs/cache/cache_dir.h"
#include "rafs/chunk.h"

struct chunk_table; /* constant once opened: any thread, no lock, no allocation */

/*
 * Opens the table of info: W/<id>.blob.meta if it is there and agrees with info, else read from meta_blob (the blob of
 * info->meta_id), decrypted, unpacked, and kept there (written aside, then renamed). Without a cache folder: mapped
 * from the blob where it is stored plain (blob_fd), else in a memfd. Likewise the digest array (blob.digest, by the
 * table of contents) if the blob has one and digests is true. meta_blob may be NULL: then only what the cache holds
 * will do (-ENOENT). What the sizes say is bounded before it is used. May block. 0 or -errno with err, which names the
 * blob.
 *
 * What a cache folder has is believed where the blob's table of contents (checked against info->toc_digest) gives its
 * SHA-256; where there is none, a table must have the right header, every entry must keep its rules and none overlap,
 * which costs 24 bytes to read for each chunk once for each call here. What does not hold is made again from the blob.
 * A blob whose features promise digests (RAFS_BLOB_CHUNK_DIGEST) that cannot be had is an error when digests is true.
 * A folder that cannot take files is none: what would be kept there is in memory then.
 */
int chunk_table_open(struct chunk_table **table, const struct rafs_blob_info *info, struct blob_file *meta_blob,
		     struct cache_dir *cache, bool digests, struct graft_error *err);
/* The same from the bytes of a blob.meta file (takes map, on failure too) and of a digest array (NULL: none). */
int chunk_table_from(struct chunk_table **table, const struct rafs_blob_info *info, struct mapping *map,
		     struct mapping *digests, struct graft_error *err);
/*
 * Gives a table without digests an array of them from elsewhere: chunk_table_count of them; one that is all zeros is none.
 * Takes map. Before anybody else has the table. -EUCLEAN for an array of another size.
 */
int chunk_table_add_digests(struct chunk_table *t, struct mapping *map);
/* Whether both have the same digests, or none. */
bool chunk_table_same_digests(const struct chunk_table *a, const struct chunk_table *b);
void chunk_table_close(struct chunk_table *t);

uint32_t chunk_table_count(const struct chunk_table *t);
bool chunk_table_has_digests(const struct chunk_table *t);
/* The array of chunk_table_count(t) digests, or NULL. A page of it that could not be read is zeros. */
const uint8_t *chunk_table_digests(const struct chunk_table *t);
/*
 * Entry i, checked by itself (reference 3.4) and against info: -EUCLEAN if it breaks a rule, -ENOENT for i >= count,
 * -EIO if the file was cut short. For BATCH and ZRAN the context was checked too, and that at + u_size lies in its
 * output.
 */
int chunk_table_get(const struct chunk_table *t, uint32_t i, struct rafs_chunk *out);
/* The batch that holds chunk, which chunk_table_get gave: a context does not say where its batch lies, a chunk does. */
int chunk_table_batch(const struct chunk_table *t, const struct rafs_chunk *chunk, struct rafs_batch *out);
int chunk_table_zran(const struct chunk_table *t, uint32_t context, struct rafs_zran *out);

#endif
