/* SPDX-License-Identifier: Apache-2.0 */
/* RAFS v5 images with one field wrong: what is refused, by whom and with what words. */
#include "rafs/bytes.h"
#include "rafs_image_walk.h"
#include "rafs_v5_patch.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MERGED "v5-merged/boot"

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
	unsigned char *bytes = walk_bytes(V5_BOOT, &size), saved[8];

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct rafs_image *image = NULL;
		struct graft_error err = { 0 };
		int rc;

		memcpy(saved, bytes + rows[i].at, sizeof(saved));
		v5_put(bytes + rows[i].at, rows[i].width, rows[i].value);
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
	unsigned char *bytes = walk_bytes(V5_BOOT, &size);

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
		v5_put(at, rows[i].width, rows[i].value);
		image = NULL;
		rc = walk_open_bytes(&image, bytes, size, &err);
		if (rc != (rows[i].text ? -EINVAL : 0) || (rows[i].text && !strstr(err.text, rows[i].text)))
			fail_msg("row %zu: %d %s", i, rc, err.text);
		rafs_image_close(image);
		memcpy(at, saved, sizeof(saved));
	}
	/* Two blobs, one extended entry. */
	v5_put(bytes + 0x44, 4, 1);
	assert_int_equal(walk_open_bytes(&image, bytes, size, &err), -EINVAL);
	assert_non_null(strstr(err.text, "1 entries for 2 blobs"));
	free(bytes);
}

/* As many blobs as there may be, and one more, each of a one-letter id, in a table at the end of the file. */
static void test_blob_count(void **state)
{
	size_t size, i;
	unsigned char *bytes = walk_bytes(V5_BOOT, &size), *more = calloc(1, size + 255 * 10);
	struct rafs_image *none = NULL;
	uint32_t count;

	(void)state;
	assert_non_null(more);
	memcpy(more, bytes, size);
	for (i = 0; i < 255; i++)
		more[size + i * 10 + 8] = 'b';
	v5_put(more + 0x30, 8, size);
	v5_put(more + 0x44, 4, 0);
	v5_put(more + 0x40, 4, 10);
	more[size + 8] = '.';
	assert_int_equal(walk_open_bytes(&none, more, size + 255 * 10, NULL), -EINVAL);
	more[size + 8] = 'b';
	for (count = 254; count <= 255; count++) {
		struct rafs_image *image = NULL;
		struct graft_error err = { 0 };

		v5_put(more + 0x40, 4, count * 10);
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
	unsigned char *bytes = walk_bytes(V5_BOOT, &size);
	uint64_t table = bytes_u64(bytes + 0x20);
	uint32_t good = bytes_u32(bytes + table);

	(void)state;
	for (i = 0; i <= sizeof(values) / sizeof(values[0]); i++) {
		struct rafs_image *image = NULL;
		struct graft_error err = { 0 };

		/* Last: a root that is a file. */
		if (i < sizeof(values) / sizeof(values[0]))
			v5_put(bytes + table, 4, values[i]);
		else
			v5_put(bytes + (uint64_t)good * 8 + 0x3c, 4, 0100644);
		assert_int_equal(walk_open_bytes(&image, bytes, size, &err), -EINVAL);
		assert_non_null(strstr(err.text, "root"));
		v5_put(bytes + table, 4, good);
	}
	free(bytes);
}

enum where { RECORD, NAME, CHUNK, LAST_CHUNK, TARGET, XATTRS };

/* One field of what belongs to a path, and the result of one call for it. */
struct row {
	const char *path;
	enum where where;
	unsigned int at, width;
	uint64_t value;
	enum v5_what what;
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
		v5_put(changed + place(&inode, rows[i].where) + rows[i].at, rows[i].width, rows[i].value);
		rc = walk_open_bytes(&image, changed, size, &err);
		if (rc == 0)
			rc = v5_call(image, rows[i].path, rows[i].what);
		if (rc != rows[i].result)
			fail_msg("row %zu, %s: %" PRId64 " instead of %" PRId64, i, rows[i].path, rc, rows[i].result);
		rafs_image_close(image);
	}
	rafs_image_close(good);
	free(changed);
	free(bytes);
}

#define LINK_PATH "links/long"
#define HARD_PATH "links/hard-a"

static void test_inodes(void **state)
{
	static const struct row rows[] = {
		{ V5_FILE, RECORD, 0x28, 8, 0, V5_LOOKUP, -EUCLEAN }, /* inode number */
		{ V5_FILE, RECORD, 0x28, 8, 1 << 20, V5_LOOKUP, -EUCLEAN },
		{ V5_FILE, RECORD, 0x28, 8, 3, V5_LOOKUP, -EUCLEAN },
		{ V5_FILE, RECORD, 0x20, 8, 0, V5_LOOKUP, -EUCLEAN }, /* parent */
		{ V5_FILE, RECORD, 0x20, 8, 1, V5_LOOKUP, -EUCLEAN },
		{ V5_FILE, RECORD, 0x20, 8, UINT64_MAX, V5_LOOKUP, -EUCLEAN },
		{ V5_FILE, RECORD, 0x3c, 4, 0644, V5_LOOKUP, -EUCLEAN }, /* mode */
		{ V5_FILE, RECORD, 0x3c, 4, 0170644, V5_LOOKUP, -EUCLEAN },
		{ V5_FILE, RECORD, 0x40, 8, UINT64_MAX, V5_LOOKUP, -EUCLEAN }, /* size */
		{ V5_FILE, RECORD, 0x58, 4, 0, V5_LOOKUP, -EUCLEAN },          /* links */
		{ V5_FILE, RECORD, 0x60, 4, UINT32_MAX, V5_LOOKUP, -EUCLEAN }, /* chunks */
		{ V5_FILE, RECORD, 0x64, 2, 0, V5_LOOKUP, -EUCLEAN },          /* name length */
		{ V5_FILE, RECORD, 0x64, 2, 256, V5_LOOKUP, -EUCLEAN },
		{ V5_FILE, RECORD, 0x50, 8, 4, V5_LOOKUP,
		  -EUCLEAN }, /* xattrs that are none: a digest for their size */
		{ V5_FILE, RECORD, 0x6c, 4, UINT32_MAX, V5_LOOKUP, 0 }, /* nanoseconds */
		{ V5_FILE, NAME, 0, 1, '/', V5_LOOKUP, -ENOENT },
		{ V5_DIR, RECORD, 0x5c, 4, 0, V5_LOOKUP, -EUCLEAN }, /* first child */
		{ V5_DIR, RECORD, 0x5c, 4, 1, V5_LOOKUP, -EUCLEAN },
		{ V5_DIR, RECORD, 0x5c, 4, UINT32_MAX, V5_LOOKUP, -EUCLEAN },
		{ V5_DIR, RECORD, 0x60, 4, UINT32_MAX, V5_LOOKUP, -EUCLEAN },
		{ V5_DIR, RECORD, 0x60, 4, 2, V5_LIST, -EUCLEAN }, /* someone else's child */
		{ V5_DIR "/level0", NAME, 0, 1, '/', V5_LOOKUP, -ENOENT },
		{ LINK_PATH, RECORD, 0x66, 2, 0, V5_LOOKUP, -EUCLEAN },
		{ LINK_PATH, RECORD, 0x66, 2, 5, V5_VERIFY, -EIO },
		{ LINK_PATH, TARGET, 3, 1, 0, V5_LINK, -EUCLEAN },
		{ LINK_PATH, TARGET, 3, 1, '!', V5_VERIFY, -EIO },
		{ V5_FILE, RECORD, 0, 1, 0, V5_VERIFY, -EIO },
		{ V5_FILE, CHUNK, 0, 4, 0, V5_VERIFY, -EIO },
		{ V5_DIR, RECORD, 0, 4, 0, V5_VERIFY, -EIO },
		{ "", RECORD, 0, 4, 0, V5_VERIFY, -EIO },
		{ HARD_PATH, RECORD, 0x58, 4, 1, V5_LOOKUP, 0 },
	};

	(void)state;
	try_rows(V5_BOOT, rows, sizeof(rows) / sizeof(rows[0]));
}

static void test_chunks(void **state)
{
	static const struct row rows[] = {
		{ V5_FILE, CHUNK, 0x20, 4, 1, V5_READ, -EUCLEAN }, /* blob */
		{ V5_FILE, CHUNK, 0x20, 4, UINT32_MAX, V5_READ, -EUCLEAN },
		{ V5_FILE, CHUNK, 0x24, 4, 0x15, V5_READ, -EUCLEAN }, /* flags: encrypted */
		{ V5_FILE, CHUNK, 0x24, 4, 0x19, V5_READ, -EUCLEAN }, /* batch */
		{ V5_FILE, CHUNK, 0x24, 4, 0x31, V5_READ, -EUCLEAN },
		{ V5_FILE, CHUNK, 0x24, 4, 0x10, V5_READ, -EUCLEAN }, /* raw, of another size */
		{ V5_FILE, CHUNK, 0x28, 4, 0, V5_READ, -EUCLEAN },    /* sizes */
		{ V5_FILE, CHUNK, 0x28, 4, UINT32_MAX, V5_READ, -EUCLEAN },
		{ V5_FILE, CHUNK, 0x28, 4, 0x1100000, V5_READ, -EUCLEAN },
		{ V5_FILE, CHUNK, 0x2c, 4, 0, V5_READ, -EUCLEAN },
		{ V5_FILE, CHUNK, 0x2c, 4, 0x100001, V5_READ, -EUCLEAN },
		{ V5_FILE, CHUNK, 0x2c, 4, 0xfffff, V5_READ, -EUCLEAN },
		{ V5_FILE, CHUNK, 0x2c, 4, UINT32_MAX, V5_READ, -EUCLEAN },
		{ V5_FILE, CHUNK, 0x30, 8, UINT64_C(1) << 39, V5_READ, -EUCLEAN }, /* offsets */
		{ V5_FILE, CHUNK, 0x30, 8, UINT64_MAX, V5_READ, -EUCLEAN },
		{ V5_FILE, CHUNK, 0x38, 8, UINT64_C(1) << 43, V5_READ, -EUCLEAN },
		{ V5_FILE, CHUNK, 0x38, 8, UINT64_MAX - 5, V5_READ, -EUCLEAN },
		{ V5_FILE, CHUNK, 0x40, 8, 1, V5_READ, -EUCLEAN }, /* place in the file */
		{ V5_FILE, LAST_CHUNK, 0x40, 8, 0, V5_READ_END, -EUCLEAN },
		{ V5_FILE, LAST_CHUNK, 0x40, 8, UINT64_MAX, V5_READ_END, -EUCLEAN },
		{ V5_FILE, LAST_CHUNK, 0x2c, 4, 2, V5_READ_END, -EUCLEAN },
		{ V5_FILE, CHUNK, 0x48, 4, 100000, V5_READ, -EUCLEAN }, /* index */
		{ V5_FILE, CHUNK, 0x48, 4, UINT32_MAX, V5_READ, -EUCLEAN },
		{ V5_FILE, CHUNK, 0x24, 4, 0x2, V5_READ, 0 }, /* a hole */
	};

	(void)state;
	try_rows(V5_BOOT, rows, sizeof(rows) / sizeof(rows[0]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_super),      cmocka_unit_test(test_short), cmocka_unit_test(test_blobs),
		cmocka_unit_test(test_blob_count), cmocka_unit_test(test_root),  cmocka_unit_test(test_inodes),
		cmocka_unit_test(test_chunks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
