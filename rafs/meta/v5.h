/* SPDX-License-Identifier: Apache-2.0 */
/* RAFS v5 on disk (reference 1), and what the files of its reader share. */
#ifndef GRAFT_RAFS_META_V5_H
#define GRAFT_RAFS_META_V5_H

#include "rafs/meta/internal.h"

#define V5_SUPER_SIZE UINT64_C(8192) /* bytes, and where tables and records may begin */
#define V5_INODE_SIZE UINT64_C(128)  /* bytes of an inode record before its name */
#define V5_CHUNK_SIZE UINT64_C(80)   /* bytes of a chunk record */
#define V5_ROOT 1                    /* index and inode number */

/* Inode record (reference 1.5). */
enum v5_inode_at {
	V5_INODE_DIGEST = 0x00,
	V5_INODE_PARENT = 0x20,
	V5_INODE_INO = 0x28,
	V5_INODE_UID = 0x30,
	V5_INODE_GID = 0x34,
	V5_INODE_MODE = 0x3c,
	V5_INODE_BYTES = 0x40,
	V5_INODE_BLOCKS = 0x48,
	V5_INODE_FLAGS = 0x50,
	V5_INODE_NLINK = 0x58,
	V5_INODE_CHILD_INDEX = 0x5c,
	V5_INODE_CHILD_COUNT = 0x60,
	V5_INODE_NAME_LEN = 0x64,
	V5_INODE_SYMLINK_LEN = 0x66,
	V5_INODE_RDEV = 0x68,
	V5_INODE_MTIME_NSEC = 0x6c,
	V5_INODE_MTIME = 0x70
};
#define V5_FLAG_XATTR UINT64_C(4)
#define V5_FLAG_HOLE UINT64_C(8)

/* Chunk record (reference 1.5). */
enum v5_chunk_at {
	V5_CHUNK_DIGEST = 0x00,
	V5_CHUNK_BLOB = 0x20,
	V5_CHUNK_FLAGS = 0x24,
	V5_CHUNK_C_BYTES = 0x28,
	V5_CHUNK_U_BYTES = 0x2c,
	V5_CHUNK_C_OFF = 0x30,
	V5_CHUNK_U_OFF = 0x38,
	V5_CHUNK_FILE_OFF = 0x40,
	V5_CHUNK_INDEX = 0x48,
	V5_CHUNK_CRC = 0x4c
};

/* A record that lies in the file with its name: where, and what is needed before all of it is decoded. */
struct v5_record {
	const unsigned char *bytes; /* V5_INODE_SIZE of them, then the name */
	uint64_t at;                /* bytes: of the record in the bootstrap */
	uint32_t name_len;          /* 1..255 */
};

/* Record of an index (1..inode_entries, else -ENOENT). */
int v5_record_get(const struct rafs_image *image, uint64_t index, struct v5_record *record);

int v5_inode_get(const struct rafs_image *image, uint64_t ino, struct rafs_inode *out);
int v5_lookup(const struct rafs_image *image, const struct rafs_inode *dir, const char *name, size_t len,
	      struct rafs_inode *out);
int v5_parent(const struct rafs_image *image, const struct rafs_inode *dir, uint64_t *ino);
int v5_dir_next(const struct rafs_image *image, const struct rafs_inode *dir, uint64_t *cookie,
		struct rafs_dirent *out);
int v5_readlink(const struct rafs_image *image, const struct rafs_inode *inode, char *to, size_t room);
int64_t v5_xattr_get(const struct rafs_image *image, const struct rafs_inode *inode, const char *name, void *to,
		     size_t room);
int64_t v5_xattr_list(const struct rafs_image *image, const struct rafs_inode *inode, char *to, size_t room);
int v5_extent_at(const struct rafs_image *image, const struct rafs_inode *inode, uint64_t off, struct rafs_extent *out);
int v5_inode_verify(const struct rafs_image *image, const struct rafs_inode *inode);

#endif
