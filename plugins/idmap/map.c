/* SPDX-License-Identifier: Apache-2.0 */
/* How a map of ids is filled: by insertion, which keeps it in order and finds what overlaps. */
#include "map.h"

#include "lib/error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Where the first range stands that ends at or behind id; n: none does. */
static size_t place_of(const struct idmap_dir *d, uint32_t id)
{
	size_t low = 0, high = d->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (d->ranges[middle].last < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int insert(struct idmap_dir *d, size_t at, const struct idmap_range *r, struct graft_error *err)
{
	/* In steps of 8. */
	if (d->n % 8 == 0) {
		struct idmap_range *more = realloc(d->ranges, (d->n + 8) * sizeof(*more));
		if (!more)
			return error_set(err, ENOMEM, "out of memory");
		d->ranges = more;
	}
	memmove(d->ranges + at + 1, d->ranges + at, (d->n - at) * sizeof(*r));
	d->ranges[at] = *r;
	d->n++;
	return 0;
}

int idmap_add(struct idmap_dir *d, const char *whose, uint32_t first, uint32_t count, uint32_t to, enum idmap_kind kind,
	      struct graft_error *err)
{
	if (!count)
		return 0;
	const struct idmap_range r = { first, first + (count - 1), to, kind };
	size_t at = place_of(d, first);
	if (at < d->n && d->ranges[at].first <= r.last) {
		const struct idmap_range *other = &d->ranges[at];
		return error_set(err, EINVAL, "%s ids %u to %u have a rule already; each may have one", whose,
				 other->first > first ? other->first : first,
				 other->last < r.last ? other->last : r.last);
	}
	if (d->n >= IDMAP_RANGES_MAX)
		return error_set(err, E2BIG, "there are more than %d ranges of %s ids", IDMAP_RANGES_MAX, whose);
	return insert(d, at, &r, err);
}

/* Puts a range into every gap. */
static int close_dir(struct idmap_dir *d, enum idmap_kind kind, struct graft_error *err)
{
	uint32_t next = 0;
	int res = 0;

	for (size_t i = 0; i < d->n && res == 0; i++) {
		const struct idmap_range gap = { next, d->ranges[i].first - 1, IDMAP_NONE, kind };
		uint32_t first = d->ranges[i].first;
		next = d->ranges[i].last + 1;
		if (first > gap.first)
			res = insert(d, i++, &gap, err);
	}
	const struct idmap_range rest = { next, IDMAP_NONE - 1, IDMAP_NONE, kind };
	if (res == 0 && next < IDMAP_NONE)
		res = insert(d, d->n, &rest, err);
	return res;
}

int idmap_close(struct idmap *m, struct graft_error *err)
{
	int res = close_dir(&m->to_host, IDMAP_FORBID, err);

	return res < 0 ? res : close_dir(&m->to_guest, IDMAP_SQUASH, err);
}

void idmap_fini(struct idmap *m)
{
	free(m->to_host.ranges);
	free(m->to_guest.ranges);
	*m = (struct idmap){ 0 };
}
