/* SPDX-License-Identifier: Apache-2.0 */
/* What a copy is made of: data, owner, mode, times and extended attributes. On a crew's thread. */
#ifndef GRAFT_OVERLAY_COPY_DATA_H
#define GRAFT_OVERLAY_COPY_DATA_H

#include "crew.h"
#include "upper.h"

/* Makes the file temp in temp_fd, with the data of a file below. 0 or -errno; then it may be there in part. */
int copy_data(struct ov_work *w, uint64_t lower, const struct fuse_attr *attr, const char *temp);
/* Gives what stands under temp in temp_fd all else. 0 or -errno. */
int copy_metadata(struct ov_work *w, uint64_t lower, const struct fuse_attr *attr, const char *temp);

#endif
