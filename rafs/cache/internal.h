/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of rafs/cache share: the folder, its names, files that appear whole, and its lock. */
#ifndef GRAFT_RAFS_CACHE_INTERNAL_H
#define GRAFT_RAFS_CACHE_INTERNAL_H

#include "rafs/cache/cache_dir.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

#define CACHE_MAP_SUFFIX  ".blob.data.chunk_map"
#define CACHE_DATA_SUFFIX ".blob.data"
#define CACHE_RAW_SUFFIX  ".blob.raw"
#define CACHE_TEMP_PREFIX ".graftfs-"
#define CACHE_TEMP_SUFFIX ".tmp"
#define CACHE_NAME_SIZE   256 /* of a name with its end */

struct cache_file;

struct cache_dir {
	/* constant */
	dev_t dev;
	ino_t ino;
	int fd;
	char *path;
	int open_wait_ms; /* how long an opener waits for the folder's lock */
	/* protected by the lock of the table of folders (cache_dir.c) */
	struct cache_dir *next;
	uint32_t refs;
	/* protected by lock */
	pthread_mutex_t lock;
	struct cache_file *files; /* open in this process */
	/* relaxed atomics */
	_Atomic uint64_t limit;      /* bytes; 0: none */
	_Atomic bool named;          /* no nameless files here: temporary ones have names from the beginning */
	_Atomic uint64_t full_until; /* CLOCK_MONOTONIC, ns: writes fail at once before */
	_Atomic uint64_t next_trim;  /* CLOCK_MONOTONIC, ns */
	_Atomic uint64_t trimmed_blobs, trimmed_bytes;
};

/* A file that has no name yet, or a temporary one. */
struct cache_temp {
	int fd;        /* read and write */
	char name[48]; /* empty: none */
};

/* 0 or -errno. */
int cache_temp_make(struct cache_dir *dir, struct cache_temp *t);
/* Gives it the name, in place of what had it. *readable, if not NULL: another descriptor, read-only. 0 or -errno. */
int cache_temp_publish(struct cache_dir *dir, struct cache_temp *t, const char *name, int *readable);
/* Closes it; removes the temporary name. */
void cache_temp_drop(struct cache_dir *dir, struct cache_temp *t);

/*
 * Opens a regular file of the folder and nothing else: fd, -ENOENT if it is not there or is something that can be
 * replaced (a link, a fifo ...), -EISDIR, or -errno.
 */
int cache_member_open(struct cache_dir *dir, const char *name, int flags, struct stat *st);

/*
 * Whoever makes or removes the files of a blob holds the folder's lock (flock on a descriptor of its own): other
 * threads and processes wait, at most wait_ms. A descriptor for cache_unlock, or -errno; -ETIMEDOUT.
 */
int cache_lock(struct cache_dir *dir, int wait_ms);
void cache_unlock(int lock);

/* Marks a file as just used, for cache_dir_trim. Errors do not matter. */
void cache_touch(int fd);

#endif
