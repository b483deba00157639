/* SPDX-License-Identifier: Apache-2.0 */
/* Ranges of POSIX locks. */
#include "lock_ranges.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

static void add(struct lock_ranges *r, uint64_t start, uint64_t end, uint32_t type)
{
	struct lock_range *last = r->n ? &r->at[r->n - 1] : NULL;

	if (type == F_UNLCK)
		return;
	if (last && last->type == type && last->end + 1 == start)
		last->end = end;
	else
		r->at[r->n++] = (struct lock_range){start, end, type};
}

int lock_ranges_change(const struct lock_ranges *old, const struct lock_range *change, struct lock_ranges *out)
{
	uint32_t i = 0;

	/* One range in the middle of another makes three of it. */
	*out = (struct lock_ranges){.at = malloc((old->n + 2) * sizeof(*out->at))};
	if (!out->at)
		return -ENOMEM;
	for (; i < old->n && old->at[i].start < change->start; i++) {
		const struct lock_range *r = &old->at[i];

		add(out, r->start, r->end < change->start ? r->end : change->start - 1, r->type);
	}
	add(out, change->start, change->end, change->type);
	/* The last of those may reach beyond the change. */
	for (i -= i > 0; i < old->n; i++) {
		const struct lock_range *r = &old->at[i];

		if (r->end > change->end)
			add(out, r->start > change->end ? r->start : change->end + 1, r->end, r->type);
	}
	return 0;
}

void lock_ranges_drop(struct lock_ranges *r)
{
	free(r->at);
	*r = (struct lock_ranges){0};
}
