/* SPDX-License-Identifier: Apache-2.0 */
/* RAFS v5 images with one thing wrong: what is refused, by whom and with what words; and old forms that must be read.
 */
#include "rafs/bytes.h"
#include "rafs/codec/codec.h"
#include "rafs_image_touch.h"
#include "rafs_image_walk.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define BOOT "v5-lz4_block/boot"
#define MERGED "v5-merged/boot"

static void put(unsigned char *at, unsigned int width, uint64_t value)
{
	unsigned int i;

	for (i = 0; i < width; i++)
		at[i] = (unsigned char)(value >> 8 * i);
}

/* A field of the superblock. */
struct super_row {
	unsigned int at, width;
	uint64_t value;
	const char *text; /* in the error; NULL: the image opens */
};

static void test_super(void **state)
{
	static const struct super_row rows[] = {
		{ 0x00, 4, 0x52414654, "no nydus bootstrap" },
		{ 0x04, 4, 0x400, "version 0x400" },
		{ 0x04, 4, 0x600, "version 0x600" },
		{ 0x08, 4, 0x1000, "size is 0x1000" },
		{ 0x0c, 4, 0, "chunk size 0x0" },
		{ 0x0c, 4, 0x800, "chunk size" },
		{ 0x0c, 4, 0x1800, "chunk size" },
		{ 0x0c, 4, 0x2000000, "chunk size" },
		{ 0x10, 8, 0x416, "superblock flags 0x400" },
		{ 0x10, 8, UINT64_C(0x8000000016), "superblock flags 0x8000000000" },
		{ 0x10, 8, 0xfc000036, NULL },
		{ 0x18, 8, 0, "0 inodes" },
		{ 0x18, 8, 100000, "100000 inodes" },
		{ 0x20, 8, 8184, "inode table at byte 8184" },
		{ 0x20, 8, 8196, "multiple of 8" },
		{ 0x20, 8, 1 << 20, "inode table of" },
		{ 0x20, 8, UINT64_MAX - 7, "ends beyond" },
		{ 0x38, 4, 0, "inodes" },
		{ 0x38, 4, UINT32_MAX, "ends beyond" },
		{ 0x3c, 4, UINT32_MAX, "prefetch table" },
		{ 0x30, 8, 8192, "inode table and blob table overlap" },
		{ 0x30, 8, 0, "blob table at byte 0" },
		{ 0x40, 4, UINT32_MAX, "blob table of 4294967295 bytes" },
		{ 0x44, 4, UINT32_MAX, "extended blob table" },
		{ 0x44, 4, 0, NULL },
		{ 0x48, 8, 8192, "inode table and extended blob table overlap" },
		{ 0x48, 8, 1, "multiple of 8" },
		{ 0x50, 8, UINT64_MAX, NULL },
	};
	size_t size, i;
	unsigned char *bytes = walk_bytes(BOOT, &size), saved[8];

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct rafs_image *image = NULL;
		struct graft_error err = { 0 };
		int rc;

		memcpy(saved, bytes + rows[i].at, sizeof(saved));
		put(bytes + rows[i].at, rows[i].width, rows[i].value);
		rc = walk_open_bytes(&image, bytes, size, &err);
		if (rc != (rows[i].text ? -EINVAL : 0) || (rows[i].text && !strstr(err.text, rows[i].text)))
			fail_msg("row %zu: %d %s", i, rc, err.text);
		rafs_image_close(image);
		memcpy(bytes + rows[i].at, saved, sizeof(saved));
	}
	free(bytes);
}

static void test_short(void **state)
{
	static const struct {
		size_t size;
		const char *text;
	} rows[] = { { 1, "no nydus" },
		     { 7, "no nydus" },
		     { 8, "cut at 8" },
		     { 8191, "cut at 8191" },
		     { 8192, "ends beyond" } };
	size_t size, i;
	unsigned char *bytes = walk_bytes(BOOT, &size);

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct rafs_image *image = NULL;
		struct graft_error err = { 0 };

		assert_int_equal(walk_open_bytes(&image, bytes, rows[i].size, &err), -EINVAL);
		if (!strstr(err.text, rows[i].text))
			fail_msg("%zu: %s", rows[i].size, err.text);
	}
	free(bytes);
}

/* Where: of the blob table (table 0) or the extended one (1). */
static void test_blobs(void **state)
{
	static const struct {
		unsigned int table, at, width;
		uint64_t value;
		const char *text;
	} rows[] = {
		{ 0, 8, 1, 0, "2 entries for 3 blobs" },
		{ 0, 8, 1, '/', "id of blob 0" },
		{ 0, 8, 1, '\n', "id of blob 0" },
		{ 0, 8 + 64, 1, 'x', "id of blob 0" },
		{ 1, 0, 4, (1 << 24) + 1, "chunks" },
		{ 1, 8, 8, (UINT64_C(1) << 44) + 1, "uncompressed" },
		{ 1, 16, 8, (UINT64_C(1) << 40) + 1, "bytes" },
		{ 1, 4, 4, 0x8, "features 0x8 that" },
		{ 1, 4, 4, 0x100, "features 0x100 that" },
		{ 1, 4, 4, 0x8000f000, NULL },
		{ 1, 64 + 4, 4, 0x80, "features 0x80 that" },
	};
	size_t size, i;
	unsigned char *bytes = walk_bytes(MERGED, &size), saved[8];
	uint64_t tables[2] = { bytes_u64(bytes + 0x30), bytes_u64(bytes + 0x48) };
	struct rafs_image *image = NULL;
	struct graft_error err = { 0 };

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		unsigned char *at = bytes + tables[rows[i].table] + rows[i].at;
		int rc;

		memcpy(saved, at, sizeof(saved));
		put(at, rows[i].width, rows[i].value);
		image = NULL;
		rc = walk_open_bytes(&image, bytes, size, &err);
		if (rc != (rows[i].text ? -EINVAL : 0) || (rows[i].text && !strstr(err.text, rows[i].text)))
			fail_msg("row %zu: %d %s", i, rc, err.text);
		rafs_image_close(image);
		memcpy(at, saved, sizeof(saved));
	}
	/* Two blobs, one extended entry. */
	put(bytes + 0x44, 4, 1);
	assert_int_equal(walk_open_bytes(&image, bytes, size, &err), -EINVAL);
	assert_non_null(strstr(err.text, "1 entries for 2 blobs"));
	free(bytes);
}

/* As many blobs as there may be, and one more, each of a one-letter id, in a table at the end of the file. */
static void test_blob_count(void **state)
{
	size_t size, i;
	unsigned char *bytes = walk_bytes(BOOT, &size), *more = calloc(1, size + 255 * 10);
	struct rafs_image *none = NULL;
	uint32_t count;

	(void)state;
	assert_non_null(more);
	memcpy(more, bytes, size);
	for (i = 0; i < 255; i++)
		more[size + i * 10 + 8] = 'b';
	put(more + 0x30, 8, size);
	put(more + 0x44, 4, 0);
	put(more + 0x40, 4, 10);
	more[size + 8] = '.';
	assert_int_equal(walk_open_bytes(&none, more, size + 255 * 10, NULL), -EINVAL);
	more[size + 8] = 'b';
	for (count = 254; count <= 255; count++) {
		struct rafs_image *image = NULL;
		struct graft_error err = { 0 };

		put(more + 0x40, 4, count * 10);
		assert_int_equal(walk_open_bytes(&image, more, size + 255 * 10, &err), count == 254 ? 0 : -EINVAL);
		if (count == 254) {
			assert_int_equal(rafs_image_super(image)->blobs, 254);
			assert_string_equal(rafs_image_blob(image, 253)->id, "b");
			assert_int_equal(rafs_image_blob(image, 253)->chunk_count, 0);
		}
		rafs_image_close(image);
	}
	free(more);
	free(bytes);
}

static void test_root(void **state)
{
	static const uint32_t values[] = { 0, 0x400, UINT32_C(1) << 29, UINT32_MAX, 0x1000000, 0x401 };
	size_t size, i;
	unsigned char *bytes = walk_bytes(BOOT, &size);
	uint64_t table = bytes_u64(bytes + 0x20);
	uint32_t good = bytes_u32(bytes + table);

	(void)state;
	for (i = 0; i <= sizeof(values) / sizeof(values[0]); i++) {
		struct rafs_image *image = NULL;
		struct graft_error err = { 0 };

		/* Last: a root that is a file. */
		if (i < sizeof(values) / sizeof(values[0]))
			put(bytes + table, 4, values[i]);
		else
			put(bytes + (uint64_t)good * 8 + 0x3c, 4, 0100644);
		assert_int_equal(walk_open_bytes(&image, bytes, size, &err), -EINVAL);
		assert_non_null(strstr(err.text, "root"));
		put(bytes + table, 4, good);
	}
	free(bytes);
}

enum what { LOOKUP, LIST, READ, READ_END, LINK, XATTR, VERIFY };
enum where { RECORD, NAME, CHUNK, LAST_CHUNK, TARGET, XATTRS };

/* One field of what belongs to a path, and the result of one call for it. */
struct row {
	const char *path;
	enum where where;
	unsigned int at, width;
	uint64_t value;
	enum what what;
	int64_t result;
};

static uint64_t place(const struct rafs_inode *inode, enum where where)
{
	const uint64_t places[] = {
		[RECORD] = inode->at,      [NAME] = inode->at + 128,
		[CHUNK] = inode->data_at,  [LAST_CHUNK] = inode->data_at + (inode->count - 1) * UINT64_C(80),
		[TARGET] = inode->tail_at, [XATTRS] = inode->xattr_at
	};

	return places[where];
}

/* 0 when all entries of a directory could be listed. */
static int list(const struct rafs_image *image, const char *path)
{
	struct rafs_dirent entry;
	struct rafs_inode dir;
	uint64_t cookie = 0;
	int rc = walk_path(image, path, &dir);

	if (rc < 0)
		return rc;
	do
		rc = rafs_dir_next(image, &dir, &cookie, &entry);
	while (rc > 0);
	return rc;
}

static int64_t call(const struct rafs_image *image, const char *path, enum what what)
{
	static char room[RAFS_XATTR_MAX];
	struct rafs_extent extent;
	struct rafs_inode inode;
	int rc;

	if (what == LIST)
		return list(image, path);
	rc = walk_path(image, path, &inode);
	if (rc < 0 || what == LOOKUP)
		return rc;
	switch (what) {
	case READ:
		return rafs_extent_at(image, &inode, 0, &extent);
	case READ_END:
		return rafs_extent_at(image, &inode, inode.size - 1, &extent);
	case LINK:
		return rafs_readlink(image, &inode, room, sizeof(room));
	case XATTR:
		return rafs_xattr_get(image, &inode, "user.not-there", room, sizeof(room));
	case VERIFY:
		return rafs_inode_verify(image, &inode);
	case LOOKUP:
	case LIST:
		break;
	}
	return 0;
}

static void try_rows(const char *boot, const struct row *rows, size_t n)
{
	size_t size, i;
	unsigned char *bytes = walk_bytes(boot, &size), *changed = malloc(size);
	struct rafs_image *good = walk_open(boot);

	assert_non_null(changed);
	for (i = 0; i < n; i++) {
		struct rafs_image *image = NULL;
		struct graft_error err = { 0 };
		struct rafs_inode inode;
		int64_t rc;

		assert_int_equal(walk_path(good, rows[i].path, &inode), 0);
		memcpy(changed, bytes, size);
		put(changed + place(&inode, rows[i].where) + rows[i].at, rows[i].width, rows[i].value);
		rc = walk_open_bytes(&image, changed, size, &err);
		if (rc == 0)
			rc = call(image, rows[i].path, rows[i].what);
		if (rc != rows[i].result)
			fail_msg("row %zu, %s: %" PRId64 " instead of %" PRId64, i, rows[i].path, rc, rows[i].result);
		rafs_image_close(image);
	}
	rafs_image_close(good);
	free(changed);
	free(bytes);
}

#define FILE_PATH "chunks/text-1048577" /* two chunks of 1 MiB and 1 byte */
#define DIR_PATH "deep"
#define LINK_PATH "links/long"
#define HARD_PATH "links/hard-a"

static void test_inodes(void **state)
{
	static const struct row rows[] = {
		{ FILE_PATH, RECORD, 0x28, 8, 0, LOOKUP, -EUCLEAN }, /* inode number */
		{ FILE_PATH, RECORD, 0x28, 8, 1 << 20, LOOKUP, -EUCLEAN },
		{ FILE_PATH, RECORD, 0x28, 8, 3, LOOKUP, -EUCLEAN },
		{ FILE_PATH, RECORD, 0x20, 8, 0, LOOKUP, -EUCLEAN }, /* parent */
		{ FILE_PATH, RECORD, 0x20, 8, 1, LOOKUP, -EUCLEAN },
		{ FILE_PATH, RECORD, 0x20, 8, UINT64_MAX, LOOKUP, -EUCLEAN },
		{ FILE_PATH, RECORD, 0x3c, 4, 0644, LOOKUP, -EUCLEAN }, /* mode */
		{ FILE_PATH, RECORD, 0x3c, 4, 0170644, LOOKUP, -EUCLEAN },
		{ FILE_PATH, RECORD, 0x40, 8, UINT64_MAX, LOOKUP, -EUCLEAN }, /* size */
		{ FILE_PATH, RECORD, 0x58, 4, 0, LOOKUP, -EUCLEAN },          /* links */
		{ FILE_PATH, RECORD, 0x60, 4, UINT32_MAX, LOOKUP, -EUCLEAN }, /* chunks */
		{ FILE_PATH, RECORD, 0x64, 2, 0, LOOKUP, -EUCLEAN },          /* name length */
		{ FILE_PATH, RECORD, 0x64, 2, 256, LOOKUP, -EUCLEAN },
		{ FILE_PATH, RECORD, 0x50, 8, 4, LOOKUP, -EUCLEAN }, /* xattrs that are none: a digest for their size */
		{ FILE_PATH, RECORD, 0x6c, 4, UINT32_MAX, LOOKUP, 0 }, /* nanoseconds */
		{ FILE_PATH, NAME, 0, 1, '/', LOOKUP, -ENOENT },
		{ DIR_PATH, RECORD, 0x5c, 4, 0, LOOKUP, -EUCLEAN }, /* first child */
		{ DIR_PATH, RECORD, 0x5c, 4, 1, LOOKUP, -EUCLEAN },
		{ DIR_PATH, RECORD, 0x5c, 4, UINT32_MAX, LOOKUP, -EUCLEAN },
		{ DIR_PATH, RECORD, 0x60, 4, UINT32_MAX, LOOKUP, -EUCLEAN },
		{ DIR_PATH, RECORD, 0x60, 4, 2, LIST, -EUCLEAN }, /* someone else's child */
		{ DIR_PATH "/level0", NAME, 0, 1, '/', LOOKUP, -ENOENT },
		{ LINK_PATH, RECORD, 0x66, 2, 0, LOOKUP, -EUCLEAN },
		{ LINK_PATH, RECORD, 0x66, 2, 5, VERIFY, -EIO },
		{ LINK_PATH, TARGET, 3, 1, 0, LINK, -EUCLEAN },
		{ LINK_PATH, TARGET, 3, 1, '!', VERIFY, -EIO },
		{ FILE_PATH, RECORD, 0, 1, 0, VERIFY, -EIO },
		{ FILE_PATH, CHUNK, 0, 4, 0, VERIFY, -EIO },
		{ DIR_PATH, RECORD, 0, 4, 0, VERIFY, -EIO },
		{ "", RECORD, 0, 4, 0, VERIFY, -EIO },
		{ HARD_PATH, RECORD, 0x58, 4, 1, LOOKUP, 0 },
	};

	(void)state;
	try_rows(BOOT, rows, sizeof(rows) / sizeof(rows[0]));
}

static void test_chunks(void **state)
{
	static const struct row rows[] = {
		{ FILE_PATH, CHUNK, 0x20, 4, 1, READ, -EUCLEAN }, /* blob */
		{ FILE_PATH, CHUNK, 0x20, 4, UINT32_MAX, READ, -EUCLEAN },
		{ FILE_PATH, CHUNK, 0x24, 4, 0x15, READ, -EUCLEAN }, /* flags: encrypted */
		{ FILE_PATH, CHUNK, 0x24, 4, 0x19, READ, -EUCLEAN }, /* batch */
		{ FILE_PATH, CHUNK, 0x24, 4, 0x31, READ, -EUCLEAN },
		{ FILE_PATH, CHUNK, 0x24, 4, 0x10, READ, -EUCLEAN }, /* raw, of another size */
		{ FILE_PATH, CHUNK, 0x28, 4, 0, READ, -EUCLEAN },    /* sizes */
		{ FILE_PATH, CHUNK, 0x28, 4, UINT32_MAX, READ, -EUCLEAN },
		{ FILE_PATH, CHUNK, 0x28, 4, 0x1100000, READ, -EUCLEAN },
		{ FILE_PATH, CHUNK, 0x2c, 4, 0, READ, -EUCLEAN },
		{ FILE_PATH, CHUNK, 0x2c, 4, 0x100001, READ, -EUCLEAN },
		{ FILE_PATH, CHUNK, 0x2c, 4, 0xfffff, READ, -EUCLEAN },
		{ FILE_PATH, CHUNK, 0x2c, 4, UINT32_MAX, READ, -EUCLEAN },
		{ FILE_PATH, CHUNK, 0x30, 8, UINT64_C(1) << 39, READ, -EUCLEAN }, /* offsets */
		{ FILE_PATH, CHUNK, 0x30, 8, UINT64_MAX, READ, -EUCLEAN },
		{ FILE_PATH, CHUNK, 0x38, 8, UINT64_C(1) << 43, READ, -EUCLEAN },
		{ FILE_PATH, CHUNK, 0x38, 8, UINT64_MAX - 5, READ, -EUCLEAN },
		{ FILE_PATH, CHUNK, 0x40, 8, 1, READ, -EUCLEAN }, /* place in the file */
		{ FILE_PATH, LAST_CHUNK, 0x40, 8, 0, READ_END, -EUCLEAN },
		{ FILE_PATH, LAST_CHUNK, 0x40, 8, UINT64_MAX, READ_END, -EUCLEAN },
		{ FILE_PATH, LAST_CHUNK, 0x2c, 4, 2, READ_END, -EUCLEAN },
		{ FILE_PATH, CHUNK, 0x48, 4, 100000, READ, -EUCLEAN }, /* index */
		{ FILE_PATH, CHUNK, 0x48, 4, UINT32_MAX, READ, -EUCLEAN },
		{ FILE_PATH, CHUNK, 0x24, 4, 0x2, READ, 0 }, /* a hole */
	};

	(void)state;
	try_rows(BOOT, rows, sizeof(rows) / sizeof(rows[0]));
}

/* An image of which something was changed; bytes stay the caller's. */
static struct rafs_image *changed_image(const unsigned char *bytes, size_t size)
{
	struct rafs_image *image = NULL;
	struct graft_error err = { 0 };

	if (walk_open_bytes(&image, bytes, size, &err) != 0)
		fail_msg("%s", err.text);
	return image;
}

static struct rafs_inode inode_of(const char *boot, const char *path)
{
	struct rafs_image *image = walk_open(boot);
	struct rafs_inode inode;

	assert_int_equal(walk_path(image, path, &inode), 0);
	rafs_image_close(image);
	return inode;
}

/* Pairs that are bad, no pairs, or too long for a value. */
static void test_xattrs(void **state)
{
	size_t size;
	unsigned char *bytes = walk_bytes(BOOT, &size), *block;
	struct rafs_inode inode = inode_of(BOOT, "xattr/user");
	struct rafs_image *image;
	uint32_t first;
	static char room[RAFS_XATTR_MAX];

	(void)state;
	block = bytes + inode.xattr_at;
	first = bytes_u32(block);
	assert_true(4 + first < inode.xattr_size);
	/* The second pair says it is longer than the block: the first is there, the others are not known. */
	put(block + 4 + first, 4, UINT32_MAX);
	image = changed_image(bytes, size);
	assert_true(rafs_xattr_get(image, &inode, (char *)block + 4, room, sizeof(room)) > 0);
	assert_int_equal(rafs_xattr_list(image, &inode, room, sizeof(room)), strlen((char *)block + 4) + 1);
	assert_int_equal(rafs_xattr_get(image, &inode, "user.other", room, sizeof(room)), -EUCLEAN);
	rafs_image_close(image);
	/* The first pair has no NUL: it is passed over. */
	memset(block + 4, 'x', first);
	put(block + 4 + first, 4, 0);
	inode.xattr_size = 4 + first + 4;
	image = changed_image(bytes, size);
	assert_int_equal(rafs_xattr_list(image, &inode, room, sizeof(room)), 0);
	assert_int_equal(rafs_xattr_get(image, &inode, "user.other", room, sizeof(room)), -ENODATA);
	rafs_image_close(image);
	/* A block that ends within a length. */
	inode.xattr_size--;
	image = changed_image(bytes, size);
	assert_int_equal(rafs_xattr_get(image, &inode, "user.other", room, sizeof(room)), -EUCLEAN);
	rafs_image_close(image);
	/* A total that wraps when it is rounded. */
	put(block - 8, 8, UINT64_MAX - 3);
	image = changed_image(bytes, size);
	assert_int_equal(call(image, "xattr/user", LOOKUP), -EUCLEAN);
	rafs_image_close(image);
	free(bytes);
}

/* A file of three chunks and their places: what no record covers reads as zeros. */
static void test_holes(void **state)
{
	const char *boot = "v5-chunk4k/boot", *path = "sizes/text-65536";
	size_t size;
	unsigned char *bytes = walk_bytes(boot, &size), *chunk;
	struct rafs_inode inode = inode_of(boot, path);
	struct rafs_extent e;
	struct rafs_image *image;

	(void)state;
	assert_int_equal(inode.count, 16);
	chunk = bytes + inode.data_at;
	/* Records 0, 1, 2: at 0, at 5 chunks, at 15 chunks. */
	put(bytes + inode.at + 0x60, 4, 3);
	put(chunk + 80 + 0x40, 8, 5 * 4096);
	put(chunk + 160 + 0x40, 8, 15 * 4096);
	image = changed_image(bytes, size);
	assert_int_equal(walk_path(image, path, &inode), 0);
	assert_int_equal(rafs_extent_at(image, &inode, 4095, &e), 0);
	assert_false(e.hole);
	assert_true(e.complete);
	assert_int_equal(rafs_extent_at(image, &inode, 4096, &e), 0);
	assert_true(e.hole);
	assert_int_equal(e.file_off, 4096);
	assert_int_equal(e.len, 4 * 4096);
	assert_int_equal(rafs_extent_at(image, &inode, 6 * 4096 - 1, &e), 0);
	assert_false(e.hole);
	assert_int_equal(e.file_off, 5 * 4096);
	assert_int_equal(rafs_extent_at(image, &inode, 14 * 4096, &e), 0);
	assert_true(e.hole);
	assert_int_equal(e.len, 9 * 4096);
	assert_int_equal(rafs_extent_at(image, &inode, 65535, &e), 0);
	assert_false(e.hole);
	rafs_image_close(image);
	/* The last one before the end, and the first not at 0. */
	put(chunk + 0x40, 8, 4096);
	put(chunk + 160 + 0x40, 8, 13 * 4096);
	image = changed_image(bytes, size);
	assert_int_equal(rafs_extent_at(image, &inode, 0, &e), 0);
	assert_true(e.hole && e.len == 4096);
	assert_int_equal(rafs_extent_at(image, &inode, 65535, &e), 0);
	assert_true(e.hole && e.file_off == 14 * 4096 && e.len == 2 * 4096);
	rafs_image_close(image);
	/* Records that overlap are none. */
	put(chunk + 80 + 0x40, 8, 4096 + 100);
	image = changed_image(bytes, size);
	assert_int_equal(rafs_extent_at(image, &inode, 4096, &e), -EUCLEAN);
	assert_int_equal(rafs_extent_at(image, &inode, 4096 + 100, &e), 0);
	rafs_image_close(image);
	/* No records at all. */
	put(bytes + inode.at + 0x60, 4, 0);
	image = changed_image(bytes, size);
	assert_int_equal(walk_path(image, path, &inode), 0);
	assert_int_equal(rafs_extent_at(image, &inode, 77, &e), 0);
	assert_true(e.hole && e.file_off == 0 && e.len == 65536);
	rafs_image_close(image);
	/* With the flag, as many records as chunks may still leave holes. */
	put(bytes + inode.at + 0x60, 4, 16);
	put(bytes + inode.at + 0x50, 8, 8);
	put(chunk + 80 + 0x40, 8, 5 * 4096);
	image = changed_image(bytes, size);
	assert_int_equal(walk_path(image, path, &inode), 0);
	assert_int_equal(rafs_extent_at(image, &inode, 0, &e), 0);
	assert_true(e.hole && e.len == 4096);
	rafs_image_close(image);
	free(bytes);
}

/* No extended blob table: nothing is known of blobs but their ids. */
static void test_old_blobs(void **state)
{
	size_t size;
	unsigned char *bytes = walk_bytes(BOOT, &size);
	const struct rafs_blob_info *blob;
	struct rafs_image *image;
	struct rafs_inode inode;
	struct rafs_extent e;

	(void)state;
	put(bytes + 0x44, 4, 0);
	image = changed_image(bytes, size);
	blob = rafs_image_blob(image, 0);
	assert_int_equal(strlen(blob->id), 64);
	assert_string_equal(blob->id, blob->meta_id);
	assert_int_equal(blob->chunk_count, 0);
	assert_int_equal(blob->c_size + blob->u_size + blob->data_end, 0);
	assert_int_equal(walk_path(image, FILE_PATH, &inode), 0);
	assert_int_equal(rafs_extent_at(image, &inode, 0, &e), 0);
	rafs_image_close(image);
	walk_compare(image = changed_image(bytes, size), "expected.jsonl");
	rafs_image_close(image);
	/* Offsets have their bounds all the same. */
	put(bytes + inode.data_at + 0x30, 8, (UINT64_C(1) << 40) - 1);
	image = changed_image(bytes, size);
	assert_int_equal(rafs_extent_at(image, &inode, 0, &e), -EUCLEAN);
	rafs_image_close(image);
	free(bytes);
}

/* gzip chunks of unknown size: as much as they can be, or to where the blob's data ends. */
static void test_stargz(void **state)
{
	size_t size;
	unsigned char *bytes = walk_bytes(BOOT, &size);
	struct rafs_inode inode = inode_of(BOOT, FILE_PATH), small = inode_of(BOOT, "sizes/text-512");
	struct rafs_image *image;
	struct rafs_extent e;
	uint64_t end;

	(void)state;
	put(bytes + 0x10, 8, (bytes_u64(bytes + 0x10) & ~UINT64_C(0xc3)) | 0x40);
	put(bytes + inode.data_at + 0x28, 4, 0);
	put(bytes + small.data_at + 0x28, 4, 0);
	put(bytes + small.data_at + 0x24, 4, 0x11);
	image = changed_image(bytes, size);
	assert_int_equal(rafs_image_blob(image, 0)->compressor, RAFS_GZIP);
	end = rafs_image_blob(image, 0)->data_end;
	assert_int_equal(rafs_extent_at(image, &inode, 0, &e), 0);
	assert_int_equal(e.chunk.c_size, end - e.chunk.c_off);
	assert_int_equal(rafs_extent_at(image, &small, 0, &e), 0);
	assert_int_equal(e.chunk.c_size, codec_stargz_bound(512));
	rafs_image_close(image);
	/* A chunk that begins where no data is any more. */
	put(bytes + small.data_at + 0x30, 8, end);
	image = changed_image(bytes, size);
	assert_int_equal(rafs_extent_at(image, &small, 0, &e), -EUCLEAN);
	rafs_image_close(image);
	free(bytes);
}

/* Ids that only the file's name tells (reference 3.7). */
static void test_origin(void **state)
{
	static const struct {
		uint32_t features;
		bool inlined;
		const char *name, *id; /* NULL: refused; "": the table's own */
	} rows[] = {
		{ 0x40000000, false, "boot", "" },
		{ 0x40000000, true, "blob-name", "" },
		{ 0x50000002, false, "from-boot", "from-boot" },
		{ 0x50000002, true, "blob-name", "blob-name" },
		{ 0, true, "blob-name", "blob-name" },
		{ 0, false, "boot", "" },
		{ 0x40000802, true, "blob-name", "" },
		{ 0x50000002, true, "", NULL },
	};
	size_t size, i;
	unsigned char *bytes = walk_bytes(BOOT, &size);
	uint64_t ext = bytes_u64(bytes + 0x48);

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct rafs_image *image = NULL;
		struct graft_error err = { 0 };
		struct image_memory m;
		int rc;

		put(bytes + ext + 4, 4, rows[i].features);
		assert_true(image_memory_init(&m, bytes, size, rows[i].name));
		m.origin.inlined = rows[i].inlined;
		rc = rafs_image_open(&image, &m.origin, &err);
		assert_int_equal(rc, rows[i].id ? 0 : -EINVAL);
		if (rc == 0 && *rows[i].id)
			assert_string_equal(rafs_image_blob(image, 0)->id, rows[i].id);
		else if (rc == 0)
			assert_int_equal(strlen(rafs_image_blob(image, 0)->id), 64);
		if (rc == 0 && rows[i].features & RAFS_BLOB_TAR_HEADER)
			assert_int_equal(rafs_image_blob(image, 0)->data_end, rafs_image_blob(image, 0)->c_size - 512);
		rafs_image_close(image);
		image_memory_fini(&m);
	}
	free(bytes);
}

/* The index of a further name is no inode number; whatever a name's own record says, its file is the one of the number.
 */
static void test_hardlinks(void **state)
{
	struct rafs_image *image = walk_open(BOOT);
	struct rafs_inode a, b, other;
	uint64_t ino, unknown = 0, entries;
	size_t size;
	unsigned char *bytes = walk_bytes(BOOT, &size);

	(void)state;
	entries = bytes_u32(bytes + 0x38);
	assert_int_equal(walk_path(image, "links/hard-a", &a), 0);
	assert_int_equal(walk_path(image, "links/hard-b", &b), 0);
	assert_int_equal(a.ino, b.ino);
	assert_int_equal(a.at, b.at);
	assert_int_equal(a.nlink, 3);
	for (ino = 1; ino <= entries; ino++)
		unknown += rafs_inode_get(image, ino, &other) == -ENOENT;
	assert_int_equal(unknown, 2);
	assert_int_equal(rafs_inode_get(image, 0, &other), -ENOENT);
	assert_int_equal(rafs_inode_get(image, entries + 1, &other), -ENOENT);
	assert_int_equal(rafs_inode_get(image, UINT64_MAX, &other), -ENOENT);
	rafs_image_close(image);
	/* A number that leads to a file with one name is a lie of one of them. */
	put(bytes + a.at + 0x58, 4, 1);
	image = changed_image(bytes, size);
	assert_int_equal(call(image, "links/hard-b", LOOKUP) == 0, call(image, "links/hard-a", LOOKUP) != 0);
	rafs_image_close(image);
	free(bytes);
}

static void test_arguments(void **state)
{
	static char long_name[300];
	struct rafs_image *image = walk_open(BOOT);
	struct rafs_inode file, dir, out;
	struct rafs_extent e;
	struct rafs_dirent entry;
	uint64_t cookie = 0, ino;
	char room[8];

	(void)state;
	memset(long_name, 'n', sizeof(long_name));
	assert_int_equal(walk_path(image, FILE_PATH, &file), 0);
	assert_int_equal(walk_path(image, DIR_PATH, &dir), 0);
	assert_int_equal(rafs_lookup(image, &file, "x", 1, &out), -ENOTDIR);
	assert_int_equal(rafs_parent(image, &file, &ino), -ENOTDIR);
	assert_int_equal(rafs_dir_next(image, &file, &cookie, &entry), -ENOTDIR);
	assert_int_equal(rafs_readlink(image, &file, room, sizeof(room)), -EINVAL);
	assert_int_equal(rafs_extent_at(image, &dir, 0, &e), -EINVAL);
	assert_int_equal(rafs_extent_at(image, &file, file.size, &e), -EINVAL);
	assert_int_equal(rafs_lookup(image, &dir, ".", 1, &out), -ENOENT);
	assert_int_equal(rafs_lookup(image, &dir, "..", 2, &out), -ENOENT);
	assert_int_equal(rafs_lookup(image, &dir, "", 0, &out), -ENOENT);
	assert_int_equal(rafs_lookup(image, &dir, "level0/level1", 13, &out), -ENOENT);
	assert_int_equal(rafs_lookup(image, &dir, "level0\0x", 8, &out), -ENOENT);
	assert_int_equal(rafs_lookup(image, &dir, long_name, sizeof(long_name), &out), -ENOENT);
	assert_int_equal(rafs_xattr_get(image, &dir, "user.x", NULL, 0), -ENODATA);
	assert_int_equal(rafs_xattr_list(image, &dir, NULL, 0), 0);
	cookie = 1;
	assert_int_equal(rafs_dir_next(image, &dir, &cookie, &entry), 0);
	cookie = 2;
	assert_int_equal(rafs_dir_next(image, &dir, &cookie, &entry), -EINVAL);
	cookie = UINT64_MAX;
	assert_int_equal(rafs_dir_next(image, &dir, &cookie, &entry), -EINVAL);
	rafs_image_close(image);
}

static void test_prefetch(void **state)
{
	struct rafs_image *image = walk_open("v5-prefetch/boot");
	struct rafs_inode dir, file;

	(void)state;
	assert_int_equal(rafs_image_super(image)->prefetch_entries, 2);
	assert_int_equal(walk_path(image, "chunks", &dir), 0);
	assert_int_equal(walk_path(image, "links/hard-a", &file), 0);
	assert_int_equal(rafs_image_prefetch(image, 0), dir.ino);
	assert_int_equal(rafs_image_prefetch(image, 1), file.ino);
	assert_int_equal(rafs_image_prefetch(image, 2), 0);
	assert_int_equal(rafs_image_prefetch(image, UINT32_MAX), 0);
	rafs_image_close(image);
}

/* That of lib/mapping. cmocka puts its own in its place during each test. */
static struct sigaction sigbus;

static void test_torn(void **state)
{
	char path[] = "/var/tmp/rafs-v5-XXXXXX";
	size_t size;
	unsigned char *bytes = walk_bytes(BOOT, &size);
	struct rafs_origin origin = { .name = "boot" };
	struct rafs_image *image = NULL;
	struct rafs_inode root, out;
	struct rafs_dirent entry;
	struct graft_error err = { 0 };
	uint64_t cookie = 0, ino;
	int fd = mkstemp(path);

	(void)state;
	unlink(path);
	sigaction(SIGBUS, &sigbus, NULL);
	assert_int_equal(write(fd, bytes, size), size);
	assert_int_equal(mapping_open(&origin.map, fd, 0, size, MAPPING_READ, &err), 0);
	assert_int_equal(rafs_image_open(&image, &origin, &err), 0);
	assert_int_equal(rafs_inode_get(image, 1, &root), 0);
	assert_int_equal(ftruncate(fd, 4096), 0);
	assert_int_equal(rafs_inode_get(image, 1, &out), -EIO);
	assert_int_equal(rafs_lookup(image, &root, "deep", 4, &out), -EIO);
	assert_int_equal(rafs_dir_next(image, &root, &cookie, &entry), -EIO);
	assert_int_equal(rafs_parent(image, &root, &ino), -EIO);
	assert_int_equal(rafs_inode_verify(image, &root), -EIO);
	rafs_image_close(image);
	/* Cut between the mapping and the opening. */
	assert_int_equal(pwrite(fd, bytes, size, 0), size);
	assert_int_equal(mapping_open(&origin.map, fd, 0, size, MAPPING_READ, &err), 0);
	assert_int_equal(ftruncate(fd, 4096), 0);
	assert_int_equal(rafs_image_open(&image, &origin, &err), -EIO);
	assert_non_null(strstr(err.text, "cut short"));
	assert_null(origin.map.base);
	close(fd);
	free(bytes);
}

/* Bytes changed at random: whatever is shown then, nothing breaks. */
static void test_flips(void **state)
{
	size_t size, i, n;
	unsigned char *bytes = walk_bytes(BOOT, &size), *changed = malloc(size);
	uint64_t random = 88172645463325252, opened = 0, errors = 0;

	(void)state;
	assert_non_null(changed);
	for (i = 0; i < 300; i++) {
		struct rafs_image *image = NULL;
		struct image_memory m;

		memcpy(changed, bytes, size);
		for (n = 0; n <= i % 4 * 10; n++) {
			random ^= random << 13;
			random ^= random >> 7;
			random ^= random << 17;
			/* Half of them where the superblock and the tables are not. */
			changed[random >> 32 & 1 ? 10500 + (random >> 8) % (size - 10500) : (random >> 8) % size] ^=
				(unsigned char)(1 + random % 255);
		}
		assert_true(image_memory_init(&m, changed, size, "boot"));
		if (rafs_image_open(&image, &m.origin, NULL) == 0) {
			errors += image_touch(image, 100000).errors;
			opened++;
			rafs_image_close(image);
		}
		image_memory_fini(&m);
	}
	assert_true(opened > 100 && errors > 0);
	free(changed);
	free(bytes);
}

static void take_handler(void)
{
	int page = (int)sysconf(_SC_PAGESIZE), fd = fileno(tmpfile());
	struct mapping m;

	if (ftruncate(fd, page) == 0 && mapping_open(&m, fd, 0, 1, MAPPING_READ, NULL) == 0)
		mapping_close(&m);
	sigaction(SIGBUS, NULL, &sigbus);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_super),      cmocka_unit_test(test_short),     cmocka_unit_test(test_blobs),
		cmocka_unit_test(test_blob_count), cmocka_unit_test(test_root),      cmocka_unit_test(test_inodes),
		cmocka_unit_test(test_chunks),     cmocka_unit_test(test_xattrs),    cmocka_unit_test(test_holes),
		cmocka_unit_test(test_old_blobs),  cmocka_unit_test(test_stargz),    cmocka_unit_test(test_origin),
		cmocka_unit_test(test_hardlinks),  cmocka_unit_test(test_arguments), cmocka_unit_test(test_prefetch),
		cmocka_unit_test(test_torn),       cmocka_unit_test(test_flips),
	};

	take_handler();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
