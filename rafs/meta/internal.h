/* SPDX-License-Identifier: Apache-2.0 */
/* What the two versions' readers share behind image.h. */
#ifndef GRAFT_RAFS_META_INTERNAL_H
#define GRAFT_RAFS_META_INTERNAL_H

#include "rafs/bytes.h"
#include "rafs/meta/image.h"

/* A version's half of image.h: the functions of the same names, with results before -EIO for a torn mapping is told. */
struct meta_ops {
	int (*inode_get)(const struct rafs_image *image, uint64_t ino, struct rafs_inode *out);
	int (*lookup)(const struct rafs_image *image, const struct rafs_inode *dir, const char *name, size_t len,
		      struct rafs_inode *out);
	int (*parent)(const struct rafs_image *image, const struct rafs_inode *dir, uint64_t *ino);
	int (*dir_next)(const struct rafs_image *image, const struct rafs_inode *dir, uint64_t *cookie,
			struct rafs_dirent *out);
	int (*readlink)(const struct rafs_image *image, const struct rafs_inode *inode, char *to, size_t room);
	int64_t (*xattr_get)(const struct rafs_image *image, const struct rafs_inode *inode, const char *name, void *to,
			     size_t room);
	int64_t (*xattr_list)(const struct rafs_image *image, const struct rafs_inode *inode, char *to, size_t room);
	int (*extent_at)(const struct rafs_image *image, const struct rafs_inode *inode, uint64_t off,
			 struct rafs_extent *out);
	int (*inode_verify)(const struct rafs_image *image, const struct rafs_inode *inode);
};

/* Constant once opened. */
struct rafs_image {
	const struct meta_ops *ops;
	struct mapping map;
	struct rafs_super super;
	struct rafs_blob_info *blobs; /* super.blobs of them */
	uint64_t prefetch_at;         /* bytes: where the prefetch table begins */
	uint64_t inodes_at;           /* v5: inode table; v6: where nid 0 lies */
	uint32_t inode_entries;       /* v5 */
};

/* len bytes of the bootstrap from off, or NULL where they do not lie in it. */
static inline const unsigned char *meta_bytes(const struct rafs_image *image, uint64_t off, uint64_t len)
{
	return bytes_within(off, len, image->map.size) ? image->map.base + off : NULL;
}

/* Each fills image but for map, which is there already; blobs is freed by rafs_image_close, also after a failure. */
int v5_open(struct rafs_image *image, const struct rafs_origin *origin, struct graft_error *err);
int v6_open(struct rafs_image *image, const struct rafs_origin *origin, struct graft_error *err);

/* Shared small things (image.c): a name that may stand in a directory; new_encode_dev's number as dev_t is the plugin's. */
bool meta_name_ok(const char *name, size_t len);
/* Sets *info's id from the image's bytes (up to NUL or len): -EUCLEAN if it may not be a blob's. */
int meta_blob_id(char id[RAFS_BLOB_ID_MAX + 1], const unsigned char *bytes, size_t len);

#endif
