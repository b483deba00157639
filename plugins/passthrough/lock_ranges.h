/* SPDX-License-Identifier: Apache-2.0 */
/* The ranges that one owner of POSIX locks holds in one file, as the kernel keeps them (fcntl(2)), so that they can be bounded. */
#ifndef GRAFT_PASSTHROUGH_LOCK_RANGES_H
#define GRAFT_PASSTHROUGH_LOCK_RANGES_H

#include <stdint.h>

struct lock_range {
	uint64_t start, end; /* bytes, both included, at most INT64_MAX */
	uint32_t type;       /* F_RDLCK or F_WRLCK; F_UNLCK only in a change */
};

/* By start; none overlap, and neighbours of one type are one range. All zero: none. Its holder's lock protects it. */
struct lock_ranges {
	struct lock_range *at;
	uint32_t n;
};

/* What there is after a change, which the kernel makes likewise: a new list, old stays. 0 or -ENOMEM. */
int lock_ranges_change(const struct lock_ranges *old, const struct lock_range *change, struct lock_ranges *out);
/* None are left. */
void lock_ranges_drop(struct lock_ranges *r);

#endif
