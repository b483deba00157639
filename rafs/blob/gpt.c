/* SPDX-License-Identifier: Apache-2.0 */
/* GUID partition tables: header, entries, names. Nothing is taken from a table before its checksums were right. */
#include "rafs/blob/gpt.h"

#include "lib/cleanup.h"
#include "rafs/bytes.h"

#include <inttypes.h>
#include <string.h>
#include <zlib.h>

#define SIGNATURE "EFI PART"
#define HEADER_MIN 92
#define ENTRY_MIN 128
#define ENTRY_MAX 4096
#define ENTRIES_BYTES (UINT32_C(1) << 20) /* of one table */
#define SECTOR_MIN 512
#define SECTOR_MAX 65536
#define NAME_UNITS 36
#define LEGACY_NAME 32 /* bytes of an id that a legacy name holds */

/* EBD0A0A2-B9E5-4433-87C0-68B6B72699C7 as it lies on disk. */
static const unsigned char basic_data[16] = { 0xa2, 0xa0, 0xd0, 0xeb, 0xe5, 0xb9, 0x33, 0x44,
					      0x87, 0xc0, 0x68, 0xb6, 0xb7, 0x26, 0x99, 0xc7 };

/* What a header says, checked. */
struct header {
	uint64_t entries; /* byte where the entries begin */
	uint32_t count, entry_size;
	uint32_t crc;
};

static uint32_t crc_of(const void *p, size_t len)
{
	return (uint32_t)crc32(crc32(0, NULL, 0), p, (uInt)len);
}

/* buf is the sector numbered lba; its checksum field is zeroed. NULL, or what is wrong. */
static const char *header_parse(unsigned char *buf, const struct gpt_disk *disk, uint64_t lba, struct header *h)
{
	uint32_t size, crc;
	uint64_t entries_lba;

	if (memcmp(buf, SIGNATURE, 8) != 0)
		return "has no signature";
	size = bytes_u32(buf + 12);
	if (size < HEADER_MIN || size > disk->sector)
		return "has a wrong size";
	crc = bytes_u32(buf + 16);
	memset(buf + 16, 0, 4);
	if (crc_of(buf, size) != crc)
		return "has a wrong checksum";
	if (bytes_u64(buf + 24) != lba)
		return "was made for another sector";
	entries_lba = bytes_u64(buf + 72);
	h->count = bytes_u32(buf + 80);
	h->entry_size = bytes_u32(buf + 84);
	h->crc = bytes_u32(buf + 88);
	if (h->entry_size < ENTRY_MIN || h->entry_size > ENTRY_MAX || (h->entry_size & (h->entry_size - 1)))
		return "has a wrong size of entries";
	if (h->count == 0 || h->count > ENTRIES_BYTES / h->entry_size)
		return "has a wrong number of entries";
	if (entries_lba < 2 || entries_lba >= disk->size / disk->sector)
		return "has its entries outside the disk";
	h->entries = entries_lba * disk->sector;
	if (!bytes_within(h->entries, (uint64_t)h->count * h->entry_size, disk->size))
		return "has its entries outside the disk";
	return NULL;
}

/* The name as bytes: its length, or -1 if it has others than printable ASCII. out holds NAME_UNITS + 1. */
static int name_text(const unsigned char *units, char *out)
{
	int n;

	for (n = 0; n < NAME_UNITS; n++) {
		uint16_t c = bytes_u16(units + 2 * n);

		if (c == 0)
			break;
		if (c <= 0x20 || c >= 0x7f || c == '/')
			return -1;
		out[n] = (char)c;
	}
	out[n] = '\0';
	return n;
}

/* 32 hexadecimal digits in the order of the GUID's text: its first three fields are little-endian. */
static void guid_text(const unsigned char *guid, char *out)
{
	static const unsigned char order[16] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };

	for (size_t i = 0; i < sizeof(order); i++)
		snprintf(out + 2 * i, 3, "%02x", guid[order[i]]);
}

/* 1: p is filled in; 0: the entry is unused, or cannot be a blob's; -EUCLEAN: it lies outside the disk. */
static int entry_parse(const unsigned char *e, const struct gpt_disk *disk, struct gpt_partition *p)
{
	static const unsigned char unused[16];
	uint64_t first = bytes_u64(e + 32), last = bytes_u64(e + 40);
	char name[NAME_UNITS + 1];
	int len;

	if (memcmp(e, unused, sizeof(unused)) == 0)
		return 0;
	if (first > last || last >= disk->size / disk->sector)
		return -EUCLEAN;
	p->off = first * disk->sector;
	p->size = (last - first + 1) * disk->sector;
	p->legacy = memcmp(e, basic_data, sizeof(basic_data)) == 0;
	len = name_text(e + 56, name);
	if (len < 0 || len > (p->legacy ? NAME_UNITS : GPT_ID_MAX - 32) || (p->legacy && len == 0))
		return 0;
	memcpy(p->id, name, (size_t)len + 1);
	if (!p->legacy)
		guid_text(e + 16, p->id + len);
	return 1;
}

static const char *entries_parse(struct gpt *gpt, const unsigned char *entries, const struct header *h,
				 const struct gpt_disk *disk)
{
	for (uint32_t i = 0; i < h->count; i++) {
		int res = entry_parse(entries + (size_t)i * h->entry_size, disk, &gpt->partitions[gpt->n]);

		if (res < 0)
			return "has a partition outside the disk";
		gpt->n += (uint32_t)res;
	}
	return NULL;
}

/* Shrinks the list to what is used; an array that cannot be made smaller serves too. */
static void fit(struct gpt *gpt)
{
	struct gpt_partition *p = realloc(gpt->partitions, (gpt->n ? gpt->n : 1) * sizeof(*p));

	if (p)
		gpt->partitions = p;
}

/* The table whose header is in sector lba. 0, or -errno with *wrong. */
static int table_read(struct gpt *gpt, const struct gpt_disk *disk, uint64_t lba, const char **wrong)
{
	auto_free unsigned char *buf = malloc(disk->sector);
	auto_free unsigned char *entries = NULL;
	struct header h;
	size_t len;
	int res;

	*wrong = "cannot be read";
	if (!buf)
		return -ENOMEM;
	res = disk->read(disk->arg, lba * disk->sector, buf, disk->sector);
	if (res < 0)
		return res;
	*wrong = header_parse(buf, disk, lba, &h);
	if (*wrong)
		return -EUCLEAN;
	*wrong = "has entries that cannot be read";
	len = (size_t)h.count * h.entry_size;
	entries = malloc(len);
	gpt->partitions = calloc(h.count, sizeof(*gpt->partitions));
	if (!entries || !gpt->partitions)
		return -ENOMEM;
	res = disk->read(disk->arg, h.entries, entries, len);
	if (res < 0)
		return res;
	*wrong = crc_of(entries, len) == h.crc ? entries_parse(gpt, entries, &h, disk)
					       : "has entries with a wrong checksum";
	if (*wrong)
		return -EUCLEAN;
	fit(gpt);
	return 0;
}

int gpt_read(struct gpt *gpt, const struct gpt_disk *disk, struct graft_error *err)
{
	const char *wrong, *backup_wrong;
	int res;

	*gpt = (struct gpt){ 0 };
	if (disk->sector < SECTOR_MIN || disk->sector > SECTOR_MAX || (disk->sector & (disk->sector - 1)))
		return error_set(err, EUCLEAN, "sectors of %" PRIu32 " bytes", disk->sector);
	if (disk->size > INT64_MAX || disk->size / disk->sector < 3)
		return error_set(err, EUCLEAN, "a disk of %" PRIu64 " bytes has no partition table", disk->size);
	if (table_read(gpt, disk, 1, &wrong) == 0)
		return 0;
	gpt_free(gpt);
	res = table_read(gpt, disk, disk->size / disk->sector - 1, &backup_wrong);
	if (res == 0)
		return 0;
	gpt_free(gpt);
	return error_set(err, -res, "no GUID partition table: the first one %s, the one at the end %s", wrong,
			 backup_wrong);
}

void gpt_free(struct gpt *gpt)
{
	free(gpt->partitions);
	*gpt = (struct gpt){ 0 };
}

static bool names(const struct gpt_partition *p, const char *id, bool beginning)
{
	if (!beginning)
		return strcmp(p->id, id) == 0;
	return p->legacy && strlen(p->id) == LEGACY_NAME && strncmp(p->id, id, LEGACY_NAME) == 0;
}

static int find(const struct gpt *gpt, const char *id, bool beginning, const struct gpt_partition **found)
{
	*found = NULL;
	for (uint32_t i = 0; i < gpt->n; i++) {
		if (!names(&gpt->partitions[i], id, beginning))
			continue;
		if (*found)
			return -EUCLEAN;
		*found = &gpt->partitions[i];
	}
	return *found ? 0 : -ENOENT;
}

int gpt_find(const struct gpt *gpt, const char *id, const struct gpt_partition **found)
{
	int res = find(gpt, id, false, found);

	return res == -ENOENT ? find(gpt, id, true, found) : res;
}
