/* SPDX-License-Identifier: Apache-2.0 */
/* The actions of graftctl image, each with a file of its own. */
#ifndef GRAFT_CTL_IMAGE_H
#define GRAFT_CTL_IMAGE_H

#include "ctl/command.h"
#include "ctl/image_open.h"

/*
 * image is open, with its blobs where the action needs them; path is as the user wrote it, "/" without one. Each prints
 * on stdout and returns enum ctl_exit, with *image->err where something is to be said at the end.
 */
int image_show(struct image *image, const struct args *args, const char *path);
int image_ls(struct image *image, const struct args *args, const char *path);
int image_stat(struct image *image, const struct args *args, const char *path);
int image_cat(struct image *image, const struct args *args, const char *path);
int image_check(struct image *image, const struct args *args, const char *path);

/* Says that the image opened as an image cannot be: check's verdict, in its own form. why: of opening it. */
int image_check_refused(bool json, const char *boot, const struct graft_error *why);

#endif
