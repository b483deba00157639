/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's memory: mapping of regions, tables of them, and translation of addresses. */
#include "transport/guest_memory.h"

#include "lib/mapping.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

struct guest_mapping {
	_Atomic uint32_t refs;
	void *base; /* page-aligned start, perhaps before the region */
	size_t length;
	struct mapping guard; /* of base and length: the front end may shrink the file at any time */
};

static void mapping_put(struct guest_mapping *map)
{
	/* acq_rel: all other holders' accesses come before the unmap. */
	if (atomic_fetch_sub_explicit(&map->refs, 1, memory_order_acq_rel) != 1)
		return;
	mapping_unguard(&map->guard);
	munmap(map->base, map->length);
	free(map);
}

/* hugetlbfs maps whole huge pages only. */
static uint64_t mapping_unit(int fd)
{
	struct statfs sfs;

	if (fstatfs(fd, &sfs) == 0 && sfs.f_type == HUGETLBFS_MAGIC)
		return (uint64_t)sfs.f_bsize;
	return (uint64_t)sysconf(_SC_PAGESIZE);
}

static int region_check(const struct guest_region_info *info, int fd, struct graft_error *err)
{
	struct stat st;

	if (info->size == 0)
		return error_set(err, EINVAL, "memory region at 0x%" PRIx64 " is empty", info->gpa);
	if (info->gpa > UINT64_MAX - info->size || info->user_addr > UINT64_MAX - info->size ||
	    info->offset > (uint64_t)INT64_MAX || info->size > (uint64_t)INT64_MAX - info->offset)
		return error_set(err, EINVAL, "memory region at 0x%" PRIx64 " wraps around", info->gpa);
	if (fstat(fd, &st) < 0)
		return error_set(err, errno, "memory region at 0x%" PRIx64 ": %s", info->gpa, strerror(errno));
	/* A page beyond the end of the file would be a SIGBUS later; devices have no size and check by themselves. */
	if (S_ISREG(st.st_mode) && info->offset + info->size > (uint64_t)st.st_size)
		return error_set(err, EINVAL, "memory region at 0x%" PRIx64 " reaches beyond the end of its file",
				 info->gpa);
	return 0;
}

/* Maps length bytes of fd from start into *map. */
static int map_file(struct guest_mapping *map, int fd, uint64_t start, uint64_t length, uint64_t gpa,
		    struct graft_error *err)
{
	void *base = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, (off_t)start);
	int rc;

	if (base == MAP_FAILED)
		return error_set(err, errno, "cannot map memory region at 0x%" PRIx64 ": %s", gpa, strerror(errno));
	rc = mapping_guard(&map->guard, base, length, err);
	if (rc < 0) {
		munmap(base, length);
		return rc;
	}
	/* A core file of the server shall not hold a guest. */
	madvise(base, length, MADV_DONTDUMP);
	map->base = base;
	map->length = length;
	atomic_init(&map->refs, 1);
	return 0;
}

static int region_map(struct guest_region *region, const struct guest_region_info *info, int fd,
		      struct graft_error *err)
{
	struct guest_mapping *map;
	uint64_t unit, start, lead, length;
	int rc;

	rc = region_check(info, fd, err);
	if (rc < 0)
		return rc;
	unit = mapping_unit(fd);
	start = info->offset - info->offset % unit;
	lead = info->offset - start;
	if (info->size + lead > (uint64_t)INT64_MAX - unit)
		return error_set(err, EINVAL, "memory region at 0x%" PRIx64 " is too large", info->gpa);
	length = (info->size + lead + unit - 1) / unit * unit;
	map = malloc(sizeof(*map));
	if (!map)
		return error_set(err, ENOMEM, "out of memory");
	rc = map_file(map, fd, start, length, info->gpa, err);
	if (rc < 0) {
		free(map);
		return rc;
	}
	*region = (struct guest_region){ .gpa = info->gpa,
					 .size = info->size,
					 .user_addr = info->user_addr,
					 .hva = (uint8_t *)map->base + lead,
					 .mapping = map };
	return 0;
}

static struct guest_memory *table_alloc(uint32_t n, struct graft_error *err)
{
	struct guest_memory *m;

	if (n > GUEST_MEMORY_MAX_REGIONS) {
		error_set(err, ENOSPC, "more than %d memory regions", GUEST_MEMORY_MAX_REGIONS);
		return NULL;
	}
	m = calloc(1, sizeof(*m) + n * sizeof(m->regions[0]));
	if (!m) {
		error_set(err, ENOMEM, "out of memory");
		return NULL;
	}
	atomic_init(&m->refs, 1);
	return m;
}

static void table_append(struct guest_memory *m, const struct guest_region *region)
{
	/* relaxed: the caller's own reference keeps the mapping alive. */
	atomic_fetch_add_explicit(&region->mapping->refs, 1, memory_order_relaxed);
	m->regions[m->count++] = *region;
}

static int region_cmp(const void *a, const void *b)
{
	const struct guest_region *ra = a, *rb = b;

	return (ra->gpa > rb->gpa) - (ra->gpa < rb->gpa);
}

/* Sorts the table and looks for overlaps; drops the table if there is one. */
static struct guest_memory *table_finish(struct guest_memory *m, struct graft_error *err)
{
	uint32_t i;

	qsort(m->regions, m->count, sizeof(m->regions[0]), region_cmp);
	for (i = 1; i < m->count; i++) {
		if (m->regions[i].gpa - m->regions[i - 1].gpa >= m->regions[i - 1].size)
			continue;
		error_set(err, EINVAL, "memory regions at 0x%" PRIx64 " and 0x%" PRIx64 " overlap",
			  m->regions[i - 1].gpa, m->regions[i].gpa);
		guest_memory_put(m);
		return NULL;
	}
	return m;
}

struct guest_memory *guest_memory_new(const struct guest_region_info *infos, const int *fds, uint32_t n,
				      struct graft_error *err)
{
	struct guest_memory *m = table_alloc(n, err);

	if (!m)
		return NULL;
	for (; m->count < n; m->count++) {
		if (region_map(&m->regions[m->count], &infos[m->count], fds[m->count], err) < 0) {
			guest_memory_put(m);
			return NULL;
		}
	}
	return table_finish(m, err);
}

struct guest_memory *guest_memory_add(const struct guest_memory *m, const struct guest_region_info *info, int fd,
				      struct graft_error *err)
{
	uint32_t i, n = m ? m->count : 0;
	struct guest_memory *grown = table_alloc(n + 1, err);

	if (!grown)
		return NULL;
	if (region_map(&grown->regions[0], info, fd, err) < 0) {
		guest_memory_put(grown);
		return NULL;
	}
	grown->count = 1;
	for (i = 0; i < n; i++)
		table_append(grown, &m->regions[i]);
	return table_finish(grown, err);
}

struct guest_memory *guest_memory_remove(const struct guest_memory *m, const struct guest_region_info *info,
					 struct graft_error *err)
{
	const struct guest_region *gone = m ? guest_memory_find(m, info->gpa) : NULL;
	struct guest_memory *rest;
	uint32_t i;

	if (!gone || gone->gpa != info->gpa || gone->size != info->size) {
		error_set(err, ENOENT, "no memory region at 0x%" PRIx64 " of 0x%" PRIx64 " bytes", info->gpa,
			  info->size);
		return NULL;
	}
	rest = table_alloc(m->count - 1, err);
	if (!rest)
		return NULL;
	for (i = 0; i < m->count; i++)
		if (&m->regions[i] != gone)
			table_append(rest, &m->regions[i]);
	return rest;
}

struct guest_memory *guest_memory_get(struct guest_memory *m)
{
	/* relaxed: who copies a reference holds one. */
	atomic_fetch_add_explicit(&m->refs, 1, memory_order_relaxed);
	return m;
}

void guest_memory_put(struct guest_memory *m)
{
	uint32_t i;

	/* acq_rel: see mapping_put. */
	if (!m || atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (i = 0; i < m->count; i++)
		mapping_put(m->regions[i].mapping);
	free(m);
}

const struct guest_region *guest_memory_find(const struct guest_memory *m, uint64_t gpa)
{
	uint32_t low = 0, high = m->count;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		const struct guest_region *region = &m->regions[mid];

		if (gpa < region->gpa)
			high = mid;
		else if (gpa - region->gpa >= region->size)
			low = mid + 1;
		else
			return region;
	}
	return NULL;
}

void *guest_memory_range(const struct guest_memory *m, uint64_t gpa, uint64_t len)
{
	const struct guest_region *region = guest_memory_find(m, gpa);

	if (!region || len > region->size - (gpa - region->gpa))
		return NULL;
	return region->hva + (gpa - region->gpa);
}

void *guest_memory_user_range(const struct guest_memory *m, uint64_t user_addr, uint64_t len, uint64_t *gpa)
{
	uint32_t i;

	for (i = 0; i < m->count; i++) {
		const struct guest_region *region = &m->regions[i];
		uint64_t at = user_addr - region->user_addr;

		if (user_addr < region->user_addr || at >= region->size || len > region->size - at)
			continue;
		if (gpa)
			*gpa = region->gpa + at;
		return region->hva + at;
	}
	return NULL;
}

bool guest_memory_gpa(const struct guest_memory *m, const void *hva, uint64_t *gpa, uint64_t *room)
{
	uint32_t i;

	for (i = 0; i < m->count; i++) {
		const struct guest_region *region = &m->regions[i];
		uint64_t at = (uint64_t)(uintptr_t)hva - (uint64_t)(uintptr_t)region->hva;

		if ((uintptr_t)hva < (uintptr_t)region->hva || at >= region->size)
			continue;
		*gpa = region->gpa + at;
		*room = region->size - at;
		return true;
	}
	return false;
}

uint64_t guest_memory_end(const struct guest_memory *m)
{
	return m->count ? m->regions[m->count - 1].gpa + m->regions[m->count - 1].size : 0;
}
