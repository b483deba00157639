/* SPDX-License-Identifier: Apache-2.0 */
/* v6 images with one field changed: what is refused when it is opened, and by which text; what is taken. */
#include "rafs_image_walk.h"
#include "rafs_v6_patch.h"

#include "rafs/bytes.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Where tables are in the fixtures used here. */
#define SUPER 1024
#define EXT 1152
#define SLOTS 1408
#define BLOBS 4096

struct row {
	const char *image;
	uint32_t at, size; /* bytes */
	uint64_t value;
	const char *text; /* in the error; NULL: the image is taken */
};

#define ONE "v6-zstd"
#define TWO "v6-merged"
#define TAR "extra-v6-tarfs"
#define NONE "extra-v6-empty"
#define PRE "v6-prefetch"
#define KEY "v6-encrypt"

static const struct row rows[] = {
	/* The superblock. */
	{ ONE, SUPER + 0x00, 4, 0xE0F5E1E3, "magic" },
	{ ONE, SUPER + 0x04, 4, 1, "checksum is 0x1, must be 0x0" },
	{ ONE, SUPER + 0x08, 4, 0, "lack 0x40000000" },
	{ ONE, SUPER + 0x08, 4, 0x40000001, NULL },
	{ ONE, SUPER + 0x0c, 1, 10, "block size bits are 10, must be 9 or 12" },
	{ ONE, SUPER + 0x0c, 1, 9, "must be 4096 outside TARFS mode" },
	{ TAR, SUPER + 0x0c, 1, 12, "inodes begin at 65536" },
	{ TAR, EXT + 0x00, 8, 0x1000039, "must be 4096 outside TARFS mode" },
	{ ONE, SUPER + 0x0d, 1, 1, "extension slots is 0x1" },
	{ ONE, SUPER + 0x0e, 2, 0, "root inode 0 is not in the file" },
	{ ONE, SUPER + 0x0e, 2, 0xffff, "root inode 65535 is not in the file" },
	{ ONE, SUPER + 0x0e, 2, 2, "root inode 2 is not a valid inode" },
	{ ONE, SUPER + 0x10, 8, 0, "number of inodes is 0" },
	{ ONE, SUPER + 0x18, 8, 1700000000, NULL }, /* build time */
	{ ONE, SUPER + 0x24, 4, 4096, NULL },
	{ NONE, SUPER + 0x24, 4, 4096, NULL },
	{ NONE, SUPER + 0x24, 4, 1, "1 blocks of data, but no device" },
	{ ONE, SUPER + 0x28, 4, 24, "inodes begin at 98304, behind the end at 94208" },
	{ ONE, SUPER + 0x28, 4, 0xffffffff, "behind the end" },
	{ ONE, SUPER + 0x2c, 4, 1, "shared xattrs is 0x1" },
	{ ONE, SUPER + 0x30, 8, 7, NULL }, /* uuid */
	{ ONE, SUPER + 0x50, 4, 0x4, "incompatible features is 0x4, must be 0xc" },
	{ ONE, SUPER + 0x50, 4, 0x2c, "incompatible features is 0x2c, must be 0xc" },
	{ ONE, SUPER + 0x54, 2, 1, "union" },
	{ ONE, SUPER + 0x56, 2, 0, "no device" },
	{ ONE, SUPER + 0x56, 2, 2, "blob table has 1 entries, device table 2" },
	{ ONE, SUPER + 0x56, 2, 255, "255 devices, can be 254 at most" },
	{ ONE, SUPER + 0x56, 2, 254, "blob table at 4096 lies over the device table at 1408" },
	{ ONE, SUPER + 0x58, 2, 12, "device table slot is 0xc, must be 0xb" },
	/* The extended superblock. */
	{ ONE, EXT + 0x00, 8, 0x10004b4, "flags 0x400" },
	{ ONE, EXT + 0x00, 8, 0x2800000010000b4, "flags 0x280000000000000" },
	{ ONE, EXT + 0x00, 8, 0xfd0000b4, NULL },
	{ ONE, EXT + 0x00, 8, 0x1000034, "exactly one compressor" },
	{ ONE, EXT + 0x00, 8, 0x10000b6, "exactly one compressor" },
	{ ONE, EXT + 0x00, 8, 0x10000b0, "exactly one digester" },
	{ ONE, EXT + 0x00, 8, 0x10000bc, "exactly one digester" },
	{ ONE, EXT + 0x00, 8, 0x10002b4, "must be 512 in TARFS mode" },
	{ ONE, EXT + 0x08, 8, 0, "blob table is at 0" },
	{ ONE, EXT + 0x08, 8, 0x1800, "blob table is at 6144, must be at a multiple of 4096" },
	{ ONE, EXT + 0x08, 8, 0x17000, "goes beyond the end" },
	{ ONE, EXT + 0x08, 8, 0xfffffffffffff000, "goes beyond the end" },
	{ ONE, EXT + 0x10, 4, 0, "blob table has 0 entries, device table 1" },
	{ ONE, EXT + 0x10, 4, 0x80, "must be a multiple of 256" },
	{ ONE, EXT + 0x10, 4, 0x200, "blob table has 2 entries, device table 1" },
	{ ONE, EXT + 0x10, 4, 0xffffff00, "goes beyond the end" },
	{ ONE, EXT + 0x14, 4, 0, "chunk size" },
	{ ONE, EXT + 0x14, 4, 0x800, "chunk size" },
	{ ONE, EXT + 0x14, 4, 0x2000000, "chunk size" },
	{ ONE, EXT + 0x14, 4, 0x3000, "chunk size" },
	{ ONE, EXT + 0x14, 4, 0x200000, "chunk size is 0x100000, must be the superblock's" },
	{ ONE, EXT + 0x18, 8, 0x10010, "chunk table is at 65552" },
	{ ONE, EXT + 0x18, 8, 0x1000, "chunk table at 4096 lies over the blob table" },
	{ ONE, EXT + 0x18, 8, 0x17000, "goes beyond the end" },
	{ ONE, EXT + 0x20, 8, 81, "multiple of 80" },
	{ ONE, EXT + 0x20, 8, 0xfffffffffffffff0, "goes beyond the end" },
	{ ONE, EXT + 0x20, 8, 0, NULL },
	{ ONE, EXT + 0x28, 8, 0x1100, NULL }, /* an empty table may be anywhere */
	{ ONE, EXT + 0x28, 8, UINT64_MAX, NULL },
	{ PRE, EXT + 0x28, 8, 0, NULL },
	{ PRE, EXT + 0x30, 4, 0, NULL },
	{ PRE, EXT + 0x28, 8, 0x800, "prefetch table is at 2048" },
	{ PRE, EXT + 0x28, 8, 0x10fc, "prefetch table at 4348 lies over the blob table" },
	{ PRE, EXT + 0x28, 8, 0x10004, "prefetch table at 65540 lies over the chunk table" },
	{ PRE, EXT + 0x28, 8, 0xfffffffffffffffc, "goes beyond the end" },
	{ PRE, EXT + 0x30, 4, 7, "multiple of 4" },
	{ PRE, EXT + 0x30, 4, 0xfffffffc, "goes beyond the end" },
	/* Device slots. */
	{ ONE, SLOTS + 0, 1, 'z', "device slot 0: its id is not that of entry 0" },
	{ ONE, SLOTS + 64, 4, 0, "device slot 0: has 0 blocks" },
	{ ONE, SLOTS + 68, 4, 0, NULL },
	/* The blob table. */
	{ ONE, BLOBS + 0x00, 1, 0, "id is empty" },
	{ ONE, BLOBS + 0x01, 1, '/', "cannot be one" },
	{ ONE, BLOBS + 0x01, 1, 0xe9, "cannot be one" },
	{ ONE, BLOBS + 0x40, 4, 1, "entry 0: index is 0x1" },
	{ ONE, BLOBS + 0x44, 4, 0x1000, "entry 0: chunk size is 0x1000" },
	{ ONE, BLOBS + 0x48, 4, 0x1000001, "number of chunks" },
	{ ONE, BLOBS + 0x48, 4, 341, "16 bytes for each chunk" },
	{ ONE, BLOBS + 0x4c, 4, 4, "compressor is 0x4" },
	{ ONE, BLOBS + 0x50, 4, 2, "digester is 0x2" },
	{ ONE, BLOBS + 0x54, 4, 0x40000000, "with ALIGNED" },
	{ ONE, BLOBS + 0x54, 4, 0x40000041, "without TARFS" },
	{ ONE, BLOBS + 0x54, 4, 0x40000081, "with CHUNK_INFO_V2" },
	{ ONE, BLOBS + 0x54, 4, 0x40000009, "with CHUNK_INFO_V2" },
	{ ONE, BLOBS + 0x54, 4, 0x40000101, "with CHUNK_INFO_V2" },
	{ ONE, BLOBS + 0x54, 4, 0x40000105, "cipher is 0x0, must be 1" },
	{ ONE, BLOBS + 0x54, 4, 0x40000005, "24 bytes for each chunk" },
	{ ONE, BLOBS + 0x54, 4, 0x40000085, "24 bytes for each chunk" },
	{ ONE, BLOBS + 0x54, 4, 0x40001001, "unknown features is 0x1000" },
	{ ONE, BLOBS + 0x54, 4, 0x40008001, "unknown features is 0x8000" },
	{ ONE, BLOBS + 0x54, 4, 0xc0000001, "unknown features is 0x80000000" },
	{ ONE, BLOBS + 0x54, 4, 0x4fff0001, NULL },
	{ ONE, BLOBS + 0x54, 4, 0x40000201, NULL }, /* generated dictionary */
	{ ONE, BLOBS + 0x54, 4, 0x40000801, NULL }, /* external */
	{ ONE, BLOBS + 0x54, 4, 0x40000800, "an external blob" },
	{ ONE, BLOBS + 0x58, 8, UINT64_C(1) << 40 | 1, "size is 0x10000000001" },
	{ ONE, BLOBS + 0x58, 8, 100, "place of the chunk table" },
	{ ONE, BLOBS + 0x60, 8, (UINT64_C(1) << 44) + 1, "uncompressed size" },
	{ ONE, BLOBS + 0x68, 4, 0x180, "table of contents" },
	{ ONE, BLOBS + 0x68, 4, 0x10080, "table of contents" },
	{ ONE, BLOBS + 0x68, 4, 0x201, "table of contents" },
	{ ONE, BLOBS + 0x68, 4, 0x280, NULL },
	{ ONE, BLOBS + 0x6c, 4, 9, "compressor of the chunk table is 0x9" },
	{ ONE, BLOBS + 0x70, 8, UINT64_MAX, "place of the chunk table" },
	{ ONE, BLOBS + 0x70, 8, 384818 - 10, "in the blob with all of it" },
	{ ONE, BLOBS + 0x78, 8, 5473, "its uncompressed size at most" },
	{ ONE, BLOBS + 0x78, 8, UINT64_MAX, "its uncompressed size at most" },
	{ ONE, BLOBS + 0x80, 8, 5471, "16 bytes for each chunk" },
	{ ONE, BLOBS + 0x80, 8, UINT64_MAX, "2^24 chunks" },
	{ ONE, BLOBS + 0xd8, 4, 2, "cipher is 0x2" },
	{ ONE, BLOBS + 0xd8, 4, 1, "halves of the key are equal" }, /* both zero */
	{ KEY, BLOBS + 0xd8, 4, 0, "cipher is 0x0, must be 1" },
	{ KEY, BLOBS + 0x54, 4, 0x40000115, "must be 0 where SEPARATE" },
	{ TAR, BLOBS + 0x54, 4, 0x40000041, "without ALIGNED" },
	{ TAR, BLOBS + 0x54, 4, 0x40000000, "with TARFS" },
	{ TAR, BLOBS + 0x4c, 4, 3, "compressor is 0x3, must be 0 in TARFS mode" },
	{ TWO, BLOBS + 0x140, 4, 0, "entry 1: index is 0x0" },
};

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *r = &rows[i];
		struct rafs_image *image = NULL;
		struct graft_error err = { 0 };
		struct patch p;
		int res;

		patch_init(&p, r->image);
		patch_set(&p, r->at, r->size, r->value);
		res = walk_open_bytes(&image, p.bytes, p.size, &err);
		if (r->text ? res != -EINVAL || !strstr(err.text, r->text) : res != 0)
			fail_msg("%s at 0x%x: %d %s, expected %s", r->image, r->at, res, err.text,
				 r->text ? r->text : "success");
		rafs_image_close(image);
		patch_fini(&p);
	}
}

static void refused(const struct patch *p, size_t size, const char *text)
{
	struct rafs_image *image = NULL;
	struct graft_error err = { 0 };

	assert_int_equal(walk_open_bytes(&image, p->bytes, size, &err), -EINVAL);
	if (!strstr(err.text, text))
		fail_msg("%zu bytes: %s, expected %s", size, err.text, text);
}

static void test_sizes(void **state)
{
	struct patch p;

	(void)state;
	patch_init(&p, "v6-zstd");
	refused(&p, 1, "");
	refused(&p, 1024, "");
	refused(&p, 1028, "4096");
	refused(&p, 4095, "4096");
	refused(&p, 4096, "end");
	refused(&p, p.size - 1, "cut short");
	refused(&p, p.size - 512, "cut short");
	refused(&p, p.size - 4096, "chunk table");
	patch_fini(&p);
}

static void test_duplicate_ids(void **state)
{
	struct patch p;

	(void)state;
	patch_init(&p, "v6-merged");
	memcpy(p.bytes + BLOBS + 256, p.bytes + BLOBS, 64);
	memcpy(p.bytes + SLOTS + 128, p.bytes + SLOTS, 64);
	refused(&p, p.size, "slots 0 and 1 have the same id");
	patch_fini(&p);
}

static void test_root_is_directory(void **state)
{
	struct patch p;
	uint64_t nid;

	(void)state;
	patch_init(&p, "v6-zstd");
	nid = patch_inode(&p, "sizes/text-0").ino;
	patch_set(&p, SUPER + 0x0e, 2, nid);
	refused(&p, p.size, "must be a directory");
	patch_fini(&p);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_duplicate_ids),
		cmocka_unit_test(test_root_is_directory),
	};

	return cmocka_run_group_tests_name("v6 refused", tests, NULL, NULL);
}
