/* SPDX-License-Identifier: Apache-2.0 */
/* libsqlite3, loaded when a mount first has a deduplication database: most have none. */
#ifndef GRAFT_RAFS_CACHE_SQLITE_H
#define GRAFT_RAFS_CACHE_SQLITE_H

#include "lib/error.h"

#include <sqlite3.h>

/* The functions of libsqlite3 that are used, by their own names. */
#define SQLITE_FUNCTIONS(F)                                                                                            \
	F(sqlite3_initialize)                                                                                          \
	F(sqlite3_vfs_find)                                                                                            \
	F(sqlite3_vfs_register)                                                                                        \
	F(sqlite3_open_v2)                                                                                             \
	F(sqlite3_close_v2)                                                                                            \
	F(sqlite3_db_config)                                                                                           \
	F(sqlite3_limit)                                                                                               \
	F(sqlite3_busy_timeout)                                                                                        \
	F(sqlite3_progress_handler)                                                                                    \
	F(sqlite3_exec)                                                                                                \
	F(sqlite3_prepare_v3)                                                                                          \
	F(sqlite3_bind_text)                                                                                           \
	F(sqlite3_bind_int64)                                                                                          \
	F(sqlite3_step)                                                                                                \
	F(sqlite3_reset)                                                                                               \
	F(sqlite3_clear_bindings)                                                                                      \
	F(sqlite3_column_text)                                                                                         \
	F(sqlite3_column_bytes)                                                                                        \
	F(sqlite3_column_int64)                                                                                        \
	F(sqlite3_finalize)                                                                                            \
	F(sqlite3_errmsg)

struct sqlite {
#define SQLITE_MEMBER(f) __typeof__(&f) f;
	SQLITE_FUNCTIONS(SQLITE_MEMBER)
#undef SQLITE_MEMBER
};

/* The file system of databases that are opened as sqlite_path says: their names are taken as they are. */
#define SQLITE_VFS "graftfs"
#define SQLITE_PATH_MAX 320 /* bytes of a path with its NUL */

/*
 * Loads it if it is not, from any thread; it stays loaded. NULL with err (which may be NULL) if it cannot be had; the next
 * call tries again.
 */
const struct sqlite *sqlite_get(struct graft_error *err);

/*
 * How SQLite, which takes only paths, is told of a file in an open folder: through /proc/self/fd, which is there in the
 * sandbox too. Good as long as the folder is open.
 */
void sqlite_path(char path[SQLITE_PATH_MAX], int folder, const char *name);

#endif
