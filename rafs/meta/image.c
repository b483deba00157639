/* SPDX-License-Identifier: Apache-2.0 */
/* The face of both versions: which one a bootstrap is, the checks of arguments they share, and torn mappings. */
#include "rafs/meta/image.h"

#include "rafs/blob/backend.h"
#include "rafs/meta/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#define V5_MAGIC UINT32_C(0x52414653)
#define V5_VERSION UINT32_C(0x500)
#define V5_SUPER_SIZE UINT64_C(8192)
#define V6_MAGIC UINT32_C(0xe0f5e1e2)
#define V6_MAGIC_AT 1024
#define V6_SIZE_MIN UINT64_C(4096)

#define TAR_HEADER 512 /* bytes */

/* Flags that name algorithms, in the order of preference (reference 0.1). */
static const struct {
	uint64_t bit;
	uint32_t is;
} compressor_flags[] = { { 0x1, RAFS_NONE }, { 0x2, RAFS_LZ4 }, { 0x40, RAFS_GZIP }, { 0x80, RAFS_ZSTD } },
  digester_flags[] = { { 0x4, RAFS_BLAKE3 }, { 0x8, RAFS_SHA256 } };

/* All that are known, the encryption bits and the six reserved for compatible changes among them. */
#define SUPER_FLAGS_KNOWN UINT64_C(0xff0003ff)

bool meta_name_ok(const char *name, size_t len)
{
	if (len == 0 || len > RAFS_NAME_MAX || memchr(name, '/', len) || memchr(name, '\0', len))
		return false;
	return !(name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.')));
}

int meta_blob_id(char id[RAFS_BLOB_ID_MAX + 1], const unsigned char *bytes, size_t len)
{
	size_t n = strnlen((const char *)bytes, len);

	memset(id, 0, RAFS_BLOB_ID_MAX + 1);
	if (n > RAFS_BLOB_ID_MAX)
		return -EUCLEAN;
	/* The copy is what is checked: the file may change under the mapping. */
	memcpy(id, bytes, n);
	return blob_id_ok(id, strlen(id)) ? 0 : -EUCLEAN;
}

int meta_blob_origin(struct rafs_blob_info *info, const struct rafs_origin *origin, struct graft_error *err)
{
	uint32_t features = info->features;
	bool inlined = features & RAFS_BLOB_INLINED_META ||
		       (origin->inlined && !(features & (RAFS_BLOB_CAP_TAR_TOC | RAFS_BLOB_SEPARATE)));
	char *to = features & RAFS_BLOB_SEPARATE ? info->meta_id : info->id;

	if (inlined && !(features & RAFS_BLOB_EXTERNAL)) {
		if (!blob_id_ok(origin->name, strlen(origin->name)))
			return error_set(err, EINVAL,
					 "blob %" PRIu32
					 " has the name of the image's file for its id, and \"%s\" can be none",
					 info->index, origin->name);
		memcpy(to, origin->name, sizeof(info->id));
	}
	if (!(features & RAFS_BLOB_SEPARATE) || !info->meta_id[0])
		memcpy(info->meta_id, info->id, sizeof(info->meta_id));
	return 0;
}

void meta_blob_data_end(struct rafs_blob_info *info)
{
	uint32_t features = info->features;

	info->data_end = info->c_size;
	if (features & RAFS_BLOB_SEPARATE)
		return;
	if (features & RAFS_BLOB_CAP_TAR_TOC && info->ci_c_size)
		info->data_end = info->ci_offset;
	if (features & RAFS_BLOB_TAR_HEADER)
		info->data_end -= info->data_end < TAR_HEADER ? info->data_end : TAR_HEADER;
}

int meta_super_flags(struct rafs_super *super, uint64_t flags, struct graft_error *err)
{
	size_t i;

	if (flags & ~SUPER_FLAGS_KNOWN)
		return error_set(err, EINVAL,
				 "the image has features this version does not know: superblock flags 0x%" PRIx64,
				 flags & ~SUPER_FLAGS_KNOWN);
	super->flags = flags;
	super->compressor = RAFS_LZ4;
	super->digester = RAFS_BLAKE3;
	/* From the last to the first, so that the first one set stays. */
	for (i = sizeof(compressor_flags) / sizeof(compressor_flags[0]); i-- > 0;)
		if (flags & compressor_flags[i].bit)
			super->compressor = compressor_flags[i].is;
	for (i = sizeof(digester_flags) / sizeof(digester_flags[0]); i-- > 0;)
		if (flags & digester_flags[i].bit)
			super->digester = digester_flags[i].is;
	return 0;
}

int meta_super_chunk_size(struct rafs_super *super, uint32_t chunk_size, struct graft_error *err)
{
	if (chunk_size < RAFS_CHUNK_MIN || chunk_size > RAFS_CHUNK_MAX || chunk_size & (chunk_size - 1))
		return error_set(err, EINVAL,
				 "superblock: chunk size 0x%" PRIx32 " is no power of two from 0x1000 to 0x1000000",
				 chunk_size);
	super->chunk_size = chunk_size;
	return 0;
}

int64_t meta_xattr_room(uint64_t have, size_t room)
{
	return room && have > room ? -ERANGE : (int64_t)have;
}

static int open_version(struct rafs_image *image, const struct rafs_origin *origin, struct graft_error *err)
{
	const unsigned char *base = image->map.base;
	uint64_t size = image->map.size;

	if (size >= 8 && bytes_u32(base) == V5_MAGIC) {
		uint32_t version = bytes_u32(base + 4);

		if (version != V5_VERSION)
			return error_set(err, EINVAL, "RAFS version 0x%" PRIx32 " is not known; 0x500 and v6 are",
					 version);
		if (size < V5_SUPER_SIZE)
			return error_set(
				err, EINVAL,
				"a RAFS v5 bootstrap has a superblock of 8192 bytes, this one is cut at %" PRIu64,
				size);
		return v5_open(image, origin, err);
	}
	if (size >= V6_MAGIC_AT + 4 && bytes_u32(base + V6_MAGIC_AT) == V6_MAGIC) {
		if (size < V6_SIZE_MIN)
			return error_set(err, EINVAL,
					 "a RAFS v6 bootstrap has 4096 bytes at least, this one is cut at %" PRIu64,
					 size);
		return v6_open(image, origin, err);
	}
	return error_set(err, EINVAL, "no nydus bootstrap: neither RAFS v5 (magic at 0) nor v6 (EROFS magic at 1024)");
}

int rafs_image_open(struct rafs_image **image, struct rafs_origin *origin, struct graft_error *err)
{
	struct rafs_image *made = calloc(1, sizeof(*made));
	int rc;

	if (!made) {
		mapping_close(&origin->map);
		return error_set(err, ENOMEM, "out of memory");
	}
	made->map = origin->map;
	origin->map = (struct mapping){ 0 };
	rc = open_version(made, origin, err);
	/* Whatever was found, it was found in what is no more. */
	if (mapping_torn(&made->map))
		rc = error_set(err, EIO, "the bootstrap was cut short while it was read");
	if (rc < 0) {
		rafs_image_close(made);
		return rc;
	}
	made->super.meta_size = made->map.size;
	*image = made;
	return 0;
}

void rafs_image_close(struct rafs_image *image)
{
	if (!image)
		return;
	mapping_close(&image->map);
	free(image->blobs);
	free(image);
}

const struct rafs_super *rafs_image_super(const struct rafs_image *image)
{
	return &image->super;
}

const struct rafs_blob_info *rafs_image_blob(const struct rafs_image *image, uint32_t i)
{
	return &image->blobs[i];
}

uint64_t rafs_image_prefetch(const struct rafs_image *image, uint32_t i)
{
	const unsigned char *entry = meta_bytes(image, image->prefetch_at + UINT64_C(4) * i, 4);

	return entry && i < image->super.prefetch_entries ? bytes_u32(entry) : 0;
}

/* A version's answer, unless the mapping it came from had a page missing. */
static int64_t told(const struct rafs_image *image, int64_t rc)
{
	return mapping_torn(&image->map) ? -EIO : rc;
}

int rafs_inode_get(const struct rafs_image *image, uint64_t ino, struct rafs_inode *out)
{
	return (int)told(image, image->ops->inode_get(image, ino, out));
}

int rafs_lookup(const struct rafs_image *image, const struct rafs_inode *dir, const char *name, size_t len,
		struct rafs_inode *out)
{
	if (!S_ISDIR(dir->mode))
		return -ENOTDIR;
	if (!meta_name_ok(name, len))
		return -ENOENT;
	return (int)told(image, image->ops->lookup(image, dir, name, len, out));
}

int rafs_parent(const struct rafs_image *image, const struct rafs_inode *dir, uint64_t *ino)
{
	if (!S_ISDIR(dir->mode))
		return -ENOTDIR;
	return (int)told(image, image->ops->parent(image, dir, ino));
}

int rafs_dir_next(const struct rafs_image *image, const struct rafs_inode *dir, uint64_t *cookie,
		  struct rafs_dirent *out)
{
	if (!S_ISDIR(dir->mode))
		return -ENOTDIR;
	return (int)told(image, image->ops->dir_next(image, dir, cookie, out));
}

bool rafs_dir_has_dots(const struct rafs_image *image)
{
	return image->ops->dir_seek != NULL;
}

int rafs_dir_next_all(const struct rafs_image *image, const struct rafs_inode *dir, uint64_t *cookie,
		      struct rafs_dirent *out)
{
	if (!S_ISDIR(dir->mode))
		return -ENOTDIR;
	return (int)told(image, image->ops->dir_next_all(image, dir, cookie, out));
}

int rafs_dir_seek(const struct rafs_image *image, const struct rafs_inode *dir, uint64_t n, uint64_t *cookie)
{
	if (!S_ISDIR(dir->mode))
		return -ENOTDIR;
	return (int)told(image, image->ops->dir_seek(image, dir, n, cookie));
}

int rafs_readlink(const struct rafs_image *image, const struct rafs_inode *inode, char *to, size_t room)
{
	if (!S_ISLNK(inode->mode))
		return -EINVAL;
	return (int)told(image, image->ops->readlink(image, inode, to, room));
}

int64_t rafs_xattr_get(const struct rafs_image *image, const struct rafs_inode *inode, const char *name, void *to,
		       size_t room)
{
	if (!inode->xattr_at)
		return -ENODATA;
	return told(image, image->ops->xattr_get(image, inode, name, to, room));
}

int64_t rafs_xattr_list(const struct rafs_image *image, const struct rafs_inode *inode, char *to, size_t room)
{
	if (!inode->xattr_at)
		return 0;
	return told(image, image->ops->xattr_list(image, inode, to, room));
}

int rafs_extent_at(const struct rafs_image *image, const struct rafs_inode *inode, uint64_t off,
		   struct rafs_extent *out)
{
	if (!S_ISREG(inode->mode) || off >= inode->size)
		return -EINVAL;
	return (int)told(image, image->ops->extent_at(image, inode, off, out));
}

int rafs_inode_verify(const struct rafs_image *image, const struct rafs_inode *inode)
{
	if (!image->ops->inode_verify)
		return 0;
	return (int)told(image, image->ops->inode_verify(image, inode));
}
