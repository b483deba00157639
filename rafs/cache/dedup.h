/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chunks that other caches of this host have already, by a database that nydusd may share (reference 2.5, 4). It only saves
 * fetching: whatever it says is checked, and where it is corrupt, busy or foreign, reads go on as if there were none.
 */
#ifndef GRAFT_RAFS_CACHE_DEDUP_H
#define GRAFT_RAFS_CACHE_DEDUP_H

#include "rafs/blob/backend.h"
#include "rafs/cache/dedup_db.h"

#include <stdbool.h>

#define DEDUP_FOLDERS_MAX 16

/* A database that is open in this process; counted. */
struct dedup;
/* A cache's data file, as the database calls it; counted. */
struct dedup_name;

/*
 * Opens the database at path, whose folder is open at `folder` (takes it, on failure too), and begins its thread. Folders of
 * other caches that it names are opened by opener, at most DEDUP_FOLDERS_MAX, unless paths are the host's own anyway. The same
 * file twice gives the same object. -errno with err; -EUCLEAN: it is no such database. May block.
 */
int dedup_get(struct dedup **d, int folder, const char *path, const struct path_opener *opener, struct graft_error *err);
/* What waits is written first, for 10 seconds at most. May block. NULL: nothing. */
void dedup_put(struct dedup *d);

/* path: absolute, without links. NULL when out of memory. */
struct dedup_name *dedup_name_new(const char *path);
void dedup_name_put(struct dedup_name *n); /* NULL: nothing */

/* Files in the folder at fd can be found below it, whatever the sandbox: path as in dedup_name_new. fd is not kept. */
void dedup_add_folder(struct dedup *d, const char *path, int fd);

/*
 * The chunk's len plain bytes from another cache than mine's into `to`, with their digest checked: whether there were any. May
 * block; any thread but one that takes requests.
 */
bool dedup_find(struct dedup *d, const struct dedup_key *key, const struct dedup_name *mine, void *to, uint32_t len);
/* From now on others may find the chunk at off in that file. The digest must have been checked. Does not block; may be lost. */
void dedup_record(struct dedup *d, const struct dedup_key *key, struct dedup_name *file, uint64_t off);
/* Takes out what data files were that are gone. Waits for it, 5 seconds at most. */
void dedup_collect(struct dedup *d);
/* Once for each database, when it has turned out to be of no use: why. Else false. */
bool dedup_failed(struct dedup *d, char text[256]);

#endif
