/* SPDX-License-Identifier: Apache-2.0 */
/* A unit's plain bytes: from the cache or the blob, decrypted, decompressed, checked, and kept for the next reader. */
#include "rafs/engine/internal.h"

#include <errno.h>
#include <string.h>

#define TRIES 2 /* of the backend: what is bad is fetched anew once */

/* What the functions below work on. */
struct work {
	struct reader *r;
	struct reader_blob *b;
	struct shared_blob *s;
	const struct unit *unit;
	struct worker *w;
	uint64_t ino;
	const unsigned char *plain; /* the result */
};

typedef int chunk_fn(struct work *k, const struct rafs_chunk *chunk, bool last);

static bool is_context(const struct unit *u)
{
	return u->chunk.flags & (RAFS_CHUNK_BATCH | RAFS_CHUNK_ZRAN);
}

/* Every chunk of the unit; last: fn's for each. The first result below 0, or 0. */
static int each_chunk(struct work *k, chunk_fn *fn, bool last)
{
	struct rafs_chunk chunk;
	uint32_t first, end;
	int worst = 0;

	if (!unit_chunks(k->s, k->unit, &first, &end))
		return fn(k, &k->unit->chunk, last);
	for (uint32_t i = first; i < end; i++) {
		int res = chunk_table_get(k->s->table, i, &chunk);

		if (!res)
			res = fn(k, &chunk, last);
		if (res < 0)
			worst = res;
	}
	return worst;
}

static const unsigned char *bytes_of(const struct work *k, const struct rafs_chunk *chunk)
{
	return k->plain + (is_context(k->unit) ? chunk->at : 0);
}

/* last: nothing will be tried after this. */
static int check_chunk(struct work *k, const struct rafs_chunk *chunk, bool last)
{
	int res = chunk_check(k->r, k->b, chunk, bytes_of(k, chunk));

	if (!res)
		chunk_set_verified(k->s, chunk->index, true);
	else if (last)
		complain(k->r, k->s, chunk, k->ino, "bad also when fetched anew: reads of it fail");
	return res;
}

static int decrypt(struct work *k, const unsigned char **in, size_t *len)
{
	bool secret = k->unit->chunk.flags & RAFS_CHUNK_ENCRYPTED ||
		      ((k->unit->chunk.flags & RAFS_CHUNK_BATCH) && (k->s->info.features & RAFS_BLOB_ENCRYPTED));

	if (!secret)
		return 0;
	int res = buffer_reserve(&k->w->secret, *len);
	if (!res)
		res = codec_decrypt(k->w->codec, &k->s->info, *in, *len, k->w->secret.bytes, len);
	*in = k->w->secret.bytes;
	return res;
}

static bool is_compressed(const struct work *k, size_t len)
{
	/* A batch says nothing of it; a small encrypted one is stored longer than it is, so only what was decrypted tells. */
	if (k->unit->chunk.flags & RAFS_CHUNK_BATCH)
		return len != k->unit->plain;
	return k->unit->chunk.flags & RAFS_CHUNK_COMPRESSED;
}

static int decode_zran(struct work *k, const unsigned char *in)
{
	struct rafs_zran zran;
	int res = chunk_table_zran(k->s->table, k->unit->chunk.context, &zran);

	/* The table is a file: it may tell another thing now. */
	if (!res && (zran.in_size != k->unit->c_size || zran.out_size != k->unit->plain))
		res = -EUCLEAN;
	return res < 0 ? res : codec_zran(k->w->codec, &zran, in, k->w->plain.bytes, k->unit->plain);
}

/* k->plain from the unit's bytes as they lie in the blob. */
static int decode(struct work *k, const unsigned char *in)
{
	size_t len = k->unit->c_size;
	int res = decrypt(k, &in, &len);

	if (res < 0)
		return res;
	if (!(k->unit->chunk.flags & RAFS_CHUNK_ZRAN) && !is_compressed(k, len)) {
		k->plain = in;
		return len == k->unit->plain ? 0 : -EIO;
	}
	res = buffer_reserve(&k->w->plain, k->unit->plain);
	if (res < 0)
		return res;
	k->plain = k->w->plain.bytes;
	if (k->unit->chunk.flags & RAFS_CHUNK_ZRAN)
		return decode_zran(k, in);
	return codec_decompress(k->w->codec, (enum rafs_compressor)k->s->info.compressor, in, len, k->w->plain.bytes,
				k->unit->plain);
}

/* A few units stay in memory: of blobs without a file in the cache folder, or with one that has to be decoded; when the disk is full. */
static void keep_in_memory(struct work *k)
{
	struct plain *p = k->unit->plain <= POOL_PLAIN_LIMIT / 4 ? plain_new(k->unit->plain) : NULL;

	if (!p)
		return;
	memcpy(p->bytes, k->plain, k->unit->plain);
	plain_cache_put(pool_plain(k->r->pool), k->s, UNIT_PLAIN(k->unit->key), p);
	plain_put(p);
}

/* A chunk that the cache has, to be checked before it is believed. -EAGAIN: it was bad and has to be fetched. */
static int decode_cached(struct work *k)
{
	const struct rafs_chunk *chunk = &k->unit->chunk;
	int res = cached_read(k->s, chunk, k->w);

	if (res == -ENOMEM)
		return res;
	k->plain = k->w->plain.bytes;
	if (!res && chunk_needs_check(k->r, k->b, chunk))
		res = chunk_check(k->r, k->b, chunk, k->plain);
	chunk_set_verified(k->s, chunk->index, res == 0);
	if (!res) {
		reader_add(&k->r->count.checked_chunks, 1);
		if (!cached_in_place(k->s))
			keep_in_memory(k);
		return 0;
	}
	cache_file_clear_ready(k->s->cache, chunk->index);
	complain(k->r, k->s, chunk, k->ino, "bad in the cache: it is fetched anew");
	return -EAGAIN;
}

static int read_shared(struct work *k, const struct rafs_chunk *chunk, bool last)
{
	(void)last;
	return cache_file_read(k->s->cache, k->w->plain.bytes + chunk->at, chunk->u_size, chunk->u_off);
}

/* A context whose chunks were all taken from elsewhere: what is between them, nobody reads. */
static int decode_shared(struct work *k)
{
	int res;

	if (!is_context(k->unit) || (k->unit->key & UNIT_CACHED))
		return decode_cached(k);
	res = buffer_reserve(&k->w->plain, k->unit->plain);
	k->plain = k->w->plain.bytes;
	return res < 0 ? res : each_chunk(k, read_shared, true);
}

/* Without a map: an earlier process may have written it. */
static bool is_maybe_left(const struct shared_blob *s, const struct unit *u)
{
	return s->unmapped && s->raw && u->chunk.index < s->chunks && cache_file_written(s->cache, u->c_off, u->c_size);
}

/* The unit's bytes as they lie in the blob, from <id>.blob.raw. */
static int from_raw_cache(struct work *k)
{
	const struct unit *u = k->unit;
	bool ready = chunk_is_ready(k->s, &u->chunk), maybe = !ready && is_maybe_left(k->s, u);

	if (!k->s->raw || !(ready || maybe) || buffer_reserve(&k->w->raw, u->c_size) < 0)
		return 0;
	if (cache_file_read(k->s->cache, k->w->raw.bytes, u->c_size, u->c_off) == 0 && decode(k, k->w->raw.bytes) == 0 &&
	    each_chunk(k, check_chunk, false) == 0 && (ready || chunk_digest_right(k->s, &u->chunk, k->plain))) {
		if (maybe)
			cache_file_set_ready(k->s->cache, u->chunk.index);
		keep_in_memory(k);
		return 1;
	}
	if (maybe)
		return 0;
	cache_file_clear_ready(k->s->cache, u->chunk.index);
	complain(k->r, k->s, &u->chunk, k->ino, "bad in the cache: it is fetched anew");
	return 0;
}

static void set_ready(struct work *k, uint32_t index)
{
	cache_file_set_ready(k->s->cache, index);
	reader_add(&k->r->count.cached_chunks, 1);
}

static int mark_ready(struct work *k, const struct rafs_chunk *chunk, bool last)
{
	(void)last;
	if (chunk->index < k->s->chunks)
		set_ready(k, chunk->index);
	return 0;
}

/* Writes a good chunk to its place. */
static int keep_chunk(struct work *k, const struct rafs_chunk *chunk, bool last)
{
	(void)last;
	if (is_context(k->unit) && chunk_check(k->r, k->b, chunk, bytes_of(k, chunk)) < 0)
		return 0;
	if (chunk->index >= k->s->chunks || cache_file_ready(k->s->cache, chunk->index) || !cached_fits(k->s, chunk))
		return 0;
	int res = cached_write(k->s, chunk, bytes_of(k, chunk), k->w);
	if (!res) {
		set_ready(k, chunk->index);
		if (k->s->source)
			share_offer(k->r, k->s, chunk, bytes_of(k, chunk));
	}
	return res;
}

static void keep(struct work *k, const unsigned char *raw)
{
	int res = 0;

	if (chunk_is_direct(k->b, &k->unit->chunk) && !k->r->cache_all)
		return;
	if (k->s->cache && k->s->raw) {
		res = cache_file_write(k->s->cache, raw, k->unit->c_size, k->unit->c_off);
		if (!res)
			each_chunk(k, mark_ready, false);
	} else if (k->s->cache) {
		res = each_chunk(k, keep_chunk, false);
	}
	if (!k->s->cache || !cached_in_place(k->s))
		keep_in_memory(k);
	if (res < 0) {
		reader_add(&k->r->count.cache_errors, 1);
		reader_say(k->r, GRAFT_LOG_WARN, "blob %s is served without caching: %s: %s", k->s->info.id,
			   cache_dir_path(k->s->dir), strerror(-res));
		keep_in_memory(k);
	}
}

static int from_memory(struct work *k)
{
	struct plain *p = plain_cache_get(pool_plain(k->r->pool), k->s, UNIT_PLAIN(k->unit->key));
	bool got = p && p->len == k->unit->plain && buffer_reserve(&k->w->plain, p->len) == 0;

	if (got) {
		memcpy(k->w->plain.bytes, p->bytes, p->len);
		k->plain = k->w->plain.bytes;
	}
	plain_put(p);
	return got && each_chunk(k, check_chunk, false) == 0;
}

static int from_cache(struct work *k)
{
	return from_memory(k) || from_raw_cache(k);
}

static int read_unit(struct work *k, const unsigned char **raw)
{
	struct blob_file *file = blob_source(k->r, k->b);
	int res = file ? buffer_reserve(&k->w->raw, k->unit->c_size) : -EIO;

	if (!res)
		res = blob_read_buffer(file, k->unit->c_off, k->w->raw.bytes, k->unit->c_size);
	*raw = k->w->raw.bytes;
	reader_add(&k->r->count.backend_reads, 1);
	if (!res)
		reader_add(&k->r->count.fetched_bytes, k->unit->c_size);
	else
		reader_add(&k->r->count.backend_errors, 1);
	return res;
}

static int from_blob(struct work *k, const unsigned char *raw)
{
	int res = -EIO;

	for (int try = 0; try < TRIES; try++) {
		bool last = try == TRIES - 1;

		res = raw ? 0 : read_unit(k, &raw);
		if (res < 0 && last)
			complain(k->r, k->s, &k->unit->chunk, k->ino, "cannot be read from the blob: reads of it fail");
		if (!res) {
			res = decode(k, raw);
			if (res == -EIO && last)
				complain(k->r, k->s, &k->unit->chunk, k->ino, "cannot be unpacked: reads of it fail");
		}
		if (!res) {
			res = each_chunk(k, check_chunk, last);
			/* A context with one bad chunk still has good ones: those who wait check theirs. */
			if (!res || (last && is_context(k->unit))) {
				keep(k, raw);
				return 0;
			}
		}
		raw = NULL;
	}
	return res;
}

int flight_decode(const struct fetch *f, const struct flight *flight, struct worker *w, const unsigned char **plain)
{
	struct work k = {.r = f->reader, .b = f->blob, .s = f->blob->shared, .unit = &flight->unit, .w = w};
	const unsigned char *raw = f->raw.bytes && !flight->shared ? f->raw.bytes + (flight->unit.c_off - f->c_begin) : NULL;

	k.ino = atomic_load_explicit(&flight->ino, memory_order_relaxed);
	if (flight->shared || (flight->unit.key & UNIT_CACHED)) {
		int res = decode_shared(&k);

		if (res < 0)
			return res;
	} else if (!from_cache(&k)) {
		int res = from_blob(&k, raw);

		if (res < 0)
			return res;
		reader_add(&k.r->count.fetched_chunks, 1);
		reader_add(&k.r->count.plain_bytes, flight->unit.plain);
	}
	*plain = k.plain;
	return 0;
}
