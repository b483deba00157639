/* SPDX-License-Identifier: Apache-2.0 */
/* Calls everything of rafs/meta/image.h for everything an image shows, with bounded work: for fuzzing and damaged
 * images. */
#ifndef GRAFT_TESTS_UNIT_RAFS_IMAGE_TOUCH_H
#define GRAFT_TESTS_UNIT_RAFS_IMAGE_TOUCH_H

#include "rafs/meta/image.h"

/*
 * A bootstrap in memory of its own: a copy of size bytes (at least 1) that ends where an inaccessible page begins, so
 * that a read beyond its end ends the program. Ended by image_memory_fini, after rafs_image_open took and closed the
 * map.
 */
struct image_memory {
	struct rafs_origin origin;
	void *guard; /* the inaccessible page */
};
/* False: out of memory. name: of the file it came from. */
bool image_memory_init(struct image_memory *m, const void *bytes, size_t size, const char *name);
void image_memory_fini(struct image_memory *m);

/* What was seen: for the caller's own sense of whether an image was walked at all. */
struct image_seen {
	uint64_t dirents, extents, xattrs, links;
	uint64_t errors; /* results below 0 */
};

/* Aborts if a result breaks what image.h promises. work: calls at most, in all. */
struct image_seen image_touch(const struct rafs_image *image, uint64_t work);

#endif
