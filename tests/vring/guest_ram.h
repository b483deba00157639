/* SPDX-License-Identifier: Apache-2.0 */
/* Guest memory of the test front end: memfd regions at chosen guest addresses, seen through one window. */
#ifndef GRAFT_TESTS_VRING_GUEST_RAM_H
#define GRAFT_TESTS_VRING_GUEST_RAM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define RAM_MAX_REGIONS 32
#define RAM_SPAN (8ULL << 30) /* guest addresses lie below this */

/* What a caller asks for. Each region gets a memfd of its own, so adjacent regions are still two mappings. */
struct ram_spec {
	uint64_t gpa, size; /* bytes, multiples of the page size; gpa not 0 */
	uint64_t offset;    /* of the region in its file, bytes, page aligned */
	bool manual;        /* ram_alloc leaves it alone */
};

struct ram_region {
	struct ram_spec spec;
	int fd;
	_Atomic uint64_t next; /* first gpa that ram_alloc has not given away; relaxed */
};

/* The window: guest address g stands at base + g, so regions that touch are contiguous here too. */
struct ram {
	unsigned char *base;
	struct ram_region region[RAM_MAX_REGIONS];
	unsigned n;
};

/* 0 or -errno. */
int ram_init(struct ram *ram, const struct ram_spec *specs, unsigned n);
void ram_fini(struct ram *ram);
/* Adds a region (its index, or -errno) and drops one: the indices behind it move down. */
int ram_add(struct ram *ram, const struct ram_spec *spec);
void ram_remove(struct ram *ram, unsigned index);
/* Zeroed bytes inside one region, never freed; 0 when there is no room. align: a power of two. Any thread. */
uint64_t ram_alloc(struct ram *ram, uint64_t size, uint64_t align);

static inline void *ram_ptr(const struct ram *ram, uint64_t gpa)
{
	return ram->base + gpa;
}

#endif
