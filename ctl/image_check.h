/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of graftctl image check share: the state of a check, what it found, how far it is. */
#ifndef GRAFT_CTL_IMAGE_CHECK_H
#define GRAFT_CTL_IMAGE_CHECK_H

#include "ctl/image_chunk.h"
#include "ctl/image_map.h"
#include "ctl/image_walk.h"

/* All that is done so far; printed by the functions below. */
struct check_tally {
	uint64_t findings;
	uint64_t names, inodes; /* names: with the root */
	uint64_t chunks;        /* that files use, each once */
	uint64_t done;          /* bytes of them that were decoded */
	uint64_t verified;      /* bytes of them that carry a check, which they passed */
	uint64_t unchecked;     /* chunks that carry none */
};

struct check {
	struct image *image;
	bool fast; /* metadata only */
	struct check_tally tally;
	struct image_decoder *decoder;
	struct image_map links; /* inode number, no directory: nlink << 32 | names found */
	struct image_map seen;  /* chunk: what it was when it was first seen */
	uint64_t chunks_left;   /* stretches of files that the bootstrap has room for */

	bool progress;     /* on stderr, a terminal */
	uint64_t total;    /* bytes of all blobs, uncompressed; 0: not known */
	uint64_t shown_at; /* ns */
	bool shown;        /* the progress line stands there */
};

/* image_check_report.c */

/* Something is wrong: one line, where (a path, or a blob) and what. */
void check_found(struct check *c, const char *where, const char *what, ...) __attribute__((format(printf, 3, 4)));
/* Says how far it is, now and then. */
void check_progress(struct check *c);
/* The last line; returns enum ctl_exit. */
int check_verdict(struct check *c);

/* image_check_inode.c */

/* All of a name's inode and what it leads to. -ECANCELED: there is no use in going on. */
int check_entry(void *arg, const struct image_walk_at *at);
/* What shows only when a directory was listed. at->path is its own. */
void check_directory(void *arg, const struct image_walk_at *at, uint32_t subdirs);
/* The root, which stands in no directory. */
int check_root(struct check *c, const struct rafs_inode *root);
/* Numbers of links, when all were seen. */
void check_links(struct check *c);

/* image_check_file.c: every stretch of a regular file, and each chunk the first time it is used. */
int check_file(struct check *c, const char *path, const struct rafs_inode *inode);

#endif
