/* SPDX-License-Identifier: Apache-2.0 */
/* The split virtqueue, device side (virtio 1.2, 2.7). */
#include "transport/vring_internal.h"

#include <errno.h>

/* Offsets: avail and used both begin with le16 flags, le16 idx. */
#define RING_FLAGS 0
#define RING_IDX 2
#define AVAIL_RING 4
#define USED_RING 4
#define USED_BYTES 8 /* le32 id, le32 len */

static void *avail_at(const struct vring *r, uint32_t offset)
{
	return (uint8_t *)r->split.avail + offset;
}

static void *used_at(const struct vring *r, uint32_t offset)
{
	return (uint8_t *)r->split.used + offset;
}

/* used_event lies behind the avail ring, avail_event behind the used ring; both only with EVENT_IDX. */
static uint32_t used_event_offset(const struct vring *r)
{
	return AVAIL_RING + 2 * r->config.size;
}

static uint32_t avail_event_offset(const struct vring *r)
{
	return USED_RING + USED_BYTES * r->config.size;
}

int vring_split_map(struct vring *r)
{
	const struct vring_addresses *addr = &r->config.addr;
	uint32_t event = r->config.event_idx ? 2 : 0, n = r->config.size;

	r->split.desc = vring_area(r, addr->desc, (uint64_t)n * VRING_DESC_BYTES, 16, NULL);
	r->split.avail = vring_area(r, addr->avail, used_event_offset(r) + event, 2, NULL);
	r->split.used = vring_area(r, addr->used, avail_event_offset(r) + event, 4, NULL);
	return r->split.desc && r->split.avail && r->split.used ? 0 : -EFAULT;
}

int vring_split_reset(struct vring *r, uint32_t base)
{
	struct vring_split *s = &r->split;

	s->next_avail = (uint16_t)base;
	s->seen_avail = s->next_avail;
	/* Where the driver expects the next used entry: nothing of ours is in flight when a ring starts. */
	s->next_used = ring_load16(used_at(r, RING_IDX), memory_order_relaxed);
	s->used_event_base = s->next_used;
	return 0;
}

/* Reads avail.idx anew. */
static enum vring_result look(struct vring *r)
{
	struct vring_split *s = &r->split;
	uint16_t idx;

	/* acquire: pairs with the driver's write barrier before it moves avail.idx. */
	idx = ring_load16(avail_at(r, RING_IDX), memory_order_acquire);
	if ((uint16_t)(idx - s->next_avail) > r->config.size)
		return vring_break(r, "the driver's index runs ahead by more than the ring's size");
	s->seen_avail = idx;
	return idx == s->next_avail ? VRING_EMPTY : VRING_CHAIN;
}

static bool walk(struct vring *r, uint16_t head, struct iovec *iov, struct vring_chain *chain)
{
	const uint8_t *table = r->split.desc;
	uint32_t n = r->config.size, i = head, steps = 0;
	bool indirect = false;
	struct vring_desc d;

	for (;;) {
		if (steps++ == n)
			return vring_bad(r, "a chain that loops");
		ring_read_desc(table + (size_t)i * VRING_DESC_BYTES, &d, false);
		if (d.flags & VRING_DESC_INDIRECT) {
			/* A table may lie anywhere, in the ring's own descriptors too: its address says nothing. */
			if (indirect)
				return vring_bad(r, "an indirect table inside an indirect table");
			table = vring_indirect_table(r, &d, &n);
			if (!table)
				return false;
			indirect = true;
			i = 0;
			steps = 0;
			continue;
		}
		if (!vring_add_buffer(r, iov, chain, &d))
			return false;
		if (!(d.flags & VRING_DESC_NEXT))
			return true;
		i = d.extra;
		if (i >= n)
			return vring_bad(r, "a next descriptor beyond the table");
	}
}

enum vring_result vring_split_pop(struct vring *r, struct iovec *iov, struct vring_chain *chain)
{
	struct vring_split *s = &r->split;
	uint16_t head;

	if (s->next_avail == s->seen_avail) {
		enum vring_result there = look(r);

		if (there != VRING_CHAIN)
			return there;
	}
	head = ring_load16(avail_at(r, AVAIL_RING + 2 * (s->next_avail & (r->config.size - 1))), memory_order_relaxed);
	if (head >= r->config.size)
		return vring_break(r, "a head beyond the ring");
	s->next_avail++;
	*chain = (struct vring_chain){ .id = head };
	return walk(r, head, iov, chain) ? VRING_CHAIN : VRING_BAD;
}

void vring_split_push(struct vring *r, const struct vring_chain *chain, uint32_t len)
{
	uint32_t offset = USED_RING + USED_BYTES * (r->split.next_used++ & (r->config.size - 1));

	ring_store32(used_at(r, offset), chain->id, memory_order_relaxed);
	ring_store32(used_at(r, offset + 4), len, memory_order_relaxed);
	vring_log(r, offset, USED_BYTES);
}

void vring_split_show(struct vring *r)
{
	/* release: pairs with the driver's read barrier after it read used.idx. */
	ring_store16(used_at(r, RING_IDX), r->split.next_used, memory_order_release);
	vring_log(r, RING_IDX, 2);
}

bool vring_split_decide(struct vring *r)
{
	struct vring_split *s = &r->split;
	uint16_t old = s->used_event_base, event;
	bool first = !r->decided;

	s->used_event_base = s->next_used;
	r->decided = true;
	/* Pairs with the driver's fence between enabling interrupts and looking at used.idx again. */
	ring_fence();
	if (!r->config.event_idx)
		return !(ring_load16(avail_at(r, RING_FLAGS), memory_order_relaxed) & VRING_AVAIL_NO_INTERRUPT);
	event = ring_load16(avail_at(r, used_event_offset(r)), memory_order_relaxed);
	return first || vring_passed(event, s->next_used, old);
}

bool vring_split_ready(const struct vring *r)
{
	return r->split.next_avail != r->split.seen_avail ||
	       ring_load16(avail_at(r, RING_IDX), memory_order_relaxed) != r->split.next_avail;
}

bool vring_split_arm(struct vring *r)
{
	struct vring_split *s = &r->split;

	if (r->config.event_idx) {
		ring_store16(used_at(r, avail_event_offset(r)), s->next_avail, memory_order_relaxed);
		vring_log(r, avail_event_offset(r), 2);
	} else {
		ring_store16(used_at(r, RING_FLAGS), 0, memory_order_relaxed);
		vring_log(r, RING_FLAGS, 2);
	}
	/* Pairs with the driver's fence between moving avail.idx and reading avail_event or used.flags. */
	ring_fence();
	return vring_split_ready(r);
}

void vring_split_disarm(struct vring *r)
{
	/* With EVENT_IDX the old avail_event stays behind the driver's index, which silences it as well. */
	if (r->config.event_idx)
		return;
	ring_store16(used_at(r, RING_FLAGS), VRING_USED_NO_NOTIFY, memory_order_relaxed);
	vring_log(r, RING_FLAGS, 2);
}
