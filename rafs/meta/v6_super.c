/* SPDX-License-Identifier: Apache-2.0 */
/* RAFS v6: both superblocks and the tables they name (reference 2.1, 2.2, 8). */
#include "v6.h"

#include <errno.h>

#define COMPAT_RAFS UINT32_C(0x40000000)
#define BITS_TARFS 9
#define BITS_ORDINARY 12
#define CHUNK_ENTRY 80 /* bytes */

/* Fields of the EROFS superblock that have one legal value. */
struct fixed {
	const char *name;
	uint32_t want;
	uint8_t off, size; /* bytes */
};

static const struct fixed fixed[] = {
	{ "checksum", 0, 0x04, 4 },
	{ "number of extension slots", 0, 0x0d, 1 },
	{ "address of shared xattrs", 0, 0x2c, 4 },
	{ "set of incompatible features", 0xc, 0x50, 4 }, /* chunked files, device table */
	{ "union field", 0, 0x54, 2 },
	{ "device table slot", V6_DEVICES_AT / V6_DEVICE_SIZE, 0x58, 2 },
};

/* Flags of the extended superblock of which exactly one must be set (reference 0.1). */
#define FLAGS_COMPRESSOR UINT64_C(0xc3)
#define FLAGS_DIGESTER UINT64_C(0xc)

/* A stretch of the bootstrap that belongs to one table. */
struct range {
	const char *name;
	uint64_t at, size; /* bytes */
};

static uint32_t field(const unsigned char *p, unsigned int size)
{
	return size == 1 ? *p : size == 2 ? bytes_u16(p) : bytes_u32(p);
}

static int check_fixed(const unsigned char *sb, struct graft_error *err)
{
	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
		uint32_t is = field(sb + fixed[i].off, fixed[i].size);

		if (is != fixed[i].want)
			return error_set(err, EINVAL, "v6 superblock: %s is 0x%x, must be 0x%x", fixed[i].name, is,
					 fixed[i].want);
	}
	return 0;
}

static int read_super(struct rafs_image *image, struct graft_error *err)
{
	const unsigned char *sb = image->map.base + V6_SUPER_AT;
	uint32_t blocks = bytes_u32(sb + 0x24);
	uint8_t bits = sb[0x0c];
	int res = check_fixed(sb, err);

	if (res < 0)
		return res;
	if (!(bytes_u32(sb + 0x08) & COMPAT_RAFS))
		return error_set(err, EINVAL, "v6 superblock: compatible features 0x%x lack 0x%x: EROFS, but not RAFS",
				 bytes_u32(sb + 0x08), COMPAT_RAFS);
	if (bits != BITS_TARFS && bits != BITS_ORDINARY)
		return error_set(err, EINVAL, "v6 superblock: block size bits are %u, must be %d or %d", bits,
				 BITS_TARFS, BITS_ORDINARY);
	image->super.version = 6;
	image->super.block_size = UINT32_C(1) << bits;
	image->super.inodes = bytes_u64(sb + 0x10);
	image->super.root = bytes_u16(sb + 0x0e);
	image->super.blobs = bytes_u16(sb + 0x56);
	image->inodes_at = (uint64_t)bytes_u32(sb + 0x28) << bits;
	if (image->map.size % image->super.block_size)
		return error_set(err, EINVAL, "v6: bootstrap of %llu bytes is not whole blocks of %u bytes: cut short?",
				 (unsigned long long)image->map.size, image->super.block_size);
	if (!image->super.inodes)
		return error_set(err, EINVAL, "v6 superblock: number of inodes is 0, must be 1 or more");
	if (image->super.blobs > RAFS_BLOBS_MAX)
		return error_set(err, EINVAL, "v6 superblock: %u devices, can be %d at most", image->super.blobs,
				 RAFS_BLOBS_MAX);
	/* Old builders wrote 4096 whatever the image. */
	if (!image->super.blobs && blocks && blocks != 4096)
		return error_set(err, EINVAL, "v6 superblock: %u blocks of data, but no device", blocks);
	if (image->inodes_at > image->map.size)
		return error_set(err, EINVAL, "v6 superblock: inodes begin at %llu, behind the end at %llu",
				 (unsigned long long)image->inodes_at, (unsigned long long)image->map.size);
	return 0;
}

static int read_flags(struct rafs_super *super, uint64_t flags, struct graft_error *err)
{
	bool tarfs = flags & RAFS_SUPER_TARFS;
	int res = meta_super_flags(super, flags, err);

	if (res < 0)
		return res;
	if (__builtin_popcountll(flags & FLAGS_COMPRESSOR) != 1)
		return error_set(err, EINVAL, "v6 extended superblock: flags 0x%llx must name exactly one compressor",
				 (unsigned long long)flags);
	if (__builtin_popcountll(flags & FLAGS_DIGESTER) != 1)
		return error_set(err, EINVAL, "v6 extended superblock: flags 0x%llx must name exactly one digester",
				 (unsigned long long)flags);
	if (tarfs != (super->block_size == 1U << BITS_TARFS))
		return error_set(err, EINVAL, "v6 superblock: blocks of %u bytes, must be %u %s TARFS mode",
				 super->block_size, 1U << (tarfs ? BITS_TARFS : BITS_ORDINARY),
				 tarfs ? "in" : "outside");
	return 0;
}

/* In the file, behind the superblocks, and no two over each other. Empty ones are passed over. */
static int check_ranges(const struct rafs_image *image, const struct range *r, size_t n, struct graft_error *err)
{
	for (size_t i = 0; i < n; i++) {
		if (!bytes_within(r[i].at, r[i].size, image->map.size))
			return error_set(err, EINVAL, "v6: %s (%llu bytes at %llu) goes beyond the end at %llu",
					 r[i].name, (unsigned long long)r[i].size, (unsigned long long)r[i].at,
					 (unsigned long long)image->map.size);
		for (size_t k = 0; k < i; k++)
			if (r[i].size && r[k].size && r[i].at < r[k].at + r[k].size && r[k].at < r[i].at + r[i].size)
				return error_set(err, EINVAL, "v6: %s at %llu lies over the %s at %llu", r[i].name,
						 (unsigned long long)r[i].at, r[k].name, (unsigned long long)r[k].at);
	}
	return 0;
}

static int check_table(const struct range *r, uint64_t align, uint32_t entry, struct graft_error *err)
{
	if (r->at < V6_ALIGN || r->at % align)
		return error_set(err, EINVAL,
				 "v6 extended superblock: %s is at %llu, must be at a multiple of %llu from %d on",
				 r->name, (unsigned long long)r->at, (unsigned long long)align, V6_ALIGN);
	if (r->size % entry)
		return error_set(err, EINVAL, "v6 extended superblock: %s has %llu bytes, must be a multiple of %u",
				 r->name, (unsigned long long)r->size, entry);
	return 0;
}

static int read_ext_super(struct rafs_image *image, struct v6_tables *tables, struct graft_error *err)
{
	const unsigned char *sb = image->map.base + V6_EXT_SUPER_AT;
	struct range r[] = {
		{ "superblock", 0, V6_DEVICES_AT },
		{ "device table", V6_DEVICES_AT, (uint64_t)image->super.blobs * V6_DEVICE_SIZE },
		{ "blob table", bytes_u64(sb + 0x08), bytes_u32(sb + 0x10) },
		{ "chunk table", bytes_u64(sb + 0x18), bytes_u64(sb + 0x20) },
		{ "prefetch table", bytes_u64(sb + 0x28), bytes_u32(sb + 0x30) },
	};
	struct range *blobs = &r[2], *chunks = &r[3], *prefetch = &r[4];
	int res = read_flags(&image->super, bytes_u64(sb), err);

	if (!res)
		res = meta_super_chunk_size(&image->super, bytes_u32(sb + 0x14), err);
	if (res < 0)
		return res;
	/* Old builders gave an empty image a prefetch table at no place; the place of an empty table says nothing. */
	if (!prefetch->at || !prefetch->size)
		prefetch->at = prefetch->size = 0;
	if (!chunks->size)
		chunks->at = 0;
	res = check_table(blobs, V6_ALIGN, V6_BLOB_SIZE, err);
	if (!res && chunks->size)
		res = check_table(chunks, V6_ALIGN, CHUNK_ENTRY, err);
	if (!res && prefetch->size)
		res = check_table(prefetch, 1, sizeof(uint32_t), err);
	if (!res)
		res = check_ranges(image, r, sizeof(r) / sizeof(r[0]), err);
	if (res < 0)
		return res;
	if (blobs->size / V6_BLOB_SIZE != image->super.blobs)
		return error_set(err, EINVAL, "v6: blob table has %llu entries, device table %u: must be as many",
				 (unsigned long long)blobs->size / V6_BLOB_SIZE, image->super.blobs);
	image->prefetch_at = prefetch->at;
	image->super.prefetch_entries = (uint32_t)(prefetch->size / sizeof(uint32_t));
	*tables = (struct v6_tables){ .blobs_at = blobs->at, .devices_at = V6_DEVICES_AT };
	return 0;
}

static int check_root(const struct rafs_image *image, struct graft_error *err)
{
	struct rafs_inode root;
	int res = v6_inode_get(image, image->super.root, &root);

	if (res < 0)
		return error_set(err, EINVAL, "v6 superblock: root inode %llu is %s",
				 (unsigned long long)image->super.root,
				 res == -ENOENT ? "not in the file" : "not a valid inode");
	if (!S_ISDIR(root.mode))
		return error_set(err, EINVAL, "v6 superblock: root inode %llu has mode 0%o, must be a directory",
				 (unsigned long long)image->super.root, root.mode);
	return 0;
}

static const struct meta_ops v6_ops = {
	.inode_get = v6_inode_get,
	.lookup = v6_lookup,
	.parent = v6_parent,
	.dir_next = v6_dir_next,
	.dir_next_all = v6_dir_next_all,
	.dir_seek = v6_dir_seek,
	.readlink = v6_readlink,
	.xattr_get = v6_xattr_get,
	.xattr_list = v6_xattr_list,
	.extent_at = v6_extent_at,
};

int v6_open(struct rafs_image *image, const struct rafs_origin *origin, struct graft_error *err)
{
	struct v6_tables tables;
	int res;

	image->ops = &v6_ops;
	/* That the magic number is right and the file has 4096 bytes was seen before. */
	res = read_super(image, err);
	if (!res)
		res = read_ext_super(image, &tables, err);
	if (!res)
		res = v6_blobs_read(image, &tables, origin, err);
	if (!res)
		res = check_root(image, err);
	return res;
}
