/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What clients did with each file of an image, where nydusd's configuration asks for that: iostats_files,
 * access_pattern, latest_read_files. Inodes by their number in the image. Any thread, without a lock and without
 * allocating.
 */
#ifndef GRAFT_NYDUS_RAFS_FILE_STATS_H
#define GRAFT_NYDUS_RAFS_FILE_STATS_H

#include <graftfs/plugin.h>
#include <stdint.h>

#define FILE_STATS_MAX                                                                                                 \
	65536 /* inodes of an image that are counted; what comes later is not. 14 MiB when all are there */
#define FILE_STATS_INO_MAX                                                                                             \
	(UINT64_C(1) << 26) /* of those whose READs are remembered: 32-byte slots of a file of 2 GiB */

enum file_stats_what { FILE_STATS_COUNTS = 1 << 0, FILE_STATS_PATTERN = 1 << 1, FILE_STATS_LATEST = 1 << 2 };

struct file_stats;

/* what: enum file_stats_what, or'ed. NULL when out of memory. */
struct file_stats *file_stats_new(uint32_t what);
void file_stats_free(struct file_stats *s); /* NULL: nothing */

/* A look-up or a listing brought that inode. */
void file_stats_seen(struct file_stats *s, uint64_t ino);
/* A request of that opcode for that inode, whatever comes of it; a READ is counted by file_stats_read. */
void file_stats_op(struct file_stats *s, uint32_t opcode, uint64_t ino);
/* A READ, and what came of it: bytes or -errno. */
void file_stats_read(struct file_stats *s, uint64_t ino, int64_t res);

/*
 * Puts JSON in nydusd's form: FILE_STATS_COUNTS an object by inode number, FILE_STATS_PATTERN a list of files that were
 * read, FILE_STATS_LATEST a list of ranges of them, which is then empty. Empty also for what is not counted. s may be
 * NULL. 0 or -ENOMEM.
 */
int file_stats_tell(struct file_stats *s, enum file_stats_what what, graft_ask_put *put, void *arg);

#endif
