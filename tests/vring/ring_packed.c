/* SPDX-License-Identifier: Apache-2.0 */
/* Packed rings, driver side (virtio 1.2, 2.8). */
#include "tests/vring/ring_internal.h"

#include <errno.h>
#include <stddef.h>

#define AVAIL (1u << VRING_PACKED_DESC_F_AVAIL)
#define USED (1u << VRING_PACKED_DESC_F_USED)

void packed_clear(struct ring *r)
{
	ring_driver_event(r)->off_wrap = 1u << 15;
	ring_driver_event(r)->flags = r->event_idx ? VRING_PACKED_EVENT_FLAG_DESC : VRING_PACKED_EVENT_FLAG_ENABLE;
}

static int fill_table(struct ring *r, uint16_t id, const struct ring_chain *c)
{
	unsigned n = c->nin + c->nout;
	uint64_t table = ring_table(r, id);

	if (!table)
		return -ENOMEM;
	struct vring_packed_desc *d = ram_ptr(r->ram, table);
	for (unsigned i = 0; i < n; i++) {
		struct ring_buf b = ring_part(c, i);
		uint16_t flags = i >= c->nin ? VRING_DESC_F_WRITE : 0;
		d[i] = (struct vring_packed_desc){.addr = b.gpa, .len = b.len, .flags = flags};
	}
	return 0;
}

/* Descriptor i of n as it goes into the ring, without the AVAIL and USED bits. */
static struct vring_packed_desc part(struct ring *r, const struct ring_chain *c, unsigned i, unsigned n, uint16_t id)
{
	struct vring_packed_desc d = {.id = id};

	if (c->table) {
		d.addr = r->slot[id].table;
		d.len = 16 * (c->nin + c->nout);
		d.flags = VRING_DESC_F_INDIRECT;
		return d;
	}
	struct ring_buf b = ring_part(c, i);
	d.addr = b.gpa;
	d.len = b.len;
	d.flags = (uint16_t)((i + 1 < n ? VRING_DESC_F_NEXT : 0) | (i >= c->nin ? VRING_DESC_F_WRITE : 0));
	return d;
}

int packed_add(struct ring *r, const struct ring_chain *c)
{
	uint16_t id = r->free_head, first = r->next, first_flags = 0, n = c->table ? 1 : (uint16_t)(c->nin + c->nout);

	if (c->table && fill_table(r, id, c) < 0)
		return -ENOMEM;
	r->free_head = r->slot[id].next;
	r->nfree = (uint16_t)(r->nfree - n);
	r->slot[id].cookie = c->cookie;
	r->slot[id].ndesc = n;
	r->slot[id].room = c->room;

	for (uint16_t i = 0; i < n; i++) {
		struct vring_packed_desc d = part(r, c, i, n, id);
		d.flags |= r->wrap ? AVAIL : USED;
		if (i == 0) {
			/* The first one's flags make the chain visible, so they come last. */
			first_flags = d.flags;
			d.flags = ring_packed(r)[r->next].flags;
		}
		ring_packed(r)[r->next] = d;
		if (++r->next == r->size) {
			r->next = 0;
			r->wrap = !r->wrap;
		}
	}
	r->added = (uint16_t)(r->added + n);
	/* Pairs with the device's load of the flags. */
	__atomic_store_n(&ring_packed(r)[first].flags, first_flags, __ATOMIC_RELEASE);
	return 0;
}

bool packed_wants_kick(const struct ring *r)
{
	uint16_t flags = __atomic_load_n(&ring_device_event(r)->flags, __ATOMIC_ACQUIRE);

	if (flags != VRING_PACKED_EVENT_FLAG_DESC)
		return flags != VRING_PACKED_EVENT_FLAG_DISABLE;
	uint16_t off_wrap = __atomic_load_n(&ring_device_event(r)->off_wrap, __ATOMIC_RELAXED);
	uint16_t event = off_wrap & 0x7fff;
	if ((off_wrap >> 15) != r->wrap)
		event = (uint16_t)(event - r->size);
	return vring_need_event(event, r->next, (uint16_t)(r->next - r->added));
}

bool packed_has_used(const struct ring *r)
{
	/* Pairs with the device's store of the flags. */
	uint16_t flags = __atomic_load_n(&ring_packed(r)[r->used].flags, __ATOMIC_ACQUIRE);
	bool avail = flags & AVAIL, used = flags & USED;

	return avail == used && used == r->used_wrap;
}

int packed_take(struct ring *r, struct ring_used *used)
{
	if (!packed_has_used(r))
		return 0;
	struct vring_packed_desc d = ring_packed(r)[r->used];
	if (d.id >= r->size || !r->slot[d.id].cookie)
		return -EBADMSG;
	struct ring_slot *s = &r->slot[d.id];
	uint32_t len = d.flags & VRING_DESC_F_WRITE ? d.len : 0; /* len is only valid with that flag (2.8.21.3.3) */
	if (len > s->room)
		return -EBADMSG;
	*used = (struct ring_used){.cookie = s->cookie, .len = len};
	s->cookie = NULL;
	s->next = r->free_head;
	r->free_head = d.id;
	r->nfree = (uint16_t)(r->nfree + s->ndesc);
	r->used = (uint16_t)(r->used + s->ndesc);
	if (r->used >= r->size) {
		r->used = (uint16_t)(r->used - r->size);
		r->used_wrap = !r->used_wrap;
	}
	return 1;
}

void packed_arm(struct ring *r)
{
	if (r->event_idx)
		__atomic_store_n(&ring_driver_event(r)->off_wrap, (uint16_t)(r->used | (unsigned)r->used_wrap << 15),
				 __ATOMIC_RELAXED);
}
