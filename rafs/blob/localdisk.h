/* SPDX-License-Identifier: Apache-2.0 */
/* Backend localdisk: blobs are the partitions of a disk or of an image of one. */
#ifndef GRAFT_RAFS_BLOB_LOCALDISK_H
#define GRAFT_RAFS_BLOB_LOCALDISK_H

#include "rafs/blob/backend.h"

/* As backend_open; reads the partition table. */
int localdisk_open(struct backend **backend, const struct backend_spec *spec, const struct path_opener *opener,
		   struct graft_error *err);

#endif
