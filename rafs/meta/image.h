/* SPDX-License-Identifier: Apache-2.0 */
/* A bootstrap, RAFS v5 or v6, read in place: inodes, directories, links, xattrs, and which chunk holds which byte. */
#ifndef GRAFT_RAFS_META_IMAGE_H
#define GRAFT_RAFS_META_IMAGE_H

#include "lib/mapping.h"
#include "rafs/chunk.h"

#include <stddef.h>
#include <sys/stat.h>

/*
 * Nothing is kept for an inode: each call below reads the mapping anew and checks all it uses, so the memory of an
 * image is this object alone, whatever the image's size. All functions on an opened image may be called from any thread
 * at the same time, allocate nothing, take no lock and may wait for pages of the mapping only.
 * Results: 0 or what is said below; -EUCLEAN for metadata that contradicts itself or the format; -EIO when the file was
 * cut short under the mapping.
 */
struct rafs_image;

#define RAFS_NAME_MAX   255
#define RAFS_BLOBS_MAX  254         /* v6 can name no more; v5 images with more are refused */
#define RAFS_XATTR_MAX  65536       /* bytes of a value */
#define RAFS_DEPTH_MAX  1024        /* directories a walk goes down before it calls the image bad */

/* Flags of rafs_super.flags (reference 0.1). */
enum rafs_super_flag {
	RAFS_SUPER_EXPLICIT_IDS = 0x10,
	RAFS_SUPER_XATTR = 0x20,
	RAFS_SUPER_CHUNK_DIGEST = 0x100,
	RAFS_SUPER_TARFS = 0x200
};

struct rafs_super {
	uint32_t version;    /* 5 or 6 */
	uint32_t chunk_size; /* bytes */
	uint32_t block_size; /* bytes: 4096, or 512 in TARFS mode */
	uint32_t blobs;
	uint64_t flags;  /* as in the file */
	uint64_t inodes; /* v5: unique inodes; v6: directory entries with the root */
	uint64_t root;   /* inode number */
	uint32_t prefetch_entries;
	uint64_t meta_size;                /* bytes of the bootstrap */
	uint32_t compressor, digester;     /* the image's defaults */
};

/* A bootstrap and where it came from: needed for blob ids (reference 3.7). */
struct rafs_origin {
	struct mapping map; /* the bootstrap */
	bool inlined;       /* cut out of a blob */
	char name[RAFS_BLOB_ID_MAX + 1]; /* file name it came from, up to its first '.'; what was longer is cut */
};

/*
 * Takes origin->map, on failure too. -EINVAL with err for what is no image, an unknown version, unknown superblock
 * flags, or a superblock, table or blob entry that breaks a rule of reference 1.1, 2.1 to 2.4 or 8: the text says which.
 * The work does not grow with the image (only with its number of blobs).
 */
int rafs_image_open(struct rafs_image **image, struct rafs_origin *origin, struct graft_error *err);
void rafs_image_close(struct rafs_image *image);
const struct rafs_super *rafs_image_super(const struct rafs_image *image);
/* The superblock as nydusd's API shows it (interfaces 3.3): JSON with a NUL, at most RAFS_SUPER_JSON bytes. Its length; -ERANGE. */
#define RAFS_SUPER_JSON 2048
int rafs_super_json(const struct rafs_image *image, char *to, size_t room);
/* Entry i < blobs of the blob table. The object's own memory. */
const struct rafs_blob_info *rafs_image_blob(const struct rafs_image *image, uint32_t i);
/* Prefetch table entry i < prefetch_entries: an inode number, 0 at the end of the list. */
uint64_t rafs_image_prefetch(const struct rafs_image *image, uint32_t i);

/* An inode, decoded and checked. Plain values: may be copied; stands for the inode in the calls below. */
struct rafs_inode {
	uint64_t ino;    /* shown to users: v5 i_ino, v6 nid */
	uint64_t at;     /* bytes: where its record begins in the bootstrap */
	uint64_t size;   /* bytes */
	uint64_t blocks; /* 512-byte units */
	uint64_t mtime;  /* seconds since 1970; 0: not stored */
	uint32_t mtime_nsec;
	uint32_t mode; /* full st_mode; root: as stored */
	uint32_t uid, gid, nlink, rdev; /* rdev: new_encode_dev form, 0 but for devices */
	/* The version's own: where the parts behind the record begin, and how many there are. */
	uint64_t data_at;  /* v5: chunk records; v6: chunk index array, or the flat data */
	uint64_t tail_at;  /* v6: inline tail, 0 if none; v5: symlink target */
	uint64_t xattr_at; /* 0: none */
	uint64_t xattr_size;
	uint64_t parent;   /* v5: i_parent; 0 in v6 */
	uint32_t children; /* v5 directories: index of the first child */
	uint32_t count;    /* v5: children or chunk records; v6: chunk indexes */
	uint8_t digest[RAFS_DIGEST_SIZE]; /* v5: i_digest */
};

/* ino is a guest's or the image's word. -ENOENT: no inode can be there. */
int rafs_inode_get(const struct rafs_image *image, uint64_t ino, struct rafs_inode *out);
/* Directory entry of that name; name is len bytes, any but '/' and NUL; "." and ".." are not found. -ENOENT, -ENOTDIR. */
int rafs_lookup(const struct rafs_image *image, const struct rafs_inode *dir, const char *name, size_t len,
		struct rafs_inode *out);
/* Inode number of the directory that holds dir; the root's is the root. */
int rafs_parent(const struct rafs_image *image, const struct rafs_inode *dir, uint64_t *ino);

struct rafs_dirent {
	uint64_t ino;
	uint32_t type; /* DT_*; DT_UNKNOWN where the metadata does not tell */
	uint32_t len;  /* of name, 1..255 */
	char name[RAFS_NAME_MAX + 1]; /* a copy: no '/', no NUL, not "." or ".." */
};

/*
 * The entry at *cookie (0: the first), which moves on to the next. Entries "." and ".." are passed over. 1 and an entry,
 * 0 at the end. A cookie is a guest's word: a wrong one is -EINVAL or leads to another entry of dir, no more. Cookies
 * are below 2^62. A bad entry is -EUCLEAN: the rest of the directory cannot be listed.
 */
int rafs_dir_next(const struct rafs_image *image, const struct rafs_inode *dir, uint64_t *cookie,
		  struct rafs_dirent *out);

/*
 * Listings as nydusd counts them. True: "." and ".." are entries like others, where they stand; rafs_dir_next_all gives them too, their inode
 * numbers unchecked, and rafs_dir_seek finds the cookie behind the first n entries. False: they are not stored, and neither may be called.
 */
bool rafs_dir_has_dots(const struct rafs_image *image);
int rafs_dir_next_all(const struct rafs_image *image, const struct rafs_inode *dir, uint64_t *cookie,
		      struct rafs_dirent *out);
int rafs_dir_seek(const struct rafs_image *image, const struct rafs_inode *dir, uint64_t n, uint64_t *cookie);

/* Target of a symlink into to (4096 bytes or more for v6, 65536 for v5): bytes, without NUL; -ERANGE; -EINVAL: no link. */
int rafs_readlink(const struct rafs_image *image, const struct rafs_inode *inode, char *to, size_t room);

/*
 * Value of a full name ("user.x"): bytes copied to `to`, or with room 0 its size. -ENODATA, -ERANGE.
 * One entry that is bad hides the entries behind it only; -EUCLEAN if the wanted one is not before it.
 */
int64_t rafs_xattr_get(const struct rafs_image *image, const struct rafs_inode *inode, const char *name, void *to,
		       size_t room);
/* All full names, each with its NUL, or with room 0 the size of that. -ERANGE. */
int64_t rafs_xattr_list(const struct rafs_image *image, const struct rafs_inode *inode, char *to, size_t room);

/* A stretch of a regular file: one chunk's, or a hole that reads as zeros. */
struct rafs_extent {
	uint64_t file_off; /* bytes: where it begins in the file */
	uint64_t len;      /* bytes of it; at least 1; a chunk's whole u_size, cut at the file's end */
	bool hole;
	bool complete;     /* chunk holds (v5, TARFS); false (v6): ask the blob's chunk table for chunk.index, which must
			    * then agree with chunk.u_off, and with len as its u_size */
	uint32_t blob;     /* index in the blob table, checked */
	struct rafs_chunk chunk; /* index and u_off always */
};

/* The stretch that holds byte off < inode->size of a regular file. off lies in [file_off, file_off + len). */
int rafs_extent_at(const struct rafs_image *image, const struct rafs_inode *inode, uint64_t off,
		   struct rafs_extent *out);

/*
 * v5: compares i_digest with what it should be: of a file its chunks' digests, of a directory its children's, of a
 * symlink its target. 0; -EIO: differs. Reads the records of all chunks or children. v6 has none: 0.
 */
int rafs_inode_verify(const struct rafs_image *image, const struct rafs_inode *inode);

#endif
