/* SPDX-License-Identifier: Apache-2.0 */
/* The dirty bitmap of live migration. */
#include "transport/dirty_log.h"

#include "lib/mapping.h"

#include <errno.h>
#include <stdlib.h>

struct dirty_log {
	_Atomic uint32_t refs;
	_Atomic uint8_t *bits;
	uint64_t size;      /* bytes of bits */
	struct mapping map; /* the front end may shrink the file at any time: marks beyond its end are lost */
};

struct dirty_log *dirty_log_new(int fd, uint64_t size, uint64_t offset, struct graft_error *err)
{
	struct dirty_log *log = calloc(1, sizeof(*log));

	if (!log) {
		error_set(err, ENOMEM, "out of memory");
		return NULL;
	}
	if (mapping_open(&log->map, fd, offset, size, MAPPING_SHARED, err) < 0) {
		error_wrap(err, "dirty log");
		free(log);
		return NULL;
	}
	atomic_init(&log->refs, 1);
	log->bits = (_Atomic uint8_t *)log->map.base;
	log->size = size;
	return log;
}

struct dirty_log *dirty_log_get(struct dirty_log *log)
{
	/* relaxed: who copies a reference holds one. */
	atomic_fetch_add_explicit(&log->refs, 1, memory_order_relaxed);
	return log;
}

void dirty_log_put(struct dirty_log *log)
{
	/* acq_rel: all other holders' marks come before the unmap. */
	if (!log || atomic_fetch_sub_explicit(&log->refs, 1, memory_order_acq_rel) != 1)
		return;
	mapping_close(&log->map);
	free(log);
}

bool dirty_log_covers(const struct dirty_log *log, uint64_t end)
{
	return end == 0 || (end - 1) / DIRTY_LOG_PAGE / 8 < log->size;
}

void dirty_log_mark(struct dirty_log *log, uint64_t gpa, uint64_t len)
{
	uint64_t page = gpa / DIRTY_LOG_PAGE, last;

	if (len == 0)
		return;
	last = (len - 1 > UINT64_MAX - gpa ? UINT64_MAX : gpa + len - 1) / DIRTY_LOG_PAGE;
	/* release: the front end, which sees the bit and then copies the page, sees what was written to it. */
	for (; page <= last && page / 8 < log->size; page++)
		atomic_fetch_or_explicit(&log->bits[page / 8], (uint8_t)(1U << (page % 8)), memory_order_release);
}

void dirty_log_mark_iov(struct dirty_log *log, const struct guest_memory *m, const struct iovec *iov, uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n; i++) {
		const uint8_t *at = iov[i].iov_base;
		uint64_t left = iov[i].iov_len, gpa, room;

		/* One element may run over regions that happen to be mapped side by side. */
		while (left && guest_memory_gpa(m, at, &gpa, &room)) {
			uint64_t piece = left < room ? left : room;

			dirty_log_mark(log, gpa, piece);
			at += piece;
			left -= piece;
		}
	}
}
