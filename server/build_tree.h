/* SPDX-License-Identifier: Apache-2.0 */
/* Programs run from their build tree without an install: plugins and modules lie in ../lib/graftfs beside the program's folder. */
#ifndef GRAFT_SERVER_BUILD_TREE_H
#define GRAFT_SERVER_BUILD_TREE_H

#include <limits.h>
#include <stdbool.h>

#define BUILD_TREE_PATH_MAX (PATH_MAX + 64)

/* Where name would lie, whether or not it does. False where the program's own path cannot be told. */
bool build_tree_path(const char *name, char path[BUILD_TREE_PATH_MAX]);

#endif
