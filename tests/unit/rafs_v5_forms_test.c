/* SPDX-License-Identifier: Apache-2.0 */
/* RAFS v5: forms that are seldom met (xattrs, holes, old blob tables, stargz, hard links), and images torn or changed
 * at random. */
#include "rafs/bytes.h"
#include "rafs/codec/codec.h"
#include "rafs_image_touch.h"
#include "rafs_image_walk.h"
#include "rafs_v5_patch.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* Pairs that are bad, no pairs, or too long for a value. */
static void test_xattrs(void **state)
{
	size_t size;
	unsigned char *bytes = walk_bytes(V5_BOOT, &size), *block;
	struct rafs_inode inode = v5_inode(V5_BOOT, "xattr/user");
	struct rafs_image *image;
	uint32_t first;
	static char room[RAFS_XATTR_MAX];

	(void)state;
	block = bytes + inode.xattr_at;
	first = bytes_u32(block);
	assert_true(4 + first < inode.xattr_size);
	/* The second pair says it is longer than the block: the first is there, the others are not known. */
	v5_put(block + 4 + first, 4, UINT32_MAX);
	image = v5_changed(bytes, size);
	assert_true(rafs_xattr_get(image, &inode, (char *)block + 4, room, sizeof(room)) > 0);
	assert_int_equal(rafs_xattr_list(image, &inode, room, sizeof(room)), strlen((char *)block + 4) + 1);
	assert_int_equal(rafs_xattr_get(image, &inode, "user.other", room, sizeof(room)), -EUCLEAN);
	rafs_image_close(image);
	/* The first pair has no NUL: it is passed over. */
	memset(block + 4, 'x', first);
	v5_put(block + 4 + first, 4, 0);
	inode.xattr_size = 4 + first + 4;
	image = v5_changed(bytes, size);
	assert_int_equal(rafs_xattr_list(image, &inode, room, sizeof(room)), 0);
	assert_int_equal(rafs_xattr_get(image, &inode, "user.other", room, sizeof(room)), -ENODATA);
	rafs_image_close(image);
	/* A block that ends within a length. */
	inode.xattr_size--;
	image = v5_changed(bytes, size);
	assert_int_equal(rafs_xattr_get(image, &inode, "user.other", room, sizeof(room)), -EUCLEAN);
	rafs_image_close(image);
	/* A total that wraps when it is rounded. */
	v5_put(block - 8, 8, UINT64_MAX - 3);
	image = v5_changed(bytes, size);
	assert_int_equal(v5_call(image, "xattr/user", V5_LOOKUP), -EUCLEAN);
	rafs_image_close(image);
	free(bytes);
}

/* A file of three chunks and their places: what no record covers reads as zeros. */
static void test_holes(void **state)
{
	const char *boot = "v5-chunk4k/boot", *path = "sizes/text-65536";
	size_t size;
	unsigned char *bytes = walk_bytes(boot, &size), *chunk;
	struct rafs_inode inode = v5_inode(boot, path);
	struct rafs_extent e;
	struct rafs_image *image;

	(void)state;
	assert_int_equal(inode.count, 16);
	chunk = bytes + inode.data_at;
	/* Records 0, 1, 2: at 0, at 5 chunks, at 15 chunks. */
	v5_put(bytes + inode.at + 0x60, 4, 3);
	v5_put(chunk + 80 + 0x40, 8, 5 * 4096);
	v5_put(chunk + 160 + 0x40, 8, 15 * 4096);
	image = v5_changed(bytes, size);
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
	v5_put(chunk + 0x40, 8, 4096);
	v5_put(chunk + 160 + 0x40, 8, 13 * 4096);
	image = v5_changed(bytes, size);
	assert_int_equal(rafs_extent_at(image, &inode, 0, &e), 0);
	assert_true(e.hole && e.len == 4096);
	assert_int_equal(rafs_extent_at(image, &inode, 65535, &e), 0);
	assert_true(e.hole && e.file_off == 14 * 4096 && e.len == 2 * 4096);
	rafs_image_close(image);
	/* Records that overlap are none. */
	v5_put(chunk + 80 + 0x40, 8, 4096 + 100);
	image = v5_changed(bytes, size);
	assert_int_equal(rafs_extent_at(image, &inode, 4096, &e), -EUCLEAN);
	assert_int_equal(rafs_extent_at(image, &inode, 4096 + 100, &e), 0);
	rafs_image_close(image);
	/* No records at all. */
	v5_put(bytes + inode.at + 0x60, 4, 0);
	image = v5_changed(bytes, size);
	assert_int_equal(walk_path(image, path, &inode), 0);
	assert_int_equal(rafs_extent_at(image, &inode, 77, &e), 0);
	assert_true(e.hole && e.file_off == 0 && e.len == 65536);
	rafs_image_close(image);
	/* With the flag, as many records as chunks may still leave holes. */
	v5_put(bytes + inode.at + 0x60, 4, 16);
	v5_put(bytes + inode.at + 0x50, 8, 8);
	v5_put(chunk + 80 + 0x40, 8, 5 * 4096);
	image = v5_changed(bytes, size);
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
	unsigned char *bytes = walk_bytes(V5_BOOT, &size);
	const struct rafs_blob_info *blob;
	struct rafs_image *image;
	struct rafs_inode inode;
	struct rafs_extent e;

	(void)state;
	v5_put(bytes + 0x44, 4, 0);
	image = v5_changed(bytes, size);
	blob = rafs_image_blob(image, 0);
	assert_int_equal(strlen(blob->id), 64);
	assert_string_equal(blob->id, blob->meta_id);
	assert_int_equal(blob->chunk_count, 0);
	assert_int_equal(blob->c_size + blob->u_size + blob->data_end, 0);
	assert_int_equal(walk_path(image, V5_FILE, &inode), 0);
	assert_int_equal(rafs_extent_at(image, &inode, 0, &e), 0);
	rafs_image_close(image);
	walk_compare(image = v5_changed(bytes, size), "expected.jsonl");
	rafs_image_close(image);
	/* Offsets have their bounds all the same. */
	v5_put(bytes + inode.data_at + 0x30, 8, (UINT64_C(1) << 40) - 1);
	image = v5_changed(bytes, size);
	assert_int_equal(rafs_extent_at(image, &inode, 0, &e), -EUCLEAN);
	rafs_image_close(image);
	free(bytes);
}

/* gzip chunks of unknown size: as much as they can be, or to where the blob's data ends. */
static void test_stargz(void **state)
{
	size_t size;
	unsigned char *bytes = walk_bytes(V5_BOOT, &size);
	struct rafs_inode inode = v5_inode(V5_BOOT, V5_FILE), small = v5_inode(V5_BOOT, "sizes/text-512");
	struct rafs_image *image;
	struct rafs_extent e;
	uint64_t end;

	(void)state;
	v5_put(bytes + 0x10, 8, (bytes_u64(bytes + 0x10) & ~UINT64_C(0xc3)) | 0x40);
	v5_put(bytes + inode.data_at + 0x28, 4, 0);
	v5_put(bytes + small.data_at + 0x28, 4, 0);
	v5_put(bytes + small.data_at + 0x24, 4, 0x11);
	image = v5_changed(bytes, size);
	assert_int_equal(rafs_image_blob(image, 0)->compressor, RAFS_GZIP);
	end = rafs_image_blob(image, 0)->data_end;
	assert_int_equal(rafs_extent_at(image, &inode, 0, &e), 0);
	assert_int_equal(e.chunk.c_size, end - e.chunk.c_off);
	assert_int_equal(rafs_extent_at(image, &small, 0, &e), 0);
	assert_int_equal(e.chunk.c_size, codec_stargz_bound(512));
	rafs_image_close(image);
	/* A chunk that begins where no data is any more. */
	v5_put(bytes + small.data_at + 0x30, 8, end);
	image = v5_changed(bytes, size);
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
	unsigned char *bytes = walk_bytes(V5_BOOT, &size);
	uint64_t ext = bytes_u64(bytes + 0x48);

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct rafs_image *image = NULL;
		struct graft_error err = { 0 };
		struct image_memory m;
		int rc;

		v5_put(bytes + ext + 4, 4, rows[i].features);
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
	struct rafs_image *image = walk_open(V5_BOOT);
	struct rafs_inode a, b, other;
	uint64_t ino, unknown = 0, entries;
	size_t size;
	unsigned char *bytes = walk_bytes(V5_BOOT, &size);

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
	v5_put(bytes + a.at + 0x58, 4, 1);
	image = v5_changed(bytes, size);
	assert_int_equal(v5_call(image, "links/hard-b", V5_LOOKUP) == 0,
			 v5_call(image, "links/hard-a", V5_LOOKUP) != 0);
	rafs_image_close(image);
	free(bytes);
}

static void test_arguments(void **state)
{
	static char long_name[300];
	struct rafs_image *image = walk_open(V5_BOOT);
	struct rafs_inode file, dir, out;
	struct rafs_extent e;
	struct rafs_dirent entry;
	uint64_t cookie = 0, ino;
	char room[8];

	(void)state;
	memset(long_name, 'n', sizeof(long_name));
	assert_int_equal(walk_path(image, V5_FILE, &file), 0);
	assert_int_equal(walk_path(image, V5_DIR, &dir), 0);
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
	unsigned char *bytes = walk_bytes(V5_BOOT, &size);
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
	unsigned char *bytes = walk_bytes(V5_BOOT, &size), *changed = malloc(size);
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
		cmocka_unit_test(test_xattrs),    cmocka_unit_test(test_holes),    cmocka_unit_test(test_old_blobs),
		cmocka_unit_test(test_stargz),    cmocka_unit_test(test_origin),   cmocka_unit_test(test_hardlinks),
		cmocka_unit_test(test_arguments), cmocka_unit_test(test_prefetch), cmocka_unit_test(test_torn),
		cmocka_unit_test(test_flips),
	};

	take_handler();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
