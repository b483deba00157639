/* SPDX-License-Identifier: Apache-2.0 */
/* Two ways to look at what is mounted: this host's kernel at the mount point, and a FUSE client on a virtio-fs ring. */
#ifndef GRAFT_TESTS_MOUNTS_VIEWER_H
#define GRAFT_TESTS_MOUNTS_VIEWER_H

#include "tests/vring/fuse_client.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VIEW_TEXT 128   /* bytes of a file's content with its NUL */
#define VIEW_NAMES 8192 /* names of a directory */
#define VIEW_DEPTH 16   /* names of a path */

/* One thread's. host: the mount point; otherwise client. */
struct viewer {
	const char *host;
	struct fuse_client *client;
};

/* An open file; a guest keeps the look-ups of its path with it. */
struct view_file {
	int fd; /* host */
	uint64_t fh, node[VIEW_DEPTH];
	unsigned depth;
};

/* A directory's names but "." and "..", sorted. */
struct view_list {
	unsigned n;
	const char *twice; /* with -EEXIST: which name */
	char name[VIEW_NAMES][32];
};

/* All give 0 or -errno. Paths are absolute in what is served. */
int view_open(struct viewer *v, const char *path, struct view_file *f);
/* From the file's beginning. */
int view_read(struct viewer *v, const struct view_file *f, char text[VIEW_TEXT]);
void view_close(struct viewer *v, struct view_file *f);
/* The three together. */
int view_cat(struct viewer *v, const char *path, char text[VIEW_TEXT]);
/* -EEXIST where a name stands twice. */
int view_names(struct viewer *v, const char *path, struct view_list *l);
bool view_has(const struct view_list *l, const char *name);

#endif
