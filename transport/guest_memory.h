/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's memory: an immutable, counted table of mapped regions, and translation of its addresses. */
#ifndef GRAFT_TRANSPORT_GUEST_MEMORY_H
#define GRAFT_TRANSPORT_GUEST_MEMORY_H

#include "lib/error.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define GUEST_MEMORY_MAX_REGIONS 509 /* what the front end is told with GET_MAX_MEM_SLOTS */

/* A region as the front end describes it; the layout of the vhost-user messages. All in bytes. */
struct guest_region_info {
	uint64_t gpa; /* guest physical address */
	uint64_t size;
	uint64_t user_addr; /* the front end's own address of the region; ring addresses are given in these */
	uint64_t offset;    /* of the region in the file */
};

struct guest_mapping; /* one counted mmap, shared by all tables that hold the region */

struct guest_region {
	uint64_t gpa, size, user_addr;
	uint8_t *hva; /* where it is mapped here */
	struct guest_mapping *mapping;
};

/* Constant once made. Any thread may take and drop references. */
struct guest_memory {
	_Atomic uint32_t refs;
	uint32_t count;
	struct guest_region regions[]; /* by gpa, disjoint */
};

/*
 * Maps n regions (0..GUEST_MEMORY_MAX_REGIONS, any order). The descriptors stay the caller's. NULL with err: a region
 * is empty, overflows, overlaps another, or reaches beyond its file.
 */
struct guest_memory *guest_memory_new(const struct guest_region_info *infos, const int *fds, uint32_t n,
				      struct graft_error *err);
/* A new table with one region more or less; m (may be NULL: empty) is unchanged. NULL with err. */
struct guest_memory *guest_memory_add(const struct guest_memory *m, const struct guest_region_info *info, int fd,
				      struct graft_error *err);
/* The region is named by gpa and size. */
struct guest_memory *guest_memory_remove(const struct guest_memory *m, const struct guest_region_info *info,
					 struct graft_error *err);

struct guest_memory *guest_memory_get(struct guest_memory *m);
void guest_memory_put(struct guest_memory *m); /* NULL is fine; the last one unmaps */

/* The region that holds gpa, or NULL. */
const struct guest_region *guest_memory_find(const struct guest_memory *m, uint64_t gpa);
/* len bytes at gpa, or at the front end's address, all in one region; otherwise NULL. gpa may be NULL. */
void *guest_memory_range(const struct guest_memory *m, uint64_t gpa, uint64_t len);
void *guest_memory_user_range(const struct guest_memory *m, uint64_t user_addr, uint64_t len, uint64_t *gpa);
/* Back from a mapped address: its gpa and the bytes from there to the end of its region. False: not guest memory. */
bool guest_memory_gpa(const struct guest_memory *m, const void *hva, uint64_t *gpa, uint64_t *room);
/* One past the highest guest address, 0 for an empty table. */
uint64_t guest_memory_end(const struct guest_memory *m);

#endif
