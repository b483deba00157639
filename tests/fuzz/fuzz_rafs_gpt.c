/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: a disk of any content, whose checksums are made right if its first byte says so. */
#include "rafs/blob/gpt.h"
#include "rafs/bytes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct image {
	uint8_t *bytes;
	size_t size;
};

static int image_read(void *arg, uint64_t off, void *to, size_t len)
{
	const struct image *m = arg;

	if (!bytes_within(off, len, m->size))
		abort();
	memcpy(to, m->bytes + off, len);
	return 0;
}

static void put_crc(uint8_t *at, const uint8_t *from, size_t len)
{
	uint32_t crc = htole32((uint32_t)crc32(0, from, (uInt)len));

	memcpy(at, &crc, sizeof(crc));
}

/* Right checksums in the header at off, of as much of header and entries as there is. */
static void seal(struct image *m, uint64_t off, uint32_t sector)
{
	uint8_t *h = m->bytes + off;
	uint64_t entries, len;

	if (!bytes_within(off, sector, m->size))
		return;
	entries = bytes_u64(h + 72);
	len = (uint64_t)bytes_u32(h + 80) * bytes_u32(h + 84);
	if (entries < m->size && bytes_within(entries * sector, len, m->size))
		put_crc(h + 88, m->bytes + entries * sector, len);
	memset(h + 16, 0, 4);
	if (bytes_u32(h + 12) <= sector)
		put_crc(h + 16, h, bytes_u32(h + 12));
}

static void check(const struct gpt *gpt, const struct gpt_disk *disk)
{
	const struct gpt_partition *found;

	for (uint32_t i = 0; i < gpt->n; i++) {
		const struct gpt_partition *p = &gpt->partitions[i];
		size_t len = strnlen(p->id, sizeof(p->id));
		int res;

		if (len == 0 || len > GPT_ID_MAX || p->size == 0 || !bytes_within(p->off, p->size, disk->size))
			abort();
		res = gpt_find(gpt, p->id, &found);
		if (res != -EUCLEAN && (res != 0 || strcmp(found->id, p->id) != 0))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct image m = { .size = size ? size - 1 : 0 };
	struct gpt_disk disk = { .read = image_read, .arg = &m, .size = m.size };
	struct graft_error err;
	struct gpt gpt;

	if (!size)
		return 0;
	m.bytes = malloc(m.size + 1);
	if (!m.bytes)
		return 0;
	memcpy(m.bytes, data + 1, m.size);
	disk.sector = UINT32_C(512) << (data[0] >> 1 & 3);
	if ((data[0] & 1) && m.size / disk.sector > 2) {
		seal(&m, disk.sector, disk.sector);
		seal(&m, (m.size / disk.sector - 1) * disk.sector, disk.sector);
	}
	if (gpt_read(&gpt, &disk, &err) == 0)
		check(&gpt, &disk);
	else if (gpt.partitions || !err.text[0])
		abort();
	gpt_free(&gpt);
	free(m.bytes);
	return 0;
}
