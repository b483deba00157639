/* SPDX-License-Identifier: Apache-2.0 */
/* RAFS v5: what lies behind an inode record: symlink target, xattrs, chunk records; and the digests over them. */
#include "rafs/codec/codec.h"
#include "rafs/codec/digest.h"
#include "rafs/meta/v5.h"

#include <errno.h>

/* Chunk flags as stored (reference 1.5). */
#define CHUNK_COMPRESSED UINT32_C(0x1)
#define CHUNK_HOLE UINT32_C(0x2)
#define CHUNK_CRC UINT32_C(0x10)

#define C_OFF_MAX (UINT64_C(1) << 40) /* bytes: end of a blob */
#define U_OFF_MAX (UINT64_C(1) << 44) /* bytes: end of an uncompressed blob */
/* Bytes of a compressed chunk: what no compressor adds to data it cannot compress. */
#define C_SIZE_MAX (RAFS_CHUNK_MAX + RAFS_CHUNK_MAX / 128)

#define XATTR_PAIRS_MAX 65536 /* of an inode: bounds the work for one name */

int v5_readlink(const struct rafs_image *image, const struct rafs_inode *inode, char *to, size_t room)
{
	const unsigned char *target = meta_bytes(image, inode->tail_at, inode->size);

	if (!target)
		return -EUCLEAN;
	if (inode->size > room)
		return -ERANGE;
	memcpy(to, target, inode->size);
	return memchr(to, '\0', inode->size) ? -EUCLEAN : (int)inode->size;
}

struct xattr {
	const char *name, *value;
	size_t name_len, value_len;
};

/* Goes through the pairs. Begins all zero but for image and inode. */
struct xattr_walk {
	const struct rafs_image *image;
	const struct rafs_inode *inode;
	uint64_t at;    /* bytes, of inode->xattr_size */
	uint32_t pairs; /* passed */
};

/* The next pair that is one: 1, 0 at the end, -EUCLEAN. */
static int xattr_next(struct xattr_walk *walk, struct xattr *x)
{
	const char *block = (const char *)meta_bytes(walk->image, walk->inode->xattr_at, walk->inode->xattr_size);
	uint64_t size = walk->inode->xattr_size;

	if (!block)
		return -EUCLEAN;
	while (walk->at < size) {
		uint64_t at = walk->at + 4, len;

		if (++walk->pairs > XATTR_PAIRS_MAX || at > size)
			return -EUCLEAN;
		len = bytes_u32(block + walk->at);
		if (len > size - at)
			return -EUCLEAN;
		walk->at = at + len;
		x->name = block + at;
		x->name_len = strnlen(x->name, len);
		if (x->name_len == len || x->name_len == 0 || x->name_len > RAFS_NAME_MAX)
			continue; /* no pair, or no name that anyone could ask for */
		x->value = x->name + x->name_len + 1;
		x->value_len = len - x->name_len - 1;
		if (x->value_len > RAFS_XATTR_MAX)
			return -EUCLEAN;
		return 1;
	}
	return 0;
}

int64_t v5_xattr_get(const struct rafs_image *image, const struct rafs_inode *inode, const char *name, void *to,
		     size_t room)
{
	struct xattr_walk walk = { .image = image, .inode = inode };
	size_t len = strlen(name);
	struct xattr x;
	int64_t res;
	int rc;

	for (rc = xattr_next(&walk, &x); rc > 0; rc = xattr_next(&walk, &x)) {
		if (x.name_len != len || memcmp(x.name, name, len) != 0)
			continue;
		res = meta_xattr_room(x.value_len, room);
		if (room && res > 0)
			memcpy(to, x.value, x.value_len);
		return res;
	}
	return rc < 0 ? rc : -ENODATA;
}

int64_t v5_xattr_list(const struct rafs_image *image, const struct rafs_inode *inode, char *to, size_t room)
{
	struct xattr_walk walk = { .image = image, .inode = inode };
	uint64_t have = 0;
	struct xattr x;

	/* A bad pair ends the list: those before it can be read. */
	while (xattr_next(&walk, &x) > 0) {
		if (room) {
			if (x.name_len + 1 > room - have)
				return -ERANGE;
			memcpy(to + have, x.name, x.name_len);
			to[have + x.name_len] = '\0';
		}
		have += x.name_len + 1;
	}
	return (int64_t)have;
}

/* Where a chunk record says that its chunk lies in the file; len 0: a bad record. */
struct stretch {
	uint64_t off;
	uint32_t len; /* bytes */
};

static const unsigned char *chunk_record(const struct rafs_image *image, const struct rafs_inode *inode, uint32_t i)
{
	return image->map.base + inode->data_at + i * V5_CHUNK_SIZE;
}

static struct stretch chunk_stretch(const struct rafs_image *image, const struct rafs_inode *inode, uint32_t i)
{
	const unsigned char *record = chunk_record(image, inode, i);
	struct stretch s = { .off = bytes_u64(record + V5_CHUNK_FILE_OFF),
			     .len = bytes_u32(record + V5_CHUNK_U_BYTES) };

	if (s.len > RAFS_CHUNK_MAX || s.off > INT64_MAX)
		s.len = 0;
	return s;
}

static bool within_stretch(const struct stretch *s, uint64_t off)
{
	return off >= s->off && off - s->off < s->len;
}

/* Images of stargz tell no compressed size: it must do to read what it can be at most, or to the blob's end. */
static uint32_t stargz_size(const struct rafs_blob_info *blob, const struct rafs_chunk *chunk)
{
	uint64_t bound = codec_stargz_bound(chunk->u_size);

	if (blob->data_end && chunk->c_off < blob->data_end && blob->data_end - chunk->c_off < bound)
		bound = blob->data_end - chunk->c_off;
	return (uint32_t)bound;
}

/* Sizes and places of a decoded chunk: 0 or -EUCLEAN. */
static int chunk_check(const struct rafs_blob_info *blob, const struct rafs_chunk *chunk)
{
	/* Files that are kept outside of the image may be cut into chunks of any size. */
	uint32_t u_max = blob->features & RAFS_BLOB_EXTERNAL ? RAFS_CHUNK_MAX : blob->chunk_size;

	if (chunk->u_size == 0 || chunk->u_size > u_max || chunk->c_size == 0 || chunk->c_size > C_SIZE_MAX)
		return -EUCLEAN;
	if (!(chunk->flags & RAFS_CHUNK_COMPRESSED) && chunk->c_size != chunk->u_size)
		return -EUCLEAN;
	if (chunk->index >= (blob->chunk_count ? blob->chunk_count : RAFS_CHUNKS_MAX))
		return -EUCLEAN;
	if (!bytes_within(chunk->c_off, chunk->c_size, blob->data_end ? blob->data_end : C_OFF_MAX))
		return -EUCLEAN;
	if (!bytes_within(chunk->u_off, chunk->u_size,
			  blob->u_size ? bytes_round_up(blob->u_size, RAFS_CHUNK_MIN) : U_OFF_MAX))
		return -EUCLEAN;
	return 0;
}

static int chunk_decode(const struct rafs_image *image, const unsigned char *record, struct rafs_extent *out)
{
	static const uint8_t no_digest[RAFS_DIGEST_SIZE];
	uint32_t flags = bytes_u32(record + V5_CHUNK_FLAGS);
	struct rafs_chunk *chunk = &out->chunk;
	const struct rafs_blob_info *blob;

	out->blob = bytes_u32(record + V5_CHUNK_BLOB);
	if (out->blob >= image->super.blobs || flags & ~(CHUNK_COMPRESSED | CHUNK_HOLE | CHUNK_CRC))
		return -EUCLEAN;
	blob = &image->blobs[out->blob];
	chunk->c_off = bytes_u64(record + V5_CHUNK_C_OFF);
	chunk->u_off = bytes_u64(record + V5_CHUNK_U_OFF);
	chunk->c_size = bytes_u32(record + V5_CHUNK_C_BYTES);
	chunk->u_size = bytes_u32(record + V5_CHUNK_U_BYTES);
	chunk->index = bytes_u32(record + V5_CHUNK_INDEX);
	chunk->crc = bytes_u32(record + V5_CHUNK_CRC);
	memcpy(chunk->digest, record + V5_CHUNK_DIGEST, RAFS_DIGEST_SIZE);
	if (flags & CHUNK_COMPRESSED)
		chunk->flags |= RAFS_CHUNK_COMPRESSED;
	if (flags & CHUNK_CRC)
		chunk->flags |= RAFS_CHUNK_CRC;
	if (memcmp(chunk->digest, no_digest, RAFS_DIGEST_SIZE) != 0)
		chunk->flags |= RAFS_CHUNK_DIGEST;
	if (chunk->c_size == 0 && chunk->u_size <= RAFS_CHUNK_MAX && blob->compressor == RAFS_GZIP &&
	    flags & CHUNK_COMPRESSED && !(blob->features & RAFS_BLOB_CHUNK_INFO_V2))
		chunk->c_size = stargz_size(blob, chunk);
	out->complete = true;
	return chunk_check(blob, chunk);
}

/* Makes out the chunk of record i, which covers the byte that is asked for. */
static int extent_chunk(const struct rafs_image *image, const struct rafs_inode *inode, uint32_t i,
			const struct stretch *s, struct rafs_extent *out)
{
	const unsigned char *record = chunk_record(image, inode, i);

	out->file_off = s->off;
	out->len = s->len < inode->size - s->off ? s->len : inode->size - s->off;
	out->hole = bytes_u32(record + V5_CHUNK_FLAGS) & CHUNK_HOLE;
	if (out->hole)
		return 0;
	if (chunk_decode(image, record, out) < 0 || out->chunk.u_size != s->len)
		return -EUCLEAN;
	return 0;
}

/* Index of the last record that begins at or before off; count: none does. Records are sorted by their place. */
static uint32_t chunk_before(const struct rafs_image *image, const struct rafs_inode *inode, uint64_t off)
{
	uint32_t low = 0, high = inode->count;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (chunk_stretch(image, inode, mid).off <= off)
			low = mid + 1;
		else
			high = mid;
	}
	return low ? low - 1 : inode->count;
}

/*
 * A file with as many records as it has chunks of the usual size: each is where it must be. Without a flag for holes no
 * other order can be right.
 */
static int extent_dense(const struct rafs_image *image, const struct rafs_inode *inode, uint64_t off,
			struct rafs_extent *out)
{
	uint64_t chunk_size = image->super.chunk_size, begin = off - off % chunk_size;
	uint32_t i = (uint32_t)(off / chunk_size);
	struct stretch s = chunk_stretch(image, inode, i);

	if (s.off != begin || s.len != (inode->size - begin < chunk_size ? inode->size - begin : chunk_size))
		return -EUCLEAN;
	return extent_chunk(image, inode, i, &s, out);
}

/* A file with holes, or with chunks of another size: what no record covers reads as zeros. */
static int extent_sparse(const struct rafs_image *image, const struct rafs_inode *inode, uint64_t off,
			 struct rafs_extent *out)
{
	uint32_t i = chunk_before(image, inode, off), next = i == inode->count ? 0 : i + 1;
	struct stretch s = { 0 }, after = { .off = inode->size };

	if (i < inode->count) {
		s = chunk_stretch(image, inode, i);
		if (s.len == 0 || s.off > off)
			return -EUCLEAN;
	}
	if (next < inode->count) {
		after = chunk_stretch(image, inode, next);
		if (after.off <= off || (i < inode->count && after.off - s.off < s.len))
			return -EUCLEAN;
	}
	if (i < inode->count && within_stretch(&s, off))
		return extent_chunk(image, inode, i, &s, out);
	out->hole = true;
	out->file_off = s.off + s.len;
	out->len = (after.off < inode->size ? after.off : inode->size) - out->file_off;
	return 0;
}

static bool has_holes(const struct rafs_image *image, const struct rafs_inode *inode)
{
	return bytes_u64(image->map.base + inode->at + V5_INODE_FLAGS) & V5_FLAG_HOLE;
}

int v5_extent_at(const struct rafs_image *image, const struct rafs_inode *inode, uint64_t off, struct rafs_extent *out)
{
	uint64_t chunk_size = image->super.chunk_size;
	uint64_t chunks = inode->size / chunk_size + (inode->size % chunk_size != 0);

	*out = (struct rafs_extent){ 0 };
	if (inode->count == chunks && !has_holes(image, inode))
		return extent_dense(image, inode, off, out);
	return extent_sparse(image, inode, off, out);
}

/* Adds the digests that an inode's own digest is made of. */
static int digest_parts(const struct rafs_image *image, const struct rafs_inode *inode, struct digest *d)
{
	struct v5_record record;
	uint32_t i;

	if (S_ISLNK(inode->mode))
		digest_add(d, image->map.base + inode->tail_at, inode->size);
	for (i = 0; S_ISREG(inode->mode) && i < inode->count; i++)
		digest_add(d, chunk_record(image, inode, i) + V5_CHUNK_DIGEST, RAFS_DIGEST_SIZE);
	for (i = 0; S_ISDIR(inode->mode) && i < inode->count; i++) {
		if (v5_record_get(image, (uint64_t)inode->children + i, &record) < 0)
			return -EUCLEAN;
		digest_add(d, record.bytes + V5_INODE_DIGEST, RAFS_DIGEST_SIZE);
	}
	return 0;
}

int v5_inode_verify(const struct rafs_image *image, const struct rafs_inode *inode)
{
	uint8_t is[RAFS_DIGEST_SIZE];
	struct digest *d = digest_new(image->super.digester);
	int rc;

	if (!d)
		return -ENOMEM;
	rc = digest_parts(image, inode, d);
	if (rc == 0) {
		digest_end(d, is);
		rc = memcmp(is, inode->digest, RAFS_DIGEST_SIZE) == 0 ? 0 : -EIO;
	}
	digest_free(d);
	return rc;
}
