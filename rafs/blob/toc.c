/* SPDX-License-Identifier: Apache-2.0 */
/* A blob's table of contents: 128-byte entries and a tar header, the last thing in the file (reference 3.6). */
#include "rafs/blob/bootstrap.h"

#include "rafs/bytes.h"
#include "rafs/codec/digest.h"

#include <errno.h>

#define HEADER_SIZE 512
#define ENTRY_SIZE  128
#define NAME_AT     8
#define NAME_SIZE   16
#define TOC_MAX     0x10000

/* Values of an entry's flags. */
enum { TOC_PLAIN = 1, TOC_ZSTD = 2, TOC_LZ4 = 4 };

size_t toc_size(const void *tail, size_t len)
{
	char name[101];
	uint64_t size;

	if (len < HEADER_SIZE)
		return 0;
	if (tar_header_read((const unsigned char *)tail + len - HEADER_SIZE, name, &size) < 0)
		return 0;
	if (strcmp(name, "rafs.blob.toc") != 0 || size == 0 || size % ENTRY_SIZE != 0)
		return 0;
	if (size > len - HEADER_SIZE || size > TOC_MAX - HEADER_SIZE)
		return 0;
	return size + HEADER_SIZE;
}

static bool is_chunk_table(const unsigned char *e)
{
	static const char name[NAME_SIZE] = "blob.meta";

	return memcmp(e + NAME_AT, name, sizeof(name)) == 0;
}

static int decode(const unsigned char *e, uint64_t end, struct toc_entry *out)
{
	uint32_t flags = bytes_u32(e) & 0xf;

	/* Only a chunk table has LZ4, and what is read of that is as the blob table says. */
	if (flags != TOC_PLAIN && flags != TOC_ZSTD && !(flags == TOC_LZ4 && is_chunk_table(e)))
		return -EUCLEAN;
	memcpy(out->name, e + NAME_AT, NAME_SIZE);
	out->name[NAME_SIZE] = '\0';
	out->compressor = flags == TOC_ZSTD ? RAFS_ZSTD : flags == TOC_LZ4 ? RAFS_LZ4 : RAFS_NONE;
	memcpy(out->digest, e + 24, RAFS_DIGEST_SIZE);
	out->c_off = bytes_u64(e + 56);
	out->c_size = bytes_u64(e + 64);
	out->u_size = bytes_u64(e + 72);
	return bytes_within(out->c_off, out->c_size, end) ? 0 : -EUCLEAN;
}

int toc_find(const void *toc, size_t len, uint64_t file_size, const uint8_t *want, const char *name,
	     struct toc_entry *out)
{
	const unsigned char *entries = toc, *found = NULL;
	char padded[NAME_SIZE] = { 0 };
	uint8_t digest[RAFS_DIGEST_SIZE];

	if (len == 0 || len > file_size || toc_size(toc, len) != len || strlen(name) > NAME_SIZE)
		return -EUCLEAN;
	if (want) {
		int res = digest_of(RAFS_SHA256, toc, len, digest);

		if (res < 0)
			return res;
		if (memcmp(digest, want, sizeof(digest)) != 0)
			return -EUCLEAN;
	}
	memcpy(padded, name, strlen(name));
	for (size_t at = 0; at < len - HEADER_SIZE; at += ENTRY_SIZE) {
		if (memcmp(entries + at + NAME_AT, padded, NAME_SIZE) != 0)
			continue;
		if (found) /* two of one name: which is meant cannot be known */
			return -EUCLEAN;
		found = entries + at;
	}
	return found ? decode(found, file_size - len, out) : -ENOENT;
}
