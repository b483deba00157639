/* SPDX-License-Identifier: Apache-2.0 */
/* RAFS v5: superblock and the four tables behind it. */
#include "rafs/meta/v5.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

/* Superblock (reference 1.1). */
enum super_at {
	SUPER_SIZE = 0x08,
	SUPER_CHUNK_SIZE = 0x0c,
	SUPER_FLAGS = 0x10,
	SUPER_INODES = 0x18,
	SUPER_INODE_TABLE = 0x20,
	SUPER_PREFETCH_TABLE = 0x28,
	SUPER_BLOB_TABLE = 0x30,
	SUPER_INODE_ENTRIES = 0x38,
	SUPER_PREFETCH_ENTRIES = 0x3c,
	SUPER_BLOB_BYTES = 0x40,
	SUPER_EXT_ENTRIES = 0x44,
	SUPER_EXT_TABLE = 0x48
};

enum table { TABLE_INODE, TABLE_PREFETCH, TABLE_BLOB, TABLE_EXT };

static const struct {
	const char *name;
	enum super_at at, entries; /* fields of the superblock */
	uint32_t entry;            /* bytes of an entry */
} tables[V5_TABLES] = {
	[TABLE_INODE] = { "inode table", SUPER_INODE_TABLE, SUPER_INODE_ENTRIES, 4 },
	[TABLE_PREFETCH] = { "prefetch table", SUPER_PREFETCH_TABLE, SUPER_PREFETCH_ENTRIES, 4 },
	[TABLE_BLOB] = { "blob table", SUPER_BLOB_TABLE, SUPER_BLOB_BYTES, 1 },
	[TABLE_EXT] = { "extended blob table", SUPER_EXT_TABLE, SUPER_EXT_ENTRIES, 64 },
};

#define BLOB_ENTRY_HEAD 8 /* bytes of a blob table entry before its id */

/* Extended blob table entry (reference 1.4). */
enum ext_at { EXT_CHUNKS = 0, EXT_FEATURES = 4, EXT_U_SIZE = 8, EXT_C_SIZE = 16, EXT_ENTRY = 64 };

/* Others are masked, as the reference does. */
#define FEATURES_KNOWN UINT32_C(0x70000fff)
/* Need tables or keys that v5 has no place for. */
#define FEATURES_V6 (RAFS_BLOB_ZRAN | RAFS_BLOB_SEPARATE | RAFS_BLOB_TARFS | RAFS_BLOB_BATCH | RAFS_BLOB_ENCRYPTED)

#define C_SIZE_MAX (UINT64_C(1) << 40) /* bytes of a blob */
#define U_SIZE_MAX (UINT64_C(1) << 44) /* bytes of an uncompressed blob */

static const struct meta_ops v5_ops = {
	.inode_get = v5_inode_get,
	.lookup = v5_lookup,
	.parent = v5_parent,
	.dir_next = v5_dir_next,
	.readlink = v5_readlink,
	.xattr_get = v5_xattr_get,
	.xattr_list = v5_xattr_list,
	.extent_at = v5_extent_at,
	.inode_verify = v5_inode_verify,
};

static int table_check(const struct rafs_image *image, uint32_t i, struct graft_error *err)
{
	const struct meta_range *t = &image->tables[i];
	uint32_t j;

	if (t->len == 0)
		return 0;
	if (t->at % 8 || t->at < V5_SUPER_SIZE)
		return error_set(err, EINVAL,
				 "superblock: %s at byte %" PRIu64 ", which must be a multiple of 8 from 8192 on",
				 tables[i].name, t->at);
	if (!bytes_within(t->at, t->len, image->map.size))
		return error_set(err, EINVAL,
				 "superblock: %s of %" PRIu64 " bytes at byte %" PRIu64
				 " ends beyond the bootstrap of %" PRIu64 " bytes",
				 tables[i].name, t->len, t->at, image->map.size);
	for (j = 0; j < i; j++) {
		const struct meta_range *other = &image->tables[j];

		if (other->len && t->at < other->at + other->len && other->at < t->at + t->len)
			return error_set(err, EINVAL, "superblock: %s and %s overlap", tables[j].name, tables[i].name);
	}
	return 0;
}

static int tables_find(struct rafs_image *image, struct graft_error *err)
{
	const unsigned char *super = image->map.base;
	uint32_t i;

	for (i = 0; i < V5_TABLES; i++) {
		image->tables[i].len = (uint64_t)bytes_u32(super + tables[i].entries) * tables[i].entry;
		/* Where a table that is empty lies may be any number. */
		image->tables[i].at = image->tables[i].len ? bytes_u64(super + tables[i].at) : 0;
		if (table_check(image, i, err) < 0)
			return -EINVAL;
	}
	image->inodes_at = image->tables[TABLE_INODE].at;
	image->inode_entries = bytes_u32(super + SUPER_INODE_ENTRIES);
	image->prefetch_at = image->tables[TABLE_PREFETCH].at;
	image->super.prefetch_entries = bytes_u32(super + SUPER_PREFETCH_ENTRIES);
	return 0;
}

static int super_read(struct rafs_image *image, struct graft_error *err)
{
	const unsigned char *super = image->map.base;
	uint32_t size = bytes_u32(super + SUPER_SIZE);
	int rc;

	if (size != V5_SUPER_SIZE)
		return error_set(err, EINVAL, "superblock: its size is 0x%" PRIx32 " instead of 0x2000", size);
	image->super.version = 5;
	image->super.block_size = 4096;
	image->super.root = V5_ROOT;
	image->super.inodes = bytes_u64(super + SUPER_INODES);
	rc = meta_super_chunk_size(&image->super, bytes_u32(super + SUPER_CHUNK_SIZE), err);
	if (rc == 0)
		rc = meta_super_flags(&image->super, bytes_u64(super + SUPER_FLAGS), err);
	if (rc == 0)
		rc = tables_find(image, err);
	if (rc < 0)
		return rc;
	if (image->super.inodes == 0 || image->super.inodes > image->inode_entries)
		return error_set(err, EINVAL,
				 "superblock: %" PRIu64 " inodes, with an inode table of %" PRIu32
				 " entries (at least 1, at most as many as there are entries)",
				 image->super.inodes, image->inode_entries);
	return 0;
}

/* The next entry of the blob table at *at of end bytes; 1, 0 at its end. id is not closed by a NUL where the table
 * ends. */
static int blob_next(const unsigned char *table, uint64_t end, uint64_t *at, const unsigned char **id, size_t *len)
{
	if (*at > end || end - *at <= BLOB_ENTRY_HEAD)
		return 0;
	*at += BLOB_ENTRY_HEAD;
	*id = table + *at;
	*len = strnlen((const char *)*id, end - *at);
	*at += *len + 1;
	return 1;
}

static int blobs_count(const struct rafs_image *image, uint32_t *count, struct graft_error *err)
{
	const struct meta_range *t = &image->tables[TABLE_BLOB];
	const unsigned char *id;
	uint64_t at = 0;
	size_t len;

	for (*count = 0; blob_next(image->map.base + t->at, t->len, &at, &id, &len); ++*count)
		if (*count == RAFS_BLOBS_MAX)
			return error_set(err, EINVAL, "blob table: more than %d blobs", RAFS_BLOBS_MAX);
	return 0;
}

static int blob_sizes(const struct rafs_image *image, struct rafs_blob_info *info, struct graft_error *err)
{
	const struct meta_range *table = &image->tables[TABLE_EXT];
	const unsigned char *ext;

	if (!table->len)
		return 0;
	ext = image->map.base + table->at + (uint64_t)info->index * EXT_ENTRY;
	info->chunk_count = bytes_u32(ext + EXT_CHUNKS);
	info->features = bytes_u32(ext + EXT_FEATURES) & FEATURES_KNOWN;
	info->u_size = bytes_u64(ext + EXT_U_SIZE);
	info->c_size = bytes_u64(ext + EXT_C_SIZE);
	if (info->features & FEATURES_V6)
		return error_set(err, EINVAL, "blob %s: features 0x%" PRIx32 " that RAFS v5 cannot have", info->id,
				 info->features & (uint32_t)FEATURES_V6);
	if (info->chunk_count > RAFS_CHUNKS_MAX || info->u_size > U_SIZE_MAX || info->c_size > C_SIZE_MAX)
		return error_set(err, EINVAL,
				 "blob %s: %" PRIu32 " chunks, %" PRIu64 " bytes, %" PRIu64
				 " bytes uncompressed (at most 2^24, 2^40, 2^44)",
				 info->id, info->chunk_count, info->c_size, info->u_size);
	meta_blob_data_end(info);
	return 0;
}

static int blob_read(const struct rafs_image *image, struct rafs_blob_info *info, const unsigned char *id, size_t len,
		     const struct rafs_origin *origin, struct graft_error *err)
{
	int rc;

	if (meta_blob_id(info->id, id, len) < 0)
		return error_set(err, EINVAL,
				 "blob table: the id of blob %" PRIu32 " is not 1 to 64 characters of a file name",
				 info->index);
	info->version = 5;
	info->chunk_size = image->super.chunk_size;
	info->compressor = image->super.compressor;
	info->digester = image->super.digester;
	rc = blob_sizes(image, info, err);
	return rc < 0 ? rc : meta_blob_origin(info, origin, err);
}

static int blobs_read(struct rafs_image *image, const struct rafs_origin *origin, struct graft_error *err)
{
	const struct meta_range *t = &image->tables[TABLE_BLOB];
	uint64_t ext = image->tables[TABLE_EXT].len / EXT_ENTRY;
	const unsigned char *id;
	uint32_t count, i;
	uint64_t at = 0;
	size_t len;
	int rc;

	rc = blobs_count(image, &count, err);
	if (rc < 0)
		return rc;
	if (ext && ext < count)
		return error_set(err, EINVAL,
				 "extended blob table: %" PRIu64 " entries for %" PRIu32 " blobs of the blob table",
				 ext, count);
	image->blobs = calloc(count ? count : 1, sizeof(image->blobs[0]));
	if (!image->blobs)
		return error_set(err, ENOMEM, "out of memory");
	/* Both conditions: a file that changes under the mapping may show more blobs than were counted. */
	for (i = 0; i < count && blob_next(image->map.base + t->at, t->len, &at, &id, &len); i++) {
		image->blobs[i].index = i;
		rc = blob_read(image, &image->blobs[i], id, len, origin, err);
		if (rc < 0)
			return rc;
	}
	image->super.blobs = i;
	return 0;
}

int v5_open(struct rafs_image *image, const struct rafs_origin *origin, struct graft_error *err)
{
	struct rafs_inode root;
	int rc;

	rc = super_read(image, err);
	if (rc == 0)
		rc = blobs_read(image, origin, err);
	if (rc < 0)
		return rc;
	image->ops = &v5_ops;
	if (v5_inode_get(image, V5_ROOT, &root) < 0 || !S_ISDIR(root.mode))
		return error_set(err, EINVAL, "the root directory's inode is bad");
	return 0;
}
