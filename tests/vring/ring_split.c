/* SPDX-License-Identifier: Apache-2.0 */
/* Split rings, driver side (virtio 1.2, 2.7). */
#include "tests/vring/ring_internal.h"

#include <errno.h>
#include <stddef.h>

static uint16_t *used_event(const struct ring *r)
{
	return &ring_avail(r)->ring[r->size];
}

static uint16_t *avail_event(const struct ring *r)
{
	return (uint16_t *)(void *)&ring_usedring(r)->ring[r->size];
}

void split_clear(struct ring *r)
{
	*used_event(r) = 0;
}

static void fill(struct vring_desc *d, const struct ring_chain *c, unsigned i, unsigned n, uint16_t next)
{
	struct ring_buf b = ring_part(c, i);

	d->addr = b.gpa;
	d->len = b.len;
	d->flags = (uint16_t)((i + 1 < n ? VRING_DESC_F_NEXT : 0) | (i >= c->nin ? VRING_DESC_F_WRITE : 0));
	d->next = i + 1 < n ? next : 0;
}

static int fill_table(struct ring *r, uint16_t head, const struct ring_chain *c)
{
	unsigned n = c->nin + c->nout;
	uint64_t table = ring_table(r, head);

	if (!table)
		return -ENOMEM;
	struct vring_desc *d = ram_ptr(r->ram, table);
	for (unsigned i = 0; i < n; i++)
		fill(&d[i], c, i, n, (uint16_t)(i + 1));
	ring_descs(r)[head] = (struct vring_desc){.addr = table, .len = 16 * n, .flags = VRING_DESC_F_INDIRECT};
	return 0;
}

int split_add(struct ring *r, const struct ring_chain *c)
{
	uint16_t head = r->free_head, at = head, n = c->table ? 1 : (uint16_t)(c->nin + c->nout);

	if (c->table && fill_table(r, head, c) < 0)
		return -ENOMEM;
	for (uint16_t i = 0; i < n; i++) {
		if (!c->table)
			fill(&ring_descs(r)[at], c, i, n, r->slot[at].next);
		at = r->slot[at].next;
	}
	r->free_head = at;
	r->nfree = (uint16_t)(r->nfree - n);
	r->slot[head].cookie = c->cookie;
	r->slot[head].ndesc = n;
	r->slot[head].room = c->room;

	ring_avail(r)->ring[r->next % r->size] = head;
	r->next++;
	r->added++;
	/* Pairs with the device's load of avail.idx. */
	__atomic_store_n(&ring_avail(r)->idx, r->next, __ATOMIC_RELEASE);
	return 0;
}

bool split_wants_kick(const struct ring *r)
{
	if (!r->event_idx)
		return !(__atomic_load_n(&ring_usedring(r)->flags, __ATOMIC_RELAXED) & VRING_USED_F_NO_NOTIFY);
	uint16_t event = __atomic_load_n(avail_event(r), __ATOMIC_RELAXED);
	return vring_need_event(event, r->next, (uint16_t)(r->next - r->added));
}

bool split_has_used(const struct ring *r)
{
	return __atomic_load_n(&ring_usedring(r)->idx, __ATOMIC_ACQUIRE) != r->used; /* pairs with the device's store */
}

int split_take(struct ring *r, struct ring_used *used)
{
	if (!split_has_used(r))
		return 0;
	struct vring_used_elem e = ring_usedring(r)->ring[r->used % r->size];
	if (e.id >= r->size || !r->slot[e.id].cookie || e.len > r->slot[e.id].room)
		return -EBADMSG;
	struct ring_slot *s = &r->slot[e.id];
	*used = (struct ring_used){.cookie = s->cookie, .len = e.len};
	s->cookie = NULL;
	r->used++;

	uint16_t last = (uint16_t)e.id;
	for (uint16_t i = 1; i < s->ndesc; i++)
		last = r->slot[last].next;
	r->slot[last].next = r->free_head;
	r->free_head = (uint16_t)e.id;
	r->nfree = (uint16_t)(r->nfree + s->ndesc);
	return 1;
}

void split_arm(struct ring *r)
{
	if (r->event_idx)
		__atomic_store_n(used_event(r), r->used, __ATOMIC_RELAXED);
}
