/* SPDX-License-Identifier: Apache-2.0 */
/* The table of open files and directories of one session. */
#include "handle.h"

#include "backing.h"
#include "dir.h"
#include "slab.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define HANDLES_MAX (1u << 20) /* of one session; the budget of descriptors ends long before on most machines */

/*
 * A handle's state: generation << 32 | HANDLE_RELEASED | pins. The guest's own hold counts as one pin. 0: not in use.
 * The generation comes from a counter of the table, not of the slot, because the slab may give a slot's memory back.
 */
#define HANDLE_RELEASED (UINT64_C(1) << 31)
#define HANDLE_PINS (HANDLE_RELEASED - 1)

struct handle_table {
	struct slab slab;
	_Atomic uint32_t generation; /* the last one given out; relaxed */
};

int handle_table_new(struct pt_session *s)
{
	struct handle_table *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	int res = slab_init(&t->slab, sizeof(struct handle), HANDLES_MAX);
	if (res < 0) {
		free(t);
		return res;
	}
	s->handles = t;
	return 0;
}

/* Nobody has it pinned. */
static void destroy(struct pt_session *s, struct handle *h)
{
	uint32_t index = h->index;

	dir_stream_free(h->dir);
	backing_leave(s, h->backing);
	close(h->fd);
	pt_handle_fd_give(s);
	atomic_fetch_sub_explicit(&s->inst->count.handles, 1, memory_order_relaxed);
	atomic_store_explicit(&h->state, 0, memory_order_relaxed);
	slab_free(&s->handles->slab, index);
}

/* The session's last request is done, so nothing is pinned. */
void handle_table_free(struct pt_session *s)
{
	struct handle_table *t = s->handles;

	if (!t)
		return;
	for (uint32_t i = slab_next(&t->slab, 0); i != SLAB_NONE; i = slab_next(&t->slab, i + 1))
		destroy(s, slab_at(&t->slab, i));
	slab_fini(&t->slab);
	free(t);
	s->handles = NULL;
}

static uint32_t next_generation(struct handle_table *t)
{
	uint32_t g;

	do
		g = atomic_fetch_add_explicit(&t->generation, 1, memory_order_relaxed) + 1;
	while (g == 0);
	return g;
}

int handle_new(struct pt_session *s, const struct handle_parts *parts, uint64_t *fh)
{
	struct handle_table *t = s->handles;
	uint32_t index = slab_alloc(&t->slab);

	if (index == SLAB_NONE)
		return -ENFILE;
	struct handle *h = slab_at(&t->slab, index);
	h->index = index;
	h->readonly = (parts->flags & O_ACCMODE) == O_RDONLY;
	h->fd = parts->fd;
	atomic_store_explicit(&h->node, parts->node, memory_order_relaxed);
	h->direct = parts->flags & O_DIRECT;
	h->sync = parts->flags & (O_DIRECT | O_SYNC | O_DSYNC);
	h->dir = parts->dir;
	h->backing = parts->backing;
	atomic_store_explicit(&h->read, HANDLE_READ_NOWAIT, memory_order_relaxed);
	uint64_t high = (uint64_t)next_generation(t) << 32;
	/* Pairs with the acquire in pin: who sees the generation sees the fields above. */
	atomic_store_explicit(&h->state, high | 1, memory_order_release);
	atomic_fetch_add_explicit(&s->inst->count.handles, 1, memory_order_relaxed);
	*fh = high | index;
	return 0;
}

/*
 * Adds a pin to the handle that fh names, if it is still the one meant and not released. Nothing is written unless that
 * holds at that very moment, as the slot may be somebody else's by now.
 */
static struct handle *pin(struct handle_table *t, uint64_t fh)
{
	struct handle *h = slab_at(&t->slab, (uint32_t)fh);

	if (!h || !(fh >> 32))
		return NULL;
	uint64_t seen = atomic_load_explicit(&h->state, memory_order_relaxed);
	do {
		if (seen >> 32 != fh >> 32 || (seen & HANDLE_RELEASED))
			return NULL;
		/* Acquire pairs with the release in handle_new. */
	} while (!atomic_compare_exchange_weak_explicit(&h->state, &seen, seen + 1, memory_order_acquire,
							memory_order_relaxed));
	return h;
}

int handle_get(struct pt_session *s, uint64_t fh, uint64_t node, struct handle **h)
{
	struct handle *found = pin(s->handles, fh);

	if (!found)
		return -EBADF;
	if (handle_node(found) != node) {
		handle_put(s, found);
		return -EBADF;
	}
	*h = found;
	return 0;
}

void handle_put(struct pt_session *s, struct handle *h)
{
	/* Release: what this pin did happens before the clean-up; acquire: the one who cleans up sees it all. */
	uint64_t was = atomic_fetch_sub_explicit(&h->state, 1, memory_order_acq_rel);

	if ((was & HANDLE_PINS) == 1)
		destroy(s, h);
}

int handle_with(struct graft_req *req, uint64_t fh, handle_fn *fn)
{
	struct pt_session *s = pt_session(req);
	struct handle *h;
	int res = handle_get(s, fh, req->node, &h);

	if (res < 0)
		return res;
	res = fn(req, h);
	handle_put(s, h);
	return res;
}

int handle_close(struct pt_session *s, uint64_t fh, uint64_t node)
{
	struct handle *h = slab_at(&s->handles->slab, (uint32_t)fh);

	if (!h || !(fh >> 32))
		return -EBADF;
	/* Acquire pairs with the release in handle_new. */
	uint64_t seen = atomic_load_explicit(&h->state, memory_order_acquire);
	do {
		/* Of two that release it at the same time one finds it released already. The node was of this generation if
		 * the exchange finds that unchanged. */
		if (seen >> 32 != fh >> 32 || (seen & HANDLE_RELEASED) || handle_node(h) != node)
			return -EBADF;
		/* Ends the guest's own hold too. Both orders: as in handle_put. */
	} while (!atomic_compare_exchange_weak_explicit(&h->state, &seen, (seen | HANDLE_RELEASED) - 1,
							memory_order_acq_rel, memory_order_acquire));
	if ((seen & HANDLE_PINS) == 1)
		destroy(s, h);
	return 0;
}

int handle_fd(const struct handle *h)
{
	return h->fd;
}
