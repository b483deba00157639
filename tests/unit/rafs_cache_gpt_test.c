/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of rafs/blob/gpt: names and ids, both tables, each field that can lie, and read errors. */
#include "rafs/blob/gpt.h"

#include "rafs/bytes.h"
#include "rafs_cache_fixture.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct disk_partition partitions[] = {
	{ .name = DIGITS32, .guid = "fedcba9876543210fedcba9876543210", .first = 40, .last = 49 },
	{ .name = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", .basic = true, .first = 50, .last = 50 },
	{ .name = "short", .first = 51, .last = 99 },
	{ .name = "", .basic = true, .first = 51, .last = 51 },
	{ .name = "with/slash", .first = 51, .last = 51 },
	{ .name = "thirty-three characters---------!", .first = 51, .last = 51 },
	{ .name = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaabbbb", .basic = true, .first = 51, .last = 51 },
};

static const struct disk_layout layout = {
	.sector = 512,
	.sectors = 200,
	.entry_size = 128,
	.entries = 128,
	.partitions = partitions,
	.n = sizeof(partitions) / sizeof(partitions[0]),
};

/* A disk in memory that can fail. */
struct memory_disk {
	const unsigned char *image;
	uint64_t size;
	uint64_t bad; /* a read that touches this byte fails; 0: none */
};

static int memory_read(void *arg, uint64_t off, void *to, size_t len)
{
	const struct memory_disk *d = arg;

	if (!bytes_within(off, len, d->size) || (d->bad && off <= d->bad && d->bad < off + len))
		return -EIO;
	memcpy(to, d->image + off, len);
	return 0;
}

static int read_disk(struct gpt *gpt, const unsigned char *image, const struct disk_layout *l, uint64_t bad,
		     struct graft_error *err)
{
	struct memory_disk m = { image, l->sectors * l->sector, bad };
	const struct gpt_disk disk = { .read = memory_read, .arg = &m, .size = m.size, .sector = l->sector };

	return gpt_read(gpt, &disk, err);
}

static void test_ids(void **state)
{
	unsigned char *image = disk_make(&layout);
	const struct gpt_partition *p;
	struct gpt gpt;

	(void)state;
	assert_int_equal(read_disk(&gpt, image, &layout, 0, NULL), 0);
	assert_int_equal(gpt.n, 4);
	assert_int_equal(gpt_find(&gpt, DIGITS32 "fedcba9876543210fedcba9876543210", &p), 0);
	assert_false(p->legacy);
	assert_int_equal(p->off, 40 * 512);
	assert_int_equal(p->size, 10 * 512);
	assert_int_equal(gpt_find(&gpt, DIGITS32 "fedcba9876543210fedcba9876543211", &p), -ENOENT);
	assert_int_equal(gpt_find(&gpt, DIGITS32, &p), -ENOENT);
	/* Legacy names are the beginning of an id, 32 bytes exactly, or all of it. */
	assert_int_equal(gpt_find(&gpt, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" DIGITS32, &p), 0);
	assert_true(p->legacy);
	assert_int_equal(p->off, 50 * 512);
	assert_int_equal(gpt_find(&gpt, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaabbbb", &p), 0);
	assert_int_equal(p->off, 51 * 512);
	assert_int_equal(gpt_find(&gpt, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", &p), -ENOENT);
	assert_int_equal(gpt_find(&gpt, "short00000000000000000000000000000003", &p), 0);
	gpt_free(&gpt);
	free(image);
}

static void test_ambiguous(void **state)
{
	const struct disk_partition two[] = {
		{ .name = DIGITS32, .basic = true, .first = 40, .last = 40 },
		{ .name = DIGITS32, .basic = true, .first = 41, .last = 41 },
	};
	struct disk_layout l = layout;
	const struct gpt_partition *p;
	unsigned char *image;
	struct gpt gpt;

	(void)state;
	l.partitions = two;
	l.n = 2;
	image = disk_make(&l);
	assert_int_equal(read_disk(&gpt, image, &l, 0, NULL), 0);
	assert_int_equal(gpt_find(&gpt, DIGITS32 DIGITS32, &p), -EUCLEAN);
	assert_int_equal(gpt_find(&gpt, DIGITS32, &p), -EUCLEAN);
	gpt_free(&gpt);
	free(image);
}

/* Sectors of 4096 bytes, large entries, an odd number of them. */
static void test_shapes(void **state)
{
	const struct disk_partition one = { .name = "x", .first = 20, .last = 29 };
	const struct disk_layout shapes[] = {
		{ 4096, 64, 128, 128, &one, 1 },
		{ 4096, 64, 256, 9, &one, 1 },
		{ 512, 64, 512, 3, &one, 1 },
		{ 512, 64, 128, 1, &one, 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		unsigned char *image = disk_make(&shapes[i]);
		struct gpt gpt;

		assert_int_equal(read_disk(&gpt, image, &shapes[i], 0, NULL), 0);
		assert_int_equal(gpt.n, 1);
		assert_int_equal(gpt.partitions[0].off, 20 * (uint64_t)shapes[i].sector);
		gpt_free(&gpt);
		free(image);
	}
}

/* A field of the header in sector 1 that is changed, with the checksum right again or not. */
struct lie {
	uint32_t at;
	uint32_t value; /* 32 bits */
	bool sealed;
	const char *says;
};

static const struct lie lies[] = {
	{ 0, 0, true, "no signature" },
	{ 12, 91, false, "wrong size" },
	{ 12, 513, false, "wrong size" },
	{ 56, 1, false, "wrong checksum" },
	{ 24, 2, true, "another sector" },
	{ 72, 1, true, "outside the disk" },
	{ 72, 200, true, "outside the disk" },
	{ 72, 190, true, "outside the disk" },
	{ 76, 0x80000000, false, "wrong checksum" },
	{ 80, 0, true, "wrong number of entries" },
	{ 80, 8193, true, "wrong number of entries" },
	{ 84, 64, true, "wrong size of entries" },
	{ 84, 129, true, "wrong size of entries" },
	{ 84, 8192, true, "wrong size of entries" },
};

/* The backup serves while it is right, and the text says what was wrong with the first. */
static void test_lies(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		unsigned char *image = disk_make(&layout);
		unsigned char *h = image + 512;
		struct graft_error err;
		struct gpt gpt;

		memcpy(h + lies[i].at, &(uint32_t){ htole32(lies[i].value) }, 4);
		if (lies[i].sealed)
			disk_seal_header(h);
		assert_int_equal(read_disk(&gpt, image, &layout, 0, &err), 0);
		assert_int_equal(gpt.n, 4);
		gpt_free(&gpt);
		image[199 * 512] ^= 1;
		assert_int_equal(read_disk(&gpt, image, &layout, 0, &err), -EUCLEAN);
		if (!strstr(err.text, lies[i].says))
			fail_msg("lie %zu: \"%s\" instead of \"%s\"", i, err.text, lies[i].says);
		assert_non_null(strstr(err.text, "the one at the end has no signature"));
		assert_null(gpt.partitions);
		free(image);
	}
}

static void test_entries(void **state)
{
	/* First and last sector of a partition, and whether that can be. */
	static const struct {
		uint64_t first, last;
		int res;
	} cases[] = {
		{ 40, 40, 0 },
		{ 40, 199, 0 },
		{ 40, 200, -EUCLEAN },
		{ 41, 40, -EUCLEAN },
		{ 0, UINT64_MAX, -EUCLEAN },
		{ UINT64_MAX, UINT64_MAX, -EUCLEAN },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct disk_partition one = { .name = "x", .first = cases[i].first, .last = cases[i].last };
		struct disk_layout l = layout;
		unsigned char *image;
		struct gpt gpt;

		l.partitions = &one;
		l.n = 1;
		image = disk_make(&l);
		assert_int_equal(read_disk(&gpt, image, &l, 0, NULL), cases[i].res);
		gpt_free(&gpt);
		/* Entries that do not match their checksum, in both tables. */
		image[2 * 512 + 56] ^= 1;
		image[(199 - 32) * 512 + 56] ^= 1;
		assert_int_equal(read_disk(&gpt, image, &l, 0, NULL), -EUCLEAN);
		free(image);
	}
}

static void test_read_errors(void **state)
{
	unsigned char *image = disk_make(&layout);
	struct graft_error err;
	struct gpt gpt;

	(void)state;
	/* The first header, or its entries: the backup. Both backups' parts with the first one wrong: the error. */
	assert_int_equal(read_disk(&gpt, image, &layout, 512, &err), 0);
	gpt_free(&gpt);
	assert_int_equal(read_disk(&gpt, image, &layout, 1024, &err), 0);
	gpt_free(&gpt);
	image[512] = 0;
	assert_int_equal(read_disk(&gpt, image, &layout, 199 * 512, &err), -EIO);
	assert_non_null(strstr(err.text, "the one at the end cannot be read"));
	assert_int_equal(read_disk(&gpt, image, &layout, 198 * 512, &err), -EIO);
	assert_non_null(strstr(err.text, "entries that cannot be read"));
	free(image);
}

static void test_disks(void **state)
{
	unsigned char *image = disk_make(&layout);
	struct memory_disk m = { image, 200 * 512, 0 };
	struct gpt_disk disk = { .read = memory_read, .arg = &m, .size = 1024, .sector = 512 };
	struct gpt gpt;

	(void)state;
	assert_int_equal(gpt_read(&gpt, &disk, NULL), -EUCLEAN);
	disk.size = 0;
	assert_int_equal(gpt_read(&gpt, &disk, NULL), -EUCLEAN);
	disk.size = UINT64_MAX;
	assert_int_equal(gpt_read(&gpt, &disk, NULL), -EUCLEAN);
	disk.size = m.size;
	for (uint32_t sector = 0; sector < 3; sector++) {
		static const uint32_t wrong[] = { 0, 256, 768 };

		disk.sector = wrong[sector];
		assert_int_equal(gpt_read(&gpt, &disk, NULL), -EUCLEAN);
	}
	free(image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ids),   cmocka_unit_test(test_ambiguous), cmocka_unit_test(test_shapes),
		cmocka_unit_test(test_lies),  cmocka_unit_test(test_entries),   cmocka_unit_test(test_read_errors),
		cmocka_unit_test(test_disks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
