/* SPDX-License-Identifier: Apache-2.0 */
/* Sections of a blob that are kept as files: unpacked and checked on the way, in the cache folder or in memory. */
#ifndef GRAFT_RAFS_BLOB_SECTION_H
#define GRAFT_RAFS_BLOB_SECTION_H

#include "rafs/blob/bootstrap.h"

#include <stddef.h>

/* What sections are read from. read fills all of len bytes from off: 0 or -errno. */
struct section_source {
	int (*read)(void *arg, uint64_t off, void *to, size_t len);
	void *arg;
};

/*
 * Whether e's sizes may be acted on: 1 <= u_size <= max, equal sizes where it is stored plain, and no more than what a
 * compressor can honestly gain.
 */
bool section_sizes_ok(const struct toc_entry *e, uint64_t max);
/* The same rule for any packed piece: at most 1024 times its size and 1 MiB. */
bool section_ratio_ok(uint64_t c_size, uint64_t u_size);

/*
 * Copies a section whose sizes are ok to fd, unpacked, in pieces of 128 KiB. 0; -EUCLEAN: its SHA-256 is not want
 * (NULL: any will do); -EIO: it cannot be unpacked to exactly u_size bytes; -errno of read or write, -ENOMEM. May
 * block.
 */
int section_unpack(const struct section_source *source, const struct toc_entry *e, const uint8_t *want, int fd);

/*
 * A new file with what fill writes: name in the cache folder, or one in memory, sealed, without a folder and where the
 * folder cannot take it (full, read-only). A read-only view of it is what the descriptor is for. -errno, fill's too.
 */
int section_keep(struct cache_dir *cache, const char *name, int (*fill)(void *arg, int fd), void *arg);

/* Writes all of len bytes: 0 or -errno. */
int section_write(int fd, const void *bytes, size_t len);

/*
 * Maps the file name of the cache folder if it has size bytes, all of them believed only as far as the caller checks.
 * 0, -ENOENT for one that is not there or has another size, or -errno.
 */
int section_cached(struct mapping *map, struct cache_dir *cache, const char *name, uint64_t size);

/* Whether the SHA-256 of len mapped bytes is want, and the file was whole while it was made: 0, -EUCLEAN, -ENOMEM. */
int section_verify(const struct mapping *map, uint64_t off, uint64_t len, const uint8_t want[RAFS_DIGEST_SIZE]);

#endif
