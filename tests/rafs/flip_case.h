/* SPDX-License-Identifier: Apache-2.0 */
/* Images with copies to damage, and what is done to them. */
#ifndef GRAFT_TESTS_RAFS_FLIP_CASE_H
#define GRAFT_TESTS_RAFS_FLIP_CASE_H

#include "tests/rafs/flip_walk.h"

#include <stddef.h>

#define IMAGES_MAX 64
#define FILES_MAX 8 /* of an image: source and blobs */

/* A file of an image: its bytes as they should be, and the copy that is damaged and mended again. */
struct flip_file {
	char path[512];
	unsigned char *bytes;
	size_t size;
};

struct flip_image {
	char name[64];
	char source[512], blob_dir[512];   /* of the copies */
	char filled[512];                  /* folder: a cache that was filled from them */
	struct flip_file files[FILES_MAX]; /* the first is the source */
	unsigned nfiles;
};

struct flip_images {
	struct flip_image image[IMAGES_MAX];
	unsigned n;
	char cache[512]; /* folder for the cache of one case */
};

/* Copies all images of the table in folder into scratch. 0, or -errno after a word about it. */
int flip_images_load(struct flip_images *images, const char *folder, const char *scratch);
void flip_images_free(struct flip_images *images);
/* Mends all copies, whatever an ended process left. 0 or -errno. */
int flip_images_mend(const struct flip_images *images);

enum flip_target { FLIP_META, FLIP_BLOB, FLIP_CACHE };

/* One case: all of it follows from seed and number. */
struct flip_case {
	const struct flip_image *image;
	unsigned number; /* of the image */
	enum flip_target target;
	struct walk_request request;
	char what[160]; /* in words */
};

/* Damages what the case damages, and says in it how it is to be walked. 0 or -errno. */
int flip_case_begin(struct flip_case *c, const struct flip_images *images, uint64_t seed, uint64_t number);
/* Mends it. */
int flip_case_end(struct flip_case *c, const struct flip_images *images);

/* Removes all files in a folder. */
void flip_empty_folder(const char *path);

#endif
