/* SPDX-License-Identifier: Apache-2.0 */
/* Files of an instance's folder: each is replaced as a whole, so that at any moment the old or the new one is there. */
#ifndef GRAFT_SERVER_CONTROL_STORE_H
#define GRAFT_SERVER_CONTROL_STORE_H

#include "lib/error.h"

#include <jansson.h>
#include <stddef.h>

#define STORE_CONFIG "config.ini"
#define STORE_STATE "state.json"
#define STORE_MOUNTS "mounts.json"

#define STORE_FILE_MAX (64u * 1024 * 1024) /* bytes; more is neither read nor written */
#define STORE_VERSION 1			   /* of both JSON files */

/* One thread at a time. */
struct store {
	int dir;          /* borrowed */
	const char *path; /* of the folder, for messages; borrowed */
};

/* Removes what an earlier life left half written. */
void store_open(struct store *s, int dir, const char *path);

/*
 * Puts a file (0600) in the place of what has that name: temporary file, fsync, rename, fsync of the folder. 0 when
 * it is on disk. On failure the old file is there as before, and nothing else; -errno with the path in err.
 */
int store_put(const struct store *s, const char *name, const void *data, size_t len, struct graft_error *err);
/* 0 also where there is none. */
int store_remove(const struct store *s, const char *name, struct graft_error *err);

/*
 * Reads a JSON object of our version. 0 with *root NULL where there is no such file; -errno with file and place in
 * err where it is no JSON object, of a later version, no regular file, or too long. The caller puts *root
 * (json_decref).
 */
int store_get(const struct store *s, const char *name, json_t **root, struct graft_error *err);
/* An error in a file that was read: "PATH/NAME: text; the file is left as it is". Returns -EINVAL. */
int store_fault(const struct store *s, const char *name, struct graft_error *err, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

#endif
