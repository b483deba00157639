/* SPDX-License-Identifier: Apache-2.0 */
/* Local files and block devices as blobs are read from them. */
#include "rafs/blob/local_file.h"

#include "lib/iov.h"
#include "rafs/bytes.h"

#include <errno.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define IOV_MAX_READ 64

int local_file_size(int fd, uint64_t *size)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISREG(st.st_mode)) {
		*size = (uint64_t)st.st_size;
		return 0;
	}
	if (S_ISBLK(st.st_mode))
		return ioctl(fd, BLKGETSIZE64, size) < 0 ? -errno : 0;
	return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
}

int local_file_read(int fd, uint64_t off, const struct iovec *iov, uint32_t n)
{
	struct iov_cursor c = iov_cursor(iov, n);
	uint64_t left = iov_left(&c);

	if (!bytes_within(off, left, INT64_MAX))
		return -EIO;
	while (left > 0) {
		struct iovec piece[IOV_MAX_READ];
		uint64_t len;
		uint32_t used = iov_slice(&c, left, piece, IOV_MAX_READ, &len);
		ssize_t got = preadv(fd, piece, (int)used, (off_t)off);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? -errno : -EIO;
		iov_skip(&c, (size_t)got);
		off += (uint64_t)got;
		left -= (uint64_t)got;
	}
	return 0;
}
