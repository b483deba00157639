/* SPDX-License-Identifier: Apache-2.0 */
/* RAFS v6: inodes, compact and extended, and where their parts lie (reference 2.5, 2.6, 8). */
#include "v6.h"

#include <errno.h>

#define COMPACT_SIZE 32 /* bytes */
#define EXTENDED_SIZE 64
#define XATTR_HEADER 12
#define FORMAT_KNOWN 0xf /* one bit for the size, three for the layout */
#define NS 1000000000
#define INDEX_SIZE 8 /* bytes of a chunk index, and what their array is aligned to */

/* What is left to say of an inode once its record is read. */
struct raw {
	enum v6_layout layout;
	uint32_t u;   /* i_u: block address, or device number */
	uint64_t end; /* bytes: behind record and xattrs */
};

static void read_compact(const unsigned char *p, struct rafs_inode *out, struct raw *raw)
{
	out->mode = bytes_u16(p + 4);
	out->nlink = bytes_u16(p + 6);
	out->size = bytes_u32(p + 8);
	raw->u = bytes_u32(p + 16);
	out->uid = bytes_u16(p + 24);
	out->gid = bytes_u16(p + 26);
}

static void read_extended(const unsigned char *p, struct rafs_inode *out, struct raw *raw)
{
	out->mode = bytes_u16(p + 4);
	out->size = bytes_u64(p + 8);
	raw->u = bytes_u32(p + 16);
	out->uid = bytes_u32(p + 24);
	out->gid = bytes_u32(p + 28);
	out->mtime = bytes_u64(p + 32);
	out->mtime_nsec = bytes_u32(p + 40);
	out->nlink = bytes_u32(p + 44);
	if (out->mtime_nsec >= NS)
		out->mtime_nsec = NS - 1;
}

/* The record and the place of the xattrs. */
static int read_record(const struct rafs_image *image, uint64_t ino, struct rafs_inode *out, struct raw *raw)
{
	uint64_t at = image->inodes_at + ino * V6_SLOT;
	const unsigned char *p = meta_bytes(image, at, COMPACT_SIZE);
	uint16_t format = p ? bytes_u16(p) : UINT16_MAX, xattrs;
	uint64_t size = format & 1 ? EXTENDED_SIZE : COMPACT_SIZE;

	if (format & ~FORMAT_KNOWN || !meta_bytes(image, at, size))
		return -EUCLEAN;
	*out = (struct rafs_inode){ .ino = ino, .at = at };
	raw->layout = format >> 1;
	raw->end = at + size;
	if (format & 1)
		read_extended(p, out, raw);
	else
		read_compact(p, out, raw);
	xattrs = bytes_u16(p + 2);
	if (xattrs) {
		out->xattr_at = raw->end;
		out->xattr_size = XATTR_HEADER + UINT64_C(4) * (xattrs - 1);
		raw->end += out->xattr_size;
	}
	if (!out->nlink || raw->end > image->map.size)
		return -EUCLEAN;
	return 0;
}

static int place_chunks(const struct rafs_image *image, struct rafs_inode *out, const struct raw *raw)
{
	uint64_t chunk_size = image->super.chunk_size;
	uint64_t count = out->size / chunk_size + (out->size % chunk_size != 0);

	if (raw->layout != V6_CHUNKS || count > UINT32_MAX)
		return -EUCLEAN;
	out->count = (uint32_t)count;
	out->data_at = bytes_round_up(raw->end, INDEX_SIZE);
	return meta_bytes(image, out->data_at, count * INDEX_SIZE) ? 0 : -EUCLEAN;
}

/* Data of a directory or symlink: whole blocks at i_u, and if inline what is more right behind the xattrs. */
static int place_flat(const struct rafs_image *image, struct rafs_inode *out, const struct raw *raw)
{
	uint64_t block = image->super.block_size;
	uint64_t tail = raw->layout == V6_INLINE ? out->size % block : 0;

	if ((raw->layout != V6_PLAIN && raw->layout != V6_INLINE) || out->size > image->map.size)
		return -EUCLEAN;
	if (tail) {
		if (!meta_bytes(image, raw->end, tail) || raw->end % block + tail > block)
			return -EUCLEAN;
		out->tail_at = raw->end;
	}
	if (out->size > tail) {
		out->data_at = raw->u * block;
		if (!meta_bytes(image, out->data_at, out->size - tail))
			return -EUCLEAN;
	}
	return 0;
}

static int place_data(const struct rafs_image *image, struct rafs_inode *out, const struct raw *raw)
{
	switch (out->mode & S_IFMT) {
	case S_IFREG:
		return place_chunks(image, out, raw);
	case S_IFLNK:
		if (!out->size || out->size > V6_SYMLINK_MAX)
			return -EUCLEAN;
		return place_flat(image, out, raw);
	case S_IFDIR:
		return place_flat(image, out, raw);
	case S_IFCHR:
	case S_IFBLK:
		out->rdev = raw->u;
		return raw->layout == V6_PLAIN && !out->size ? 0 : -EUCLEAN;
	case S_IFIFO:
	case S_IFSOCK:
		return raw->layout == V6_PLAIN && !out->size ? 0 : -EUCLEAN;
	default:
		return -EUCLEAN;
	}
}

int v6_inode_get(const struct rafs_image *image, uint64_t ino, struct rafs_inode *out)
{
	struct raw raw;
	int res;

	if (!v6_nid_ok(image, ino))
		return -ENOENT;
	res = read_record(image, ino, out, &raw);
	if (!res)
		res = place_data(image, out, &raw);
	if (!res)
		out->blocks = out->size / 512 + (out->size % 512 != 0);
	return res;
}

const unsigned char *v6_flat(const struct rafs_image *image, const struct rafs_inode *inode, uint64_t off, uint64_t len)
{
	uint64_t whole = inode->tail_at ? inode->size - inode->size % image->super.block_size : inode->size;

	if (!bytes_within(off, len, inode->size))
		return NULL;
	return off < whole ? meta_bytes(image, inode->data_at + off, len)
			   : meta_bytes(image, inode->tail_at + (off - whole), len);
}
