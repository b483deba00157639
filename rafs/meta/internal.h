/* SPDX-License-Identifier: Apache-2.0 */
/* What the two versions' readers share behind image.h. */
#ifndef GRAFT_RAFS_META_INTERNAL_H
#define GRAFT_RAFS_META_INTERNAL_H

#include "rafs/bytes.h"
#include "rafs/meta/image.h"

/*
 * A version's half of image.h: the functions of the same names, with results before -EIO for a torn mapping is told.
 * image.c has looked at the arguments before: dir is a directory, name may stand in one (meta_name_ok), readlink's
 * inode is a symlink, extent_at's a regular file with off < size, the xattr calls' has xattrs (xattr_at != 0).
 */
struct meta_ops {
	int (*inode_get)(const struct rafs_image *image, uint64_t ino, struct rafs_inode *out);
	int (*lookup)(const struct rafs_image *image, const struct rafs_inode *dir, const char *name, size_t len,
		      struct rafs_inode *out);
	int (*parent)(const struct rafs_image *image, const struct rafs_inode *dir, uint64_t *ino);
	int (*dir_next)(const struct rafs_image *image, const struct rafs_inode *dir, uint64_t *cookie,
			struct rafs_dirent *out);
	/* NULL: entries "." and ".." are not stored */
	int (*dir_next_all)(const struct rafs_image *image, const struct rafs_inode *dir, uint64_t *cookie,
			    struct rafs_dirent *out);
	int (*dir_seek)(const struct rafs_image *image, const struct rafs_inode *dir, uint64_t n, uint64_t *cookie);
	int (*readlink)(const struct rafs_image *image, const struct rafs_inode *inode, char *to, size_t room);
	int64_t (*xattr_get)(const struct rafs_image *image, const struct rafs_inode *inode, const char *name, void *to,
			     size_t room);
	int64_t (*xattr_list)(const struct rafs_image *image, const struct rafs_inode *inode, char *to, size_t room);
	int (*extent_at)(const struct rafs_image *image, const struct rafs_inode *inode, uint64_t off,
			 struct rafs_extent *out);
	int (*inode_verify)(const struct rafs_image *image, const struct rafs_inode *inode); /* NULL: nothing to verify */
};

/* A table of the bootstrap. */
struct meta_range {
	uint64_t at, len; /* bytes; len 0: there is none */
};

#define V5_TABLES 4

/* Constant once opened. */
struct rafs_image {
	const struct meta_ops *ops;
	struct mapping map;
	struct rafs_super super;
	struct rafs_blob_info *blobs; /* super.blobs of them */
	uint64_t prefetch_at;         /* bytes: where the prefetch table begins */
	uint64_t inodes_at;           /* v5: inode table; v6: where nid 0 lies */
	uint32_t inode_entries;       /* v5 */
	struct meta_range tables[V5_TABLES]; /* v5: where no inode record may lie */
};

/* len bytes of the bootstrap from off, or NULL where they do not lie in it. */
static inline const unsigned char *meta_bytes(const struct rafs_image *image, uint64_t off, uint64_t len)
{
	return bytes_within(off, len, image->map.size) ? image->map.base + off : NULL;
}

/* Each fills image but for map, which is there already; blobs is freed by rafs_image_close, also after a failure. */
int v5_open(struct rafs_image *image, const struct rafs_origin *origin, struct graft_error *err);
int v6_open(struct rafs_image *image, const struct rafs_origin *origin, struct graft_error *err);

/* Shared small things (image.c): whether a name may stand in a directory. */
bool meta_name_ok(const char *name, size_t len);
/* Sets *info's id from the image's bytes (up to NUL or len): -EUCLEAN if it may not be a blob's. */
int meta_blob_id(char id[RAFS_BLOB_ID_MAX + 1], const unsigned char *bytes, size_t len);
/*
 * Sets id and meta_id to the real ones where the table cannot know them (reference 3.7 b, c); features and id are
 * set, and meta_id where the table has one (else it becomes id). -EINVAL with err where the file's name is needed and
 * can be none.
 */
int meta_blob_origin(struct rafs_blob_info *info, const struct rafs_origin *origin, struct graft_error *err);
/* Sets data_end from c_size, ci_offset and features (reference 3.2). */
void meta_blob_data_end(struct rafs_blob_info *info);
/* Sets flags, compressor and digester, the defaults where no flag names one. -EINVAL with err: unknown flags. */
int meta_super_flags(struct rafs_super *super, uint64_t flags, struct graft_error *err);
/* Sets chunk_size. -EINVAL with err: no power of two, or out of bounds. */
int meta_super_chunk_size(struct rafs_super *super, uint32_t chunk_size, struct graft_error *err);
/* A value or list of have bytes for room, where 0 asks for the size alone: have, or -ERANGE. */
int64_t meta_xattr_room(uint64_t have, size_t room);

#endif
