/* SPDX-License-Identifier: Apache-2.0 */
/* From extents to chunks, from chunks to what is read and decoded as one, and what is known of a chunk. */
#include "rafs/codec/digest.h"
#include "rafs/engine/internal.h"

#include <errno.h>
#include <string.h>

#define CONTEXT_CHUNKS_MAX 65536 /* looked at on each side of a context's chunk */
#define CODED      (RAFS_CHUNK_COMPRESSED | RAFS_CHUNK_ENCRYPTED | RAFS_CHUNK_BATCH | RAFS_CHUNK_ZRAN)

int chunk_of_extent(const struct reader_blob *b, const struct rafs_extent *e, struct rafs_chunk *out)
{
	if (e->complete) {
		*out = e->chunk;
		return 0;
	}
	if (!b->shared->table)
		return -EUCLEAN;
	int res = chunk_table_get(b->shared->table, e->chunk.index, out);
	if (res < 0)
		return res == -ENOENT ? -EUCLEAN : res;
	/* The bootstrap and the blob must tell the same, or a read would return another length or other bytes. */
	return out->u_off == e->chunk.u_off && out->u_size == e->len ? 0 : -EUCLEAN;
}

static bool is_indexed(const struct shared_blob *s, const struct rafs_chunk *chunk)
{
	return chunk->index < s->chunks;
}

bool chunk_is_ready(const struct shared_blob *s, const struct rafs_chunk *chunk)
{
	return s->cache && is_indexed(s, chunk) && cache_file_ready(s->cache, chunk->index) && cached_fits(s, chunk);
}

static bool is_cached(const struct shared_blob *s, const struct rafs_chunk *chunk)
{
	return !s->raw && chunk_is_ready(s, chunk);
}

bool chunk_is_direct(const struct reader_blob *b, const struct rafs_chunk *chunk)
{
	return b->fd >= 0 && !(chunk->flags & CODED);
}

static int unit_of_batch(const struct reader_blob *b, const struct rafs_chunk *chunk, struct unit *out)
{
	struct rafs_batch batch;
	int res = chunk_table_batch(b->shared->table, chunk, &batch);

	if (res < 0)
		return res;
	out->key = UNIT_CONTEXT | chunk->context;
	out->c_off = batch.c_off;
	out->c_size = batch.c_size;
	out->plain = batch.u_size;
	return 0;
}

static int unit_of_zran(const struct reader_blob *b, const struct rafs_chunk *chunk, struct unit *out)
{
	struct rafs_zran zran;
	int res = chunk_table_zran(b->shared->table, chunk->context, &zran);

	if (res < 0)
		return res;
	out->key = UNIT_CONTEXT | chunk->context;
	out->c_off = zran.in_off;
	out->c_size = zran.in_size;
	out->plain = zran.out_size;
	return 0;
}

int unit_of_chunk(const struct reader_blob *b, const struct rafs_chunk *chunk, struct unit *out)
{
	const struct shared_blob *s = b->shared;

	out->chunk = *chunk;
	if (is_cached(s, chunk)) {
		out->key = UNIT_CACHED | chunk->index;
		out->c_off = out->c_size = 0;
		out->plain = chunk->u_size;
		return 0;
	}
	if (chunk->flags & (RAFS_CHUNK_BATCH | RAFS_CHUNK_ZRAN)) {
		int res = !s->table ? -EUCLEAN : chunk->flags & RAFS_CHUNK_BATCH ? unit_of_batch(b, chunk, out) : unit_of_zran(b, chunk, out);

		if (!res && (uint64_t)chunk->at + chunk->u_size > out->plain)
			res = -EUCLEAN;
		return res;
	}
	out->key = is_indexed(s, chunk) ? chunk->index : UNIT_PLACE | chunk->c_off;
	out->c_off = chunk->c_off;
	out->c_size = chunk->c_size;
	out->plain = chunk->u_size;
	if (!out->c_size && s->info.compressor == RAFS_GZIP && (chunk->flags & RAFS_CHUNK_COMPRESSED)) {
		uint64_t rest = s->info.data_end > chunk->c_off ? s->info.data_end - chunk->c_off : 0;
		uint32_t bound = codec_stargz_bound(chunk->u_size);

		out->c_size = rest < bound ? (uint32_t)rest : bound;
	}
	return out->c_size && out->plain ? 0 : -EUCLEAN;
}

static bool in_context(const struct shared_blob *s, const struct unit *u, uint32_t index)
{
	uint32_t kinds = RAFS_CHUNK_BATCH | RAFS_CHUNK_ZRAN;
	struct rafs_chunk chunk;

	return chunk_table_get(s->table, index, &chunk) == 0 && (chunk.flags & kinds) == (u->chunk.flags & kinds) &&
	       chunk.context == u->chunk.context && (uint64_t)chunk.at + chunk.u_size <= u->plain;
}

bool unit_chunks(const struct shared_blob *s, const struct unit *u, uint32_t *first, uint32_t *end)
{
	if (!(u->chunk.flags & (RAFS_CHUNK_BATCH | RAFS_CHUNK_ZRAN)))
		return false;
	*first = *end = u->chunk.index;
	for (uint32_t n = 0; *first && n < CONTEXT_CHUNKS_MAX && in_context(s, u, *first - 1); n++)
		--*first;
	while (*end - *first < 2 * CONTEXT_CHUNKS_MAX && in_context(s, u, *end))
		++*end;
	return true;
}

int chunk_place(const struct reader_blob *b, const struct rafs_chunk *chunk, int *fd, uint64_t *off)
{
	const struct shared_blob *s = b->shared;

	if (chunk_is_direct(b, chunk)) {
		*fd = b->fd;
		*off = b->base + chunk->c_off;
		return 1;
	}
	if (cached_in_place(s) && chunk_is_ready(s, chunk)) {
		*fd = cache_file_fd(s->cache);
		*off = chunk->u_off;
		return 1;
	}
	return 0;
}

bool chunk_needs_check(const struct reader *r, const struct reader_blob *b, const struct rafs_chunk *chunk)
{
	const struct shared_blob *s = b->shared;

	if (r->validate == READER_VALIDATE_NONE || !(chunk->flags & (RAFS_CHUNK_CRC | RAFS_CHUNK_DIGEST)))
		return false;
	if (r->validate == READER_VALIDATE_FULL || !is_indexed(s, chunk) || !s->verified)
		return true;
	/* Pairs with the release in chunk_set_verified. */
	return !(atomic_load_explicit(&s->verified[chunk->index / 8], memory_order_acquire) & (1u << chunk->index % 8));
}

void chunk_set_verified(struct shared_blob *s, uint32_t index, bool good)
{
	unsigned char bit = (unsigned char)(1u << index % 8);

	if (!s->verified || index >= s->chunks)
		return;
	if (good)
		atomic_fetch_or_explicit(&s->verified[index / 8], bit, memory_order_release);
	else
		atomic_fetch_and_explicit(&s->verified[index / 8], (unsigned char)~bit, memory_order_relaxed);
}

bool chunk_wants_ahead(const struct reader_blob *b, const struct rafs_chunk *chunk)
{
	/* The kernel reads ahead of what is read in place. */
	return !chunk_is_direct(b, chunk) && !chunk_is_ready(b->shared, chunk);
}

bool chunk_digest_right(const struct shared_blob *s, const struct rafs_chunk *chunk, const void *plain)
{
	uint8_t digest[RAFS_DIGEST_SIZE];

	return (chunk->flags & RAFS_CHUNK_DIGEST) && digest_of(s->info.digester, plain, chunk->u_size, digest) == 0 &&
	       memcmp(digest, chunk->digest, sizeof(digest)) == 0;
}

int chunk_check(const struct reader *r, const struct reader_blob *b, const struct rafs_chunk *chunk, const void *plain)
{
	bool crc = chunk->flags & RAFS_CHUNK_CRC;
	uint8_t digest[RAFS_DIGEST_SIZE];

	if (r->validate == READER_VALIDATE_NONE)
		return 0;
	if (crc && crc32c(plain, chunk->u_size) != chunk->crc)
		return -EIO;
	if (!(chunk->flags & RAFS_CHUNK_DIGEST) || (crc && r->validate == READER_VALIDATE_CRC))
		return 0;
	int res = digest_of(b->shared->info.digester, plain, chunk->u_size, digest);
	if (res < 0)
		return res;
	return memcmp(digest, chunk->digest, sizeof(digest)) ? -EIO : 0;
}
