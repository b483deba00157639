/* SPDX-License-Identifier: Apache-2.0 */
/* A cache folder in nydusd's layout (reference 4), shared by all mounts of this process and with other processes. */
#ifndef GRAFT_RAFS_CACHE_DIR_H
#define GRAFT_RAFS_CACHE_DIR_H

#include "lib/error.h"

#include <stdbool.h>
#include <stdint.h>

struct cache_dir;

/*
 * The folder open at fd (takes it, on failure too); path is for messages. Two calls for one folder (device and inode)
 * give the same object, counted. limit: bytes on disk (st_blocks) that all its files may take; 0: none; where callers
 * differ the smallest holds. -EACCES, -EROFS ... with err if files cannot be made there; a full disk is no error yet.
 */
int cache_dir_get(struct cache_dir **dir, int fd, const char *path, uint64_t limit, struct graft_error *err);
struct cache_dir *cache_dir_ref(struct cache_dir *dir);
void cache_dir_put(struct cache_dir *dir); /* NULL: nothing */
const char *cache_dir_path(const struct cache_dir *dir);
int cache_dir_fd(const struct cache_dir *dir); /* borrowed */
#define CACHE_PATH_MAX 3800 /* bytes with the NUL, so that a file's path is shorter than PATH_MAX */
/* Its path without links, or as it was given where this process cannot see where it lies. 0 or -ENAMETOOLONG. */
int cache_dir_real(const struct cache_dir *dir, char path[CACHE_PATH_MAX]);

/*
 * Opens a file of the folder read-only for a mapping: fd and *size, or -errno. -ENOENT also for what is no regular file
 * and could be replaced (a link, a fifo), -EISDIR for a folder, -EINVAL for a name that is none.
 */
int cache_dir_open(struct cache_dir *dir, const char *name, uint64_t *size);

/*
 * Makes a file whole or not at all: fill writes it to the descriptor of a nameless or temporary file, which then takes
 * the name, replacing what had it. Returns a read-only descriptor of the new file, or -errno (fill's too), and
 * then there is nothing new in the folder. Names are made from checked ids: one with a '/' is refused (-EINVAL).
 */
int cache_dir_replace(struct cache_dir *dir, const char *name, int (*fill)(void *arg, int fd), void *arg);

/*
 * Holds the folder to its limit: removes the blobs (all files of one id) that were used longest ago and that no process
 * using graftfs has open, until it fits. Called by whoever filled something, at most once a second does it look. May
 * block. Does nothing without a limit. Files with names that are not nydusd's (reference 4) are neither counted nor
 * removed. Last use: the newest modification time of a blob's files; opening and closing set it (cache_file_open,
 * cache_dir_open), so it survives restarts and does not depend on atime. nydusd takes no locks: a blob that only nydusd
 * has open may be removed under it, which then goes on with the nameless files until it ends.
 */
void cache_dir_trim(struct cache_dir *dir);
/* Counters, relaxed: blobs removed, bytes freed. */
void cache_dir_counts(const struct cache_dir *dir, uint64_t *blobs, uint64_t *bytes);

#endif
