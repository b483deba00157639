/* SPDX-License-Identifier: Apache-2.0 */
/* Images of tests/images: opened from files or from changed bytes, and compared with what they must show. */
#ifndef GRAFT_TESTS_UNIT_RAFS_IMAGE_WALK_H
#define GRAFT_TESTS_UNIT_RAFS_IMAGE_WALK_H

#include "rafs/meta/image.h"

/* Opens a bootstrap file, guarded against its being cut; the test fails if it cannot. path: below TEST_IMAGES. */
struct rafs_image *walk_open(const char *path);
/* The bytes of a file below TEST_IMAGES; freed by the caller. */
unsigned char *walk_bytes(const char *path, size_t *size);
/* Opens these bytes (copied) as a bootstrap of a file called "boot". Result of rafs_image_open. */
int walk_open_bytes(struct rafs_image **image, const void *bytes, size_t size, struct graft_error *err);

/* The inode of a path below the root ("a/b"; "": the root). Result of rafs_inode_get and rafs_lookup. */
int walk_path(const struct rafs_image *image, const char *path, struct rafs_inode *out);

/*
 * Goes through the whole tree: each entry must stand in the file `expected` (JSON lines, below TEST_IMAGES, see
 * manifest.py) with the same type, mode, owner, time, size, links, target, device and xattrs, and every line of it be
 * found. Each name is looked up, each parent asked for, each inode verified, each file's extents must cover it.
 */
void walk_compare(const struct rafs_image *image, const char *expected);

#endif
