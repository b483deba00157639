/* SPDX-License-Identifier: Apache-2.0 */
/* One blob's cached data and its chunk map: <id>.blob.data or <id>.blob.raw, and <id>.blob.data.chunk_map. */
#ifndef GRAFT_RAFS_CACHE_FILE_H
#define GRAFT_RAFS_CACHE_FILE_H

#include "rafs/cache/cache_dir.h"

#include <stddef.h>
#include <sys/uio.h>

enum cache_form {
	CACHE_PLAIN = 0, /* uncompressed chunks at their U-offset */
	CACHE_RAW = 1,   /* chunks as they lie in the blob, at their C-offset */
	/* Either may have this added: no map on the disk. What is ready is known in this process alone, and nothing at first. */
	CACHE_UNMAPPED = 2
};

struct cache_file;

/*
 * How processes agree on one pair of files. Whoever opens, makes or removes a blob's files does so holding an exclusive
 * flock on the folder (waited for at most 10 seconds: -ETIMEDOUT). Under it an opener takes the pair it finds, or makes
 * both anew: the old map loses its name first, the new one gets its name last, and each appears whole, so that no map
 * ever lies beside data that it does not speak of, wherever a process dies. Also under it, an opener takes a shared
 * flock on the map and keeps it while the file is open; cache_dir_trim removes a blob only if it gets that lock
 * exclusively. Whoever has files open that were replaced or removed goes on with them, nameless.
 *
 * nydusd knows no locks but sets bits with atomic operations too: it can fill and use the same files at the same time.
 * It has one name for the map of both forms; a map beside files of both could speak of either and is not believed.
 *
 * Without a map the lock is on the data file. One that is there already is taken as it is, a map beside it is left alone.
 */

/*
 * Opens or makes the files: size bytes (sparse) and a map of `chunks` bits. Files of another size, or with another
 * header, are not believed: they are made anew (never cut short in place: somebody may have them mapped). A data file
 * whose map is missing starts empty, and so does a map whose data file is missing. Opening the same twice in a process
 * gives one object, counted. 1 <= chunks <= RAFS_CHUNKS_MAX and size not 0, else -EINVAL. 0 or -errno with err. Any
 * thread afterwards.
 */
int cache_file_open(struct cache_file **file, struct cache_dir *dir, const char *id, enum cache_form form,
		    uint64_t size, uint32_t chunks, struct graft_error *err);
void cache_file_close(struct cache_file *file); /* NULL: nothing */

/* The data file; borrowed. */
int cache_file_fd(const struct cache_file *file);
/* Acquire; pairs with the release of cache_file_set_ready, in any process. i < chunks. */
bool cache_file_ready(const struct cache_file *file, uint32_t i);
void cache_file_set_ready(struct cache_file *file, uint32_t i);
/* A chunk that turned out to be bad: not ready any more. Takes nydusd's "all are ready" back as well. */
void cache_file_clear_ready(struct cache_file *file, uint32_t i);
/* Chunks ready now, by counting. */
uint32_t cache_file_count_ready(const struct cache_file *file);

/* Whether anything was ever written in that range: false only where it is certain that nothing was. */
bool cache_file_written(const struct cache_file *file, uint64_t off, uint64_t len);

/*
 * Writes len bytes at off: 0 or -errno, -EINVAL beyond size. After -ENOSPC or -EDQUOT further writes to the folder fail
 * at once with -ENOSPC for 10 seconds, so that a full disk costs no more than one try now and then. Ranges of zeros are
 * written too (the map, not holes, says what is there).
 */
int cache_file_write(struct cache_file *file, const void *bytes, size_t len, uint64_t off);
/* All of len bytes from off: 0, -EIO if the file is shorter. */
int cache_file_read(const struct cache_file *file, void *to, size_t len, uint64_t off);

#endif
