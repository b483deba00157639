/* SPDX-License-Identifier: Apache-2.0 */
/* A chunk's copy in <id>.blob.data: as it is, or encrypted page by page (reference 4). */
#include "rafs/bytes.h"
#include "rafs/engine/internal.h"

#include <errno.h>
#include <string.h>

/* nydusd's key where a digest cannot be one, because its halves are equal: above all where there is none, and it is zero. */
static const uint8_t digestless_key[CODEC_KEY] = {
	0xac, 0xed, 0x14, 0x69, 0x94, 0x23, 0x1e, 0xca, 0x44, 0x8c, 0xed, 0x2f, 0x6b, 0x40, 0x0c, 0x00,
	0xfd, 0xbb, 0x3f, 0xac, 0xdd, 0xc7, 0xd9, 0xee, 0x83, 0xf6, 0x5c, 0xd9, 0x3c, 0xaa, 0x28, 0x7c,
};

static uint32_t padded(const struct rafs_chunk *chunk)
{
	return (uint32_t)bytes_round_up(chunk->u_size, CODEC_PAGE);
}

bool cached_fits(const struct shared_blob *s, const struct rafs_chunk *chunk)
{
	if (!s->secret.on)
		return true;
	/* Whole pages are written. Those of a chunk that begins within one would cover its neighbours' bytes. */
	return chunk->u_off % CODEC_PAGE == 0 && bytes_within(chunk->u_off, padded(chunk), s->info.u_size);
}

bool cached_in_place(const struct shared_blob *s)
{
	return s->cache && !s->raw && !s->secret.on;
}

static const uint8_t *key_of(const struct shared_blob *s, const struct rafs_chunk *chunk)
{
	bool digest = s->by_digest && (chunk->flags & RAFS_CHUNK_DIGEST);

	if (!s->secret.convergent)
		return s->secret.key;
	return digest && codec_key_ok(chunk->digest) ? chunk->digest : digestless_key;
}

int cached_read(const struct shared_blob *s, const struct rafs_chunk *chunk, struct worker *w)
{
	uint32_t len = s->secret.on ? padded(chunk) : chunk->u_size;
	int res = buffer_reserve(&w->plain, len);

	if (!res)
		res = cache_file_read(s->cache, w->plain.bytes, len, chunk->u_off);
	if (!res && s->secret.on)
		res = codec_decrypt_pages(w->codec, key_of(s, chunk), w->plain.bytes, len);
	return res;
}

int cached_write(const struct shared_blob *s, const struct rafs_chunk *chunk, const unsigned char *bytes, struct worker *w)
{
	uint32_t len = padded(chunk);
	int res;

	if (!s->secret.on)
		return cache_file_write(s->cache, bytes, chunk->u_size, chunk->u_off);
	res = buffer_reserve(&w->pages, len);
	if (res < 0)
		return res;
	memcpy(w->pages.bytes, bytes, chunk->u_size);
	memset(w->pages.bytes + chunk->u_size, 0, len - chunk->u_size);
	res = codec_encrypt_pages(w->codec, key_of(s, chunk), w->pages.bytes, len);
	return res < 0 ? res : cache_file_write(s->cache, w->pages.bytes, len, chunk->u_off);
}
