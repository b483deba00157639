/* SPDX-License-Identifier: Apache-2.0 */
/* What an inode is called, and the digests that a v6 bootstrap keeps, put in the order of chunks. */
#include "rafs/meta/path.h"

#include "rafs/meta/digest_table.h"
#include "rafs_image_walk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
/* cmocka.h wants these first */
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static const char *const boots[] = { "v5-lz4_block/boot", "v6-zstd/boot" };

static void test_paths(void **state)
{
	static const char *const paths[] = { "", "chunks/dup-a", "sizes", "links/hard-a" };
	char path[4096], small[8];

	(void)state;
	for (size_t b = 0; b < sizeof(boots) / sizeof(boots[0]); b++) {
		struct rafs_image *image = walk_open(boots[b]);

		for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
			struct rafs_inode inode, again;

			assert_int_equal(walk_path(image, paths[i], &inode), 0);
			assert_int_equal(rafs_path_of(image, inode.ino, UINT32_MAX, path, sizeof(path)), 0);
			/* A file with several names has one of them. */
			assert_int_equal(walk_path(image, path + 1, &again), 0);
			assert_int_equal(again.ino, inode.ino);
		}
		struct rafs_inode deep;
		assert_int_equal(walk_path(image, "chunks/dup-a", &deep), 0);
		/* Too little room, too few entries, no such inode. */
		assert_int_equal(rafs_path_of(image, deep.ino, UINT32_MAX, small, sizeof(small)), -ENOENT);
		assert_int_equal(rafs_path_of(image, deep.ino, 1, path, sizeof(path)), -ENOENT);
		assert_int_equal(rafs_path_of(image, UINT64_MAX >> 2, UINT32_MAX, path, sizeof(path)), -ENOENT);
		rafs_image_close(image);
	}
}

/* The same as the index over the table finds, and nothing for another blob, for v5, or beyond count. */
static void test_digests(void **state)
{
	struct rafs_image *image = walk_open("v6-zstd/boot"), *v5 = walk_open("v5-zstd/boot");
	uint32_t count = rafs_image_blob(image, 0)->chunk_count;
	uint8_t *array = calloc(count + 1, RAFS_DIGEST_SIZE), none[RAFS_DIGEST_SIZE] = { 0 };
	struct digest_table *table;

	(void)state;
	assert_int_equal(digest_table_fill(image, 0, array, count), count);
	assert_memory_equal(array + (size_t)count * RAFS_DIGEST_SIZE, none, sizeof(none));
	for (uint32_t i = 0; i < count; i++)
		assert_memory_not_equal(array + (size_t)i * RAFS_DIGEST_SIZE, none, sizeof(none));
	struct rafs_inode inode;
	struct rafs_extent e;
	uint8_t digest[RAFS_DIGEST_SIZE];
	assert_int_equal(digest_table_new(&table, image), 0);
	assert_int_equal(walk_path(image, "chunks/rand-big", &inode), 0);
	assert_int_equal(rafs_extent_at(image, &inode, 0, &e), 0);
	assert_true(digest_table_find(table, 0, e.chunk.index, e.chunk.u_off, digest));
	assert_memory_equal(array + (size_t)e.chunk.index * RAFS_DIGEST_SIZE, digest, sizeof(digest));
	assert_false(digest_table_find(table, 0, e.chunk.index, e.chunk.u_off + 4096, digest));
	digest_table_free(table);
	assert_true(digest_table_same(image, 0, array, count));
	assert_false(digest_table_same(image, 1, array, count));
	array[RAFS_DIGEST_SIZE + 3] ^= 1;
	assert_false(digest_table_same(image, 0, array, count));
	memset(array + RAFS_DIGEST_SIZE, 0, RAFS_DIGEST_SIZE);
	assert_false(digest_table_same(image, 0, array, count));
	memset(array, 0, (size_t)count * RAFS_DIGEST_SIZE);
	assert_int_equal(digest_table_fill(image, 1, array, count), 0);
	assert_int_equal(digest_table_fill(v5, 0, array, count), 0);
	assert_int_equal(digest_table_fill(image, 0, array, 3), 3);
	assert_memory_equal(array + (size_t)3 * RAFS_DIGEST_SIZE, none, sizeof(none));
	free(array);
	rafs_image_close(image);
	rafs_image_close(v5);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_paths), cmocka_unit_test(test_digests) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
