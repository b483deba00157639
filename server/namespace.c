/* SPDX-License-Identifier: Apache-2.0 */
/* The tree of mount points. */
#include "server/namespace.h"

#include "lib/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void place_list_hold(struct place_list *l)
{
	atomic_fetch_add_explicit(&l->refs, 1, memory_order_relaxed);
}

void place_list_release(struct place_list *l)
{
	if (l && atomic_fetch_sub_explicit(&l->refs, 1, memory_order_acq_rel) == 1)
		free(l);
}

const struct place_child *place_list_find(const struct place_list *l, const char *name)
{
	uint32_t low = 0, high = l->n;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		const struct place_child *c = &l->children[l->by_name[mid]];
		int order = strcmp(name, c->name);

		if (!order)
			return c;
		if (order < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return NULL;
}

uint32_t place_list_after(const struct place_list *l, uint64_t id)
{
	uint32_t low = 0, high = l->n;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (l->children[mid].id > id)
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

static int by_id(const void *a, const void *b)
{
	const struct place_child *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

/* The children as they are now, one block. but: a child to leave out. NULL when out of memory. */
static struct place_list *list_new(const struct place *p, const struct place *but)
{
	size_t bytes = sizeof(struct place_list) + p->n * (sizeof(struct place_child) + sizeof(uint32_t));

	for (uint32_t i = 0; i < p->n; i++)
		bytes += strlen(p->children[i]->name) + 1;
	struct place_list *l = calloc(1, bytes);
	if (!l)
		return NULL;
	struct place_child *children = (struct place_child *)(l + 1);
	uint32_t *by_name = (uint32_t *)(children + p->n);
	char *names = (char *)(by_name + p->n);
	atomic_init(&l->refs, 1);
	for (uint32_t i = 0; i < p->n; i++) {
		const struct place *child = p->children[i];
		size_t len = strlen(child->name);

		if (child == but)
			continue;
		memcpy(names, child->name, len + 1);
		children[l->n++] = (struct place_child){ child->id, child->mount ? mount_slot(child->mount) : 0, (uint32_t)len,
							 names };
		names += len + 1;
	}
	qsort(children, l->n, sizeof(*children), by_id);
	l->children = children;
	l->by_name = by_name;
	for (uint32_t i = 0, k = 0; i < p->n; i++) {
		if (p->children[i] != but)
			by_name[k++] = place_list_after(l, p->children[i]->id) - 1;
	}
	return l;
}

int namespace_init(struct namespace *ns)
{
	*ns = (struct namespace){ .root = { .id = PLACE_ROOT_ID, .since = clock_ns(CLOCK_REALTIME) }, .last_id = PLACE_ROOT_ID };
	ns->root.name = strdup("");
	ns->root.list = list_new(&ns->root, NULL);
	if (ns->root.name && ns->root.list)
		return 0;
	namespace_fini(ns);
	return -ENOMEM;
}

static void place_fini(struct place *p)
{
	place_list_release(p->list);
	free(p->children);
	free(p->name);
}

/* Deep trees: no recursion. */
void namespace_fini(struct namespace *ns)
{
	struct place *p = &ns->root;

	while (p) {
		if (p->n) {
			p = p->children[--p->n];
			continue;
		}
		struct place *parent = p->parent;

		place_fini(p);
		if (parent)
			free(p);
		p = parent;
	}
}

/* Index of the name, or where it would stand; *found says which. */
static uint32_t child_index(const struct place *p, const char *name, size_t len, bool *found)
{
	uint32_t low = 0, high = p->n;

	*found = false;
	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		const char *other = p->children[mid]->name;
		int order = strncmp(name, other, len);

		if (!order && other[len])
			order = -1;
		if (!order) {
			*found = true;
			return mid;
		}
		if (order < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

/* The next part of a path; its length, 0 at the end. */
static size_t next_part(const char **path)
{
	while (**path == '/')
		(*path)++;
	return strcspn(*path, "/");
}

struct place *namespace_find(struct namespace *ns, const char *at)
{
	struct place *p = &ns->root;
	size_t len;

	for (; (len = next_part(&at)); at += len) {
		bool found;
		uint32_t i = child_index(p, at, len, &found);

		if (!found)
			return NULL;
		p = p->children[i];
	}
	return p;
}

static void remove_child(struct place *parent, struct place *child)
{
	bool found;
	uint32_t i = child_index(parent, child->name, strlen(child->name), &found);

	memmove(&parent->children[i], &parent->children[i + 1], (parent->n - i - 1) * sizeof(*parent->children));
	parent->n--;
}

static int make_room(struct place *p)
{
	uint32_t room = p->room ? p->room * 2 : 4;

	if (p->n < p->room)
		return 0;
	struct place **children = realloc(p->children, room * sizeof(*children));
	if (!children)
		return -ENOMEM;
	p->children = children;
	p->room = room;
	return 0;
}

int place_renew_list(struct place *p)
{
	struct place_list *list = list_new(p, NULL);

	if (!list)
		return -ENOMEM;
	place_list_release(p->list);
	p->list = list;
	return 0;
}

struct place *place_new(uint64_t id, struct place *parent, const char *name, size_t len)
{
	struct place *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->id = id;
	p->parent = parent;
	p->since = clock_ns(CLOCK_REALTIME);
	p->name = strndup(name, len);
	if (p->name)
		p->list = list_new(p, NULL);
	if (p->list)
		return p;
	place_fini(p);
	free(p);
	return NULL;
}

static int add_child(struct namespace *ns, struct place *parent, uint32_t at, const char *name, size_t len,
		     struct place **out)
{
	if (ns->last_id >= PLACE_ID_MAX)
		return -ENOSPC;
	struct place *p = place_new(++ns->last_id, parent, name, len);
	if (!p || make_room(parent)) {
		if (p)
			place_fini(p);
		free(p);
		return -ENOMEM;
	}
	memmove(&parent->children[at + 1], &parent->children[at], (parent->n - at) * sizeof(*parent->children));
	parent->children[at] = p;
	parent->n++;
	if (place_renew_list(parent)) {
		remove_child(parent, p);
		place_fini(p);
		free(p);
		return -ENOMEM;
	}
	*out = p;
	return 0;
}

int namespace_make(struct namespace *ns, const char *at, struct place **place, struct place **made)
{
	struct place *p = &ns->root;
	size_t len;

	*made = NULL;
	for (; (len = next_part(&at)); at += len) {
		bool found;
		uint32_t i = child_index(p, at, len, &found);

		if (found) {
			p = p->children[i];
			continue;
		}
		struct place *child;
		int res = add_child(ns, p, i, at, len, &child);
		if (res) {
			if (*made)
				namespace_prune(ns, p);
			return res;
		}
		if (!*made)
			*made = child;
		p = child;
	}
	*place = p;
	return 0;
}

int namespace_each(const struct namespace *ns, int (*fn)(const struct place_record *record, void *arg), void *arg)
{
	const struct place *p = &ns->root;
	uint32_t next = 0;
	int res = 0;

	while (!res) {
		if (next < p->n) {
			p = p->children[next];
			const struct place_record record = { p->id, p->parent->id, p->name };
			res = fn(&record, arg);
			next = 0;
		} else if (p->parent) {
			bool found;
			next = child_index(p->parent, p->name, strlen(p->name), &found) + 1;
			p = p->parent;
		} else {
			break;
		}
	}
	return res;
}

int namespace_set(struct place *p, struct mount *m)
{
	struct mount *old = p->mount;

	p->mount = m;
	if (!p->parent || !place_renew_list(p->parent))
		return 0;
	p->mount = old;
	return -ENOMEM;
}

void namespace_prune(struct namespace *ns, struct place *p)
{
	while (p != &ns->root && !p->mount && !p->n) {
		struct place *parent = p->parent;
		struct place_list *list = list_new(parent, p);

		if (!list)
			break;
		place_list_release(parent->list);
		parent->list = list;
		remove_child(parent, p);
		place_fini(p);
		free(p);
		p = parent;
	}
}
