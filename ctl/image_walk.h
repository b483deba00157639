/* SPDX-License-Identifier: Apache-2.0 */
/* A walk over an image's tree that ends for any image: each directory once, no more names than the file can hold. */
#ifndef GRAFT_CTL_IMAGE_WALK_H
#define GRAFT_CTL_IMAGE_WALK_H

#include "rafs/meta/image.h"

/* One name of a directory; all of it lives until the callback returns. */
struct image_walk_at {
	const char *path;                /* absolute */
	const struct rafs_inode *dir;    /* that it stands in; NULL for the directory where the walk begins */
	const struct rafs_dirent *entry; /* NULL for that directory */
	const struct rafs_inode *inode;
};

struct image_walk_ops {
	/* A name, before what is below it; 0, or -errno to end the walk. */
	int (*entry)(void *arg, const struct image_walk_at *at);
	/* The end of a directory that was listed whole; may be NULL. subdirs: names of directories in it. */
	void (*leave)(void *arg, const struct image_walk_at *at, uint32_t subdirs);
	/* Something is wrong there; what is our own text. The walk goes on with the next name. */
	void (*bad)(void *arg, const char *path, const char *what);
};

/*
 * Walks what is below dir, whose path that is; deep: the directories in it too. dir itself is not an entry. 0, the
 * -errno of a callback, or -ENOMEM.
 */
int image_walk(const struct rafs_image *image, const char *path, const struct rafs_inode *dir, bool deep,
	       const struct image_walk_ops *ops, void *arg);

#endif
