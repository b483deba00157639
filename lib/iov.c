/* SPDX-License-Identifier: Apache-2.0 */
/* Scatter-gather lists: every data request comes through here, so each function is one loop that only calls memcpy. */
#include "lib/iov.h"

#include <errno.h>

#define REST_IOVECS 64

static uint64_t sum(const struct iovec *iov, uint32_t n, uint64_t less)
{
	uint64_t total = 0;
	for (uint32_t i = 0; i < n; i++)
		if (__builtin_add_overflow(total, iov[i].iov_len, &total))
			return UINT64_MAX;
	return total - less;
}

uint64_t iov_length(const struct iovec *iov, uint32_t n)
{
	return sum(iov, n, 0);
}

uint64_t iov_left(const struct iov_cursor *c)
{
	return sum(c->iov, c->n, c->skip);
}

/* Bytes of the present element that a transfer of want bytes may use. */
static inline size_t present(const struct iov_cursor *c, size_t want)
{
	size_t room = c->iov->iov_len - c->skip;
	return room < want ? room : want;
}

size_t iov_read_parts(struct iov_cursor *c, void *to, size_t len)
{
	size_t done = 0;
	while (done < len && c->n > 0) {
		size_t part = present(c, len - done);
		if (part > 0)
			memcpy((char *)to + done, (const char *)c->iov->iov_base + c->skip, part);
		done += part;
		iov_advance(c, part);
	}
	return done;
}

size_t iov_write_parts(struct iov_cursor *c, const void *from, size_t len)
{
	size_t done = 0;
	while (done < len && c->n > 0) {
		size_t part = present(c, len - done);
		if (part > 0)
			memcpy((char *)c->iov->iov_base + c->skip, (const char *)from + done, part);
		done += part;
		iov_advance(c, part);
	}
	return done;
}

size_t iov_skip(struct iov_cursor *c, size_t len)
{
	size_t done = 0;
	while (done < len && c->n > 0) {
		size_t part = present(c, len - done);
		done += part;
		iov_advance(c, part);
	}
	return done;
}

uint32_t iov_slice(const struct iov_cursor *c, uint64_t len, struct iovec *to, uint32_t max, uint64_t *bytes)
{
	struct iov_cursor at = *c;
	uint64_t done = 0;
	uint32_t used = 0;

	while (done < len && at.n > 0 && used < max) {
		size_t part = present(&at, len - done);
		if (part > 0)
			to[used++] = (struct iovec){ .iov_base = (char *)at.iov->iov_base + at.skip, .iov_len = part };
		done += part;
		iov_advance(&at, part);
	}
	*bytes = done;
	return used;
}

ssize_t iov_move(iov_call *call, int fd, const struct iovec *iov, uint32_t n, uint64_t done, uint64_t off, int flags)
{
	struct iovec part[REST_IOVECS];
	uint64_t bytes;

	if (done) {
		struct iov_cursor c = iov_cursor(iov, n);
		iov_skip(&c, done);
		n = iov_slice(&c, UINT64_MAX, part, REST_IOVECS, &bytes);
		iov = part;
	}
	ssize_t moved = call(fd, iov, (int)n, (off_t)(off + done), flags);
	return moved < 0 ? -errno : moved;
}
