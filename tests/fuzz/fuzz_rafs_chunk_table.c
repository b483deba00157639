/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: a v6 blob table entry (256 bytes) and the file it describes, first as a blob, then as a cached table.
 * What is taken must keep to its bounds, entry by entry, and both ways of reading one entry must agree.
 */
#include "rafs/blob/backend.h"
#include "rafs/blob/chunk_table.h"
#include "rafs/bytes.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define ENTRY_SIZE 256

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A blob in memory; with a descriptor, so that it can be mapped. */
struct memory_blob {
	struct blob_file base;
	const uint8_t *bytes;
	size_t size;
	int fd;
};

static int memory_read(struct blob_file *file, uint64_t off, const struct iovec *iov, uint32_t n)
{
	const struct memory_blob *m = (const struct memory_blob *)file;

	for (uint32_t i = 0; i < n; i++) {
		if (!bytes_within(off, iov[i].iov_len, m->size))
			return -EIO;
		memcpy(iov[i].iov_base, m->bytes + off, iov[i].iov_len);
		off += iov[i].iov_len;
	}
	return 0;
}

static int memory_fd(const struct blob_file *file, uint64_t *base)
{
	*base = 0;
	return ((const struct memory_blob *)file)->fd;
}

static uint64_t memory_size(const struct blob_file *file)
{
	return ((const struct memory_blob *)file)->size;
}

/* As rafs/meta hands one over: sizes in the bounds of the blob table, codes known. */
static struct rafs_blob_info decode(const uint8_t *e)
{
	struct rafs_blob_info info = {
		.id = "0123456789",
		.meta_id = "0123456789",
		.version = 6,
		.chunk_size = bytes_u32(e + 0x44),
		.chunk_count = bytes_u32(e + 0x48),
		.compressor = bytes_u32(e + 0x4c) % 4,
		.digester = bytes_u32(e + 0x50) % 2,
		.features = bytes_u32(e + 0x54),
		.c_size = bytes_u64(e + 0x58) & ((UINT64_C(1) << 40) - 1),
		.u_size = bytes_u64(e + 0x60) & ((UINT64_C(1) << 44) - 1),
		.toc_size = bytes_u32(e + 0x68),
		.ci_compressor = bytes_u32(e + 0x6c) % 4,
		.ci_offset = bytes_u64(e + 0x70),
		.ci_c_size = bytes_u64(e + 0x78),
		.ci_u_size = bytes_u64(e + 0x80),
		.cipher = bytes_u32(e + 0xd8) % 2,
	};

	info.data_end = info.features & RAFS_BLOB_SEPARATE ? info.c_size : info.ci_offset;
	memcpy(info.toc_digest, e + 0x88, 32);
	memcpy(info.key, e + 0xa8, 32);
	memcpy(info.iv, e + 0xc8, 16);
	return info;
}

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void check_zran(const struct chunk_table *t, const struct rafs_chunk *c)
{
	struct rafs_zran z;
	unsigned int sum = 0;

	must(chunk_table_zran(t, c->context, &z) == 0);
	must(bytes_within(c->at, c->u_size, z.out_size) && z.dict_size <= 32768);
	for (uint32_t i = 0; i < z.dict_size; i++)
		sum += z.dict[i];
	must(sum <= z.dict_size * 255u);
}

static void check_table(const struct chunk_table *t, const struct rafs_blob_info *info)
{
	uint32_t count = chunk_table_count(t);
	struct rafs_chunk c;

	must(count > 0 && count <= RAFS_CHUNKS_MAX);
	for (uint32_t i = 0; i < count && i < 4096; i++) {
		struct rafs_batch b;

		if (chunk_table_get(t, i, &c) < 0)
			continue;
		must(c.u_size > 0 && c.u_size <= RAFS_CHUNK_MAX);
		must(bytes_within(c.u_off, c.u_size, info->u_size + 4095));
		must(!info->data_end || bytes_within(c.c_off, c.c_size, info->data_end));
		if (c.flags & RAFS_CHUNK_BATCH) {
			must(chunk_table_batch(t, &c, &b) == 0);
			must(b.u_size <= RAFS_CHUNK_MAX && bytes_within(c.at, c.u_size, b.u_size));
		} else if (c.flags & RAFS_CHUNK_ZRAN) {
			check_zran(t, &c);
		}
	}
	must(chunk_table_get(t, count, &c) == -ENOENT);
}

static void check_refusal(int res, const struct graft_error *err)
{
	must(res == -err->code && err->text[0]);
	must(strstr(err->text, "0123456789") != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct backend_ops ops = {
		.name = "memory", .read = memory_read, .fd = memory_fd, .size = memory_size
	};
	static struct backend backend = { .ops = &ops };
	struct memory_blob blob = { .base.backend = &backend };
	struct graft_error err = { 0 };
	struct chunk_table *t = NULL;
	struct mapping map = { 0 };

	if (size <= ENTRY_SIZE)
		return 0;
	struct rafs_blob_info info = decode(data);
	blob.bytes = data + ENTRY_SIZE;
	blob.size = size - ENTRY_SIZE;
	blob.fd = memfd_create("fuzz", MFD_CLOEXEC);
	if (blob.fd < 0 || write(blob.fd, blob.bytes, blob.size) != (ssize_t)blob.size)
		abort();
	int res = chunk_table_open(&t, &info, &blob.base, NULL, size & 1, &err);
	if (!res) {
		check_table(t, &info);
		chunk_table_close(t);
	} else {
		check_refusal(res, &err);
	}
	if (mapping_open(&map, blob.fd, 0, blob.size, MAPPING_READ, NULL) < 0)
		abort();
	res = chunk_table_from(&t, &info, &map, NULL, &err);
	if (!res) {
		check_table(t, &info);
		chunk_table_close(t);
	} else {
		check_refusal(res, &err);
	}
	close(blob.fd);
	return 0;
}
