/* SPDX-License-Identifier: Apache-2.0 */
/* RAFS v6: targets of symlinks, and which chunk holds which byte of a file (reference 2.5, 2.6, 2.10, 8). */
#include "v6.h"

#include <errno.h>

#define INDEX_SIZE 8 /* bytes */

int v6_readlink(const struct rafs_image *image, const struct rafs_inode *inode, char *to, size_t room)
{
	uint64_t block = image->super.block_size;

	if (inode->size > room)
		return -ERANGE;
	for (uint64_t off = 0; off < inode->size; off += block) {
		uint64_t len = inode->size - off < block ? inode->size - off : block;
		const unsigned char *from = v6_flat(image, inode, off, len);

		if (!from)
			return -EUCLEAN;
		memcpy(to + off, from, len);
	}
	if (memchr(to, '\0', inode->size))
		return -EUCLEAN;
	return (int)inode->size;
}

/* In TARFS mode a chunk is a stretch of the tar file; else the blob's chunk table knows where it is. */
static int fill_chunk(const struct rafs_blob_info *blob, struct rafs_extent *out)
{
	struct rafs_chunk *c = &out->chunk;

	out->complete = blob->features & RAFS_BLOB_TARFS;
	if (c->index >= blob->chunk_count)
		return -EUCLEAN;
	if (out->complete) {
		c->c_off = c->u_off;
		c->c_size = c->u_size;
		return bytes_within(c->c_off, c->c_size, blob->data_end) ? 0 : -EUCLEAN;
	}
	/* U-offsets of the other blobs are aligned, as their blocks are. */
	return bytes_within(c->u_off, c->u_size, blob->u_size) ? 0 : -EUCLEAN;
}

int v6_extent_at(const struct rafs_image *image, const struct rafs_inode *inode, uint64_t off, struct rafs_extent *out)
{
	uint64_t chunk_size = image->super.chunk_size, k = off / chunk_size;
	const unsigned char *p = meta_bytes(image, inode->data_at + k * INDEX_SIZE, INDEX_SIZE);
	uint64_t left = inode->size - k * chunk_size;
	uint32_t device;

	if (k >= inode->count || !p)
		return -EUCLEAN;
	device = p[2];
	if (device == 0 || device > image->super.blobs)
		return -EUCLEAN;
	*out = (struct rafs_extent){
		.file_off = k * chunk_size,
		.len = left < chunk_size ? left : chunk_size,
		.blob = device - 1,
		.chunk = {
			.u_off = (uint64_t)bytes_u32(p + 4) * image->super.block_size,
			.index = bytes_u16(p) | (uint32_t)p[3] << 16,
		},
	};
	out->chunk.u_size = (uint32_t)out->len;
	return fill_chunk(&image->blobs[out->blob], out);
}
