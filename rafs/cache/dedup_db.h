/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of a deduplication database, which nydusd may have open too (reference 4): which chunk lies where in which cache. */
#ifndef GRAFT_RAFS_CACHE_DEDUP_DB_H
#define GRAFT_RAFS_CACHE_DEDUP_DB_H

#include "lib/error.h"
#include "rafs/chunk.h"

#include <stddef.h>

#define DEDUP_PATH_MAX	4096 /* bytes of a data file's path with its NUL */
#define DEDUP_BLOBS_MAX 65536 /* data files that are looked at */

/*
 * One connection, for one thread at a time. All calls may block, for as long as deadline_ms of dedup_db_open and what other
 * processes hold the lock. Results: 0 or what is told, -EAGAIN (the database was busy, or full, or it took too long: this
 * call did nothing), -EUCLEAN (corrupt, foreign, unreadable: it should not be asked again).
 */
struct dedup_db;

struct dedup_limits {
	int busy_ms;	 /* for the lock that another process holds */
	int deadline_ms; /* of one statement or transaction */
};

/* What a chunk is called: the digest of its plain bytes. */
struct dedup_key {
	uint32_t digester; /* enum rafs_digester */
	uint8_t digest[RAFS_DIGEST_SIZE];
};

/* Where one lies. */
struct dedup_hit {
	char path[DEDUP_PATH_MAX];
	uint64_t off; /* bytes */
};

/*
 * Opens the database `name` of the folder, which stays open as long, and makes it and its tables if they are missing. Refuses
 * (-EUCLEAN with err) what is no database, or one that holds anything else. make: false: the tables are there already.
 */
int dedup_db_open(struct dedup_db **db, int folder, const char *name, bool make, const struct dedup_limits *limits,
		  struct graft_error *err);
void dedup_db_close(struct dedup_db *db); /* NULL: nothing */
/* Of the last -EUCLEAN. */
const char *dedup_db_error(const struct dedup_db *db);

/* At most max places of the chunk, of the first files first: their number. */
int dedup_db_find(struct dedup_db *db, const struct dedup_key *key, struct dedup_hit *hits, int max);

/* Several changes are made at once or not at all. Between begin and end only the following three, until one fails. */
int dedup_db_begin(struct dedup_db *db);
int dedup_db_add(struct dedup_db *db, const struct dedup_key *key, const char *path, uint64_t off);
int dedup_db_remove(struct dedup_db *db, const struct dedup_key *key, const char *path);
int dedup_db_forget(struct dedup_db *db, const char *path);
/* keep: else all is taken back. */
int dedup_db_end(struct dedup_db *db, bool keep);

/* fn for each data file, at most DEDUP_BLOBS_MAX. fn makes no calls to db. */
int dedup_db_each_blob(struct dedup_db *db, void (*fn)(void *arg, const char *path), void *arg);

#endif
