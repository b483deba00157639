/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of rafs/blob/backend, localfs and localdisk: where blobs are looked for, what is refused, exact reads. */
#include "rafs/blob/backend.h"

#include "rafs_cache_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <linux/loop.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static int open_path(void *arg, const char *path, int flags, struct graft_error *err)
{
	int fd = open(path, flags);

	(*(unsigned int *)arg)++;
	return fd < 0 ? error_set(err, errno, "%s", strerror(errno)) : fd;
}

static unsigned int opened;
static const struct path_opener opener = { open_path, &opened };

static void test_ids(void **state)
{
	static const struct {
		const char *id;
		size_t len;
		bool ok;
	} cases[] = {
		{ "a", 1, true },
		{ "", 0, false },
		{ ".", 1, false },
		{ "..", 2, false },
		{ "...", 3, true },
		{ "a/b", 3, false },
		{ "a\nb", 3, false },
		{ "a\0b", 3, false },
		{ ".a", 2, true },
		{ "a\x7f", 2, false },
		{ DIGITS32 DIGITS32, 64, true },
		{ DIGITS32 DIGITS32 "0", 65, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(blob_id_ok(cases[i].id, cases[i].len), cases[i].ok);
}

static char *path_in(const struct folder *f, const char *name)
{
	char *path;

	assert_true(asprintf(&path, "%s/%s", f->path, name) > 0);
	return path;
}

/* What blob_open makes of id: the first byte of the blob, or the error. */
static int first_byte(struct backend *b, const char *id, struct graft_error *err)
{
	struct blob_file *file;
	unsigned char c;
	int res = blob_open(b, id, &file, err);

	if (res < 0) {
		assert_null(file);
		return res;
	}
	res = blob_read_buffer(file, 0, &c, 1);
	blob_close(file);
	return res < 0 ? res : c;
}

static void test_folders(void **state)
{
	const struct folder *f = *state;
	char *dir = path_in(f, "one"), *alt1 = path_in(f, "two"), *alt2 = path_in(f, "three");
	const char *const alts[] = { alt1, alt2 };
	const struct backend_spec spec = { .dir = dir, .alt_dirs = alts, .alt_count = 2 };
	struct graft_error err;
	struct backend *b;

	assert_int_equal(mkdir(dir, 0700) | mkdir(alt1, 0700) | mkdir(alt2, 0700), 0);
	folder_put(f, "one/a", "1", 1);
	folder_put(f, "two/a", "2", 1);
	folder_put(f, "one/empty", "", 0);
	folder_put(f, "two/empty", "", 0);
	folder_put(f, "three/empty", "3", 1);
	folder_put(f, "three/c", "4", 1);
	folder_put(f, "two/void", "", 0);
	assert_int_equal(mkdirat(f->fd, "one/folder", 0700) | mkfifoat(f->fd, "one/fifo", 0600), 0);
	opened = 0;
	assert_int_equal(backend_open(&b, &spec, &opener, NULL), 0);
	assert_int_equal(opened, 3);
	assert_int_equal(first_byte(b, "a", &err), '1');
	assert_int_equal(first_byte(b, "empty", &err), '3');
	assert_int_equal(first_byte(b, "c", &err), '4');
	assert_int_equal(first_byte(b, "void", &err), -ENOENT);
	assert_int_equal(first_byte(b, "gone", &err), -ENOENT);
	assert_non_null(strstr(err.text, "blob gone is not in "));
	assert_non_null(strstr(err.text, dir));
	assert_non_null(strstr(err.text, "2 other folders"));
	assert_int_equal(first_byte(b, "folder", &err), -EISDIR);
	assert_int_equal(first_byte(b, "fifo", &err), -EINVAL);
	assert_non_null(strstr(err.text, "blob fifo in "));
	assert_int_equal(first_byte(b, "..", &err), -EINVAL);
	assert_int_equal(first_byte(b, "", &err), -EINVAL);
	assert_int_equal(first_byte(b, DIGITS32 DIGITS32 "0", &err), -EINVAL);
	assert_int_equal(symlinkat("loop", f->fd, "one/loop"), 0);
	assert_int_equal(first_byte(b, "loop", &err), -ELOOP);
	assert_non_null(strstr(err.text, "cannot open blob loop in "));
	/* Folders are held: their paths may go. The opener is not asked again. */
	assert_int_equal(renameat(f->fd, "one", f->fd, "moved"), 0);
	assert_int_equal(first_byte(b, "a", &err), '1');
	assert_int_equal(opened, 3);
	backend_free(b);
	free(dir);
	free(alt1);
	free(alt2);
}

static void test_folders_that_miss(void **state)
{
	const struct folder *f = *state;
	char *there = path_in(f, "there"), *none = path_in(f, "none");
	const char *const alts[] = { none, there };
	const struct backend_spec spec = { .dir = f->path, .alt_dirs = alts, .alt_count = 2, .alt_may_miss = true };
	const struct backend_spec no_dir = { .dir = none, .alt_dirs = alts, .alt_count = 2, .alt_may_miss = true };
	struct graft_error err;
	struct backend *b;

	assert_int_equal(mkdir(there, 0700), 0);
	folder_put(f, "there/a", "1", 1);
	assert_int_equal(backend_open(&b, &spec, &opener, &err), 0);
	assert_int_equal(first_byte(b, "a", &err), '1');
	backend_free(b);
	assert_int_equal(backend_open(&b, &no_dir, &opener, &err), -ENOENT);
	assert_int_equal(symlink("there", none), 0);
	assert_int_equal(backend_open(&b, &spec, &opener, &err), 0);
	backend_free(b);
	free(there);
	free(none);
}

static void test_refused(void **state)
{
	const struct folder *f = *state;
	char *none = path_in(f, "none"), *fifo = path_in(f, "fifo"), *empty = path_in(f, "empty");
	const char *many[17];
	const struct backend_spec cases[] = {
		{ .dir = none },
		{ .dir = f->path, .alt_dirs = (const char *const[]){ none }, .alt_count = 1 },
		{ .file = none },
		{ .kind = BACKEND_LOCALDISK, .device = none },
		{ .file = fifo },
		{ .file = f->path },
		{ .kind = BACKEND_LOCALDISK, .device = fifo },
		{ .kind = BACKEND_LOCALDISK, .device = f->path },
		{ .dir = NULL },
		{ .kind = BACKEND_LOCALDISK },
		{ .kind = BACKEND_LOCALDISK, .device = f->path, .disable_gpt = true },
		{ .kind = BACKEND_LOCALDISK, .device = empty, .disable_gpt = true },
		{ .kind = 2, .dir = f->path },
		{ .dir = f->path, .alt_dirs = many, .alt_count = 17 },
	};
	static const int codes[] = { ENOENT, ENOENT, ENOENT, ENOENT, EINVAL, EISDIR, EINVAL,
				     EISDIR, EINVAL, EINVAL, EISDIR, EINVAL, EINVAL, EINVAL };

	for (size_t i = 0; i < 17; i++)
		many[i] = f->path;
	assert_int_equal(mkfifo(fifo, 0600), 0);
	folder_put(f, "empty", "", 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct graft_error err = { 0 };
		struct backend *b = (struct backend *)&err;

		assert_int_equal(backend_open(&b, &cases[i], &opener, &err), -codes[i]);
		assert_null(b);
		assert_int_equal(err.code, codes[i]);
		if (i < 4)
			assert_non_null(strstr(err.text, none));
		else if (i < 8)
			assert_non_null(strstr(err.text, "regular file"));
	}
	free(none);
	free(fifo);
	free(empty);
}

/* Lists that cut the range anywhere, more pieces than one system call takes, ends of files, offsets that wrap. */
static void check_reads(struct blob_file *file, const unsigned char *want, size_t len)
{
	unsigned char *got = calloc(1, len);
	struct iovec iov[64];

	assert_non_null(got);
	for (size_t i = 0; i < 64; i++)
		iov[i] = (struct iovec){ got + i * 3, 3 };
	assert_int_equal(blob_read(file, 7, iov, 64), 0);
	assert_memory_equal(got, want + 7, 3 * 64);
	assert_int_equal(blob_read_buffer(file, 0, got, len), 0);
	assert_memory_equal(got, want, len);
	assert_int_equal(blob_read(file, 0, iov, 0), 0);
	assert_int_equal(blob_read_buffer(file, blob_size(file), got, 0), 0);
	assert_int_equal(blob_read_buffer(file, blob_size(file) - 1, got, 2), -EIO);
	assert_int_equal(blob_read_buffer(file, blob_size(file), got, 1), -EIO);
	assert_int_equal(blob_read_buffer(file, UINT64_MAX, got, 1), -EIO);
	assert_int_equal(blob_read_buffer(file, UINT64_MAX - 1, got, 8), -EIO);
	assert_int_equal(blob_read_buffer(file, INT64_MAX, got, 1), -EIO);
	free(got);
}

static void fill(unsigned char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		bytes[i] = (unsigned char)(i * 31 + i / 251);
}

static void test_file(void **state)
{
	const struct folder *f = *state;
	char *path = path_in(f, "the.blob");
	const struct backend_spec spec = { .file = path, .dir = "/nowhere" };
	unsigned char bytes[5000], byte;
	struct blob_file *one, *two;
	struct graft_error err;
	struct backend *b;
	uint64_t base = 1;

	fill(bytes, sizeof(bytes));
	folder_put(f, "the.blob", bytes, sizeof(bytes));
	assert_int_equal(backend_open(&b, &spec, &opener, &err), 0);
	assert_int_equal(blob_open(b, "any", &one, &err), 0);
	assert_int_equal(blob_open(b, "other", &two, &err), 0);
	assert_int_equal(blob_size(one), sizeof(bytes));
	check_reads(one, bytes, sizeof(bytes));
	blob_close(one);
	/* Both read the one descriptor: closing the first does not close it. */
	check_reads(two, bytes, sizeof(bytes));
	assert_int_equal(pread(blob_fd(two, &base), &byte, 1, 17), 1);
	assert_int_equal(base, 0);
	assert_int_equal(byte, bytes[17]);
	/* Cut short under us. */
	assert_int_equal(truncate(path, 100), 0);
	assert_int_equal(blob_read_buffer(two, 90, bytes, 20), -EIO);
	blob_close(two);
	blob_close(NULL);
	backend_free(b);
	backend_free(NULL);
	free(path);
}

static const struct disk_partition partitions[] = {
	{ .name = DIGITS32, .guid = "fedcba9876543210fedcba9876543210", .first = 40, .last = 49 },
	{ .name = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", .basic = true, .first = 50, .last = 60 },
	{ .name = DIGITS32, .guid = "00000000000000000000000000000000", .first = 70, .last = 70 },
	{ .name = DIGITS32, .guid = "00000000000000000000000000000000", .first = 71, .last = 71 },
};

/* An image of 512-byte sectors, or for a block device of its sectors. */
static unsigned char *put_disk(const struct folder *f, const char *name, uint32_t sector)
{
	const struct disk_layout l = { sector, 200, 128, 128, partitions, sizeof(partitions) / sizeof(partitions[0]) };
	unsigned char *image = disk_make(&l);

	fill(image + (size_t)40 * sector, (size_t)21 * sector);
	folder_put(f, name, image, (size_t)200 * sector);
	return image;
}

static void check_disk(const char *path, const unsigned char *image, size_t sector)
{
	const struct backend_spec spec = { .kind = BACKEND_LOCALDISK, .device = path };
	struct graft_error err = { 0 };
	struct blob_file *file;
	struct backend *b;
	uint64_t base;

	if (backend_open(&b, &spec, &opener, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(blob_open(b, DIGITS32 "fedcba9876543210fedcba9876543210", &file, &err), 0);
	assert_int_equal(blob_size(file), 10 * sector);
	check_reads(file, image + 40 * sector, 10 * sector);
	assert_true(blob_fd(file, &base) >= 0);
	assert_int_equal(base, 40 * sector);
	blob_close(file);
	assert_int_equal(blob_open(b, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" DIGITS32, &file, &err), 0);
	check_reads(file, image + 50 * sector, 11 * sector);
	blob_close(file);
	assert_int_equal(blob_open(b, "missing", &file, &err), -ENOENT);
	assert_non_null(strstr(err.text, "is blob missing"));
	assert_non_null(strstr(err.text, path));
	assert_int_equal(blob_open(b, DIGITS32 "00000000000000000000000000000000", &file, &err), -EUCLEAN);
	backend_free(b);
}

/* Without partitions the disk is every blob. */
static void check_whole(const char *path, const unsigned char *image, size_t len)
{
	const struct backend_spec spec = { .kind = BACKEND_LOCALDISK, .device = path, .disable_gpt = true };
	struct graft_error err = { 0 };
	struct blob_file *file;
	struct backend *b;
	uint64_t base = 1;

	if (backend_open(&b, &spec, &opener, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(blob_open(b, "any", &file, &err), 0);
	assert_int_equal(blob_size(file), len);
	check_reads(file, image, len);
	assert_true(blob_fd(file, &base) >= 0);
	assert_int_equal(base, 0);
	blob_close(file);
	backend_free(b);
}

static void test_disk_image(void **state)
{
	const struct folder *f = *state;
	char *path = path_in(f, "disk.img");
	unsigned char *image = put_disk(f, "disk.img", 512);
	const struct backend_spec spec = { .kind = BACKEND_LOCALDISK, .device = path };
	struct graft_error err;
	struct backend *b;

	check_disk(path, image, 512);
	check_whole(path, image, (size_t)200 * 512);
	memset(image, 0, (size_t)200 * 512);
	folder_put(f, "disk.img", image, (size_t)200 * 512);
	assert_int_equal(backend_open(&b, &spec, &opener, &err), -EUCLEAN);
	assert_non_null(strstr(err.text, "no GUID partition table"));
	assert_non_null(strstr(err.text, path));
	free(image);
	free(path);
}

/* A loop device over a file, which goes away with its last descriptor; -1 where there are none. */
static int loop_device(const char *file, uint32_t sector, char path[32])
{
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC), back, fd, n;
	struct loop_config config = { .block_size = sector };

	if (control < 0)
		return -1;
	n = ioctl(control, LOOP_CTL_GET_FREE);
	close(control);
	snprintf(path, 32, "/dev/loop%d", n);
	fd = n < 0 ? -1 : open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -1;
	back = open(file, O_RDWR | O_CLOEXEC);
	config.fd = (uint32_t)back;
	config.info.lo_flags = LO_FLAGS_AUTOCLEAR | LO_FLAGS_READ_ONLY;
	if (ioctl(fd, LOOP_CONFIGURE, &config) < 0) {
		close(fd);
		fd = -1;
	}
	close(back);
	return fd;
}

static void test_block_device(void **state)
{
	static const uint32_t sectors[] = { 512, 4096 };
	const struct folder *f = *state;

	for (size_t i = 0; i < 2; i++) {
		char device[32], *path = path_in(f, "device.img");
		unsigned char *image = put_disk(f, "device.img", sectors[i]);
		const struct backend_spec spec = { .file = device };
		int loop = loop_device(path, sectors[i], device);
		struct blob_file *file;
		struct backend *b;

		if (loop >= 0) {
			check_disk(device, image, sectors[i]);
			check_whole(device, image, (size_t)200 * sectors[i]);
			/* A whole device can be a blob too. */
			assert_int_equal(backend_open(&b, &spec, &opener, NULL), 0);
			assert_int_equal(blob_open(b, "whole", &file, NULL), 0);
			assert_int_equal(blob_size(file), 200 * (uint64_t)sectors[i]);
			check_reads(file, image, (size_t)200 * sectors[i]);
			blob_close(file);
			backend_free(b);
			close(loop);
		}
		free(image);
		free(path);
		if (loop < 0)
			skip();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ids),
		cmocka_unit_test_setup_teardown(test_folders_that_miss, folder_setup, folder_teardown),
		cmocka_unit_test_setup_teardown(test_folders, folder_setup, folder_teardown),
		cmocka_unit_test_setup_teardown(test_refused, folder_setup, folder_teardown),
		cmocka_unit_test_setup_teardown(test_file, folder_setup, folder_teardown),
		cmocka_unit_test_setup_teardown(test_disk_image, folder_setup, folder_teardown),
		cmocka_unit_test_setup_teardown(test_block_device, folder_setup, folder_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
