/* SPDX-License-Identifier: Apache-2.0 */
/* An image of tests/images with a reader on it: its blobs in a folder of the test's own, which may be spoiled. */
#ifndef GRAFT_TESTS_UNIT_RAFS_ENGINE_WORLD_H
#define GRAFT_TESTS_UNIT_RAFS_ENGINE_WORLD_H

#include "rafs/engine/reader.h"

#include <pthread.h>

#define WORLD_PATH_MAX 512

/* A backend in front of the image's own, that counts and can be slow. */
struct counted_backend {
	struct backend backend; /* first */
	struct backend *real;
	_Atomic uint64_t reads, bytes;
	_Atomic uint32_t nap_ms;  /* before each read */
	_Atomic bool fail;        /* every read is -EIO */
	bool hide_fd;             /* no reading in place */
};

struct world {
	char dir[WORLD_PATH_MAX];   /* with blobs/ and cache/ in it */
	const char *name;           /* of the image */
	struct rafs_image *image;
	struct counted_backend front;
	struct cache_dir *cache;
	struct reader *reader;
	struct reader_config config;
	pthread_mutex_t lock;
	char log[16384]; /* lock: all that was said */
};

/* The image's files are copied; nothing is opened yet. */
void world_make(struct world *w, const char *name);
/* Removes the folder. */
void world_drop(struct world *w);
/* Opens image, backend, with cache the folder, and a reader, with w->config's validate, readahead, cache_raw, bandwidth. */
void world_open(struct world *w, bool cache);
void world_close(struct world *w);

/* Every file of the expected list is read through the reader in pieces of step bytes and has its SHA-256. */
void world_compare(struct world *w, const char *expected, size_t step);
/* The inode of a path. */
struct rafs_inode world_inode(struct world *w, const char *path);
/* Path of the image's biggest blob, or of a file of the cache folder that ends like that. */
void world_blob(const struct world *w, char path[WORLD_PATH_MAX]);
void world_cached(const struct world *w, const char *end, char path[WORLD_PATH_MAX]);
/* Turns a byte of a file over. */
void world_spoil(const char *path, uint64_t off);
bool world_said(struct world *w, const char *text);

#endif
