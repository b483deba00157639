/* SPDX-License-Identifier: Apache-2.0 */
/* Scatter-gather lists: a cursor that copies in and out of them, skips, and cuts a list to an exact length. */
#ifndef GRAFT_LIB_IOV_H
#define GRAFT_LIB_IOV_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/uio.h>

/* A read or write position in a list that the cursor does not change. */
struct iov_cursor {
	const struct iovec *iov; /* present element */
	uint32_t n;              /* elements left, the present one included */
	size_t skip;             /* bytes of the present element already used */
};

static inline struct iov_cursor iov_cursor(const struct iovec *iov, uint32_t n)
{
	return (struct iov_cursor){ .iov = iov, .n = n };
}

/* Bytes in a list; UINT64_MAX if the sum overflows. */
uint64_t iov_length(const struct iovec *iov, uint32_t n);
/* Bytes left behind the cursor. */
uint64_t iov_left(const struct iov_cursor *c);
/* Each returns the bytes moved, less than len only where the list ends. _parts: what the others do beyond one element. */
size_t iov_read_parts(struct iov_cursor *c, void *to, size_t len);
size_t iov_write_parts(struct iov_cursor *c, const void *from, size_t len);
size_t iov_skip(struct iov_cursor *c, size_t len);

/* The present element has all len bytes: so it is for most headers and structs. */
static inline int iov_within(const struct iov_cursor *c, size_t len)
{
	return c->n > 0 && len > 0 && len <= c->iov->iov_len - c->skip;
}

/* Moves on by len bytes of the present element. */
static inline void iov_advance(struct iov_cursor *c, size_t len)
{
	c->skip += len;
	if (c->skip == c->iov->iov_len) {
		c->iov++;
		c->n--;
		c->skip = 0;
	}
}

static inline size_t iov_read(struct iov_cursor *c, void *to, size_t len)
{
	if (!iov_within(c, len))
		return iov_read_parts(c, to, len);
	memcpy(to, (const char *)c->iov->iov_base + c->skip, len);
	/* A guest may change it: keeps the compiler from reading there again what was copied. */
	atomic_signal_fence(memory_order_seq_cst);
	iov_advance(c, len);
	return len;
}

static inline size_t iov_write(struct iov_cursor *c, const void *from, size_t len)
{
	if (!iov_within(c, len))
		return iov_write_parts(c, from, len);
	memcpy((char *)c->iov->iov_base + c->skip, from, len);
	iov_advance(c, len);
	return len;
}

/*
 * Fills to[] (room for max) with at most len bytes from the cursor on, without moving it. Returns the elements used,
 * *bytes what they hold: less than len where the list ends or max is reached.
 */
uint32_t iov_slice(const struct iov_cursor *c, uint64_t len, struct iovec *to, uint32_t max, uint64_t *bytes);

typedef ssize_t iov_call(int fd, const struct iovec *iov, int n, off_t off, int flags); /* preadv2, pwritev2 */
/*
 * One system call for what of a list of n elements is behind `done` bytes, at off + done of the file. Bytes moved, 0 at
 * the end of the file, -errno.
 */
ssize_t iov_move(iov_call *call, int fd, const struct iovec *iov, uint32_t n, uint64_t done, uint64_t off, int flags);

#endif
