/* SPDX-License-Identifier: Apache-2.0 */
/* A v6 image in memory that tests change: the places they change, and inodes they put into it. */
#ifndef GRAFT_TESTS_UNIT_RAFS_V6_PATCH_H
#define GRAFT_TESTS_UNIT_RAFS_V6_PATCH_H

#include "rafs/meta/image.h"

/* An image and its bytes, which a test changes before it opens them again. */
struct patch {
	unsigned char *bytes;
	size_t size;
	struct rafs_image *was; /* the image as it was */
	uint64_t inodes_at;     /* bytes: where nid 0 lies */
};

/* name: a folder of TEST_IMAGES with a file boot. */
void patch_init(struct patch *p, const char *name);
void patch_fini(struct patch *p);
/* Little-endian, size 1, 2, 4 or 8 bytes. */
void patch_set(struct patch *p, uint64_t at, unsigned int size, uint64_t value);
uint64_t patch_get(const struct patch *p, uint64_t at, unsigned int size);
/* The bytes as an image, which the test closes; it fails if they are refused. */
struct rafs_image *patch_open(struct patch *p);
/* The inode of a path of the image as it was. */
struct rafs_inode patch_inode(const struct patch *p, const char *path);
/* Where the entry of that name is in a directory of the image as it was: its 12 bytes, and its name. */
uint64_t patch_dirent(const struct patch *p, const char *dir, const char *name, uint64_t *name_at);

/* An inode's record at a place that is a multiple of 32: extended, a special file until changed. Its number. */
uint64_t patch_inode_at(struct patch *p, uint64_t at, uint16_t mode);
/* The test fails unless both are the same stretch of the same chunk. */
void patch_same_extent(const struct rafs_extent *a, const struct rafs_extent *b);

#endif
