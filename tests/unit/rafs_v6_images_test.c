/* SPDX-License-Identifier: Apache-2.0 */
/* Every v6 image with a bootstrap of its own: walked in full and compared with its list; what the superblock and the
 * blob table say. */
#include "rafs_image_walk.h"
#include "rafs_v6_patch.h"

#include "rafs/blob/bootstrap.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
	const char *name;
	const char *expected;
	uint32_t blobs, chunk_size, block_size;
	uint32_t compressor, digester; /* of blob 0 */
	uint32_t features;             /* of blob 0 */
	uint64_t flags;                /* of the superblock, without those of algorithms */
};

#define IDS RAFS_SUPER_EXPLICIT_IDS
#define XATTR RAFS_SUPER_XATTR
#define PLAIN 0x40000001
#define TREE "expected.jsonl"
#define TAR "expected-tar.jsonl"
#define MERGE "expected-merged.jsonl"

static const struct fixture fixtures[] = {
	{ "v6-none", TREE, 1, 0x100000, 4096, RAFS_NONE, RAFS_BLAKE3, PLAIN, IDS | XATTR },
	{ "v6-lz4_block", TREE, 1, 0x100000, 4096, RAFS_LZ4, RAFS_BLAKE3, PLAIN, IDS | XATTR },
	{ "v6-zstd", TREE, 1, 0x100000, 4096, RAFS_ZSTD, RAFS_BLAKE3, PLAIN, IDS | XATTR },
	{ "v6-sha256", TREE, 1, 0x100000, 4096, RAFS_ZSTD, RAFS_SHA256, PLAIN, IDS | XATTR },
	{ "v6-chunk64k", TREE, 1, 0x10000, 4096, RAFS_ZSTD, RAFS_BLAKE3, PLAIN, IDS | XATTR },
	{ "v6-batch", TREE, 1, 0x100000, 4096, RAFS_ZSTD, RAFS_BLAKE3, 0x40000085, IDS | XATTR },
	{ "v6-encrypt", TREE, 1, 0x100000, 4096, RAFS_ZSTD, RAFS_BLAKE3, 0x40000105, IDS | XATTR },
	{ "v6-encrypt-batch", TREE, 1, 0x100000, 4096, RAFS_LZ4, RAFS_BLAKE3, 0x40000185, IDS | XATTR },
	{ "v6-dict", TREE, 1, 0x100000, 4096, RAFS_ZSTD, RAFS_BLAKE3, PLAIN, IDS | XATTR },
	{ "v6-prefetch", TREE, 1, 0x100000, 4096, RAFS_ZSTD, RAFS_BLAKE3, PLAIN, IDS | XATTR },
	{ "v6-tar", TAR, 1, 0x100000, 4096, RAFS_ZSTD, RAFS_BLAKE3, PLAIN, IDS | XATTR },
	{ "v6-targz", TAR, 1, 0x100000, 4096, RAFS_LZ4, RAFS_BLAKE3, PLAIN, IDS | XATTR },
	{ "v6-merged", MERGE, 2, 0x100000, 4096, RAFS_LZ4, RAFS_BLAKE3, PLAIN, IDS | XATTR },
	{ "v6-parent", MERGE, 2, 0x100000, 4096, RAFS_ZSTD, RAFS_BLAKE3, PLAIN, IDS | XATTR },
	{ "extra-v6-dirs", "extra-v6-dirs/expected.jsonl", 1, 0x100000, 4096, RAFS_ZSTD, RAFS_BLAKE3, PLAIN,
	  IDS | XATTR },
	{ "extra-v6-no-ids", "extra-v6-no-ids/expected.jsonl", 1, 0x100000, 4096, RAFS_ZSTD, RAFS_BLAKE3, PLAIN, 0 },
	{ "extra-v6-tarfs", "extra-v6-tarfs/expected.jsonl", 1, 0x1000, 512, RAFS_NONE, RAFS_SHA256, 0x40000040,
	  IDS | XATTR | RAFS_SUPER_TARFS },
	{ "extra-v6-tarfs-merged", "extra-v6-tarfs-merged/expected.jsonl", 2, 0x1000, 512, RAFS_NONE, RAFS_SHA256,
	  0x40000040, IDS | XATTR | RAFS_SUPER_TARFS },
	{ "extra-v6-empty", "extra-v6-empty/expected.jsonl", 0, 0x100000, 4096, 0, 0, 0,
	  IDS | RAFS_SUPER_CHUNK_DIGEST },
};

static struct rafs_image *open_fixture(const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/boot", name);
	return walk_open(path);
}

static void check_super(const struct rafs_image *image, const struct fixture *f)
{
	const struct rafs_super *s = rafs_image_super(image);

	assert_int_equal(s->version, 6);
	assert_int_equal(s->blobs, f->blobs);
	assert_int_equal(s->chunk_size, f->chunk_size);
	assert_int_equal(s->block_size, f->block_size);
	assert_int_equal(s->flags & 0x330, f->flags);
	assert_int_equal(s->root, 128);
	assert_int_equal(s->meta_size % 4096, 0);
	assert_true(s->inodes > 0);
}

/* The blob is in the image's folder under the id the table gives, and has the size it gives. */
static void check_blob(const struct rafs_image *image, const struct fixture *f, uint32_t i)
{
	const struct rafs_blob_info *b = rafs_image_blob(image, i);
	unsigned char *bytes;
	char path[256];
	size_t size;

	snprintf(path, sizeof(path), "%s/blobs/%s", f->name, b->id);
	bytes = walk_bytes(path, &size);
	free(bytes);
	assert_int_equal(b->c_size, size);
	assert_string_equal(b->meta_id, b->id);
	assert_int_equal(b->version, 6);
	assert_int_equal(b->index, i);
	assert_int_equal(b->chunk_size, f->chunk_size);
	assert_true(b->u_size > 0 && b->chunk_count > 0);
	if (b->features & RAFS_BLOB_TARFS) {
		assert_int_equal(b->data_end, size);
		assert_int_equal(b->ci_c_size, 0);
	} else {
		/* Data, chunk table, header: nothing between and nothing behind. */
		assert_int_equal(b->data_end, b->ci_offset);
		assert_int_equal(b->ci_offset + b->ci_c_size + 4096, size);
	}
	assert_int_equal(b->cipher, b->features & RAFS_BLOB_ENCRYPTED ? RAFS_AES128_XTS : RAFS_PLAIN);
	assert_int_equal(b->cipher == RAFS_AES128_XTS, memcmp(b->key, b->key + 16, 16) != 0);
	if (i)
		return;
	assert_int_equal(b->compressor, f->compressor);
	assert_int_equal(b->digester, f->digester);
	assert_int_equal(b->features, f->features);
}

static void test_fixture(void **state)
{
	const struct fixture *f = *state;
	struct rafs_image *image = open_fixture(f->name);

	check_super(image, f);
	for (uint32_t i = 0; i < f->blobs; i++)
		check_blob(image, f, i);
	walk_compare(image, f->expected);
	rafs_image_close(image);
}

static void test_prefetch(void **state)
{
	static const char *const paths[] = { "chunks", "links/hard-a" };
	struct rafs_image *image = open_fixture("v6-prefetch");
	struct rafs_inode inode;

	(void)state;
	assert_int_equal(rafs_image_super(image)->prefetch_entries, 2);
	for (uint32_t i = 0; i < 2; i++) {
		assert_int_equal(walk_path(image, paths[i], &inode), 0);
		assert_int_equal(rafs_image_prefetch(image, i), inode.ino);
	}
	assert_int_equal(rafs_image_prefetch(image, 2), 0);
	rafs_image_close(image);
	image = open_fixture("v6-zstd");
	assert_int_equal(rafs_image_super(image)->prefetch_entries, 0);
	assert_int_equal(rafs_image_prefetch(image, 0), 0);
	rafs_image_close(image);
}

/* A chunk of a TARFS image is the file's bytes in the tar: compared with the tar's own header of the file. */
static void check_tar_member(const unsigned char *tar, size_t size, const struct rafs_extent *e, const char *name,
			     uint64_t file_size)
{
	const unsigned char *header = tar + e->chunk.c_off - 512;
	char full[100];

	assert_true(e->chunk.c_off >= 512 && e->chunk.c_off + e->chunk.c_size <= size);
	snprintf(full, sizeof(full), "./%s", name);
	assert_string_equal((const char *)header, full);
	assert_int_equal(strtoull((const char *)header + 124, NULL, 8), file_size);
}

static void test_tarfs_extents(void **state)
{
	static const struct {
		const char *name;
		uint64_t size;
	} files[] = { { "f-1", 1 },       { "f-511", 511 },   { "f-512", 512 },  { "f-513", 513 },
		      { "f-4096", 4096 }, { "f-4097", 4097 }, { "f-8192", 8192 } };
	struct rafs_image *image = open_fixture("extra-v6-tarfs");
	unsigned char *tar;
	char path[256];
	size_t size;

	(void)state;
	snprintf(path, sizeof(path), "extra-v6-tarfs/blobs/%s", rafs_image_blob(image, 0)->id);
	tar = walk_bytes(path, &size);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		uint64_t first = 0;
		struct rafs_inode inode;
		struct rafs_extent e;

		assert_int_equal(walk_path(image, files[i].name, &inode), 0);
		assert_int_equal(inode.size, files[i].size);
		for (uint64_t off = 0; off < files[i].size; off += 4096) {
			uint64_t left = files[i].size - off, len = left < 4096 ? left : 4096;

			assert_int_equal(rafs_extent_at(image, &inode, off + len - 1, &e), 0);
			assert_true(e.complete && !e.hole);
			assert_int_equal(e.file_off, off);
			assert_int_equal(e.len, len);
			assert_int_equal(e.chunk.u_size, len);
			assert_int_equal(e.chunk.c_size, len);
			assert_int_equal(e.chunk.c_off, e.chunk.u_off);
			assert_int_equal(e.chunk.flags, 0);
			if (!off) {
				first = e.chunk.c_off;
				check_tar_member(tar, size, &e, files[i].name, files[i].size);
			}
			assert_int_equal(e.chunk.c_off, first + off);
		}
	}
	free(tar);
	rafs_image_close(image);
}

/* Where blobs' chunk tables are to be asked, the extents say so and name chunks in file order. */
static void test_extents(void **state)
{
	struct rafs_image *image = open_fixture("v6-chunk64k");
	struct rafs_inode inode;
	struct rafs_extent e, again;

	(void)state;
	assert_int_equal(walk_path(image, "chunks/text-1048577", &inode), 0);
	assert_int_equal(inode.count, 17);
	for (uint64_t k = 0; k < 17; k++) {
		assert_int_equal(rafs_extent_at(image, &inode, k * 0x10000, &e), 0);
		assert_false(e.complete || e.hole);
		assert_int_equal(e.file_off, k * 0x10000);
		assert_int_equal(e.len, k < 16 ? 0x10000 : 1);
		assert_int_equal(e.chunk.u_off % 4096, 0);
		assert_true(e.chunk.index < rafs_image_blob(image, 0)->chunk_count);
		assert_int_equal(rafs_extent_at(image, &inode, k * 0x10000 + e.len - 1, &again), 0);
		patch_same_extent(&e, &again);
	}
	assert_int_equal(rafs_extent_at(image, &inode, inode.size, &e), -EINVAL);
	rafs_image_close(image);
}

/* Images inside a blob: the blob's file is their source, and its name is the id that they do not hold. */
struct inlined {
	const char *folder, *file, *expected;
	const char *id; /* of the data; NULL: file */
	uint32_t features;
};

static void test_inlined(void **state)
{
	static const struct inlined images[] = {
		{ "v6-inline-meta", "40acde183685536912ba5c25c69521d6672a1d3eb566f4cd34669875e5cc0ae6", TREE, NULL,
		  0x50000003 },
		{ "v6-inline-toc", "adfb92615670bdbcfda0281a1a34f34b19515c5c0cbe25f3866357a00b5c3eb3", TREE, NULL,
		  0x70000023 },
		{ "v6-zran", "ca915cf7ef7cd61f8bf51c41306c5d327ca047de6eb11d429d008ed298c6ca3e", TAR,
		  "0ee5274d4db4f6fb7c980efbf2b038e82f98e095ec6f42bceb7547f57480e322", 0x7000003f },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(images) / sizeof(images[0]); i++) {
		const struct inlined *f = &images[i];
		const struct rafs_blob_info *b;
		struct graft_error err = { 0 };
		struct rafs_image *image = NULL;
		struct rafs_origin origin;
		char path[512];
		int fd;

		snprintf(path, sizeof(path), "%s/%s/blobs/%s", TEST_IMAGES, f->folder, f->file);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		assert_true(fd >= 0);
		if (bootstrap_find(&origin, fd, path, NULL, &err) != 0 || rafs_image_open(&image, &origin, &err) != 0)
			fail_msg("%s: %s", f->folder, err.text);
		b = rafs_image_blob(image, 0);
		assert_string_equal(b->id, f->id ? f->id : f->file);
		assert_string_equal(b->meta_id, f->file);
		assert_int_equal(b->features, f->features);
		assert_true(b->data_end <= b->c_size);
		walk_compare(image, f->expected);
		rafs_image_close(image);
		close(fd);
	}
}

/* The layouts that extra-v6-dirs is there for are in it. */
static void test_layouts(void **state)
{
	static const struct {
		const char *path;
		uint64_t size;
		bool whole_blocks, tail;
	} dirs[] = {
		{ "order", 0, false, true },
		{ "size-4032", 4032, false, true },
		{ "size-4033", 4033, true, false },
		{ "size-4096", 4096, true, false },
		{ "two-blocks-inline", 0, true, true },
		{ "two-blocks-plain", 8176, true, false },
		{ "links/to-1", 1, false, true },
		{ "links/to-4032", 4032, false, true },
		{ "links/to-4033", 4033, true, false },
		{ "links/to-4095", 4095, true, false },
	};
	struct rafs_image *image = open_fixture("extra-v6-dirs");

	(void)state;
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		struct rafs_inode inode;

		assert_int_equal(walk_path(image, dirs[i].path, &inode), 0);
		if (dirs[i].size)
			assert_int_equal(inode.size, dirs[i].size);
		assert_int_equal(inode.data_at != 0, dirs[i].whole_blocks);
		assert_int_equal(inode.tail_at != 0, dirs[i].tail);
		assert_int_equal(inode.blocks, (inode.size + 511) / 512);
	}
	rafs_image_close(image);
}

int main(void)
{
	enum { N = sizeof(fixtures) / sizeof(fixtures[0]) };
	static const struct CMUnitTest others[] = {
		cmocka_unit_test(test_prefetch), cmocka_unit_test(test_inlined), cmocka_unit_test(test_tarfs_extents),
		cmocka_unit_test(test_extents),  cmocka_unit_test(test_layouts),
	};
	struct CMUnitTest walks[N];
	int failed;

	for (size_t i = 0; i < N; i++)
		walks[i] = (struct CMUnitTest){
			.name = fixtures[i].name,
			.test_func = test_fixture,
			.initial_state = (void *)(uintptr_t)&fixtures[i],
		};
	failed = cmocka_run_group_tests_name("v6 images", walks, NULL, NULL);
	return failed + cmocka_run_group_tests_name("v6 contents", others, NULL, NULL);
}
