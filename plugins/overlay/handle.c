/* SPDX-License-Identifier: Apache-2.0 */
/* Open files and directories: a table by index and generation. */
#include "handle.h"

#include "lib/cleanup.h"
#include "list.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIRST_ROOM 16
#define HANDLES_MAX (UINT32_C(1) << 20)

struct handle_slot {
	struct ov_handle *h;
	uint32_t generation;
	uint32_t next_free; /* index + 1; 0: none */
};

struct ov_handles {
	pthread_mutex_t lock;
	/* Protected by lock. */
	struct handle_slot *slots;
	uint32_t n, room, free; /* free: index + 1 */
};

int ov_handles_new(struct ov_session *s)
{
	s->handles = calloc(1, sizeof(*s->handles));
	if (!s->handles)
		return -ENOMEM;
	pthread_mutex_init(&s->handles->lock, NULL);
	return 0;
}

static void end_handle(struct ov_session *s, struct ov_handle *h)
{
	int fd = atomic_load_explicit(&h->fd, memory_order_relaxed);

	if (fd >= 0) {
		close(fd);
		ov_fd_give(s->inst);
	}
	ov_list_put(s, h->list);
	ov_node_put(s, h->node);
	free(h);
}

void ov_handles_free(struct ov_session *s)
{
	struct ov_handles *t = s->handles;

	for (uint32_t i = 0; i < t->n; i++) {
		if (t->slots[i].h)
			end_handle(s, t->slots[i].h);
	}
	pthread_mutex_destroy(&t->lock);
	free(t->slots);
	free(t);
	s->handles = NULL;
}

/* With the lock: index of a free slot, or -errno. */
static int64_t find_slot(struct ov_handles *t)
{
	if (t->free) {
		uint32_t index = t->free - 1;
		t->free = t->slots[index].next_free;
		return index;
	}
	if (t->n == t->room) {
		uint32_t room = t->room ? t->room * 2 : FIRST_ROOM;
		struct handle_slot *slots = room > HANDLES_MAX ? NULL : realloc(t->slots, room * sizeof(*slots));
		if (!slots)
			return room > HANDLES_MAX ? -ENFILE : -ENOMEM;
		memset(slots + t->room, 0, (room - t->room) * sizeof(*slots));
		t->slots = slots;
		t->room = room;
	}
	return t->n++;
}

int ov_handle_new(struct ov_session *s, const struct ov_handle *from, uint64_t *fh)
{
	struct ov_handles *t = s->handles;
	struct ov_handle *h = malloc(sizeof(*h));

	if (!h)
		return -ENOMEM;
	memcpy(h, from, sizeof(*h));
	h->refs = 1;
	pthread_mutex_lock(&t->lock);
	int64_t index = find_slot(t);
	if (index >= 0) {
		t->slots[index].h = h;
		h->fh = (uint64_t)t->slots[index].generation << 32 | (uint64_t)index;
		*fh = h->fh;
	}
	pthread_mutex_unlock(&t->lock);
	if (index < 0) {
		free(h);
		return (int)index;
	}
	ov_node_hold(s, from->node);
	return 0;
}

static struct handle_slot *find(struct ov_handles *t, uint64_t fh, uint64_t node)
{
	uint32_t index = (uint32_t)fh;
	struct ov_handle *h = index < t->n ? t->slots[index].h : NULL;

	return h && h->fh == fh && h->node->id == node ? &t->slots[index] : NULL;
}

struct ov_handle *ov_handle_get(struct ov_session *s, uint64_t fh, uint64_t node)
{
	LOCK_SCOPE(&s->handles->lock);
	struct handle_slot *slot = find(s->handles, fh, node);

	if (!slot)
		return NULL;
	slot->h->refs++;
	return slot->h;
}

struct ov_handle *ov_handle_take(struct ov_session *s, uint64_t fh, uint64_t node)
{
	LOCK_SCOPE(&s->handles->lock);
	struct ov_handles *t = s->handles;
	struct handle_slot *slot = find(t, fh, node);

	if (!slot)
		return NULL;
	struct ov_handle *h = slot->h;
	slot->h = NULL;
	slot->generation++;
	slot->next_free = t->free;
	t->free = (uint32_t)(slot - t->slots) + 1;
	return h;
}

static bool drop(struct ov_handles *t, struct ov_handle *h)
{
	LOCK_SCOPE(&t->lock);
	return --h->refs == 0;
}

void ov_handle_put(struct ov_session *s, struct ov_handle *h)
{
	if (drop(s->handles, h))
		end_handle(s, h);
}

int ov_handle_fd(struct ov_session *s, struct ov_handle *h)
{
	int fd = atomic_load_explicit(&h->fd, memory_order_acquire), none = -1;
	struct ov_ref ref;

	if (fd >= 0 || !ov_has_upper(h->node))
		return fd;
	/* Opened for reading while the file lay below. */
	if (!ov_fd_take(s->inst, false))
		return -ENFILE;
	int res = ov_ref_node(s, h->node, &ref);
	if (res == 0) {
		res = ov_open_again(s->inst, ref.fd, O_RDONLY | O_NONBLOCK);
		ov_ref_put(s, &ref);
	}
	if (res >= 0 &&
	    atomic_compare_exchange_strong_explicit(&h->fd, &none, res, memory_order_acq_rel, memory_order_acquire))
		return res;
	ov_fd_give(s->inst);
	if (res < 0)
		return res;
	close(res);
	return none;
}

struct ov_list *ov_handle_list(struct ov_session *s, struct ov_handle *h)
{
	LOCK_SCOPE(&s->handles->lock);
	if (h->list)
		h->list->refs++;
	return h->list;
}

void ov_handle_set_list(struct ov_session *s, struct ov_handle *h, struct ov_list *list)
{
	pthread_mutex_lock(&s->handles->lock);
	struct ov_list *old = h->list;
	h->list = list;
	pthread_mutex_unlock(&s->handles->lock);
	ov_list_put(s, old);
}

void ov_list_put(struct ov_session *s, struct ov_list *list)
{
	if (!list)
		return;
	pthread_mutex_lock(&s->handles->lock);
	bool last = --list->refs == 0;
	pthread_mutex_unlock(&s->handles->lock);
	if (last)
		ov_list_free(list);
}
