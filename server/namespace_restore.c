/* SPDX-License-Identifier: Apache-2.0 */
/* A tree of mount points from what was written down, which may be anything. */
#include "server/namespace.h"

#include "lib/cleanup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A place that was made, whose children are next. */
struct made {
	struct place *place;
	size_t path; /* bytes */
};

static int by_id(const void *a, const void *b)
{
	const struct place_record *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

static int by_parent(const void *a, const void *b)
{
	const struct place_record *x = a, *y = b;

	if (x->parent != y->parent)
		return x->parent < y->parent ? -1 : 1;
	return strcmp(x->name, y->name);
}

static bool good_name(const char *name)
{
	size_t len = strnlen(name, PLACE_NAME_MAX + 1);

	return len && len <= PLACE_NAME_MAX && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
	       !memchr(name, '/', len);
}

/* Leaves the list by parent, and then by name. */
static int check(struct place_record *list, size_t n, uint64_t last_id)
{
	if (n > PLACES_MAX || last_id > PLACE_ID_MAX)
		return -ENOSPC;
	qsort(list, n, sizeof(*list), by_id);
	for (size_t i = 0; i < n; i++) {
		if (list[i].id <= (i ? list[i - 1].id : PLACE_ROOT_ID) || list[i].id > last_id ||
		    !good_name(list[i].name))
			return -EINVAL;
	}
	qsort(list, n, sizeof(*list), by_parent);
	for (size_t i = 1; i < n; i++) {
		if (by_parent(&list[i - 1], &list[i]) == 0)
			return -EINVAL;
	}
	return 0;
}

/* The first record of a parent. */
static size_t first_of(const struct place_record *list, size_t n, uint64_t parent)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (list[mid].parent < parent)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static int make_child(const struct made *parent, const struct place_record *record, struct made *made)
{
	size_t len = strlen(record->name);
	struct place *p = parent->place;

	made->path = parent->path + 1 + len;
	if (made->path > PLACE_PATH_MAX)
		return -EINVAL;
	made->place = place_new(record->id, p, record->name, len);
	if (!made->place)
		return -ENOMEM;
	p->children[p->n++] = made->place;
	return 0;
}

/* Appends the children of one place to those that were made. */
static int make_children(const struct made *parent, const struct place_record *list, size_t n, struct made *all,
			 size_t *nall)
{
	size_t first = first_of(list, n, parent->place->id), end = first_of(list, n, parent->place->id + 1);
	int res = 0;

	if (first == end)
		return 0;
	parent->place->children = calloc(end - first, sizeof(*parent->place->children));
	if (!parent->place->children)
		return -ENOMEM;
	parent->place->room = (uint32_t)(end - first);
	for (size_t i = first; i < end && !res; i++)
		res = make_child(parent, &list[i], &all[(*nall)++]);
	return res ? res : place_renew_list(parent->place);
}

/* What hangs together with the root; all has room for n + 1. Records that are left over have no parent, or are their
 * own. */
static int build(struct namespace *ns, const struct place_record *list, size_t n, struct made *all)
{
	size_t nall = 1;
	int res = 0;

	all[0] = (struct made){ .place = &ns->root };
	for (size_t i = 0; i < nall && !res; i++)
		res = make_children(&all[i], list, n, all, &nall);
	return res ? res : nall == n + 1 ? 0 : -EINVAL;
}

/* What stands below the root of one becomes the other's. */
static void swap_trees(struct namespace *a, struct namespace *b)
{
	struct namespace kept = *a;

	*a = *b;
	*b = kept;
	a->root.since = kept.root.since;
	for (uint32_t i = 0; i < a->root.n; i++)
		a->root.children[i]->parent = &a->root;
	for (uint32_t i = 0; i < b->root.n; i++)
		b->root.children[i]->parent = &b->root;
}

int namespace_restore(struct namespace *ns, const struct place_record *list, size_t n, uint64_t last_id)
{
	struct namespace made;

	if (n > PLACES_MAX)
		return -ENOSPC;
	auto_free struct place_record *sorted = calloc(n + 1, sizeof(*sorted));
	auto_free struct made *all = calloc(n + 1, sizeof(*all));
	if (!sorted || !all || namespace_init(&made))
		return -ENOMEM;
	if (n)
		memcpy(sorted, list, n * sizeof(*list));
	int res = check(sorted, n, last_id);
	if (!res)
		res = build(&made, sorted, n, all);
	if (!res) {
		made.last_id = last_id > PLACE_ROOT_ID ? last_id : PLACE_ROOT_ID;
		swap_trees(ns, &made);
	}
	namespace_fini(&made);
	return res;
}
