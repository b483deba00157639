/* SPDX-License-Identifier: Apache-2.0 */
/* Bootstraps: plain files, tails of blobs with and without table of contents, kept files; tables and headers that lie.
 */
#include "rafs_blob_rig.h"

#include "lib/cleanup.h"
#include "rafs/codec/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zstd.h>

#define INLINE_META_ID "40acde183685536912ba5c25c69521d6672a1d3eb566f4cd34669875e5cc0ae6"
#define INLINE_TOC_ID  "adfb92615670bdbcfda0281a1a34f34b19515c5c0cbe25f3866357a00b5c3eb3"
#define INLINE_META    "v6-inline-meta/blobs/" INLINE_META_ID
#define INLINE_TOC     "v6-inline-toc/blobs/" INLINE_TOC_ID
#define V5_INLINE_ID   "9daf0af2bd4abdf6d043e2f686cff4fdf9f2035c61945de0c166f8d00d955c2a"
#define KEPT           INLINE_TOC_ID ".image.boot"

static int find(struct rafs_origin *origin, const char *path, struct cache_dir *cache, struct graft_error *err)
{
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	*err = (struct graft_error){ 0 };
	return bootstrap_find(origin, fd, path, cache, err);
}

static struct rafs_origin found(const char *path, struct cache_dir *cache)
{
	struct rafs_origin origin;
	struct graft_error err;

	if (find(&origin, path, cache, &err) < 0)
		fail_msg("%s", err.text);
	return origin;
}

/* Bytes as the file called name, in a folder of their own. */
static void not_found(const void *bytes, size_t len, struct cache_dir *cache, int code, const char *what)
{
	char *folder = rig_folder(), path[4096];
	struct rafs_origin origin;
	struct graft_error err;

	rig_write(folder, INLINE_TOC_ID, bytes, len);
	snprintf(path, sizeof(path), "%s/%s", folder, INLINE_TOC_ID);
	assert_int_equal(find(&origin, path, cache, &err), -code);
	assert_int_equal(err.code, code);
	if (!strstr(err.text, path) || !strstr(err.text, what))
		fail_msg("%s: \"%s\" not in the text", err.text, what);
	assert_null(origin.map.base);
	rig_folder_free(folder);
}

static void test_plain(void **state)
{
	static const char *const images[] = { "v5-zstd/boot", "v6-zstd/boot", "v6-merged/boot" };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		size_t len;
		unsigned char *bytes = rig_read(NULL, images[i], &len);
		struct rafs_origin o = found(rig_path(images[i]), NULL);

		assert_false(o.inlined);
		assert_string_equal(o.name, "boot");
		assert_int_equal(o.map.size, len);
		assert_memory_equal(o.map.base, bytes, len);
		mapping_close(&o.map);
		free(bytes);
	}
}

/* The name goes up to the first dot and is no longer than an id. */
static void test_names(void **state)
{
	static const char *const names[][2] = {
		{ "0123abc.boot.tmp", "0123abc" },
		{ "image", "image" },
		{ ".boot", "" },
		{ "0123456789012345678901234567890123456789012345678901234567890123456789.boot",
		  "0123456789012345678901234567890123456789012345678901234567890123" },
	};
	char *folder = rig_folder(), path[4096];
	size_t len;
	unsigned char *bytes = rig_read(NULL, "extra-zran/boot", &len);

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		rig_write(folder, names[i][0], bytes, len);
		snprintf(path, sizeof(path), "%s/%s", folder, names[i][0]);
		struct rafs_origin o = found(path, NULL);
		assert_string_equal(o.name, names[i][1]);
		mapping_close(&o.map);
	}
	free(bytes);
	rig_folder_free(folder);
}

/* It must be an image whose blob is the one it came from. */
static void check_image(struct rafs_origin *origin, const char *id, uint32_t version)
{
	struct graft_error err = { 0 };
	struct rafs_image *image = NULL;

	assert_true(origin->inlined);
	assert_string_equal(origin->name, id);
	if (rafs_image_open(&image, origin, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(rafs_image_super(image)->version, version);
	assert_string_equal(rafs_image_blob(image, 0)->id, id);
	rafs_image_close(image);
}

static void test_raw_inlined(void **state)
{
	char *folder = rig_folder();
	struct cache_dir *cache = rig_cache(folder);

	(void)state;
	for (int kept = 0; kept < 2; kept++) {
		struct rafs_origin o = found(rig_path(INLINE_META), kept ? cache : NULL);
		assert_int_equal(o.map.size, 94208);
		check_image(&o, INLINE_META_ID, 6);
		o = found(rig_path("extra-v5-inline/blobs/" V5_INLINE_ID), kept ? cache : NULL);
		check_image(&o, V5_INLINE_ID, 5);
	}
	/* Read where they lie: nothing is kept. */
	assert_int_equal(rmdir(folder), 0);
	cache_dir_put(cache);
	rig_folder_free(folder);
}

static void test_packed_inlined(void **state)
{
	char *folder = rig_folder();
	struct cache_dir *cache = rig_cache(folder);
	size_t len, again_len;

	(void)state;
	struct rafs_origin o = found(rig_path(INLINE_TOC), NULL);
	check_image(&o, INLINE_TOC_ID, 6);
	o = found(rig_path(INLINE_TOC), cache);
	check_image(&o, INLINE_TOC_ID, 6);
	unsigned char *good = rig_read(folder, KEPT, &len);
	assert_int_equal(len, 94208);
	/* A kept file that is another, or too short, is made again. */
	for (int way = 0; way < 3; way++) {
		unsigned char *bad = malloc(len);

		memcpy(bad, good, len);
		bad[len / 2] ^= way == 0;
		rig_write(folder, KEPT, bad, way == 1 ? len - 1 : len);
		o = found(rig_path(INLINE_TOC), cache);
		check_image(&o, INLINE_TOC_ID, 6);
		unsigned char *again = rig_read(folder, KEPT, &again_len);
		assert_int_equal(again_len, len);
		assert_memory_equal(again, good, len);
		free(again);
		free(bad);
	}
	free(good);
	unlinkat(AT_FDCWD, folder, 0);
	cache_dir_put(cache);
	rig_folder_free(folder);
}

/* A folder that cannot take the file: it is kept in memory. */
static void test_folder_gone(void **state)
{
	char *folder = rig_folder();
	struct cache_dir *cache = rig_cache(folder);

	(void)state;
	assert_int_equal(rmdir(folder), 0);
	struct rafs_origin o = found(rig_path(INLINE_TOC), cache);
	check_image(&o, INLINE_TOC_ID, 6);
	cache_dir_put(cache);
	rig_folder_free(folder);
}

static void test_no_image(void **state)
{
	unsigned char *bytes = calloc(1, 16384);
	struct rafs_origin origin;
	struct graft_error err;
	size_t len;

	(void)state;
	not_found("", 0, NULL, EINVAL, "too few");
	not_found(bytes, 4095, NULL, EINVAL, "too few");
	not_found(bytes, 16384, NULL, EINVAL, "no image");
	put_u32(bytes, 0x52414653);
	put_u32(bytes + 4, 0x400);
	not_found(bytes, 16384, NULL, EINVAL, "0x400");
	/* The magic of v5 in a file too short for its superblock. */
	put_u32(bytes + 4, 0x500);
	not_found(bytes, 8191, NULL, EINVAL, "no image");
	free(bytes);
	bytes = rig_read(NULL, "v6-zstd/blobs/edd420719282a7c19387e79455985761bfa6937aad34a3922d085e3d4e1a5faf", &len);
	not_found(bytes, len, NULL, EINVAL, "no image");
	free(bytes);
	/* A table of contents without a bootstrap. */
	bytes = rig_read(NULL, "extra-blob-toc/blobs/18efd54ad17feb9f998423606106eb2e9247433e14acf4612817b2a82c697189",
			 &len);
	not_found(bytes, len, NULL, EINVAL, "no image");
	free(bytes);
	assert_int_equal(find(&origin, TEST_IMAGES, NULL, &err), -EINVAL);
	assert_non_null(strstr(err.text, "not a regular file"));
	/* More than a bootstrap can be. */
	auto_close int fd = memfd_create("huge", MFD_CLOEXEC);
	unsigned char magic[8];
	put_u32(magic, 0x52414653);
	put_u32(magic + 4, 0x500);
	assert_int_equal(ftruncate(fd, (INT64_C(1) << 31) + 8), 0);
	assert_int_equal(pwrite(fd, magic, 8, 0), 8);
	assert_int_equal(bootstrap_find(&origin, fd, "huge", NULL, &err), -EINVAL);
	assert_non_null(strstr(err.text, "at most"));
}

/* Where the entry of a name lies in a blob with a table of contents of n bytes with its header. */
static unsigned char *entry_of(unsigned char *bytes, size_t len, const char *name)
{
	size_t toc = toc_size(bytes + (len & 127), len & ~(size_t)127);

	assert_true(toc > 512);
	for (unsigned char *e = bytes + len - toc; e < bytes + len - 512; e += 128)
		if (strncmp((const char *)e + 8, name, 16) == 0)
			return e;
	fail_msg("no %s", name);
	return NULL;
}

static void test_packed_that_lies(void **state)
{
	static const struct {
		uint32_t at;
		uint64_t value;
		int code;
		const char *what;
	} fields[] = {
		{ 72, 94207, EIO, "unpacking" },
		{ 72, 94209, EIO, "unpacking" },
		{ 72, 0, EUCLEAN, "no such" },
		{ 72, 4095, EUCLEAN, "no such" },
		{ 72, UINT64_MAX, EUCLEAN, "no such" },
		{ 72, (UINT64_C(1) << 31) + 1, EUCLEAN, "no such" },
		{ 72, UINT64_C(1) << 31, EUCLEAN, "no such" }, /* 80000 times its stored size */
		{ 64, 24582, EIO, "unpacking" },
		{ 64, 24584, EIO, "unpacking" },
		{ 64, 423545, EUCLEAN, "no bootstrap" },
		{ 64, UINT64_MAX, EUCLEAN, "no bootstrap" },
		{ 64, 0, EIO, "unpacking" },
		{ 56, UINT64_MAX, EUCLEAN, "no bootstrap" },
		{ 56, 397297, EIO, "unpacking" },
		{ 24, 0, EUCLEAN, "not the one" },
		{ 0, 4, EUCLEAN, "no bootstrap" },
		{ 0, 1, EUCLEAN, "no such" },
		{ 8, 0, EINVAL, "no image" },
	};
	char *folder = rig_folder();
	struct cache_dir *cache = rig_cache(folder);
	size_t len;
	unsigned char *good = rig_read(NULL, INLINE_TOC, &len), *bad = malloc(len);

	(void)state;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		memcpy(bad, good, len);
		put_u64(entry_of(bad, len, "image.boot") + fields[i].at, fields[i].value);
		not_found(bad, len, cache, fields[i].code, fields[i].what);
		not_found(bad, len, NULL, fields[i].code, fields[i].what);
		assert_false(rig_exists(folder, KEPT));
	}
	/* A spoiled stream. */
	memcpy(bad, good, len);
	bad[397298 + 12000] ^= 0x40;
	struct rafs_origin origin;
	struct graft_error err;
	char path[4096], *dir = rig_folder();
	rig_write(dir, INLINE_TOC_ID, bad, len);
	snprintf(path, sizeof(path), "%s/%s", dir, INLINE_TOC_ID);
	assert_true(find(&origin, path, cache, &err) < 0);
	assert_false(rig_exists(folder, KEPT));
	rig_folder_free(dir);
	free(bad);
	free(good);
	cache_dir_put(cache);
	rig_folder_free(folder);
}

/* A stream whose output goes on long after its input was read, in a file without a name to keep it under. */
static void test_packed_well(void **state)
{
	size_t len, plain_len = (1 << 20) - 5;
	unsigned char *blob = rig_read(NULL, INLINE_TOC, &len), *plain = calloc(1, plain_len), *made = malloc(len);
	unsigned char *e = entry_of(blob, len, "image.boot");
	size_t toc = len - 512 - 0x280, packed = ZSTD_compress(made, len, plain, plain_len, 3);
	char *folder = rig_folder(), *cached = rig_folder(), path[4096];
	struct cache_dir *cache = rig_cache(cached);

	(void)state;
	assert_true(packed < 4096);
	put_u64(e + 56, 0);
	put_u64(e + 64, packed);
	put_u64(e + 72, plain_len);
	assert_int_equal(digest_of(RAFS_SHA256, plain, plain_len, e + 24), 0);
	memcpy(made + packed, blob + toc - 8192, len - toc + 8192);
	rig_write(folder, ".boot", made, packed + len - toc + 8192);
	snprintf(path, sizeof(path), "%s/.boot", folder);
	struct rafs_origin o = found(path, cache);
	assert_string_equal(o.name, "");
	assert_int_equal(o.map.size, plain_len);
	assert_memory_equal(o.map.base, plain, plain_len);
	mapping_close(&o.map);
	assert_int_equal(rmdir(cached), 0);
	cache_dir_put(cache);
	rig_folder_free(cached);
	rig_folder_free(folder);
	free(made);
	free(plain);
	free(blob);
}

/* With a table of contents a raw bootstrap has a digest too. */
static void test_raw_with_toc(void **state)
{
	size_t len, boot_len;
	unsigned char *blob = rig_read(NULL, INLINE_TOC, &len), *boot = rig_read(NULL, "v6-zstd/boot", &boot_len);
	unsigned char *e = entry_of(blob, len, "image.boot"), *made = malloc(boot_len + len);
	size_t toc = len - 512 - 0x280;
	char *folder = rig_folder(), path[4096];

	(void)state;
	put_u32(e, 1);
	put_u64(e + 56, 3);
	put_u64(e + 64, boot_len);
	put_u64(e + 72, boot_len);
	assert_int_equal(digest_of(RAFS_SHA256, boot, boot_len, e + 24), 0);
	memcpy(made, "abc", 3);
	memcpy(made + 3, boot, boot_len);
	memcpy(made + 3 + boot_len, blob + toc, len - toc);
	size_t made_len = 3 + boot_len + len - toc;
	rig_write(folder, "layer.blob", made, made_len);
	snprintf(path, sizeof(path), "%s/layer.blob", folder);
	struct rafs_origin o = found(path, NULL);
	assert_true(o.inlined);
	assert_string_equal(o.name, "layer");
	assert_memory_equal(o.map.base, boot, boot_len);
	mapping_close(&o.map);
	made[3 + 5000] ^= 1;
	not_found(made, made_len, NULL, EUCLEAN, "not the one");
	rig_folder_free(folder);
	free(made);
	free(boot);
	free(blob);
}

static void put_tar_size(unsigned char *header, const char *octal)
{
	unsigned int sum = 0;

	memcpy(header + 124, octal, 12);
	for (int i = 0; i < 512; i++)
		sum += i >= 148 && i < 156 ? ' ' : header[i];
	snprintf((char *)header + 148, 8, "%06o", sum);
}

static void test_raw_that_lies(void **state)
{
	size_t len;
	unsigned char *bytes = rig_read(NULL, INLINE_META, &len), *header = bytes + len - 512;

	(void)state;
	put_tar_size(header, "00000007777");
	not_found(bytes, len, NULL, EUCLEAN, "no such"); /* 4095 bytes */
	put_tar_size(header, "00001652463");
	not_found(bytes, len, NULL, EUCLEAN, "no bootstrap"); /* more than there is: one byte */
	put_tar_size(header, "77777777777");
	not_found(bytes, len, NULL, EUCLEAN, "no bootstrap");
	put_tar_size(header, "\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff");
	not_found(bytes, len, NULL, EUCLEAN, "no bootstrap");
	put_tar_size(header, "00000270000");
	header[0] ^= 1;
	not_found(bytes, len, NULL, EINVAL, "no image"); /* checksum */
	free(bytes);
}

static void test_tar_header(void **state)
{
	size_t len;
	unsigned char *bytes = rig_read(NULL, INLINE_META, &len), *header = bytes + len - 512;
	char name[101];
	uint64_t size;

	(void)state;
	assert_int_equal(tar_header_read(header, name, &size), 0);
	assert_string_equal(name, "image.boot");
	assert_int_equal(size, 94208);
	/* Every byte counts but those of the checksum's own padding. */
	for (int i = 0; i < 512; i++) {
		if (i >= 154 && i < 156)
			continue;
		header[i] ^= 1;
		assert_int_equal(tar_header_read(header, name, &size), -EUCLEAN);
		header[i] ^= 1;
	}
	put_tar_size(header, "  000000017 ");
	assert_int_equal(tar_header_read(header, name, &size), 0);
	assert_int_equal(size, 15);
	put_tar_size(header, "000000000x7");
	assert_int_equal(tar_header_read(header, name, &size), -EUCLEAN);
	put_tar_size(header, "\x80\0\0\0\0\0\0\x02\0\0\0\1");
	assert_int_equal(tar_header_read(header, name, &size), 0);
	assert_int_equal(size, UINT64_C(0x200000001));
	put_tar_size(header, "\x80\0\0\1\0\0\0\0\0\0\0\0");
	assert_int_equal(tar_header_read(header, name, &size), -EUCLEAN);
	memset(header, 'n', 100);
	put_tar_size(header, "000000000017");
	assert_int_equal(tar_header_read(header, name, &size), 0);
	assert_int_equal(strlen(name), 100);
	free(bytes);
}

static void test_toc_sections(void **state)
{
	static const struct {
		const char *name;
		uint32_t compressor;
		uint64_t c_off, c_size, u_size;
	} sections[] = {
		{ "image.blob", RAFS_NONE, 0, 379522, 7454720 },
		{ "blob.meta", RAFS_ZSTD, 380034, 1200, 5472 },
		{ "blob.meta.header", RAFS_NONE, 381234, 4096, 4096 },
		{ "blob.digest", RAFS_NONE, 385842, 10944, 10944 },
		{ "image.boot", RAFS_ZSTD, 397298, 24583, 94208 },
	};
	size_t len;
	unsigned char *bytes = rig_read(NULL, INLINE_TOC, &len);
	uint8_t digest[RAFS_DIGEST_SIZE];
	struct toc_entry e;
	const size_t toc_len = 5 * 128 + 512;
	unsigned char *toc = bytes + len - toc_len;

	(void)state;
	assert_int_equal(digest_of(RAFS_SHA256, toc, toc_len, digest), 0);
	for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++) {
		assert_int_equal(toc_find(toc, toc_len, len, digest, sections[i].name, &e), 0);
		assert_string_equal(e.name, sections[i].name);
		assert_int_equal(e.compressor, sections[i].compressor);
		assert_int_equal(e.c_off, sections[i].c_off);
		assert_int_equal(e.c_size, sections[i].c_size);
		assert_int_equal(e.u_size, sections[i].u_size);
	}
	assert_int_equal(toc_find(toc, toc_len, len, digest, "blob.met", &e), -ENOENT);
	assert_int_equal(toc_find(toc, toc_len, len, digest, "", &e), -ENOENT);
	digest[31] ^= 1;
	assert_int_equal(toc_find(toc, toc_len, len, digest, "blob.meta", &e), -EUCLEAN);
	free(bytes);
}

static void test_toc_that_lies(void **state)
{
	size_t len;
	unsigned char *bytes = rig_read(NULL, INLINE_TOC, &len);
	struct toc_entry e;
	const size_t toc_len = 5 * 128 + 512;
	unsigned char *toc = bytes + len - toc_len;

	(void)state;
	assert_int_equal(toc_find(toc, toc_len, len, NULL, "blob.digest", &e), 0);
	/* Lengths that are not the table's own, or more than the file. */
	assert_int_equal(toc_find(toc, toc_len - 1, len, NULL, "blob.digest", &e), -EUCLEAN);
	assert_int_equal(toc_find(toc + 128, toc_len - 128, len, NULL, "blob.digest", &e), -EUCLEAN);
	assert_int_equal(toc_find(toc - 128, toc_len + 128, len, NULL, "blob.digest", &e), -EUCLEAN);
	assert_int_equal(toc_find(toc, toc_len, toc_len - 1, NULL, "blob.digest", &e), -EUCLEAN);
	assert_int_equal(toc_find(toc, 0, len, NULL, "blob.digest", &e), -EUCLEAN);
	/* Its range must end before the table. */
	unsigned char *entry = entry_of(bytes, len, "blob.digest");
	put_u64(entry + 56, len - toc_len - 10944);
	assert_int_equal(toc_find(toc, toc_len, len, NULL, "blob.digest", &e), 0);
	put_u64(entry + 56, len - toc_len - 10943);
	assert_int_equal(toc_find(toc, toc_len, len, NULL, "blob.digest", &e), -EUCLEAN);
	put_u64(entry + 56, UINT64_MAX - 10943);
	assert_int_equal(toc_find(toc, toc_len, len, NULL, "blob.digest", &e), -EUCLEAN);
	/* lz4, and codes that nobody knows. */
	for (uint32_t flags = 0; flags < 16; flags++) {
		put_u64(entry + 56, 0);
		put_u32(entry, flags);
		assert_int_equal(toc_find(toc, toc_len, len, NULL, "blob.digest", &e),
				 flags == 1 || flags == 2 ? 0 : -EUCLEAN);
	}
	/* Two of one name. */
	memcpy(entry + 8, "blob.meta\0\0\0\0\0\0", 16);
	assert_int_equal(toc_find(toc, toc_len, len, NULL, "blob.meta", &e), -EUCLEAN);
	free(bytes);
}

static void test_toc_size(void **state)
{
	size_t len;
	unsigned char *bytes = rig_read(NULL, INLINE_TOC, &len), *header = bytes + len - 512;

	(void)state;
	assert_int_equal(toc_size(bytes + len - 4096, 4096), 1152);
	assert_int_equal(toc_size(bytes + len - 1152, 1152), 1152);
	assert_int_equal(toc_size(bytes + len - 1024, 1024), 0); /* cut short */
	assert_int_equal(toc_size(header, 511), 0);
	assert_int_equal(toc_size(header, 0), 0);
	put_tar_size(header, "00000000000");
	assert_int_equal(toc_size(bytes + len - 4096, 4096), 0);
	put_tar_size(header, "00000001201");
	assert_int_equal(toc_size(bytes + len - 4096, 4096), 0);
	put_tar_size(header, "00000177000");
	assert_int_equal(toc_size(bytes + len - 0x20000, 0x20000), 0x10000);
	put_tar_size(header, "00000177200");
	assert_int_equal(toc_size(bytes + len - 0x20000, 0x20000), 0);
	put_tar_size(header, "77777777777");
	assert_int_equal(toc_size(bytes + len - 4096, 4096), 0);
	free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_raw_inlined),
		cmocka_unit_test(test_packed_inlined),
		cmocka_unit_test(test_folder_gone),
		cmocka_unit_test(test_no_image),
		cmocka_unit_test(test_packed_that_lies),
		cmocka_unit_test(test_packed_well),
		cmocka_unit_test(test_raw_with_toc),
		cmocka_unit_test(test_raw_that_lies),
		cmocka_unit_test(test_tar_header),
		cmocka_unit_test(test_toc_sections),
		cmocka_unit_test(test_toc_that_lies),
		cmocka_unit_test(test_toc_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
