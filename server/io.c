/* SPDX-License-Identifier: Apache-2.0 */
/* Blocking transfers: preadv2, pwritev2, fsync, on a worker. */
#include "server/io.h"

#include "lib/iov.h"

#include <errno.h>
#include <unistd.h>

#define SLICE 64 /* elements of one call after a short one */

static ssize_t move(const struct graft_io *io, const struct iovec *iov, uint32_t n, uint64_t off)
{
	ssize_t res;

	do {
		if (io->kind == GRAFT_IO_READ)
			res = preadv2(io->fd, iov, (int)n, (off_t)off, (int)io->flags);
		else
			res = pwritev2(io->fd, iov, (int)n, (off_t)off, (int)io->flags);
	} while (res < 0 && errno == EINTR);
	return res < 0 ? -errno : res;
}

static int64_t move_all(const struct graft_io *io)
{
	struct iov_cursor c = iov_cursor(io->iov, io->niov);
	uint64_t len = iov_length(io->iov, io->niov), done = 0;
	struct iovec slice[SLICE];

	while (done < len) {
		const struct iovec *iov = done ? slice : io->iov;
		uint64_t bytes;
		uint32_t n = done ? iov_slice(&c, len - done, slice, SLICE, &bytes) : io->niov;
		ssize_t res = move(io, iov, n, io->off + done);

		if (res < 0)
			return done ? (int64_t)done : res;
		if (!res)
			break;
		iov_skip(&c, (size_t)res);
		done += (uint64_t)res;
	}
	return (int64_t)done;
}

int64_t io_transfer(const struct graft_io *io)
{
	switch (io->kind) {
	case GRAFT_IO_READ:
	case GRAFT_IO_WRITE:
		return io->niov > 1024 ? -EINVAL : move_all(io);
	case GRAFT_IO_FSYNC:
		return fsync(io->fd) ? -errno : 0;
	case GRAFT_IO_FDATASYNC:
		return fdatasync(io->fd) ? -errno : 0;
	default:
		return -EINVAL;
	}
}
