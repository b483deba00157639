/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: a v6 bootstrap. The first byte says what the others are: the whole file, or what follows the tables of
 * an ordinary or of a TARFS image, whose superblocks and one blob are then right. All that image.h offers is called for
 * all that the image shows.
 */
#include "rafs/bytes.h"
#include "tests/unit/rafs_image_touch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEAD 0x3000 /* bytes before the root in images with one blob */
#define INPUT 0x20000
#define WORK 6000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put(unsigned char *to, unsigned int size, uint64_t value)
{
	for (unsigned int i = 0; i < size; i++)
		to[i] = (unsigned char)(value >> 8 * i);
}

/* Superblocks, a device slot and a blob of 64 chunks, then the payload in whole blocks. */
static size_t put_head(unsigned char *to, bool tarfs, size_t payload)
{
	uint32_t block = tarfs ? 512 : 4096;

	put(to + 1024, 4, 0xE0F5E1E2);
	put(to + 1032, 4, 0x40000000);
	to[1036] = tarfs ? 9 : 12;
	put(to + 1038, 2, 128);
	put(to + 1040, 8, 1);
	put(to + 1060, 4, 64);
	put(to + 1064, 4, 0x2000 / block);
	put(to + 1104, 4, 0xc);
	put(to + 1110, 2, 1);
	put(to + 1112, 2, 11);
	put(to + 1152, 8, tarfs ? 0x1000239 : 0x10000b4);
	put(to + 1160, 8, 0x1000);
	put(to + 1168, 4, 256);
	put(to + 1172, 4, 0x1000);
	memset(to + 1408, 'b', 64);
	put(to + 1472, 4, 64);
	memset(to + 0x1000, 'b', 64);
	put(to + 0x1044, 4, 0x1000);
	put(to + 0x1048, 4, 64);
	put(to + 0x104c, 4, tarfs ? 0 : 3);
	put(to + 0x1054, 4, tarfs ? 0x40000040 : 0x40000001);
	put(to + 0x1058, 8, 64 * 4096);
	put(to + 0x1060, 8, 64 * 4096);
	put(to + 0x1080, 8, tarfs ? 0 : 64 * 16);
	return HEAD + (payload + block - 1) / block * block;
}

/* A directory that can be listed to its end is in order: then each of its names is found. */
static void check_search(const struct rafs_image *image, const struct rafs_inode *dir, uint64_t *work)
{
	struct rafs_dirent entry;
	uint64_t cookie = 0;
	int res = 0;

	while (*work && (res = rafs_dir_next(image, dir, &cookie, &entry)) > 0)
		--*work;
	if (!*work || res < 0)
		return;
	cookie = 0;
	while (*work && rafs_dir_next(image, dir, &cookie, &entry) > 0) {
		struct rafs_inode found;

		--*work;
		if (rafs_lookup(image, dir, entry.name, entry.len, &found) == -ENOENT)
			abort();
	}
}

static void check_image(const struct rafs_image *image)
{
	const struct rafs_super *super = rafs_image_super(image);
	uint64_t work = WORK;
	struct rafs_inode inode;

	if (super->version != 6 || super->blobs > RAFS_BLOBS_MAX)
		abort();
	for (uint32_t i = 0; i < super->blobs; i++)
		if (!rafs_image_blob(image, i)->id[0] || rafs_image_blob(image, i)->index != i)
			abort();
	for (uint64_t nid = super->root; work && nid < super->root + 256; nid++)
		if (rafs_inode_get(image, nid, &inode) == 0 && S_ISDIR(inode.mode))
			check_search(image, &inode, &work);
	image_touch(image, WORK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct image_memory m;
	struct graft_error err = { 0 };
	struct rafs_image *image = NULL;
	unsigned char *bytes;

	if (size < 2 || size > INPUT)
		return 0;
	bytes = calloc(1, HEAD + INPUT + 4096);
	if (!bytes)
		return 0;
	if (data[0] % 3) {
		memcpy(bytes + HEAD, data + 1, size - 1);
		size = put_head(bytes, data[0] % 3 == 2, size - 1);
	} else {
		memcpy(bytes, data + 1, --size);
		/* What is no v6 image is for others to read. */
		if (size >= 1028)
			put(bytes + 1024, 4, 0xE0F5E1E2);
		put(bytes, 4, 0);
	}
	if (image_memory_init(&m, bytes, size, "boot")) {
		int res = rafs_image_open(&image, &m.origin, &err);

		if (res == 0) {
			check_image(image);
			rafs_image_close(image);
		} else if (res != -EINVAL || !err.text[0] || strchr(err.text, '\n')) {
			abort();
		}
		image_memory_fini(&m);
	}
	free(bytes);
	return 0;
}
