/* SPDX-License-Identifier: Apache-2.0 */
/* Driver side of a virtqueue, split or packed (virtio 1.2, 2.7 and 2.8): add chains, kick, take what was used. */
#ifndef GRAFT_TESTS_VRING_RING_H
#define GRAFT_TESTS_VRING_RING_H

#include "tests/vring/guest_ram.h"

#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stdint.h>

#define RING_MAX_CHAIN 1024 /* descriptors of one request in an indirect table */

enum ring_kind { RING_SPLIT, RING_PACKED };

/* A part of a request in guest memory; len 0 is allowed. */
struct ring_buf {
	uint64_t gpa;
	uint32_t len; /* bytes */
};

/* What the device has finished. */
struct ring_used {
	void *cookie;
	uint32_t len; /* bytes it says it wrote */
};

struct ring_slot; /* book-keeping of one id */

/*
 * One thread uses a ring. Fields are open, so that a test can build what no driver would: the areas stand at desc,
 * driver (avail ring, driver event suppression) and device (used ring, device event suppression).
 */
struct ring {
	struct ram *ram;
	enum ring_kind kind;
	uint16_t size; /* descriptors; a power of two for a split ring */
	bool event_idx, indirect;
	uint64_t desc, driver, device; /* guest addresses */
	int kick, call, err;           /* eventfds, non-blocking */

	struct ring_slot *slot;
	uint16_t free_head, nfree; /* split: descriptors; packed: ids by free_head, descriptors by nfree */
	uint16_t next;             /* split: avail.idx; packed: position of the next descriptor */
	uint16_t used;             /* split: used.idx seen; packed: position of the next used descriptor */
	bool wrap, used_wrap;      /* packed wrap counters */
	uint16_t added;            /* since the last kick: split: chains; packed: descriptors */
	uint32_t inflight;         /* chains */
	uint64_t kicks, waits;     /* eventfd writes, and sleeps for an interrupt */
};

/* Allocates areas, book-keeping and eventfds. 0 or -errno. */
int ring_init(struct ring *r, struct ram *ram, enum ring_kind kind, uint16_t size, bool event_idx, bool indirect);
void ring_fini(struct ring *r);
/* The state of a fresh ring; chains in flight are forgotten. Only while the device does not run it. */
void ring_clear(struct ring *r);
/* What SET_VRING_BASE has to say so that the device goes on where the driver stands (nothing in flight). */
uint32_t ring_base(const struct ring *r);

/*
 * Adds a request: readable parts, then writable ones; cookie must not be NULL. In an indirect table where that was
 * negotiated and there is more than one part. 0, or -ENOSPC when the ring has no room for it now.
 */
int ring_add(struct ring *r, const struct ring_buf *in, unsigned nin, const struct ring_buf *out, unsigned nout,
	     void *cookie);
/* Tells the device about what was added, unless it asked not to be told. */
void ring_kick(struct ring *r);
/* Takes one finished request: 1, 0 if there is none, -EBADMSG if the device broke the rules. */
int ring_take(struct ring *r, struct ring_used *used);
/* Sleeps until there is one: 0, -ETIMEDOUT, or -EIO when the device signals the err descriptor. */
int ring_wait(struct ring *r, int timeout_ms);
/* The same without sleeping, as a guest that polls: it never asks for an interrupt. */
int ring_poll(struct ring *r, int timeout_ms);
/* Asks the device for interrupts or for none. With EVENT_IDX only packed rings can be silenced. */
void ring_interrupts(struct ring *r, bool on);
/* True if the err descriptor was signalled within timeout_ms (takes the signal). */
bool ring_failed(struct ring *r, int timeout_ms);
/* Writes the kick descriptor, whatever the device asked for. */
void ring_kick_now(struct ring *r);

static inline struct vring_desc *ring_descs(const struct ring *r)
{
	return ram_ptr(r->ram, r->desc);
}

static inline struct vring_avail *ring_avail(const struct ring *r)
{
	return ram_ptr(r->ram, r->driver);
}

static inline struct vring_used *ring_usedring(const struct ring *r)
{
	return ram_ptr(r->ram, r->device);
}

static inline struct vring_packed_desc *ring_packed(const struct ring *r)
{
	return ram_ptr(r->ram, r->desc);
}

static inline struct vring_packed_desc_event *ring_driver_event(const struct ring *r)
{
	return ram_ptr(r->ram, r->driver);
}

static inline struct vring_packed_desc_event *ring_device_event(const struct ring *r)
{
	return ram_ptr(r->ram, r->device);
}

/* Bytes of the three areas. */
static inline uint64_t ring_desc_bytes(const struct ring *r)
{
	return 16ULL * r->size;
}

static inline uint64_t ring_driver_bytes(const struct ring *r)
{
	return r->kind == RING_PACKED ? 4 : 6 + 2ULL * r->size;
}

static inline uint64_t ring_device_bytes(const struct ring *r)
{
	return r->kind == RING_PACKED ? 4 : 6 + 8ULL * r->size;
}

#endif
