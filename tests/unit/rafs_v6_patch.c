/* SPDX-License-Identifier: Apache-2.0 */
/* Changing v6 images. */
#include "rafs_v6_patch.h"

#include "rafs/bytes.h"
#include "rafs_image_walk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

void patch_init(struct patch *p, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/boot", name);
	p->bytes = walk_bytes(path, &p->size);
	p->was = walk_open(path);
	p->inodes_at = (uint64_t)bytes_u32(p->bytes + 1024 + 0x28) << p->bytes[1024 + 0xc];
}

void patch_fini(struct patch *p)
{
	rafs_image_close(p->was);
	free(p->bytes);
}

void patch_set(struct patch *p, uint64_t at, unsigned int size, uint64_t value)
{
	assert_true(bytes_within(at, size, p->size));
	for (unsigned int i = 0; i < size; i++)
		p->bytes[at + i] = (unsigned char)(value >> 8 * i);
}

uint64_t patch_get(const struct patch *p, uint64_t at, unsigned int size)
{
	uint64_t value = 0;

	assert_true(bytes_within(at, size, p->size));
	for (unsigned int i = 0; i < size; i++)
		value |= (uint64_t)p->bytes[at + i] << 8 * i;
	return value;
}

struct rafs_image *patch_open(struct patch *p)
{
	struct rafs_image *image = NULL;
	struct graft_error err = { 0 };

	if (walk_open_bytes(&image, p->bytes, p->size, &err) != 0)
		fail_msg("refused: %s", err.text);
	return image;
}

struct rafs_inode patch_inode(const struct patch *p, const char *path)
{
	struct rafs_inode inode;

	assert_int_equal(walk_path(p->was, path, &inode), 0);
	return inode;
}

uint64_t patch_dirent(const struct patch *p, const char *dir, const char *name, uint64_t *name_at)
{
	struct rafs_inode inode = patch_inode(p, dir);
	uint64_t block = rafs_image_super(p->was)->block_size;

	for (uint64_t off = 0; off < inode.size; off += block) {
		uint64_t base = inode.tail_at && inode.size - off < block ? inode.tail_at : inode.data_at + off;
		uint64_t count = patch_get(p, base + 8, 2) / 12;

		for (uint64_t i = 0; i < count; i++) {
			uint64_t from = patch_get(p, base + 12 * i + 8, 2);

			if (i + 1 < count && patch_get(p, base + 12 * i + 20, 2) - from != strlen(name))
				continue;
			if (memcmp(p->bytes + base + from, name, strlen(name)) != 0)
				continue;
			if (name_at)
				*name_at = base + from;
			return base + 12 * i;
		}
	}
	fail_msg("%s has no %s", dir, name);
	return 0;
}

uint64_t patch_inode_at(struct patch *p, uint64_t at, uint16_t mode)
{
	assert_int_equal(at % 32, 0);
	assert_true(bytes_within(at, 64, p->size));
	memset(p->bytes + at, 0, 64);
	patch_set(p, at, 2, 1);
	patch_set(p, at + 4, 2, mode);
	patch_set(p, at + 44, 4, 1);
	return (at - p->inodes_at) / 32;
}

void patch_same_extent(const struct rafs_extent *a, const struct rafs_extent *b)
{
	assert_int_equal(a->file_off, b->file_off);
	assert_int_equal(a->len, b->len);
	assert_int_equal(a->hole, b->hole);
	assert_int_equal(a->complete, b->complete);
	assert_int_equal(a->blob, b->blob);
	assert_int_equal(a->chunk.index, b->chunk.index);
	assert_int_equal(a->chunk.u_off, b->chunk.u_off);
	assert_int_equal(a->chunk.u_size, b->chunk.u_size);
	assert_int_equal(a->chunk.c_off, b->chunk.c_off);
	assert_int_equal(a->chunk.c_size, b->chunk.c_size);
	assert_int_equal(a->chunk.flags, b->chunk.flags);
}
