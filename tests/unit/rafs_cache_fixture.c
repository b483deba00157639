/* SPDX-License-Identifier: Apache-2.0 */
/* Folders and disk images for the tests of rafs/cache and the local backends. */
#include "rafs_cache_fixture.h"

#include <dirent.h>
#include <endian.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

int folder_setup(void **state)
{
	struct folder *f = calloc(1, sizeof(*f));
	const char *tmp = getenv("TMPDIR");

	if (!f)
		return -1;
	snprintf(f->path, sizeof(f->path), "%s/graftfs-test-XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(f->path)) {
		perror(f->path);
		free(f);
		return -1;
	}
	f->fd = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = f;
	return f->fd < 0 ? -1 : 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

int folder_teardown(void **state)
{
	struct folder *f = *state;
	int res = nftw(f->path, remove_one, 16, FTW_DEPTH | FTW_PHYS);

	close(f->fd);
	free(f);
	return res;
}

void folder_put(const struct folder *f, const char *name, const void *bytes, size_t len)
{
	int fd = openat(f->fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), len);
	assert_int_equal(close(fd), 0);
}

void folder_fill(const struct folder *f, const char *name, unsigned char value, size_t len)
{
	unsigned char *bytes = malloc(len + 1);

	assert_non_null(bytes);
	memset(bytes, value, len);
	folder_put(f, name, bytes, len);
	free(bytes);
}

bool folder_has(const struct folder *f, const char *name)
{
	struct stat st;

	return fstatat(f->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

unsigned int folder_count(const struct folder *f)
{
	unsigned int n = 0;
	struct dirent *e;
	DIR *d = opendir(f->path);

	assert_non_null(d);
	while ((e = readdir(d)))
		n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
	closedir(d);
	return n;
}

void folder_age(const struct folder *f, const char *name, long seconds)
{
	const struct timespec times[2] = { { .tv_sec = seconds }, { .tv_sec = seconds } };

	assert_int_equal(utimensat(f->fd, name, times, AT_SYMLINK_NOFOLLOW), 0);
}

static void put32(unsigned char *at, uint32_t v)
{
	v = htole32(v);
	memcpy(at, &v, sizeof(v));
}

static void put64(unsigned char *at, uint64_t v)
{
	v = htole64(v);
	memcpy(at, &v, sizeof(v));
}

/* Digits as a GUID's text has them, to how it lies on disk. */
static void put_guid(unsigned char *at, const char *digits)
{
	static const unsigned char order[16] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };

	for (size_t i = 0; i < sizeof(order); i++) {
		unsigned int byte;

		assert_int_equal(sscanf(digits + 2 * i, "%2x", &byte), 1);
		at[order[i]] = (unsigned char)byte;
	}
}

static void put_entry(unsigned char *at, const struct disk_partition *p, uint32_t number)
{
	char digits[33];

	put_guid(at, p->basic ? "ebd0a0a2b9e5443387c068b6b72699c7" : "0fc63daf848347728e793d69d8477de4");
	snprintf(digits, sizeof(digits), "%032x", number + 1);
	put_guid(at + 16, p->guid ? p->guid : digits);
	put64(at + 32, p->first);
	put64(at + 40, p->last);
	for (size_t i = 0; p->name[i]; i++)
		at[56 + 2 * i] = (unsigned char)p->name[i];
}

void disk_seal_header(unsigned char *header)
{
	put32(header + 16, 0);
	put32(header + 16, (uint32_t)crc32(0, header, 92));
}

static void put_table(unsigned char *image, const struct disk_layout *l, uint64_t lba, uint64_t other, uint64_t entries)
{
	unsigned char *h = image + lba * l->sector;

	memcpy(h, "EFI PART", 8);
	put32(h + 8, 0x10000);
	put32(h + 12, 92);
	put64(h + 24, lba);
	put64(h + 32, other);
	put64(h + 40, 2);
	put64(h + 48, l->sectors - 2);
	put64(h + 72, entries);
	put32(h + 80, l->entries);
	put32(h + 84, l->entry_size);
	for (uint32_t i = 0; i < l->n; i++)
		put_entry(image + entries * l->sector + (size_t)i * l->entry_size, &l->partitions[i], i);
	put32(h + 88, (uint32_t)crc32(0, image + entries * l->sector, l->entries * l->entry_size));
	disk_seal_header(h);
}

unsigned char *disk_make(const struct disk_layout *l)
{
	uint64_t room = ((uint64_t)l->entries * l->entry_size + l->sector - 1) / l->sector;
	unsigned char *image = calloc(l->sectors, l->sector);

	assert_non_null(image);
	put_table(image, l, 1, l->sectors - 1, 2);
	put_table(image, l, l->sectors - 1, 1, l->sectors - 1 - room);
	return image;
}
