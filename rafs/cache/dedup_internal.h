/* SPDX-License-Identifier: Apache-2.0 */
/* What dedup.c, dedup_source.c and dedup_writer.c share. */
#ifndef GRAFT_RAFS_CACHE_DEDUP_INTERNAL_H
#define GRAFT_RAFS_CACHE_DEDUP_INTERNAL_H

#include "rafs/cache/dedup.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#define DEDUP_ROWS_MAX 4096 /* that wait to be written; more are lost */

struct dedup_name {
	_Atomic uint32_t refs;
	char path[];
};

/* A folder with caches in it. */
struct dedup_folder {
	char *path;
	int fd;
};

enum dedup_change {
	DEDUP_ADD = 0,
	DEDUP_REMOVE, /* the file does not have it there */
	DEDUP_FORGET  /* the file is gone */
};

struct dedup_row {
	enum dedup_change what;
	struct dedup_key key;
	uint64_t off;
	struct dedup_name *file; /* counted */
};

struct dedup {
	/* constant */
	dev_t dev; /* of the folder */
	ino_t ino;
	int fd;
	char *path;
	const char *name; /* in path */
	bool open_paths;  /* the paths of the host are this process's */
	pthread_t thread;
	struct dedup_db *writer; /* the thread's */
	/* protected by the lock of the table of databases (dedup.c) */
	struct dedup *next;
	uint32_t refs;
	/* protected by find_lock, which is held across statements of the reader and taken before lock */
	pthread_mutex_t find_lock;
	struct dedup_db *reader;
	/* protected by lock */
	pthread_mutex_t lock;
	pthread_cond_t work, collected; /* by CLOCK_MONOTONIC */
	struct dedup_folder folders[DEDUP_FOLDERS_MAX];
	uint32_t nfolders;
	struct dedup_row *rows; /* DEDUP_ROWS_MAX */
	uint32_t nrows;
	uint64_t wanted, made; /* collections that were asked for, and the last that is done */
	bool stop;
	char why[256];
	bool told;
	/* set once */
	_Atomic bool dead; /* of no use any more */
};

/* dedup_source.c */
enum dedup_presence { DEDUP_THERE, DEDUP_GONE, DEDUP_UNKNOWN };
/* Opens a data file for reading: fd, -ENOENT if it is gone, -EXDEV if this process cannot tell, or -errno. */
int dedup_source_open(struct dedup *d, const char *path);
enum dedup_presence dedup_source_presence(struct dedup *d, const char *path);
void dedup_folders_drop(struct dedup *d);

/* dedup_writer.c */
void *dedup_writer_run(void *arg); /* of a struct dedup */
/* Drops the row where there is no room. The file is counted. */
void dedup_push(struct dedup *d, enum dedup_change what, const struct dedup_key *key, struct dedup_name *file, uint64_t off);
/* A connection, which the caller owns, said that the database is of no use. */
void dedup_kill(struct dedup *d, const struct dedup_db *db);

#endif
