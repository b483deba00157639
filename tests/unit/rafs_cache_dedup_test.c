/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the deduplication database: what is found, what is believed, other programs' and broken databases, other processes. */
#include "lib/mapping.h"
#include "rafs/cache/dedup.h"
#include "rafs/codec/digest.h"
#include "rafs_cache_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define LEN 5000

static unsigned char plain[LEN];
static struct sigaction torn; /* lib/mapping's handler of SIGBUS: cmocka has one of its own during each test */

static int open_path(void *arg, const char *path, int flags, struct graft_error *err)
{
	int fd = open(path, flags | O_CLOEXEC);

	(void)arg;
	return fd < 0 ? error_set(err, errno, "%s", path) : fd;
}

static void path_of(const struct folder *f, const char *name, char path[256])
{
	snprintf(path, 256, "%s/%s", f->path, name);
}

static int try_get(struct dedup **d, const struct folder *f, const char *name, struct graft_error *err)
{
	struct path_opener opener = { .open = open_path };
	char path[256];

	path_of(f, name, path);
	return dedup_get(d, fcntl(f->fd, F_DUPFD_CLOEXEC, 0), path, &opener, err);
}

static struct dedup *get(const struct folder *f)
{
	struct graft_error err = { 0 };
	struct dedup *d;

	if (try_get(&d, f, "cas.db", &err) < 0)
		fail_msg("%s", err.text);
	return d;
}

static struct dedup_key key_of(const void *bytes, size_t len)
{
	struct dedup_key key = { .digester = RAFS_BLAKE3 };

	assert_int_equal(digest_of(RAFS_BLAKE3, bytes, len, key.digest), 0);
	return key;
}

static struct dedup_key plain_key(void)
{
	for (int i = 0; i < LEN; i++)
		plain[i] = (unsigned char)(i * 7);
	return key_of(plain, LEN);
}

static struct dedup_name *name_of(const struct folder *f, const char *name)
{
	char path[256];

	path_of(f, name, path);
	struct dedup_name *n = dedup_name_new(path);
	assert_non_null(n);
	return n;
}

/* By a connection of its own, as another program would. */
static int64_t ask(const struct folder *f, const char *db, const char *sql)
{
	char path[256];
	sqlite3 *other;
	sqlite3_stmt *s;
	int64_t res = -1;

	path_of(f, db, path);
	assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
	sqlite3_busy_timeout(other, 5000);
	if (sqlite3_prepare_v2(other, sql, -1, &s, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(other));
	if (sqlite3_step(s) == SQLITE_ROW)
		res = sqlite3_column_int64(s, 0);
	sqlite3_finalize(s);
	sqlite3_close(other);
	return res;
}

/* Writes what waits: collecting comes after it. */
static void settle(struct dedup *d)
{
	dedup_collect(d);
}

static bool find(struct dedup *d, const struct folder *f, const char *mine, const struct dedup_key *key)
{
	unsigned char got[LEN] = { 0 };
	struct dedup_name *n = name_of(f, mine);
	bool found = dedup_find(d, key, n, got, LEN);

	dedup_name_put(n);
	if (found)
		assert_memory_equal(got, plain, LEN);
	return found;
}

/* A chunk at offset 100 of a.blob.data. */
static struct dedup *with_chunk(const struct folder *f, struct dedup_key *key)
{
	static unsigned char file[100 + LEN];
	struct dedup *d = get(f);
	struct dedup_name *n = name_of(f, "a.blob.data");

	*key = plain_key();
	memcpy(file + 100, plain, LEN);
	folder_put(f, "a.blob.data", file, sizeof(file));
	dedup_record(d, key, n, 100);
	dedup_name_put(n);
	settle(d);
	return d;
}

static void found_elsewhere(void **state)
{
	const struct folder *f = *state;
	struct dedup_key key, other = key_of("x", 1);
	struct dedup *d = with_chunk(f, &key), *same = get(f);
	char want[128] = "Blake3:";

	assert_ptr_equal(d, same);
	dedup_put(same);
	assert_true(find(d, f, "b.blob.data", &key));
	assert_false(find(d, f, "a.blob.data", &key)); /* one's own */
	assert_false(find(d, f, "b.blob.data", &other));
	key.digester = RAFS_SHA256;
	assert_false(find(d, f, "b.blob.data", &key));
	/* As nydusd writes it. */
	for (int i = 0; i < RAFS_DIGEST_SIZE; i++)
		snprintf(want + 7 + 2 * i, 3, "%02x", key.digest[i]);
	char sql[256];
	snprintf(sql, sizeof(sql), "SELECT count(*) FROM Chunks WHERE ChunkId = '%s' AND ChunkOffset = 100", want);
	assert_int_equal(ask(f, "cas.db", sql), 1);
	dedup_put(d);
	assert_false(folder_has(f, "cas.db-wal"));
}

/* The same chunk twice is one row, in one file one blob. */
static void recorded_once(void **state)
{
	const struct folder *f = *state;
	struct dedup_key key;
	struct dedup *d = with_chunk(f, &key);
	struct dedup_name *n = name_of(f, "a.blob.data");

	for (int i = 0; i < 10000; i++)
		dedup_record(d, &key, n, 100);
	dedup_name_put(n);
	settle(d);
	assert_int_equal(ask(f, "cas.db", "SELECT count(*) FROM Chunks"), 1);
	assert_int_equal(ask(f, "cas.db", "SELECT count(*) FROM Blobs"), 1);
	dedup_put(d);
}

/* Wrong bytes, a short file and a lost file are not taken, and their rows go. */
static void rows_that_lie(void **state)
{
	static const unsigned char zeros[100 + LEN];
	const struct folder *f = *state;
	struct dedup_key key;
	struct dedup *d = with_chunk(f, &key);

	folder_put(f, "a.blob.data", zeros, sizeof(zeros));
	assert_false(find(d, f, "b.blob.data", &key));
	settle(d);
	assert_int_equal(ask(f, "cas.db", "SELECT count(*) FROM Chunks"), 0);
	assert_int_equal(ask(f, "cas.db", "SELECT count(*) FROM Blobs"), 1);
	dedup_put(d);
	d = with_chunk(f, &key);
	folder_put(f, "a.blob.data", zeros, 10);
	assert_false(find(d, f, "b.blob.data", &key));
	settle(d);
	assert_int_equal(ask(f, "cas.db", "SELECT count(*) FROM Chunks"), 0);
	dedup_put(d);
	d = with_chunk(f, &key);
	assert_int_equal(unlinkat(f->fd, "a.blob.data", 0), 0);
	assert_false(find(d, f, "b.blob.data", &key));
	dedup_put(d); /* what waits is written */
	assert_int_equal(ask(f, "cas.db", "SELECT (SELECT count(*) FROM Chunks) + (SELECT count(*) FROM Blobs)"), 0);
}

static void collected(void **state)
{
	const struct folder *f = *state;
	struct dedup_key key;
	struct dedup *d = with_chunk(f, &key);

	/* Of these none can be told to be gone. */
	ask(f, "cas.db", "INSERT INTO Blobs (FilePath) VALUES ('relative.blob.data'), ('/proc/self/gone'), ('')");
	dedup_collect(d);
	assert_int_equal(ask(f, "cas.db", "SELECT count(*) FROM Blobs"), 4);
	assert_int_equal(unlinkat(f->fd, "a.blob.data", 0), 0);
	dedup_collect(d);
	assert_int_equal(ask(f, "cas.db", "SELECT count(*) FROM Blobs"), 3);
	assert_int_equal(ask(f, "cas.db", "SELECT count(*) FROM Chunks"), 0);
	dedup_put(d);
}

/* What a database says is a path, an offset, a file, may be anything. */
static void hostile_rows(void **state)
{
	const struct folder *f = *state;
	struct dedup_key key;
	struct dedup *d = with_chunk(f, &key);
	char name[64];

	assert_int_equal(mkfifoat(f->fd, "fifo.blob.data", 0600), 0);
	assert_int_equal(symlinkat("a.blob.data", f->fd, "link.blob.data"), 0);
	assert_int_equal(mkdirat(f->fd, "dir.blob.data", 0700), 0);
	static const char *const changes[] = {
		"UPDATE Blobs SET FilePath = substr(FilePath, 1, length(FilePath) - 11) || 'fifo.blob.data'",
		"UPDATE Blobs SET FilePath = replace(FilePath, 'fifo.', 'link.')",
		"UPDATE Blobs SET FilePath = replace(FilePath, 'link.', 'dir.')",
		"UPDATE Blobs SET FilePath = replace(FilePath, 'dir.blob.data', 'cas.db')",
		"UPDATE Blobs SET FilePath = 'a.blob.data'",
		"UPDATE Blobs SET FilePath = '/' || char(0) || '/x.blob.data'",
		"UPDATE Blobs SET FilePath = '/' || hex(zeroblob(3000)) || '.blob.data'",
		"UPDATE Blobs SET FilePath = x'2f00ff2e626c6f622e64617461'",
		"UPDATE Blobs SET FilePath = ''",
	};
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		ask(f, "cas.db", changes[i]);
		assert_false(find(d, f, "b.blob.data", &key));
	}
	dedup_collect(d);
	dedup_put(d);
	static const char *const offsets[] = { "-1", "9223372036854775807", "9223372036854775000", "1e300", "'x'", "NULL", "99" };
	for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
		d = with_chunk(f, &key);
		snprintf(name, sizeof(name), "UPDATE Chunks SET ChunkOffset = %s", offsets[i]);
		ask(f, "cas.db", name);
		assert_false(find(d, f, "b.blob.data", &key));
		settle(d);
		ask(f, "cas.db", "DELETE FROM Chunks");
		dedup_put(d);
	}
}

/* No database, another program's, tables of another form: refused, and not touched. */
static void foreign(void **state)
{
	static const char *const tables[] = {
		"CREATE TABLE mine (x)",
		"CREATE VIEW Blobs AS SELECT 1 AS BlobId, 'x' AS FilePath",
		"CREATE TABLE Blobs (a, b)",
		"CREATE TABLE Chunks (a, b)",
	};
	const struct folder *f = *state;
	struct graft_error err = { 0 };
	struct dedup *d = NULL;
	char name[16];

	folder_fill(f, "garbage.db", 0x5a, 8192);
	assert_int_equal(try_get(&d, f, "garbage.db", &err), -EUCLEAN);
	assert_non_null(strstr(err.text, "not a database"));
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		snprintf(name, sizeof(name), "%zu.db", i);
		ask(f, name, tables[i]);
		err.text[0] = '\0';
		assert_int_equal(try_get(&d, f, name, &err), -EUCLEAN);
		assert_non_null(strstr(err.text, "deduplication database"));
	}
	assert_int_equal(ask(f, "0.db", "SELECT count(*) FROM sqlite_schema"), 1);
	assert_int_equal(mkdirat(f->fd, "dir.db", 0700), 0);
	assert_int_equal(try_get(&d, f, "dir.db", &err), -EUCLEAN);
	assert_int_equal(try_get(&d, f, "", &err), -EINVAL);
	assert_null(d);
}

/* A trigger that another program put there later does nothing when we write. */
static void triggers(void **state)
{
	const struct folder *f = *state;
	struct dedup_key key;
	struct dedup *d = with_chunk(f, &key);
	struct dedup_name *n = name_of(f, "b.blob.data");

	ask(f, "cas.db", "CREATE TRIGGER t AFTER INSERT ON Blobs BEGIN DELETE FROM Chunks; END");
	dedup_record(d, &key, n, 0);
	dedup_name_put(n);
	dedup_put(d);
	assert_int_equal(ask(f, "cas.db", "SELECT count(*) FROM Chunks"), 2);
}

/* Bytes turned over under an open database: it may say nothing, or wrong things, and is given up at last. */
static void spoilt(void **state)
{
	const struct folder *f = *state;
	struct dedup_key key;
	struct dedup *d = with_chunk(f, &key);
	static unsigned char junk[65536];
	char why[256] = "";

	memset(junk, 0xa7, sizeof(junk));
	dedup_put(d);
	d = get(f);
	for (int i = 0; i < 2; i++) {
		int fd = openat(f->fd, i ? "cas.db-wal" : "cas.db", O_WRONLY | O_CLOEXEC);

		if (fd >= 0) {
			assert_int_equal(pwrite(fd, junk, sizeof(junk), i ? 0 : 100), sizeof(junk));
			close(fd);
		}
	}
	for (int i = 0; i < 3; i++)
		assert_false(find(d, f, "b.blob.data", &key));
	dedup_collect(d);
	assert_true(dedup_failed(d, why));
	assert_non_null(strstr(why, "is not used any more"));
	assert_false(dedup_failed(d, why)); /* told once */
	assert_false(find(d, f, "b.blob.data", &key));
	dedup_put(d);
}

/* Another process cuts the index of the log short, which is mapped here. */
static void index_cut(void **state)
{
	const struct folder *f = *state;
	struct dedup_key key;
	struct dedup *d = with_chunk(f, &key);
	int fd = openat(f->fd, "cas.db-shm", O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	sigaction(SIGBUS, &torn, NULL);
	assert_int_equal(ftruncate(fd, 0), 0);
	close(fd);
	for (int i = 0; i < 3; i++)
		find(d, f, "b.blob.data", &key);
	dedup_collect(d);
	dedup_put(d);
}

/* Another process holds the lock for writing: nobody who reads waits, and what is not written in time is lost. */
static void busy(void **state)
{
	const struct folder *f = *state;
	const struct dedup_limits limits = { .busy_ms = 20, .deadline_ms = 100 };
	struct dedup_key key;
	struct dedup *d = with_chunk(f, &key);
	struct dedup_db *mine = NULL;
	struct dedup_hit *hits = calloc(2, sizeof(*hits));
	char path[256];
	sqlite3 *other;

	assert_non_null(hits);
	assert_int_equal(dedup_db_open(&mine, f->fd, "cas.db", false, &limits, NULL), 0);
	path_of(f, "cas.db", path);
	assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
	assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(dedup_db_find(mine, &key, hits, 2), 1);
	assert_int_equal(dedup_db_begin(mine), -EAGAIN);
	assert_true(find(d, f, "b.blob.data", &key));
	assert_int_equal(sqlite3_exec(other, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(other);
	assert_int_equal(dedup_db_begin(mine), 0);
	assert_int_equal(dedup_db_forget(mine, "/nowhere.blob.data"), 0);
	assert_int_equal(dedup_db_forget(mine, hits[0].path), 0);
	assert_int_equal(dedup_db_end(mine, false), 0);
	assert_int_equal(dedup_db_find(mine, &key, hits, 2), 1);
	dedup_db_close(mine);
	free(hits);
	dedup_put(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(found_elsewhere, folder_setup, folder_teardown),
		cmocka_unit_test_setup_teardown(recorded_once, folder_setup, folder_teardown),
		cmocka_unit_test_setup_teardown(rows_that_lie, folder_setup, folder_teardown),
		cmocka_unit_test_setup_teardown(collected, folder_setup, folder_teardown),
		cmocka_unit_test_setup_teardown(hostile_rows, folder_setup, folder_teardown),
		cmocka_unit_test_setup_teardown(foreign, folder_setup, folder_teardown),
		cmocka_unit_test_setup_teardown(triggers, folder_setup, folder_teardown),
		cmocka_unit_test_setup_teardown(spoilt, folder_setup, folder_teardown),
		cmocka_unit_test_setup_teardown(index_cut, folder_setup, folder_teardown),
		cmocka_unit_test_setup_teardown(busy, folder_setup, folder_teardown),
	};

	struct mapping any;
	int fd = memfd_create("any", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, 1) < 0 || mapping_open(&any, fd, 0, 1, MAPPING_READ, NULL) < 0)
		return 1;
	sigaction(SIGBUS, NULL, &torn);
	mapping_close(&any);
	close(fd);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
