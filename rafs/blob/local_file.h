/* SPDX-License-Identifier: Apache-2.0 */
/* What both local backends do with a descriptor: tell how large it is (block devices too), and read all of a range. */
#ifndef GRAFT_RAFS_BLOB_LOCAL_FILE_H
#define GRAFT_RAFS_BLOB_LOCAL_FILE_H

#include <stdint.h>
#include <sys/uio.h>

/* Bytes of a regular file or block device. 0; -EISDIR for a directory, -EINVAL for other files, -errno. */
int local_file_size(int fd, uint64_t *size);
/* Fills all of iov (n <= 64) from off: 0, -EIO where the file ends before, -errno. */
int local_file_read(int fd, uint64_t off, const struct iovec *iov, uint32_t n);

#endif
