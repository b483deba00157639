/* SPDX-License-Identifier: Apache-2.0 */
/* A row of counters for each inode that was met. */
#include "inode_table.h"

#include <errno.h>
#include <sys/mman.h>

#define PLACE_BITS 17
#define PLACE_MASK ((UINT64_C(1) << PLACE_BITS) - 1)

static void *map(size_t size)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return at == MAP_FAILED ? NULL : at;
}

static size_t index_size(const struct inode_table *t)
{
	return 2 * (size_t)t->max * sizeof(t->index[0]);
}

int inode_table_init(struct inode_table *t, uint32_t max, size_t row_size)
{
	*t = (struct inode_table){ .max = max, .row_size = row_size };
	t->index = map(index_size(t));
	t->rows = map(max * row_size);
	if (t->index && t->rows)
		return 0;
	inode_table_fini(t);
	return -ENOMEM;
}

void inode_table_fini(struct inode_table *t)
{
	if (t->index)
		munmap((void *)t->index, index_size(t));
	if (t->rows)
		munmap(t->rows, t->max * t->row_size);
	*t = (struct inode_table){ 0 };
}

static uint32_t slot_of(const struct inode_table *t, uint64_t ino)
{
	/* Numbers come in runs and steps: the upper half of the product mixes them. */
	return (uint32_t)(ino * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (2 * t->max - 1);
}

static void *row_at(const struct inode_table *t, uint64_t entry)
{
	return t->rows + (entry & PLACE_MASK) * t->row_size;
}

/* A place for a row that nobody has; t->max: there is none. */
static uint32_t take_place(struct inode_table *t)
{
	if (atomic_load_explicit(&t->used, memory_order_relaxed) >= t->max)
		return t->max;
	uint32_t place = atomic_fetch_add_explicit(&t->used, 1, memory_order_relaxed);
	return place < t->max ? place : t->max;
}

/*
 * Entries are set once, so a probe that meets an empty slot has seen all there were. Two threads that bring the same
 * inode at the same moment take two places, one of which stays empty for ever.
 */
void *inode_table_row(struct inode_table *t, uint64_t ino, bool make)
{
	uint32_t place = t->max;

	if (!ino || ino >= INODE_TABLE_INO_MAX)
		return NULL;
	for (uint32_t i = slot_of(t, ino);; i = (i + 1) & (2 * t->max - 1)) {
		uint64_t entry = atomic_load_explicit(&t->index[i], memory_order_relaxed);

		if (!entry && place == t->max) {
			place = make ? take_place(t) : t->max;
			if (place == t->max)
				return NULL;
		}
		/* Rows begin as zeros, so there is nothing that another thread would have to see first. */
		if (!entry && atomic_compare_exchange_strong_explicit(&t->index[i], &entry, ino << PLACE_BITS | place,
								      memory_order_relaxed, memory_order_relaxed))
			return row_at(t, place);
		if (entry >> PLACE_BITS == ino)
			return row_at(t, entry);
	}
}

void *inode_table_next(const struct inode_table *t, uint32_t *at, uint64_t *ino)
{
	while (*at < 2 * t->max) {
		uint64_t entry = atomic_load_explicit(&t->index[(*at)++], memory_order_relaxed);

		if (entry) {
			*ino = entry >> PLACE_BITS;
			return row_at(t, entry);
		}
	}
	return NULL;
}
