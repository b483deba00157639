/* SPDX-License-Identifier: Apache-2.0 */
/* The packed virtqueue, device side (virtio 1.2, 2.8). */
#include "transport/vring_internal.h"

#include <errno.h>

/* Offsets in a descriptor and in an event suppression structure (2.8.14). */
#define DESC_LEN 8
#define DESC_ID 12
#define DESC_FLAGS 14
#define EVENT_OFF_WRAP 0
#define EVENT_FLAGS 2
#define EVENT_BYTES 4

static uint8_t *desc_at(const struct vring *r, uint32_t i)
{
	return (uint8_t *)r->packed.desc + (size_t)i * VRING_DESC_BYTES;
}

int vring_packed_map(struct vring *r)
{
	const struct vring_addresses *addr = &r->config.addr;
	struct vring_packed *p = &r->packed;

	p->desc = vring_area(r, addr->desc, (uint64_t)r->config.size * VRING_DESC_BYTES, 16, &p->desc_gpa);
	p->driver = vring_area(r, addr->avail, EVENT_BYTES, 4, NULL);
	p->device = vring_area(r, addr->used, EVENT_BYTES, 4, NULL);
	return p->desc && p->driver && p->device ? 0 : -EFAULT;
}

/* Base: bits 0-14 next available entry, 15 its wrap counter, 16-30 next used entry, 31 its wrap counter. */
/*
 * Some front ends do not say where a fresh packed ring begins: DPDK's virtio-user fills in the lower half only, Linux's
 * virtio_uml always sends 0. A real position 0 with both wrap counters 0 comes at the end of a round, whose last used entry
 * still stands, or was made available anew, which sets USED too: so a ring where no entry has USED was never used.
 */
static bool fresh(const struct vring *r, uint32_t base)
{
	uint32_t i;

	if (base != 0)
		return base == 0x8000;
	for (i = 0; i < r->config.size; i++)
		if (ring_load16(desc_at(r, i) + DESC_FLAGS, memory_order_relaxed) & VRING_DESC_USED)
			return false;
	return true;
}

int vring_packed_reset(struct vring *r, uint32_t base)
{
	struct vring_packed *p = &r->packed;

	if (fresh(r, base))
		base = VRING_PACKED_FRESH_BASE;
	p->next_avail = base & 0x7fff;
	p->avail_wrap = base >> 15 & 1;
	p->next_used = base >> 16 & 0x7fff;
	p->used_wrap = base >> 31;
	return p->next_avail < r->config.size && p->next_used < r->config.size ? 0 : -EINVAL;
}

uint32_t vring_packed_base(const struct vring *r)
{
	const struct vring_packed *p = &r->packed;

	return p->next_avail | (uint32_t)p->avail_wrap << 15 | (uint32_t)p->next_used << 16 |
	       (uint32_t)p->used_wrap << 31;
}

/* Has the driver made the next entry available? */
static bool available(const struct vring *r, memory_order order)
{
	uint16_t flags = ring_load16(desc_at(r, r->packed.next_avail) + DESC_FLAGS, order);

	return !!(flags & VRING_DESC_AVAIL) == r->packed.avail_wrap &&
	       !!(flags & VRING_DESC_USED) != r->packed.avail_wrap;
}

static void advance(const struct vring *r, uint16_t *pos, bool *wrap, uint32_t by)
{
	uint32_t next = *pos + by;

	if (next >= r->config.size) {
		next -= r->config.size;
		*wrap = !*wrap;
	}
	*pos = (uint16_t)next;
}

/* The entries of an indirect table stand in order; NEXT has no meaning there (2.8.8). */
static bool walk_indirect(struct vring *r, const struct vring_desc *from, struct iovec *iov, struct vring_chain *chain)
{
	uint32_t n = 0, i;
	const uint8_t *table = vring_indirect_table(r, from, &n);
	struct vring_desc d;

	if (!table)
		return false;
	for (i = 0; i < n; i++) {
		ring_read_desc(table + (size_t)i * VRING_DESC_BYTES, &d, true);
		if (d.flags & VRING_DESC_INDIRECT)
			return vring_bad(r, "an indirect table inside an indirect table");
		if (!vring_add_buffer(r, iov, chain, &d))
			return false;
	}
	return true;
}

enum vring_result vring_packed_pop(struct vring *r, struct iovec *iov, struct vring_chain *chain)
{
	struct vring_packed *p = &r->packed;
	uint32_t i = p->next_avail, n = 0;
	struct vring_desc d;
	bool good = true;

	/* acquire: pairs with the driver's write barrier before it writes the flags of a chain's first entry. */
	if (!available(r, memory_order_acquire))
		return VRING_EMPTY;
	*chain = (struct vring_chain){ 0 };
	do {
		if (n++ == r->config.size)
			return vring_break(r, "a chain longer than the ring");
		ring_read_desc(desc_at(r, i), &d, true);
		/* A bad chain is walked to its end all the same: its length and id are needed to give it back. */
		if (good)
			good = d.flags & VRING_DESC_INDIRECT ? walk_indirect(r, &d, iov, chain)
							     : vring_add_buffer(r, iov, chain, &d);
		if (++i == r->config.size)
			i = 0;
	} while (d.flags & VRING_DESC_NEXT);
	chain->id = d.extra;
	chain->ndesc = (uint16_t)n;
	advance(r, &p->next_avail, &p->avail_wrap, n);
	return good ? VRING_CHAIN : VRING_BAD;
}

void vring_packed_push(struct vring *r, const struct vring_chain *chain, uint32_t len)
{
	struct vring_packed *p = &r->packed;
	uint8_t *at = desc_at(r, p->next_used);
	uint16_t flags = p->used_wrap ? VRING_DESC_AVAIL | VRING_DESC_USED : 0;

	if (len)
		flags |= VRING_DESC_WRITE;
	ring_store32(at + DESC_LEN, len, memory_order_relaxed);
	ring_store16(at + DESC_ID, chain->id, memory_order_relaxed);
	if (p->batch == 0) {
		/* The driver reads used entries in order: holding back the first one's flags holds back all. */
		p->first = p->next_used;
		p->first_flags = flags;
	} else {
		ring_store16(at + DESC_FLAGS, flags, memory_order_relaxed);
	}
	if (r->log)
		dirty_log_mark(r->log, p->desc_gpa + (uint64_t)p->next_used * VRING_DESC_BYTES, VRING_DESC_BYTES);
	p->batch += chain->ndesc;
	advance(r, &p->next_used, &p->used_wrap, chain->ndesc);
}

void vring_packed_show(struct vring *r)
{
	struct vring_packed *p = &r->packed;

	/* release: pairs with the driver's read barrier after it read the flags of a used entry. */
	ring_store16(desc_at(r, p->first) + DESC_FLAGS, p->first_flags, memory_order_release);
	if (r->log)
		dirty_log_mark(r->log, p->desc_gpa + (uint64_t)p->first * VRING_DESC_BYTES, VRING_DESC_BYTES);
	p->moved += p->batch;
	p->batch = 0;
}

bool vring_packed_decide(struct vring *r)
{
	struct vring_packed *p = &r->packed;
	uint32_t raw, moved = p->moved;
	uint16_t off_wrap, flags, event;

	p->moved = 0;
	r->decided = true;
	/* Pairs with the driver's fence between writing its event structure and looking at the ring again. */
	ring_fence();
	raw = ring_load32(p->driver, memory_order_relaxed);
	off_wrap = (uint16_t)raw;
	flags = (uint16_t)(raw >> 16) & 3;
	if (flags == VRING_EVENT_DISABLE)
		return false;
	if (flags != VRING_EVENT_DESC || !r->config.event_idx)
		return true;
	/* The driver took some and added more since: any place of the ring was passed. */
	if (moved > r->config.size)
		return true;
	event = off_wrap & 0x7fff;
	/* An event on the other lap lies one ring size behind. */
	if (!!(off_wrap & 0x8000) != p->used_wrap)
		event -= (uint16_t)r->config.size;
	return vring_passed(event, p->next_used, (uint16_t)(p->next_used - moved));
}

bool vring_packed_ready(const struct vring *r)
{
	return available(r, memory_order_relaxed);
}

bool vring_packed_arm(struct vring *r)
{
	struct vring_packed *p = &r->packed;
	uint16_t off_wrap = p->next_avail | (uint16_t)(p->avail_wrap << 15);

	/* One store, so that the driver never sees half of it. */
	if (r->config.event_idx)
		ring_store32(p->device, off_wrap | (uint32_t)VRING_EVENT_DESC << 16, memory_order_relaxed);
	else
		ring_store32(p->device, (uint32_t)VRING_EVENT_ENABLE << 16, memory_order_relaxed);
	vring_log(r, 0, EVENT_BYTES);
	/* Pairs with the driver's fence between making entries available and reading this structure. */
	ring_fence();
	return vring_packed_ready(r);
}

void vring_packed_disarm(struct vring *r)
{
	/* With EVENT_IDX the driver has passed the position it was told, which silences it as well. */
	if (r->config.event_idx)
		return;
	ring_store32(r->packed.device, (uint32_t)VRING_EVENT_DISABLE << 16, memory_order_relaxed);
	vring_log(r, 0, EVENT_BYTES);
}
