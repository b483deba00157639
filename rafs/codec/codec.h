/* SPDX-License-Identifier: Apache-2.0 */
/* From what lies in a blob to plain bytes: decryption, decompression, gzip random access. */
#ifndef GRAFT_RAFS_CODEC_CODEC_H
#define GRAFT_RAFS_CODEC_CODEC_H

#include "lib/error.h"
#include "rafs/chunk.h"

#include <stddef.h>

/* A thread's decompressors and cipher, made when first needed (zstd: 150 KiB). One thread at a time. */
struct codec;
struct codec *codec_new(void); /* NULL when out of memory */
void codec_free(struct codec *c);
/* Frees what the decompressors hold; they are made anew when needed. */
void codec_trim(struct codec *c);

/*
 * Decompresses in to exactly out_len bytes (1..RAFS_CHUNK_MAX; a chunk table: up to 384 MiB). RAFS_NONE: in_len must be
 * out_len. gzip: one member, output beyond out_len and input behind it are ignored. Others: out_len exactly, all input
 * used. 0, -EIO for bad data, -ENOMEM. in and out do not overlap.
 */
int codec_decompress(struct codec *c, enum rafs_compressor how, const void *in, size_t in_len, void *out,
		     size_t out_len);

/*
 * Decrypts one data unit (AES-128-XTS with info's key and iv, reference 5) from in to out, which has room for in_len
 * and may be in. *out_len: bytes of plain text; less than in_len only for units under 16 bytes, stored as 18.
 * 0; -EIO for a unit that cannot be (under 16 bytes, over 16 MiB); -ENOMEM; -EINVAL for a key whose halves are equal.
 */
int codec_decrypt(struct codec *c, const struct rafs_blob_info *info, const void *in, size_t in_len, void *out,
		  size_t *out_len);

#define CODEC_KEY  32   /* bytes of a key of AES-128-XTS */
#define CODEC_PAGE 4096 /* bytes */

/* Whether AES-128-XTS takes the key: its halves must differ. */
bool codec_key_ok(const uint8_t key[CODEC_KEY]);

/*
 * Pages of an encrypted cache (reference 4), in place: len is a multiple of CODEC_PAGE, each page is a data unit of its own
 * with the IV zero. 0, -EINVAL for such a key or length, -ENOMEM.
 */
int codec_encrypt_pages(struct codec *c, const uint8_t key[CODEC_KEY], void *bytes, size_t len);
int codec_decrypt_pages(struct codec *c, const uint8_t key[CODEC_KEY], void *bytes, size_t len);

/* The first out_len bytes (1..z->out_size) of the output of an access point; in holds z->in_size bytes read at
 * z->in_off (reference 3.5, several gzip members included). 0, -EIO, -ENOMEM. */
int codec_zran(struct codec *c, const struct rafs_zran *z, const void *in, void *out, size_t out_len);

/* Loads what SHA-256 and decryption need, which they do themselves when first used: 0, or -errno with err. */
int codec_load_crypto(struct graft_error *err);

/* Bytes to read at most for a gzip chunk of a legacy stargz blob, whose compressed size is unknown (reference 5). */
uint32_t codec_stargz_bound(uint32_t u_size);

#endif
