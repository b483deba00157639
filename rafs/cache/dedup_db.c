/* SPDX-License-Identifier: Apache-2.0 */
/* Statements on a deduplication database: prepared once, bounded in time, and none that another program's file could extend. */
#include "rafs/cache/dedup_db.h"

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "rafs/cache/sqlite.h"

#include <inttypes.h>
#include <string.h>

#define KEY_TEXT_MAX  (8 + 2 * RAFS_DIGEST_SIZE + 1)
#define PROGRESS_OPS  1000	/* of SQLite's virtual machine, between two looks at the clock */
#define VALUE_MAX     (1 << 16) /* bytes of a text or row */
#define PAGES_MAX     262144	/* of 4 KiB: 1 GiB */

enum statement { FIND, ADD_BLOB, BLOB_ID, ADD_CHUNK, REMOVE_CHUNK, FORGET_CHUNKS, FORGET_BLOB, EACH_BLOB, STATEMENTS };

/* Without the index there is no looking up: then it is another program's table. */
#define PLACES                                                                                                         \
	"SELECT b.FilePath, c.ChunkOffset FROM Chunks AS c INDEXED BY ChunkIndex JOIN Blobs AS b USING (BlobId)"

static const char *const texts[STATEMENTS] = {
	[FIND] = PLACES " WHERE c.ChunkId = ?1 ORDER BY b.BlobId LIMIT ?2",
	[ADD_BLOB] = "INSERT OR IGNORE INTO Blobs (FilePath) VALUES (?1)",
	[BLOB_ID] = "SELECT BlobId FROM Blobs WHERE FilePath = ?1",
	[ADD_CHUNK] = "INSERT OR IGNORE INTO Chunks (ChunkId, ChunkOffset, BlobId) VALUES (?1, ?2, ?3)",
	[REMOVE_CHUNK] = "DELETE FROM Chunks WHERE ChunkId = ?1 AND BlobId = ?2",
	[FORGET_CHUNKS] = "DELETE FROM Chunks WHERE BlobId = ?1",
	[FORGET_BLOB] = "DELETE FROM Blobs WHERE BlobId = ?1",
	[EACH_BLOB] = "SELECT FilePath FROM Blobs LIMIT ?1",
};

/* Anything else in the file is somebody else's: nothing is added to that. */
#define FOREIGN                                                                                                        \
	"SELECT count(*) FROM sqlite_schema WHERE name NOT IN ('Blobs', 'Chunks', 'ChunkIndex')"                       \
	" AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
#define TABLES                                                                                                         \
	"CREATE TABLE IF NOT EXISTS Blobs (BlobId INTEGER PRIMARY KEY, FilePath TEXT NOT NULL UNIQUE);"                \
	"CREATE TABLE IF NOT EXISTS Chunks (ChunkId TEXT NOT NULL, ChunkOffset INTEGER, BlobId INTEGER,"               \
	" UNIQUE(ChunkId, BlobId) ON CONFLICT IGNORE, FOREIGN KEY(BlobId) REFERENCES Blobs(BlobId));"                  \
	"CREATE INDEX IF NOT EXISTS ChunkIndex ON Chunks(ChunkId);"
/* A commit that a crash loses is only fetched again. */
#define SETTINGS                                                                                                       \
	"PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0; PRAGMA temp_store = MEMORY;"  \
	"PRAGMA cache_size = -512; PRAGMA synchronous = NORMAL;"

struct dedup_db {
	const struct sqlite *lib;
	sqlite3 *db;
	sqlite3_stmt *statements[STATEMENTS];
	struct dedup_limits limits;
	uint64_t deadline; /* CLOCK_MONOTONIC, ns; 0: none */
	char error[160];
};

static int out_of_time(void *arg)
{
	const struct dedup_db *d = arg;

	return d->deadline && clock_ns(CLOCK_MONOTONIC) > d->deadline;
}

static void start_clock(struct dedup_db *d)
{
	d->deadline = clock_ns(CLOCK_MONOTONIC) + (uint64_t)d->limits.deadline_ms * 1000000;
}

static int failed(struct dedup_db *d, int code)
{
	switch (code & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
	case SQLITE_INTERRUPT:
	case SQLITE_FULL:
	case SQLITE_NOMEM:
	case SQLITE_TOOBIG:
		return -EAGAIN;
	default:
		snprintf(d->error, sizeof(d->error), "%s", d->lib->sqlite3_errmsg(d->db));
		return -EUCLEAN;
	}
}

static int run(struct dedup_db *d, const char *text)
{
	int code;

	start_clock(d);
	code = d->lib->sqlite3_exec(d->db, text, NULL, NULL, NULL);
	return code == SQLITE_OK ? 0 : failed(d, code);
}

/* 1: a row; 0: done; or as struct dedup_db tells. */
static int step(struct dedup_db *d, sqlite3_stmt *s)
{
	int code = d->lib->sqlite3_step(s);

	return code == SQLITE_ROW ? 1 : code == SQLITE_DONE ? 0 : failed(d, code);
}

static void done(const struct dedup_db *d, sqlite3_stmt *s)
{
	d->lib->sqlite3_reset(s);
	d->lib->sqlite3_clear_bindings(s);
}

static int step_once(struct dedup_db *d, sqlite3_stmt *s)
{
	int res = step(d, s);

	done(d, s);
	return res < 0 ? res : 0;
}

/* "Blake3:" or "Sha256:" and hexadecimal digits. */
static void key_text(const struct dedup_key *key, char text[KEY_TEXT_MAX])
{
	char *to = text + sprintf(text, "%s:", key->digester == RAFS_SHA256 ? "Sha256" : "Blake3");

	for (int i = 0; i < RAFS_DIGEST_SIZE; i++)
		to += sprintf(to, "%02x", key->digest[i]);
}

static void bind_text(const struct dedup_db *d, sqlite3_stmt *s, int at, const char *text)
{
	d->lib->sqlite3_bind_text(s, at, text, -1, SQLITE_STATIC);
}

static int set_up(struct dedup_db *d, bool make)
{
	sqlite3_stmt *s = NULL;
	int res;

	d->lib->sqlite3_db_config(d->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	d->lib->sqlite3_db_config(d->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
	d->lib->sqlite3_db_config(d->db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
	d->lib->sqlite3_limit(d->db, SQLITE_LIMIT_LENGTH, VALUE_MAX);
	d->lib->sqlite3_busy_timeout(d->db, d->limits.busy_ms);
	d->lib->sqlite3_progress_handler(d->db, PROGRESS_OPS, out_of_time, d);
	res = run(d, SETTINGS);
	if (res < 0 || !make)
		return res;
	start_clock(d);
	int code = d->lib->sqlite3_prepare_v3(d->db, FOREIGN, -1, 0, &s, NULL);
	res = code == SQLITE_OK ? step(d, s) : failed(d, code);
	if (res > 0 && d->lib->sqlite3_column_int64(s, 0) > 0) {
		snprintf(d->error, sizeof(d->error), "it is another program's database");
		res = -EUCLEAN;
	}
	d->lib->sqlite3_finalize(s);
	return res < 0 ? res : run(d, "PRAGMA journal_mode = WAL;" TABLES);
}

static int prepare(struct dedup_db *d)
{
	char pages[64];
	int res;

	snprintf(pages, sizeof(pages), "PRAGMA max_page_count = %d", PAGES_MAX);
	res = run(d, pages);
	for (int i = 0; !res && i < STATEMENTS; i++) {
		int code = d->lib->sqlite3_prepare_v3(d->db, texts[i], -1, SQLITE_PREPARE_PERSISTENT, &d->statements[i], NULL);

		res = code == SQLITE_OK ? 0 : failed(d, code);
	}
	return res;
}

int dedup_db_open(struct dedup_db **db, int folder, const char *name, bool make, const struct dedup_limits *limits,
		  struct graft_error *err)
{
	const struct sqlite *lib = sqlite_get(err);
	struct dedup_db *d = lib ? calloc(1, sizeof(*d)) : NULL;
	char path[SQLITE_PATH_MAX];
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE, code, res;

	if (!lib)
		return -ENOENT;
	if (!d)
		return error_set(err, ENOMEM, "out of memory");
	d->lib = lib;
	d->limits = *limits;
	sqlite_path(path, folder, name);
	code = lib->sqlite3_open_v2(path, &d->db, flags, SQLITE_VFS);
	res = code == SQLITE_OK ? set_up(d, make) : failed(d, code);
	if (!res)
		res = prepare(d);
	if (res < 0) {
		error_set(err, -res, "%s", res == -EAGAIN ? "other processes keep it locked" : d->error);
		dedup_db_close(d);
		return res;
	}
	*db = d;
	return 0;
}

void dedup_db_close(struct dedup_db *d)
{
	if (!d)
		return;
	d->deadline = 0;
	for (int i = 0; i < STATEMENTS; i++)
		d->lib->sqlite3_finalize(d->statements[i]);
	d->lib->sqlite3_close_v2(d->db);
	free(d);
}

const char *dedup_db_error(const struct dedup_db *d)
{
	return d->error;
}

static bool take_hit(const struct dedup_db *d, sqlite3_stmt *s, struct dedup_hit *hit)
{
	const unsigned char *path = d->lib->sqlite3_column_text(s, 0);
	int len = d->lib->sqlite3_column_bytes(s, 0);
	int64_t off = d->lib->sqlite3_column_int64(s, 1);

	if (!path || len <= 0 || len >= DEDUP_PATH_MAX || strlen((const char *)path) != (size_t)len || off < 0)
		return false;
	memcpy(hit->path, path, (size_t)len + 1);
	hit->off = (uint64_t)off;
	return true;
}

int dedup_db_find(struct dedup_db *d, const struct dedup_key *key, struct dedup_hit *hits, int max)
{
	sqlite3_stmt *s = d->statements[FIND];
	char text[KEY_TEXT_MAX];
	int n = 0, res;

	start_clock(d);
	key_text(key, text);
	bind_text(d, s, 1, text);
	d->lib->sqlite3_bind_int64(s, 2, max);
	while ((res = step(d, s)) > 0 && n < max)
		n += take_hit(d, s, &hits[n]);
	done(d, s);
	return res < 0 ? res : n;
}

int dedup_db_begin(struct dedup_db *d)
{
	return run(d, "BEGIN IMMEDIATE");
}

int dedup_db_end(struct dedup_db *d, bool keep)
{
	int res = keep ? run(d, "COMMIT") : 0;

	if (!keep || res < 0) {
		d->deadline = 0;
		d->lib->sqlite3_exec(d->db, "ROLLBACK", NULL, NULL, NULL);
	}
	return res;
}

/* The file's number: 1 with *id, 0 if it has none. */
static int blob_id(struct dedup_db *d, const char *path, int64_t *id)
{
	sqlite3_stmt *s = d->statements[BLOB_ID];
	int res;

	bind_text(d, s, 1, path);
	res = step(d, s);
	if (res > 0)
		*id = d->lib->sqlite3_column_int64(s, 0);
	done(d, s);
	return res;
}

static int add_blob(struct dedup_db *d, const char *path, int64_t *id)
{
	sqlite3_stmt *s = d->statements[ADD_BLOB];
	int res = blob_id(d, path, id);

	if (res)
		return res < 0 ? res : 0;
	bind_text(d, s, 1, path);
	res = step_once(d, s);
	if (!res)
		res = blob_id(d, path, id);
	return res < 0 ? res : res ? 0 : -EAGAIN;
}

int dedup_db_add(struct dedup_db *d, const struct dedup_key *key, const char *path, uint64_t off)
{
	sqlite3_stmt *s = d->statements[ADD_CHUNK];
	char text[KEY_TEXT_MAX];
	int64_t id;
	int res = add_blob(d, path, &id);

	if (res < 0)
		return res;
	key_text(key, text);
	bind_text(d, s, 1, text);
	d->lib->sqlite3_bind_int64(s, 2, (int64_t)off);
	d->lib->sqlite3_bind_int64(s, 3, id);
	return step_once(d, s);
}

int dedup_db_remove(struct dedup_db *d, const struct dedup_key *key, const char *path)
{
	sqlite3_stmt *s = d->statements[REMOVE_CHUNK];
	char text[KEY_TEXT_MAX];
	int64_t id;
	int res = blob_id(d, path, &id);

	if (res <= 0)
		return res;
	key_text(key, text);
	bind_text(d, s, 1, text);
	d->lib->sqlite3_bind_int64(s, 2, id);
	return step_once(d, s);
}

int dedup_db_forget(struct dedup_db *d, const char *path)
{
	int64_t id;
	int res = blob_id(d, path, &id);

	if (res <= 0)
		return res;
	for (int i = FORGET_CHUNKS; i <= FORGET_BLOB; i++) {
		sqlite3_stmt *s = d->statements[i];

		d->lib->sqlite3_bind_int64(s, 1, id);
		res = step_once(d, s);
		if (res < 0)
			return res;
	}
	return 0;
}

int dedup_db_each_blob(struct dedup_db *d, void (*fn)(void *arg, const char *path), void *arg)
{
	sqlite3_stmt *s = d->statements[EACH_BLOB];
	int res;

	start_clock(d);
	d->lib->sqlite3_bind_int64(s, 1, DEDUP_BLOBS_MAX);
	while ((res = step(d, s)) > 0) {
		const char *path = (const char *)d->lib->sqlite3_column_text(s, 0);
		int len = d->lib->sqlite3_column_bytes(s, 0);

		if (path && len > 0 && len < DEDUP_PATH_MAX && strlen(path) == (size_t)len)
			fn(arg, path);
	}
	done(d, s);
	return res;
}
