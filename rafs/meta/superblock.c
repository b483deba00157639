/* SPDX-License-Identifier: Apache-2.0 */
/* A superblock as nydusd's API shows it (interfaces 3.3): one set of names for both versions. */
#include "rafs/meta/v6.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#define V6_VERSION 0x600
#define FOREVER (UINT64_C(1) << 32) /* seconds */

/* A number of the superblock. */
struct field {
	uint16_t at;   /* bytes from the start */
	uint8_t size;  /* bytes; 0: the version has no such field */
	uint8_t times; /* the number counts so many; 0: one */
	uint8_t parts; /* it is shown in units of so many; 0: one */
};

static const struct row {
	const char *before, *after;
	struct field v5, v6;
	uint64_t otherwise; /* where a version has no such field */
} rows[] = {
	{ "{\"magic\":", ",", { 0x00, 4, 0, 0 }, { V6_SUPER_AT, 4, 0, 0 }, 0 },
	{ "\"version\":", ",", { 0x04, 4, 0, 0 }, { 0 }, V6_VERSION },
	{ "\"sb_size\":", ",", { 0x08, 4, 0, 0 }, { 0 }, 0 },
	{ "\"root_inode\":", ",", { 0 }, { 0 }, 0 },
	{ "\"chunk_size\":", ",", { 0x0c, 4, 0, 0 }, { V6_EXT_SUPER_AT + 0x14, 4, 0, 0 }, 0 },
	{ "\"batch_size\":", ",", { 0 }, { 0 }, 0 },
	{ "\"inodes_count\":", ",", { 0x18, 8, 0, 0 }, { V6_SUPER_AT + 0x10, 8, 0, 0 }, 0 },
	{ "\"flags\":{\"bits\":", "},", { 0x10, 8, 0, 0 }, { V6_EXT_SUPER_AT, 8, 0, 0 }, 0 },
	{ "\"inode_table_entries\":", ",", { 0x38, 4, 0, 0 }, { 0 }, 0 },
	{ "\"inode_table_offset\":", ",", { 0x20, 8, 0, 0 }, { 0 }, 0 },
	{ "\"blob_table_size\":", ",", { 0x40, 4, 0, 0 }, { V6_EXT_SUPER_AT + 0x10, 4, 0, 0 }, 0 },
	{ "\"blob_table_offset\":", ",", { 0x30, 8, 0, 0 }, { V6_EXT_SUPER_AT + 0x08, 8, 0, 0 }, 0 },
	{ "\"extended_blob_table_offset\":", ",", { 0x48, 8, 0, 0 }, { 0 }, 0 },
	{ "\"extended_blob_table_entries\":", ",", { 0x44, 4, 0, 0 }, { 0 }, 0 },
	{ "\"blob_device_table_count\":", ",", { 0 }, { V6_SUPER_AT + 0x56, 2, 0, 0 }, 0 },
	{ "\"blob_device_table_offset\":", ",", { 0 }, { V6_SUPER_AT + 0x58, 2, V6_DEVICE_SIZE, 0 }, 0 },
	{ "\"prefetch_table_offset\":", ",", { 0x28, 8, 0, 0 }, { V6_EXT_SUPER_AT + 0x28, 8, 0, 0 }, 0 },
	{ "\"prefetch_table_entries\":", ",", { 0x3c, 4, 0, 0 }, { V6_EXT_SUPER_AT + 0x30, 4, 0, 4 }, 0 },
	{ "\"attr_timeout\":{\"secs\":", ",\"nanos\":0},", { 0 }, { 0 }, FOREVER },
	{ "\"entry_timeout\":{\"secs\":", ",\"nanos\":0},", { 0 }, { 0 }, FOREVER },
	{ "\"is_chunk_dict\":false,\"meta_blkaddr\":", ",", { 0 }, { V6_SUPER_AT + 0x28, 4, 0, 0 }, 0 },
	{ "\"root_nid\":", ",", { 0 }, { V6_SUPER_AT + 0x0e, 2, 0, 0 }, 0 },
	{ "\"chunk_table_offset\":", ",", { 0 }, { V6_EXT_SUPER_AT + 0x18, 8, 0, 0 }, 0 },
	{ "\"chunk_table_size\":", "}", { 0 }, { V6_EXT_SUPER_AT + 0x20, 8, 0, 0 }, 0 },
};

static uint64_t value_of(const struct rafs_image *image, const struct row *row)
{
	const struct field *f = image->super.version == 5 ? &row->v5 : &row->v6;
	const unsigned char *p = image->map.base + f->at; /* superblocks lie in every image that was opened */
	uint64_t value;

	if (!f->size)
		return row->otherwise;
	value = f->size == 2 ? bytes_u16(p) : f->size == 4 ? bytes_u32(p) : bytes_u64(p);
	return value * (f->times ? f->times : 1) / (f->parts ? f->parts : 1);
}

int rafs_super_json(const struct rafs_image *image, char *to, size_t room)
{
	size_t len = 0;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]) && len < room; i++)
		len += (size_t)snprintf(to + len, room - len, "%s%" PRIu64 "%s", rows[i].before, value_of(image, &rows[i]),
					rows[i].after);
	if (len >= room)
		return -ERANGE;
	return mapping_torn(&image->map) ? -EIO : (int)len;
}
