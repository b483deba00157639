/* SPDX-License-Identifier: Apache-2.0 */
/* Blobs and chunks as both versions' metadata describe them: what the other folders of rafs/ hand to each other. */
#ifndef GRAFT_RAFS_CHUNK_H
#define GRAFT_RAFS_CHUNK_H

#include <stdbool.h>
#include <stdint.h>

#define RAFS_CHUNK_MIN   UINT32_C(0x1000)    /* bytes; also what U-offsets of an ALIGNED blob are multiples of */
#define RAFS_CHUNK_MAX   UINT32_C(0x1000000) /* bytes, of a chunk, a batch, or a context's output */
#define RAFS_CHUNKS_MAX  (UINT32_C(1) << 24) /* chunks of a blob */
#define RAFS_BLOB_ID_MAX 64                  /* bytes */
#define RAFS_DIGEST_SIZE 32

/* Values as in the v6 blob table (reference 2.4). */
enum rafs_compressor { RAFS_NONE = 0, RAFS_LZ4 = 1, RAFS_GZIP = 2, RAFS_ZSTD = 3 };
enum rafs_digester { RAFS_BLAKE3 = 0, RAFS_SHA256 = 1 };
enum rafs_cipher { RAFS_PLAIN = 0, RAFS_AES128_XTS = 1 };

/* Blob feature bits (reference 3.2). */
enum rafs_blob_feature {
	RAFS_BLOB_ALIGNED = 0x1,
	RAFS_BLOB_INLINED_META = 0x2,
	RAFS_BLOB_CHUNK_INFO_V2 = 0x4,
	RAFS_BLOB_ZRAN = 0x8,
	RAFS_BLOB_SEPARATE = 0x10,
	RAFS_BLOB_CHUNK_DIGEST = 0x20,
	RAFS_BLOB_TARFS = 0x40,
	RAFS_BLOB_BATCH = 0x80,
	RAFS_BLOB_ENCRYPTED = 0x100,
	RAFS_BLOB_DICT_GENERATED = 0x200,
	RAFS_BLOB_PREFETCH_SEPARATED = 0x400,
	RAFS_BLOB_EXTERNAL = 0x800,
	RAFS_BLOB_TAR_HEADER = 0x10000000,
	RAFS_BLOB_TOC = 0x20000000,
	RAFS_BLOB_CAP_TAR_TOC = 0x40000000
};

/*
 * A blob as an image's blob table names it, checked: ids have no '/' and are not "." or "..", codes are known, sizes
 * are in their bounds. Plain values: may be copied.
 */
struct rafs_blob_info {
	char id[RAFS_BLOB_ID_MAX + 1];      /* of the data, real (reference 3.7 b, c done) */
	char meta_id[RAFS_BLOB_ID_MAX + 1]; /* of the blob that holds the chunk table; equals id but for SEPARATE */
	uint32_t version;                   /* 5 or 6 */
	uint32_t index;                     /* in the image's blob table */
	uint32_t chunk_size;                /* bytes */
	uint32_t chunk_count;               /* 0 in v5: unknown, an old image without extended blob table */
	uint32_t compressor, digester;      /* enum rafs_compressor, enum rafs_digester */
	uint32_t features;                  /* enum rafs_blob_feature */
	uint64_t c_size;                    /* bytes of the blob file; 0: unknown (v5 without extended table) */
	uint64_t u_size;                    /* bytes of the uncompressed blob, the size of the cache file; 0: as above */
	uint64_t data_end;                  /* bytes: where chunk data ends (reference 3.2); 0: unknown */
	/* v6 only, 0 in v5 */
	uint32_t toc_size; /* bytes; 0: none, or at an unknown place */
	uint32_t ci_compressor;
	uint64_t ci_offset, ci_c_size, ci_u_size; /* bytes, in the blob of meta_id */
	uint8_t toc_digest[RAFS_DIGEST_SIZE];     /* SHA-256; all zero: none */
	uint32_t cipher;                          /* enum rafs_cipher */
	uint8_t key[32], iv[16];                  /* of cipher */
};

/* What a chunk is and what is known of it. The low bits are not those of any on-disk form. */
enum rafs_chunk_flag {
	RAFS_CHUNK_COMPRESSED = 1, /* by the blob's compressor; clear: raw (after decryption) */
	RAFS_CHUNK_ENCRYPTED = 2,
	RAFS_CHUNK_BATCH = 4, /* context is a batch, at is the chunk's place in its output */
	RAFS_CHUNK_ZRAN = 8,  /* context is a gzip access point, at is the chunk's place in its output */
	RAFS_CHUNK_CRC = 16,  /* crc holds */
	RAFS_CHUNK_DIGEST = 32 /* digest holds */
};

/* One chunk, checked: 1 <= u_size <= RAFS_CHUNK_MAX, c_size <= 16 MiB + a bit, sums do not wrap. */
struct rafs_chunk {
	uint64_t c_off, u_off; /* bytes, in the blob and in the uncompressed blob */
	uint32_t c_size;       /* bytes; 0 for BATCH and perhaps ZRAN: the context says what to read */
	uint32_t u_size;       /* bytes */
	uint32_t index;        /* in its blob */
	uint32_t flags;        /* enum rafs_chunk_flag */
	uint32_t context, at;  /* BATCH, ZRAN; at in bytes */
	uint32_t crc;          /* CRC-32C of the plain chunk */
	uint8_t digest[RAFS_DIGEST_SIZE]; /* of the plain chunk, by the blob's digester */
};

/* A batch: several small chunks compressed as one (reference 3.4). */
struct rafs_batch {
	uint64_t c_off;          /* bytes, in the blob: its chunks' c_off */
	uint32_t c_size, u_size; /* bytes; compressed if they differ, but see the trap of encrypted batches under 16 bytes */
};

/* A gzip access point (reference 3.4, 3.5). dict points into the chunk table. */
struct rafs_zran {
	uint64_t in_off, out_off;  /* bytes, in the gzip file and in the tar stream */
	uint32_t in_size, out_size; /* bytes, each 1..RAFS_CHUNK_MAX */
	const uint8_t *dict;
	uint32_t dict_size; /* bytes, at most 32768 */
	uint8_t bits, byte; /* ctx_bits (0..7), ctx_byte */
};

/* Name of a compressor or digester as nydus-image calls it; "unknown" for other values. */
const char *rafs_compressor_name(uint32_t compressor);
const char *rafs_digester_name(uint32_t digester);

#endif
