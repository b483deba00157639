/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's side of a virtqueue, split or packed, in a memfd: for unit tests and fuzzers of the transport. */
#ifndef GRAFT_TESTS_UNIT_VRING_DRIVER_H
#define GRAFT_TESTS_UNIT_VRING_DRIVER_H

#include "transport/guest_memory.h"
#include "transport/vring.h"

#include <stdbool.h>
#include <stdint.h>

#define DRIVER_GPA 0x40000000ULL      /* of the memory's first byte */
#define DRIVER_USER 0x7f0000000000ULL /* the same, as the front end says it */
#define DRIVER_DATA 0x100000U         /* offset of what tests use as buffers */
#define DRIVER_MAX_SIZE 1024

/* A guest's memory: a memfd mapped for the driver. */
struct driver_memory {
	int fd;
	uint8_t *base;
	uint64_t size;
};

struct driver_buf {
	uint64_t gpa;
	uint32_t len;
	bool writable;
};

/* Offsets of the areas are relative to `at`, so that several rings fit into one memory. */
struct driver {
	struct driver_memory *mem;
	bool packed, event_idx;
	uint32_t size, at;
	uint8_t *desc, *avail, *used;   /* packed: avail: driver's event area, used: device's */
	uint16_t free[DRIVER_MAX_SIZE]; /* split: descriptors; packed: ids */
	uint32_t nfree, nids;
	uint16_t chain_len[DRIVER_MAX_SIZE];
	uint16_t links[DRIVER_MAX_SIZE]; /* split: next, as the driver remembers it */
	uint16_t next_avail, next_used;
	bool avail_wrap, used_wrap;
	uint32_t added; /* since the last driver_kick */
	uint32_t indirect_turn;
};

#define DRIVER_RING_BYTES 0x40000U /* each ring takes, below DRIVER_DATA: up to 4 rings */

void driver_memory_init(struct driver_memory *mem, uint64_t size);
void driver_memory_fini(struct driver_memory *mem);
/* One region over all of it. */
struct guest_memory *driver_memory_map(const struct driver_memory *mem);

void driver_init(struct driver *d, struct driver_memory *mem, uint32_t at, uint32_t size, bool packed, bool event_idx);
struct vring_addresses driver_addresses(const struct driver *d);
/* Makes a chain available, through an indirect table if asked. Its id, or -1 when the ring is full. */
int driver_add(struct driver *d, const struct driver_buf *bufs, uint32_t n, bool indirect);
/* Takes the next used chain. */
bool driver_used(struct driver *d, uint32_t *id, uint32_t *len);
/* Does the device want a kick for what was added since the last call? */
bool driver_kick(struct driver *d);
/* Asks for an interrupt at the next used chain, or for none. */
void driver_interrupts(struct driver *d, bool on);

/* Raw access for hostile tests. index: entry of the descriptor table. */
void driver_put_desc(uint8_t *table, uint32_t index, uint64_t addr, uint32_t len, uint16_t word6, uint16_t word7);
void driver_put16(uint8_t *at, uint16_t v);
uint16_t driver_get16(const uint8_t *at);

#endif
