/* SPDX-License-Identifier: Apache-2.0 */
/* A map of ids: what users or groups of one side are on the other, each direction for itself. */
#ifndef GRAFT_PLUGIN_IDMAP_MAP_H
#define GRAFT_PLUGIN_IDMAP_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct graft_error;

#define IDMAP_RANGES_MAX 1024 /* of one direction that rules may give */
#define IDMAP_NONE UINT32_MAX /* no id at all: no range begins, ends or leads there */

enum idmap_kind {
	IDMAP_SHIFT = 0,  /* the first is `to`, the next the one behind it, ... */
	IDMAP_SQUASH = 1, /* all are `to` */
	IDMAP_FORBID = 2  /* none may be used */
};

struct idmap_range {
	uint32_t first, last; /* both in it */
	uint32_t to;          /* SQUASH: may be IDMAP_NONE, see idmap_close */
	uint32_t kind;        /* enum idmap_kind */
};

/* One direction: in order, none touches what another has. An id of no range stays what it is. */
struct idmap_dir {
	struct idmap_range *ranges;
	size_t n;
};

/* Of users, or of groups. All zero: an empty one. Constant once it is filled. */
struct idmap {
	struct idmap_dir to_host, to_guest;
};

/*
 * Adds `count` ids from `first` on. -EINVAL with err where one of them has a range already (`whose`, "guest" or "host",
 * is the side that the message names), -E2BIG where there are too many ranges, -ENOMEM. A count of 0 adds nothing. The
 * caller has seen to it that neither first + count nor, of a shift, to + count is beyond IDMAP_NONE.
 */
int idmap_add(struct idmap_dir *d, const char *whose, uint32_t first, uint32_t count, uint32_t to, enum idmap_kind kind,
	      struct graft_error *err);
/*
 * As in a user namespace: a guest's ids without a range are forbidden, and the host's are IDMAP_NONE for the guest.
 * -ENOMEM with err.
 */
int idmap_close(struct idmap *m, struct graft_error *err);
void idmap_fini(struct idmap *m);

/* The id on the other side, in *id; false where it is forbidden. */
static inline bool idmap_find(const struct idmap_dir *d, uint32_t *id)
{
	const struct idmap_range *r = d->ranges;
	uint32_t want = *id;
	size_t n = d->n;

	if (!n)
		return true;
	while (n > 1) {
		size_t half = n / 2;
		if (r[half].first <= want)
			r += half;
		n -= half;
	}
	if (want < r->first || want > r->last)
		return true;
	*id = r->kind == IDMAP_SHIFT ? r->to + (want - r->first) : r->to;
	return r->kind != IDMAP_FORBID;
}

#endif
