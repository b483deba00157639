/* SPDX-License-Identifier: Apache-2.0 */
/* Open handles of node 1: a table of generation and index. */
#include "server/root_handles.h"

#include "lib/cleanup.h"
#include "lib/clock.h"

#include <errno.h>
#include <stdlib.h>

struct root_handle_entry {
	struct root_handle handle;
	uint32_t generation;
	uint32_t next; /* in the free list */
	bool used;
};

void root_handles_init(struct root_handles *t, bool others)
{
	*t = (struct root_handles){ .first = others ? (uint32_t)(clock_ns(CLOCK_REALTIME) >> 16) : 0 };
	pthread_mutex_init(&t->lock, NULL);
}

void root_handles_fini(struct root_handles *t)
{
	free(t->entries);
	pthread_mutex_destroy(&t->lock);
}

/* lock held. */
static int grow(struct root_handles *t)
{
	uint32_t room = t->room ? t->room * 2 : 16;

	if (t->n < t->room)
		return 0;
	if (t->room >= ROOT_HANDLES_MAX)
		return -ENFILE;
	struct root_handle_entry *entries = realloc(t->entries, room * sizeof(*entries));
	if (!entries)
		return -ENOMEM;
	t->entries = entries;
	t->room = room;
	return 0;
}

int root_handles_add(struct root_handles *t, const struct root_handle *h, uint64_t *wire)
{
	LOCK_SCOPE(&t->lock);
	uint32_t i;

	if (t->free) {
		i = t->free - 1;
		t->free = t->entries[i].next;
	} else {
		int res = grow(t);

		if (res)
			return res;
		i = t->n++;
		t->entries[i].generation = t->first;
	}
	struct root_handle_entry *e = &t->entries[i];
	e->handle = *h;
	e->used = true;
	*wire = (uint64_t)++e->generation << 32 | i;
	return 0;
}

/* lock held. */
static struct root_handle_entry *find(struct root_handles *t, uint64_t wire)
{
	uint32_t i = (uint32_t)wire;

	if (i >= t->n || !t->entries[i].used || t->entries[i].generation != wire >> 32)
		return NULL;
	return &t->entries[i];
}

void root_handles_set(struct root_handles *t, uint64_t wire, const struct root_handle *h)
{
	LOCK_SCOPE(&t->lock);
	struct root_handle_entry *e = find(t, wire);

	if (e)
		e->handle = *h;
}

bool root_handles_find(struct root_handles *t, uint64_t wire, struct root_handle *h)
{
	LOCK_SCOPE(&t->lock);
	const struct root_handle_entry *e = find(t, wire);

	if (e)
		*h = e->handle;
	return e;
}

void root_handles_remove(struct root_handles *t, uint64_t wire)
{
	LOCK_SCOPE(&t->lock);
	struct root_handle_entry *e = find(t, wire);

	if (!e)
		return;
	e->used = false;
	e->next = t->free;
	t->free = (uint32_t)wire + 1;
}
