/* SPDX-License-Identifier: Apache-2.0 */
/* From a path to an inode inside an image: nothing outside of it is ever looked at. */
#ifndef GRAFT_CTL_IMAGE_PATH_H
#define GRAFT_CTL_IMAGE_PATH_H

#include "lib/error.h"
#include "rafs/meta/image.h"

#define IMAGE_LINKS_MAX 40 /* symlinks that one path may lead through */

/*
 * Walks path down from the root of the image ("a/b" is "/a/b"), through symlinks, ".." included; absolute targets begin
 * at the root of the image again. follow: also the last component. 0 or -errno with err: -ENOENT, -ENOTDIR, -ELOOP, or
 * what the metadata gave.
 */
int image_resolve(const struct rafs_image *image, const char *path, bool follow, struct rafs_inode *out,
		  struct graft_error *err);

#endif
