/* SPDX-License-Identifier: Apache-2.0 */
/* The folder of the cache, made with its parents where it is missing. */
#ifndef GRAFT_NYDUS_RAFS_CACHE_FOLDER_H
#define GRAFT_NYDUS_RAFS_CACHE_FOLDER_H

#include "rafs/blob/backend.h"

/* path is absolute. New folders are the server's alone (0700). A descriptor of the folder, or -errno with err. */
int cache_folder_open(const struct path_opener *opener, const char *path, struct graft_error *err);

#endif
