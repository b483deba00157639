/* SPDX-License-Identifier: Apache-2.0 */
/* Backend localfs: blobs are files of a folder named by their ids, or one file is every blob. */
#ifndef GRAFT_RAFS_BLOB_LOCALFS_H
#define GRAFT_RAFS_BLOB_LOCALFS_H

#include "rafs/blob/backend.h"

/* As backend_open. */
int localfs_open(struct backend **backend, const struct backend_spec *spec, const struct path_opener *opener,
		 struct graft_error *err);

#endif
