/* SPDX-License-Identifier: Apache-2.0 */
/* A folder of a test's own, files in it, and disk images with a GUID partition table. */
#ifndef GRAFT_TESTS_UNIT_RAFS_CACHE_FIXTURE_H
#define GRAFT_TESTS_UNIT_RAFS_CACHE_FIXTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DIGITS32 "0123456789abcdef0123456789abcdef"

struct folder {
	char path[128];
	int fd;
};

/* cmocka's setup and teardown: *state is a struct folder that is removed with all in it. */
int folder_setup(void **state);
int folder_teardown(void **state);

/* Fails the test if the file cannot be written. */
void folder_put(const struct folder *f, const char *name, const void *bytes, size_t len);
/* Makes a file of that many bytes, all of them value. */
void folder_fill(const struct folder *f, const char *name, unsigned char value, size_t len);
bool folder_has(const struct folder *f, const char *name);
/* Names in it. */
unsigned int folder_count(const struct folder *f);
/* Sets a file's modification time: seconds since 1970. */
void folder_age(const struct folder *f, const char *name, long seconds);

/* A partition of an image. */
struct disk_partition {
	const char *name;
	const char *guid;     /* 32 hexadecimal digits; NULL: digits of its number */
	bool basic;           /* type Basic Data */
	uint64_t first, last; /* sectors */
};

struct disk_layout {
	uint32_t sector;     /* bytes */
	uint64_t sectors;    /* of the disk */
	uint32_t entry_size; /* bytes */
	uint32_t entries;
	const struct disk_partition *partitions;
	uint32_t n;
};

/* Both tables in an image of zeros; the caller frees it. */
unsigned char *disk_make(const struct disk_layout *l);
/* Makes a header's own checksum right again, after a test changed it. */
void disk_seal_header(unsigned char *header);

#endif
