/* SPDX-License-Identifier: Apache-2.0 */
/* The device's side of a virtqueue, split or packed (virtio 1.2, 2.7 and 2.8): takes chains, gives them back used. */
#ifndef GRAFT_TRANSPORT_VRING_H
#define GRAFT_TRANSPORT_VRING_H

#include "lib/error.h"
#include "transport/dirty_log.h"
#include "transport/guest_memory.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#define VRING_MAX_SIZE 32768                /* descriptors (virtio 1.2, 2.7.1) */
#define VRING_PACKED_FRESH_BASE 0x80008000U /* both positions 0, both wrap counters 1 */

/* Bits of a descriptor's flags; AVAIL and USED only in packed rings. */
enum vring_desc_flags {
	VRING_DESC_NEXT = 1 << 0,
	VRING_DESC_WRITE = 1 << 1,
	VRING_DESC_INDIRECT = 1 << 2,
	VRING_DESC_AVAIL = 1 << 7,
	VRING_DESC_USED = 1 << 15
};

/* Split ring: avail.flags, used.flags. Packed ring: flags of an event suppression structure. */
enum vring_event_flags {
	VRING_AVAIL_NO_INTERRUPT = 1,
	VRING_USED_NO_NOTIFY = 1,
	VRING_EVENT_ENABLE = 0,
	VRING_EVENT_DISABLE = 1,
	VRING_EVENT_DESC = 2
};

/* Where a ring lies, in the front end's own addresses. Packed: avail is the driver's, used the device's event area. */
struct vring_addresses {
	uint64_t desc, used, avail;
	uint64_t log; /* guest address the used ring is logged at */
	bool logged;
};

struct vring_config {
	struct vring_addresses addr;
	uint32_t size; /* descriptors, 1..VRING_MAX_SIZE; split: a power of two */
	uint32_t base; /* what vring_base returned, or the front end's SET_VRING_BASE */
	bool packed, event_idx, indirect;
};

/* A chain that was taken and not yet given back. Filled by vring_pop. */
struct vring_chain {
	uint16_t id;    /* split: head; packed: buffer id */
	uint16_t ndesc; /* packed: ring entries it takes */
	uint32_t nin, nout;
	uint64_t in_len, out_len; /* bytes; at most UINT32_MAX together */
};

/* Split and packed areas hold guest memory: read each field once, with the helpers in vring_internal.h. */
struct vring_split {
	void *desc, *avail, *used;
	uint16_t seen_avail; /* avail.idx as last read */
	uint16_t next_avail, next_used;
	uint16_t used_event_base; /* next_used when last decided about an interrupt */
};

struct vring_packed {
	void *desc, *driver, *device;
	uint64_t desc_gpa; /* for the dirty log */
	uint16_t next_avail, next_used;
	bool avail_wrap, used_wrap;
	uint16_t first, first_flags; /* the first used entry of the batch, whose flags are written last */
	uint32_t batch;              /* entries given back and not shown yet */
	uint32_t moved;              /* entries shown since the last decision about an interrupt */
};

/* Owned by one thread. The caller may read, not write. */
struct vring {
	struct vring_config config;
	const struct guest_memory *mem;
	const struct guest_region *region; /* where the last buffer was found */
	struct dirty_log *log;             /* of the used ring; NULL: not logged; borrowed, see vring_set_log */
	const char *fault;                 /* why the ring is broken, or why the last chain was bad */
	uint32_t pending;                  /* chains given back since the last publish */
	bool hidden;                       /* some of them are not shown yet */
	bool broken;
	bool armed;   /* the driver was asked for kicks */
	bool decided; /* an interrupt was decided about before */
	union {
		struct vring_split split;
		struct vring_packed packed;
	};
};

enum vring_result {
	VRING_EMPTY = 0,
	VRING_CHAIN = 1, /* chain and iov are filled */
	VRING_BAD = 2,   /* a chain that cannot be served: give it back with length 0; fault says why */
	VRING_BROKEN = 3 /* the driver broke the rules of the ring itself: nothing is taken until it is set up again */
};

/*
 * Sets the ring up. mem is borrowed until the next vring_init or vring_remap. -EFAULT: the ring does not lie in mem (it
 * may later); -EINVAL: size, base or alignment are wrong. Nothing is written to the guest.
 */
int vring_init(struct vring *r, const struct vring_config *config, const struct guest_memory *mem,
	       struct graft_error *err);
/* Goes on at the same position in another memory table, or at other addresses. Failed: it must not be used. */
int vring_remap(struct vring *r, const struct vring_addresses *addr, const struct guest_memory *mem,
		struct graft_error *err);
/* Dirty log for the ring itself, used only where addr.logged; borrowed. NULL: none. */
void vring_set_log(struct vring *r, struct dirty_log *log);

/*
 * Takes the next chain. iov has room for 2 * TRANSPORT_MAX_IOV: the chain's nin readable pieces come first, then nout
 * writable ones. Every address is checked and mapped; neighbouring pieces are merged.
 */
enum vring_result vring_pop(struct vring *r, struct iovec *iov, struct vring_chain *chain);
/* Gives a chain back with len bytes written. The driver sees it after vring_show or vring_publish. */
void vring_push(struct vring *r, const struct vring_chain *chain, uint32_t len);
/* Shows a driver that is awake what was given back. Costs a store; one that sleeps is told by vring_publish only. */
void vring_show(struct vring *r);
/* Shows the driver what was given back. True: it wants an interrupt for what was since the last publish. */
bool vring_publish(struct vring *r);

/* Are there chains to take? Only looks; for polling, while kicks are not asked for. */
bool vring_ready(const struct vring *r);
/* Asks the driver for kicks. True: chains came meanwhile, take them now. */
bool vring_arm(struct vring *r);
/* Tells the driver that kicks are not needed. */
void vring_disarm(struct vring *r);

/* The position, as in GET_VRING_BASE. All that was given back must be published. */
uint32_t vring_base(const struct vring *r);

#endif
