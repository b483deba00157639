/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes of RAFS v5 bootstraps that are changed, and what a call then says. */
#ifndef GRAFT_TESTS_UNIT_RAFS_V5_PATCH_H
#define GRAFT_TESTS_UNIT_RAFS_V5_PATCH_H

#include "rafs/meta/image.h"

#define V5_BOOT "v5-lz4_block/boot"
#define V5_FILE "chunks/text-1048577" /* of V5_BOOT: two chunks of 1 MiB and 1 byte */
#define V5_DIR "deep"

enum v5_what { V5_LOOKUP, V5_LIST, V5_READ, V5_READ_END, V5_LINK, V5_XATTR, V5_VERIFY };

/* Little-endian. */
void v5_put(unsigned char *at, unsigned int width, uint64_t value);
/* Finds path and asks that of it: the result. */
int64_t v5_call(const struct rafs_image *image, const char *path, enum v5_what what);
/* An image of which something was changed; bytes stay the caller's. The test fails if it does not open. */
struct rafs_image *v5_changed(const unsigned char *bytes, size_t size);
/* The inode of a path in the bootstrap as it is. */
struct rafs_inode v5_inode(const char *boot, const char *path);

#endif
