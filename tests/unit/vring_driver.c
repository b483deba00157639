/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's side of a virtqueue for tests. Written from the specification, apart from the device's side. */
#include "vring_driver.h"

#include <endian.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define AVAIL_OFFSET 0x10000U
#define USED_OFFSET 0x20000U
#define INDIRECT_OFFSET 0x30000U
#define INDIRECT_SLOTS 8
#define INDIRECT_BYTES 0x2000U /* a table of up to 512 entries */

void driver_memory_init(struct driver_memory *mem, uint64_t size)
{
	mem->fd = memfd_create("guest", MFD_CLOEXEC);
	mem->size = size;
	if (mem->fd < 0 || ftruncate(mem->fd, (off_t)size) < 0)
		abort();
	mem->base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, mem->fd, 0);
	if (mem->base == MAP_FAILED)
		abort();
}

void driver_memory_fini(struct driver_memory *mem)
{
	munmap(mem->base, mem->size);
	close(mem->fd);
}

struct guest_memory *driver_memory_map(const struct driver_memory *mem)
{
	struct guest_region_info info = { DRIVER_GPA, mem->size, DRIVER_USER, 0 };

	return guest_memory_new(&info, &mem->fd, 1, NULL);
}

void driver_put16(uint8_t *at, uint16_t v)
{
	atomic_store_explicit((_Atomic uint16_t *)(void *)at, htole16(v), memory_order_seq_cst);
}

uint16_t driver_get16(const uint8_t *at)
{
	return le16toh(
		(uint16_t)atomic_load_explicit((const _Atomic uint16_t *)(const void *)at, memory_order_seq_cst));
}

static uint32_t get32(const uint8_t *at)
{
	return le32toh(atomic_load_explicit((const _Atomic uint32_t *)(const void *)at, memory_order_seq_cst));
}

void driver_put_desc(uint8_t *table, uint32_t index, uint64_t addr, uint32_t len, uint16_t word6, uint16_t word7)
{
	uint8_t *at = table + (size_t)index * 16;
	uint64_t a = htole64(addr);
	uint32_t l = htole32(len);

	memcpy(at, &a, 8);
	memcpy(at + 8, &l, 4);
	driver_put16(at + 12, word6);
	driver_put16(at + 14, word7);
}

void driver_init(struct driver *d, struct driver_memory *mem, uint32_t at, uint32_t size, bool packed, bool event_idx)
{
	uint32_t i;

	memset(d, 0, sizeof(*d));
	d->mem = mem;
	d->packed = packed;
	d->event_idx = event_idx;
	d->size = size;
	d->at = at;
	d->desc = mem->base + at;
	d->avail = d->desc + AVAIL_OFFSET;
	d->used = d->desc + USED_OFFSET;
	memset(d->desc, 0, DRIVER_RING_BYTES);
	for (i = 0; i < size; i++)
		d->free[i] = (uint16_t)(size - 1 - i);
	d->nfree = d->nids = size;
	d->avail_wrap = d->used_wrap = true;
}

struct vring_addresses driver_addresses(const struct driver *d)
{
	return (struct vring_addresses){ .desc = DRIVER_USER + d->at,
					 .avail = DRIVER_USER + d->at + AVAIL_OFFSET,
					 .used = DRIVER_USER + d->at + USED_OFFSET };
}

/* A table with the buffers; returns its guest address. */
static uint64_t fill_indirect(struct driver *d, const struct driver_buf *bufs, uint32_t n)
{
	uint32_t offset = INDIRECT_OFFSET + d->indirect_turn++ % INDIRECT_SLOTS * INDIRECT_BYTES, i;

	if (n > INDIRECT_BYTES / 16)
		abort();
	for (i = 0; i < n; i++) {
		uint16_t flags =
			(bufs[i].writable ? VRING_DESC_WRITE : 0) | (i + 1 < n && !d->packed ? VRING_DESC_NEXT : 0);

		if (d->packed)
			driver_put_desc(d->desc + offset, i, bufs[i].gpa, bufs[i].len, 0, flags);
		else
			driver_put_desc(d->desc + offset, i, bufs[i].gpa, bufs[i].len, flags, (uint16_t)(i + 1));
	}
	return DRIVER_GPA + d->at + offset;
}

static uint16_t desc_flags(const struct driver_buf *buf, bool last, bool indirect)
{
	return (uint16_t)((buf->writable ? VRING_DESC_WRITE : 0) | (last ? 0 : VRING_DESC_NEXT) |
			  (indirect ? VRING_DESC_INDIRECT : 0));
}

static int add_split(struct driver *d, const struct driver_buf *bufs, uint32_t n, bool indirect)
{
	uint16_t head = d->free[d->nfree - 1], slot = head;
	uint32_t i;

	for (i = 0; i < n; i++) {
		uint16_t next = i + 1 < n ? d->free[d->nfree - 2 - i] : 0;

		driver_put_desc(d->desc, slot, bufs[i].gpa, bufs[i].len, desc_flags(&bufs[i], i + 1 == n, indirect),
				next);
		d->links[slot] = next;
		slot = next;
	}
	driver_put16(d->avail + 4 + 2 * (d->next_avail % d->size), head);
	driver_put16(d->avail + 2, ++d->next_avail);
	d->chain_len[head] = (uint16_t)n;
	d->nfree -= n;
	return head;
}

static int add_packed(struct driver *d, const struct driver_buf *bufs, uint32_t n, bool indirect)
{
	uint16_t id = d->free[--d->nids], first = d->next_avail, first_flags = 0;
	uint32_t i;

	for (i = 0; i < n; i++) {
		uint16_t flags = desc_flags(&bufs[i], i + 1 == n, indirect);

		flags |= d->avail_wrap ? VRING_DESC_AVAIL : VRING_DESC_USED;
		if (i == 0) {
			first_flags = flags;
			flags = driver_get16(d->desc + (size_t)first * 16 + 14);
		}
		driver_put_desc(d->desc, d->next_avail, bufs[i].gpa, bufs[i].len, id, flags);
		if (++d->next_avail == d->size) {
			d->next_avail = 0;
			d->avail_wrap = !d->avail_wrap;
		}
	}
	driver_put16(d->desc + (size_t)first * 16 + 14, first_flags);
	d->chain_len[id] = (uint16_t)n;
	d->nfree -= n;
	return id;
}

int driver_add(struct driver *d, const struct driver_buf *bufs, uint32_t n, bool indirect)
{
	struct driver_buf table;
	int id;

	if (indirect) {
		table = (struct driver_buf){ fill_indirect(d, bufs, n), n * 16, false };
		bufs = &table;
		n = 1;
	}
	if (n > d->nfree)
		return -1;
	id = d->packed ? add_packed(d, bufs, n, indirect) : add_split(d, bufs, n, indirect);
	d->added += d->packed ? n : 1;
	return id;
}

static bool used_split(struct driver *d, uint32_t *id, uint32_t *len)
{
	const uint8_t *element;
	uint16_t slot, i;

	if (driver_get16(d->used + 2) == d->next_used)
		return false;
	element = d->used + 4 + (size_t)8 * (d->next_used % d->size);
	*id = get32(element);
	*len = get32(element + 4);
	d->next_used++;
	if (*id >= d->size)
		abort();
	for (i = 0, slot = (uint16_t)*id; i < d->chain_len[*id]; i++, slot = d->links[slot])
		d->free[d->nfree++] = slot;
	return true;
}

static bool used_packed(struct driver *d, uint32_t *id, uint32_t *len)
{
	const uint8_t *desc = d->desc + (size_t)d->next_used * 16;
	uint16_t flags = driver_get16(desc + 14);

	if (!!(flags & VRING_DESC_USED) != d->used_wrap || !!(flags & VRING_DESC_AVAIL) != d->used_wrap)
		return false;
	*id = driver_get16(desc + 12);
	*len = get32(desc + 8);
	if (*id >= d->size || !!(flags & VRING_DESC_WRITE) != (*len > 0))
		abort();
	d->free[d->nids++] = (uint16_t)*id;
	d->nfree += d->chain_len[*id];
	d->next_used = (uint16_t)(d->next_used + d->chain_len[*id]);
	if (d->next_used >= d->size) {
		d->next_used = (uint16_t)(d->next_used - d->size);
		d->used_wrap = !d->used_wrap;
	}
	return true;
}

bool driver_used(struct driver *d, uint32_t *id, uint32_t *len)
{
	return d->packed ? used_packed(d, id, len) : used_split(d, id, len);
}

/* The specification's vring_need_event. */
static bool need_event(uint16_t event, uint16_t now, uint16_t old)
{
	return (uint16_t)(now - event - 1) < (uint16_t)(now - old);
}

static bool kick_split(const struct driver *d)
{
	if (!d->event_idx)
		return !(driver_get16(d->used) & VRING_USED_NO_NOTIFY);
	return need_event(driver_get16(d->used + 4 + (size_t)8 * d->size), d->next_avail,
			  (uint16_t)(d->next_avail - d->added));
}

static bool kick_packed(const struct driver *d)
{
	uint16_t off_wrap = driver_get16(d->used), flags = driver_get16(d->used + 2), event = off_wrap & 0x7fff;

	if (flags != VRING_EVENT_DESC)
		return flags == VRING_EVENT_ENABLE;
	if (off_wrap >> 15 != d->avail_wrap)
		event = (uint16_t)(event - d->size);
	return need_event(event, d->next_avail, (uint16_t)(d->next_avail - d->added));
}

bool driver_kick(struct driver *d)
{
	bool wanted;

	/* Orders what was made available before the look at what the device wants. */
	atomic_fetch_add_explicit((_Atomic uint16_t *)(void *)(d->desc + DRIVER_RING_BYTES - 2), 1,
				  memory_order_seq_cst);
	wanted = d->added && (d->packed ? kick_packed(d) : kick_split(d));
	d->added = 0;
	return wanted;
}

void driver_interrupts(struct driver *d, bool on)
{
	if (!d->packed && !d->event_idx)
		driver_put16(d->avail, on ? 0 : VRING_AVAIL_NO_INTERRUPT);
	else if (!d->packed)
		driver_put16(d->avail + 4 + (size_t)2 * d->size, on ? d->next_used : (uint16_t)(d->next_used - 1));
	else {
		driver_put16(d->avail, (uint16_t)(d->next_used | d->used_wrap << 15));
		driver_put16(d->avail + 2, !on            ? VRING_EVENT_DISABLE
					   : d->event_idx ? VRING_EVENT_DESC
							  : VRING_EVENT_ENABLE);
	}
}
