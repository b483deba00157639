/* SPDX-License-Identifier: Apache-2.0 */
/* RAFS v6: places and limits of the format, and what its files share (reference 2). */
#ifndef GRAFT_RAFS_META_V6_H
#define GRAFT_RAFS_META_V6_H

#include "rafs/meta/internal.h"

#define V6_SUPER_AT 1024 /* bytes from the start, as all _AT */
#define V6_EXT_SUPER_AT 1152
#define V6_DEVICES_AT 1408
#define V6_ALIGN 4096 /* bytes: of the tables, and what the smallest bootstrap has */
#define V6_SLOT 32    /* bytes for which a nid counts */
#define V6_DEVICE_SIZE 128
#define V6_BLOB_SIZE 256
#define V6_SYMLINK_MAX 4096

/* Layouts of an inode's data. */
enum v6_layout { V6_PLAIN = 0, V6_INLINE = 2, V6_CHUNKS = 4 };

/* Tables of the metadata that the superblocks name: checked to lie in the file. */
struct v6_tables {
	uint64_t blobs_at;   /* bytes: the blob table; one entry for each of super.blobs */
	uint64_t devices_at; /* bytes: the device slots, as many */
};

/* Fills image->blobs, which it allocates, from the blob table and compares it with the device slots. */
int v6_blobs_read(struct rafs_image *image, const struct v6_tables *tables, const struct rafs_origin *origin,
		  struct graft_error *err);

/* Whether the smallest inode could be where nid says. */
static inline bool v6_nid_ok(const struct rafs_image *image, uint64_t nid)
{
	return nid > 0 && nid < (image->map.size - image->inodes_at) / V6_SLOT;
}

/* Bytes [off, off + len) of the data of a directory or symlink, which lie in one block: or NULL. */
const unsigned char *v6_flat(const struct rafs_image *image, const struct rafs_inode *inode, uint64_t off,
			     uint64_t len);

/* The functions of struct meta_ops. */
int v6_inode_get(const struct rafs_image *image, uint64_t ino, struct rafs_inode *out);
int v6_lookup(const struct rafs_image *image, const struct rafs_inode *dir, const char *name, size_t len,
	      struct rafs_inode *out);
int v6_parent(const struct rafs_image *image, const struct rafs_inode *dir, uint64_t *ino);
int v6_dir_next(const struct rafs_image *image, const struct rafs_inode *dir, uint64_t *cookie,
		struct rafs_dirent *out);
int v6_dir_next_all(const struct rafs_image *image, const struct rafs_inode *dir, uint64_t *cookie,
		    struct rafs_dirent *out);
int v6_dir_seek(const struct rafs_image *image, const struct rafs_inode *dir, uint64_t n, uint64_t *cookie);
int v6_readlink(const struct rafs_image *image, const struct rafs_inode *inode, char *to, size_t room);
int64_t v6_xattr_get(const struct rafs_image *image, const struct rafs_inode *inode, const char *name, void *to,
		     size_t room);
int64_t v6_xattr_list(const struct rafs_image *image, const struct rafs_inode *inode, char *to, size_t room);
int v6_extent_at(const struct rafs_image *image, const struct rafs_inode *inode, uint64_t off, struct rafs_extent *out);

#endif
