/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of rafs/blob's tables share: images with their blobs, folders that go away, files to spoil. */
#ifndef GRAFT_TESTS_UNIT_RAFS_BLOB_RIG_H
#define GRAFT_TESTS_UNIT_RAFS_BLOB_RIG_H

#include "rafs/blob/backend.h"
#include "rafs/blob/bootstrap.h"
#include "rafs/blob/chunk_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* All of these fail the test rather than return an error. Paths below the folder of test images are relative. */

/* An image and where its blobs are. */
struct rig_image {
	struct rafs_image *image;
	struct backend *backend;
};

void rig_image_open(struct rig_image *i, const char *name, const char *source);
void rig_image_close(struct rig_image *i);
/* Of the folder DIR (absolute). */
struct backend *rig_backend(const char *dir);
/* NULL if there is none; err says why. */
struct blob_file *rig_blob(struct backend *b, const char *id, struct graft_error *err);

/* A new empty folder; its path is to be freed by rig_folder_free, which removes it with the files in it. */
char *rig_folder(void);
void rig_folder_free(char *path);
struct cache_dir *rig_cache(const char *path);

/* A whole file; freed by the caller. dir NULL: a test image's. */
unsigned char *rig_read(const char *dir, const char *file, size_t *len);
/* Makes or replaces dir/file. */
void rig_write(const char *dir, const char *file, const void *bytes, size_t len);
bool rig_exists(const char *dir, const char *file);
/* Full path of a test image's file, in a buffer of its own for each call of the last four. */
const char *rig_path(const char *file);

/* cmocka handles SIGBUS itself during each test. First called by main, it learns the handler of lib/mapping; called by
 * a test, it puts that back. */
void rig_handle_sigbus(void);

/* A mapping of a copy of len bytes. */
struct mapping rig_map(const void *bytes, size_t len);

void put_u32(unsigned char *p, uint32_t v);
void put_u64(unsigned char *p, uint64_t v);

/* Fails unless a and b tell the same of a chunk. */
void rig_same_chunk(const struct rafs_chunk *a, const struct rafs_chunk *b);

#endif
