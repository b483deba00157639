/* SPDX-License-Identifier: Apache-2.0 */
/* The chunk digests that a v6 bootstrap keeps for tools (reference 1.5, 2.9). */
#include "rafs/meta/digest_table.h"

#include "rafs/meta/internal.h"
#include "rafs/meta/v6.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define RECORD_SIZE 80 /* bytes */

struct record {
	uint32_t blob, index;
	uint32_t number; /* of the record in the table */
};

struct digest_table {
	const struct rafs_image *image;
	uint64_t at; /* bytes: where the table begins */
	size_t n;
	struct record records[]; /* sorted */
};

static int compare(const void *a, const void *b)
{
	const struct record *x = a, *y = b;

	if (x->blob != y->blob)
		return x->blob < y->blob ? -1 : 1;
	return x->index == y->index ? 0 : x->index < y->index ? -1 : 1;
}

static bool is_digest(const uint8_t *digest)
{
	static const uint8_t none[RAFS_DIGEST_SIZE];

	return memcmp(digest, none, sizeof(none)) != 0;
}

/* The table: its place, and how many records it has; 0: none. */
static size_t find_table(const struct rafs_image *image, uint64_t *at)
{
	const struct rafs_super *super = &image->super;
	const unsigned char *sb = meta_bytes(image, V6_EXT_SUPER_AT, 0x28);

	if (super->version != 6 || super->flags & RAFS_SUPER_TARFS || !sb)
		return 0;
	/* Opening the image has looked at them, but the file may have changed since. */
	uint64_t size = bytes_u64(sb + 0x20), n = size / RECORD_SIZE;
	*at = bytes_u64(sb + 0x18);
	return n <= UINT32_MAX && meta_bytes(image, *at, size) ? n : 0;
}

static struct record record_at(const struct rafs_image *image, uint64_t at, size_t i)
{
	const unsigned char *p = image->map.base + at + i * RECORD_SIZE;

	return (struct record){ bytes_u32(p + 0x20), bytes_u32(p + 0x48), (uint32_t)i };
}

int digest_table_new(struct digest_table **digests, const struct rafs_image *image)
{
	uint64_t at;
	size_t n = find_table(image, &at);
	struct digest_table *d;

	*digests = NULL;
	if (n == 0)
		return 0;
	d = malloc(sizeof(*d) + n * sizeof(d->records[0]));
	if (!d)
		return -ENOMEM;
	d->image = image;
	d->at = at;
	d->n = n;
	for (size_t i = 0; i < n; i++)
		d->records[i] = record_at(image, at, i);
	qsort(d->records, n, sizeof(d->records[0]), compare);
	*digests = d;
	return 0;
}

/* The pages that lie wholly in the table are read again from the file where somebody wants them. */
static void give_back(const struct rafs_image *image, uint64_t at, uint64_t size)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), from = (uintptr_t)image->map.base + at, to = from + size;

	from = (from + page - 1) & ~(page - 1);
	to &= ~(page - 1);
	if (from < to)
		madvise((void *)from, to - from, MADV_DONTNEED);
}

uint32_t digest_table_fill(const struct rafs_image *image, uint32_t blob, uint8_t *array, uint32_t count)
{
	uint64_t at;
	size_t n = find_table(image, &at);
	uint32_t found = 0;

	for (size_t i = 0; i < n; i++) {
		struct record r = record_at(image, at, i);

		if (r.blob != blob || r.index >= count)
			continue;
		memcpy(array + (size_t)r.index * RAFS_DIGEST_SIZE, image->map.base + at + i * RECORD_SIZE, RAFS_DIGEST_SIZE);
		found++;
	}
	if (n)
		give_back(image, at, n * RECORD_SIZE);
	return mapping_torn(&image->map) ? 0 : found;
}

bool digest_table_same(const struct rafs_image *image, uint32_t blob, const uint8_t *array, uint32_t count)
{
	uint64_t at;
	size_t n = find_table(image, &at);
	int64_t more = 0; /* digests in the table, less those in the array */
	bool same = true;

	for (size_t i = 0; same && i < n; i++) {
		const unsigned char *digest = image->map.base + at + i * RECORD_SIZE;
		struct record r = record_at(image, at, i);

		if (r.blob != blob || r.index >= count)
			continue;
		same = memcmp(array + (size_t)r.index * RAFS_DIGEST_SIZE, digest, RAFS_DIGEST_SIZE) == 0;
		more += is_digest(digest);
	}
	for (uint32_t i = 0; same && i < count; i++)
		more -= is_digest(array + (size_t)i * RAFS_DIGEST_SIZE);
	if (n)
		give_back(image, at, n * RECORD_SIZE);
	return same && more == 0 && !mapping_torn(&image->map);
}

void digest_table_free(struct digest_table *d)
{
	free(d);
}

bool digest_table_find(const struct digest_table *d, uint32_t blob, uint32_t index, uint64_t u_off,
		       uint8_t digest[RAFS_DIGEST_SIZE])
{
	struct record key = { .blob = blob, .index = index };
	const struct record *found = bsearch(&key, d->records, d->n, sizeof(key), compare);

	if (!found)
		return false;
	const unsigned char *p = d->image->map.base + d->at + (uint64_t)found->number * RECORD_SIZE;
	if (bytes_u64(p + 0x38) != u_off || !is_digest(p))
		return false;
	memcpy(digest, p, RAFS_DIGEST_SIZE);
	return true;
}
