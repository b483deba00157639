/* SPDX-License-Identifier: Apache-2.0 */
/* RAFS v6: the blob table and the device slots that repeat it (reference 2.3, 2.4, 3.2, 8). */
#include "v6.h"

#include <errno.h>
#include <stdlib.h>

#define C_SIZE_MAX (UINT64_C(1) << 40) /* bytes of a blob */
#define U_SIZE_MAX (UINT64_C(1) << 44)
#define ENTRY_V1 16 /* bytes of a chunk in the chunk table */
#define ENTRY_V2 24
#define TOC_ALIGN 128 /* bytes */
#define TOC_MIN 512
#define TOC_MAX 0x10000
#define FEATURES_UNKNOWN UINT32_C(0x8000f000)
/* What only the larger chunk entries can tell. */
#define FEATURES_V2 (RAFS_BLOB_BATCH | RAFS_BLOB_ZRAN | RAFS_BLOB_ENCRYPTED)
/* Whose chunk table cannot be checked against the blob: none, one of its own, or one elsewhere. */
#define FEATURES_NO_CI (RAFS_BLOB_TARFS | RAFS_BLOB_DICT_GENERATED | RAFS_BLOB_EXTERNAL)

static int bad(const struct rafs_blob_info *b, struct graft_error *err, const char *what, uint64_t is,
	       const char *right)
{
	return error_set(err, EINVAL, "v6 blob table, entry %u: %s is 0x%llx, must be %s", b->index, what,
			 (unsigned long long)is, right);
}

static int check_codes(const struct rafs_blob_info *b, struct graft_error *err)
{
	if (b->compressor > RAFS_ZSTD)
		return bad(b, err, "compressor", b->compressor, "0 to 3");
	if (b->ci_compressor > RAFS_ZSTD)
		return bad(b, err, "compressor of the chunk table", b->ci_compressor, "0 to 3");
	if (b->digester > RAFS_SHA256)
		return bad(b, err, "digester", b->digester, "0 or 1");
	if (b->cipher > RAFS_AES128_XTS)
		return bad(b, err, "cipher", b->cipher, "0 or 1");
	return 0;
}

static int check_features(const struct rafs_image *image, const struct rafs_blob_info *b, struct graft_error *err)
{
	bool tarfs = image->super.flags & RAFS_SUPER_TARFS;
	uint32_t f = b->features;

	if (f & FEATURES_UNKNOWN)
		return bad(b, err, "unknown features", f & FEATURES_UNKNOWN, "0");
	if (!(f & RAFS_BLOB_TARFS) == tarfs)
		return bad(b, err, "features", f, tarfs ? "with TARFS (0x40), as the image's" : "without TARFS (0x40)");
	if (f & RAFS_BLOB_EXTERNAL && !(f & RAFS_BLOB_ALIGNED))
		return error_set(
			err, EINVAL,
			"v6 blob table, entry %u: an external blob (features 0x%x) without a chunk table: nothing says "
			"where its chunks are; v5 images can have such blobs",
			b->index, f);
	if (!(f & RAFS_BLOB_ALIGNED) != tarfs)
		return bad(b, err, "features", f, tarfs ? "without ALIGNED (0x1) in TARFS mode" : "with ALIGNED (0x1)");
	if (f & FEATURES_V2 && !(f & RAFS_BLOB_CHUNK_INFO_V2))
		return bad(b, err, "features", f, "with CHUNK_INFO_V2 (0x4) where BATCH, ZRAN or ENCRYPTED is set");
	if (f & RAFS_BLOB_ENCRYPTED && b->cipher == RAFS_PLAIN)
		return bad(b, err, "cipher", b->cipher, "1 where ENCRYPTED (0x100) is set");
	/* The key lies where the other blob's digest would. */
	if (f & RAFS_BLOB_SEPARATE && b->cipher != RAFS_PLAIN)
		return bad(b, err, "cipher", b->cipher, "0 where SEPARATE (0x10) is set");
	if (tarfs && b->compressor != RAFS_NONE)
		return bad(b, err, "compressor", b->compressor, "0 in TARFS mode");
	return 0;
}

static int check_sizes(const struct rafs_image *image, const struct rafs_blob_info *b, struct graft_error *err)
{
	if (b->chunk_size != image->super.chunk_size)
		return bad(b, err, "chunk size", b->chunk_size, "the superblock's");
	if (b->chunk_count > RAFS_CHUNKS_MAX)
		return bad(b, err, "number of chunks", b->chunk_count, "0x1000000 at most");
	if (b->c_size > C_SIZE_MAX)
		return bad(b, err, "size", b->c_size, "2^40 at most");
	if (b->u_size > U_SIZE_MAX)
		return bad(b, err, "uncompressed size", b->u_size, "2^44 at most");
	if (b->toc_size && (b->toc_size < TOC_MIN || b->toc_size > TOC_MAX || b->toc_size % TOC_ALIGN))
		return bad(b, err, "size of the table of contents", b->toc_size,
			   "0, or a multiple of 0x80 in 0x200..0x10000");
	return 0;
}

/* Where the chunk table lies and how large it is. */
static int check_ci(const struct rafs_blob_info *b, struct graft_error *err)
{
	bool v2 = b->features & RAFS_BLOB_CHUNK_INFO_V2;
	uint64_t entries = (uint64_t)b->chunk_count * (v2 ? ENTRY_V2 : ENTRY_V1);
	bool in_blob = b->features & RAFS_BLOB_CAP_TAR_TOC && !(b->features & (FEATURES_NO_CI | RAFS_BLOB_SEPARATE));

	if (b->ci_u_size > (uint64_t)RAFS_CHUNKS_MAX * (v2 ? ENTRY_V2 : ENTRY_V1))
		return bad(b, err, "uncompressed size of the chunk table", b->ci_u_size, "that of 2^24 chunks at most");
	if (b->ci_c_size > b->ci_u_size)
		return bad(b, err, "size of the chunk table", b->ci_c_size, "its uncompressed size at most");
	if (b->ci_offset > C_SIZE_MAX)
		return bad(b, err, "place of the chunk table", b->ci_offset, "2^40 at most");
	if (in_blob && !bytes_within(b->ci_offset, b->ci_c_size, b->c_size))
		return bad(b, err, "place of the chunk table", b->ci_offset, "in the blob with all of it");
	if (b->features & FEATURES_V2 ? b->ci_u_size < entries : v2 && b->ci_u_size != entries)
		return bad(b, err, "uncompressed size of the chunk table", b->ci_u_size, "24 bytes for each chunk");
	if (!v2 && !(b->features & (RAFS_BLOB_TARFS | RAFS_BLOB_DICT_GENERATED)) && b->ci_u_size != entries)
		return bad(b, err, "uncompressed size of the chunk table", b->ci_u_size, "16 bytes for each chunk");
	return 0;
}

/* The bytes at 0xa8: a key and its start value, or the digest that names the blob of the chunk table. */
static int read_shared(struct rafs_blob_info *b, const unsigned char *e, struct graft_error *err)
{
	static const char hex[] = "0123456789abcdef";

	if (b->cipher == RAFS_AES128_XTS) {
		memcpy(b->key, e + 0xa8, sizeof(b->key));
		memcpy(b->iv, e + 0xc8, sizeof(b->iv));
		if (!memcmp(b->key, b->key + 16, 16))
			return error_set(err, EINVAL, "v6 blob table, entry %u: both halves of the key are equal",
					 b->index);
	} else if (b->features & RAFS_BLOB_SEPARATE && !(b->features & RAFS_BLOB_INLINED_META)) {
		for (size_t i = 0; i < RAFS_DIGEST_SIZE; i++) {
			b->meta_id[2 * i] = hex[e[0xa8 + i] >> 4];
			b->meta_id[2 * i + 1] = hex[e[0xa8 + i] & 0xf];
		}
	}
	return 0;
}

/* ASCII, up to the first NUL. */
static int read_id(struct rafs_blob_info *b, const unsigned char *e)
{
	int res = meta_blob_id(b->id, e, RAFS_BLOB_ID_MAX);

	for (const char *c = b->id; !res && *c; c++)
		if (*c & 0x80)
			res = -EUCLEAN;
	return res;
}

static int read_entry(const struct rafs_image *image, struct rafs_blob_info *b, const unsigned char *e,
		      const struct rafs_origin *origin, struct graft_error *err)
{
	int res = read_id(b, e);

	b->version = 6;
	b->chunk_size = bytes_u32(e + 0x44);
	b->chunk_count = bytes_u32(e + 0x48);
	b->compressor = bytes_u32(e + 0x4c);
	b->digester = bytes_u32(e + 0x50);
	b->features = bytes_u32(e + 0x54);
	b->c_size = bytes_u64(e + 0x58);
	b->u_size = bytes_u64(e + 0x60);
	b->toc_size = bytes_u32(e + 0x68);
	b->ci_compressor = bytes_u32(e + 0x6c);
	b->ci_offset = bytes_u64(e + 0x70);
	b->ci_c_size = bytes_u64(e + 0x78);
	b->ci_u_size = bytes_u64(e + 0x80);
	memcpy(b->toc_digest, e + 0x88, sizeof(b->toc_digest));
	b->cipher = bytes_u32(e + 0xd8);
	if (res < 0)
		return error_set(err, EINVAL, "v6 blob table, entry %u: the blob's id is empty or cannot be one",
				 b->index);
	if (bytes_u32(e + 0x40) != b->index)
		return bad(b, err, "index", bytes_u32(e + 0x40), "the entry's own place");
	res = check_codes(b, err);
	if (!res)
		res = check_features(image, b, err);
	if (!res)
		res = check_sizes(image, b, err);
	if (!res)
		res = check_ci(b, err);
	if (!res)
		res = read_shared(b, e, err);
	if (!res)
		res = meta_blob_origin(b, origin, err);
	if (!res)
		meta_blob_data_end(b);
	return res;
}

/* The slot at `slot` must describe the blob of the entry at `entry`, and no earlier one. */
static int check_slot(const unsigned char *slots, const unsigned char *entries, uint32_t i, struct graft_error *err)
{
	const unsigned char *slot = slots + (size_t)i * V6_DEVICE_SIZE;

	if (memcmp(slot, entries + (size_t)i * V6_BLOB_SIZE, RAFS_BLOB_ID_MAX) != 0)
		return error_set(err, EINVAL, "v6 device slot %u: its id is not that of entry %u of the blob table", i,
				 i);
	if (!bytes_u32(slot + 64))
		return error_set(err, EINVAL, "v6 device slot %u: has 0 blocks, must have 1 or more", i);
	for (uint32_t k = 0; k < i; k++)
		if (!memcmp(slot, slots + (size_t)k * V6_DEVICE_SIZE, RAFS_BLOB_ID_MAX))
			return error_set(err, EINVAL, "v6 device slots %u and %u have the same id", k, i);
	return 0;
}

int v6_blobs_read(struct rafs_image *image, const struct v6_tables *tables, const struct rafs_origin *origin,
		  struct graft_error *err)
{
	uint32_t n = image->super.blobs;
	const unsigned char *entries = image->map.base + tables->blobs_at;
	const unsigned char *slots = image->map.base + tables->devices_at;

	if (!n)
		return 0;
	image->blobs = calloc(n, sizeof(*image->blobs));
	if (!image->blobs)
		return error_set(err, ENOMEM, "out of memory");
	for (uint32_t i = 0; i < n; i++) {
		int res;

		image->blobs[i].index = i;
		res = read_entry(image, &image->blobs[i], entries + (size_t)i * V6_BLOB_SIZE, origin, err);
		if (!res)
			res = check_slot(slots, entries, i, err);
		if (res < 0)
			return res;
	}
	return 0;
}
