/* SPDX-License-Identifier: Apache-2.0 */
/* What a fetch need not read: chunks that other caches of this host have, by a deduplication database, or ours has unsaid. */
#include "rafs/engine/internal.h"

#include <stdio.h>
#include <string.h>

#define WASTE_MAX (UINT64_C(64) << 10) /* bytes that are read for nothing, rather than in several calls */

static struct dedup_key key_of(const struct shared_blob *s, const struct rafs_chunk *chunk)
{
	struct dedup_key key = {.digester = s->info.digester};

	memcpy(key.digest, chunk->digest, sizeof(key.digest));
	return key;
}

static bool has_key(const struct shared_blob *s, const struct rafs_chunk *chunk)
{
	static const uint8_t none[RAFS_DIGEST_SIZE];

	return s->source && (chunk->flags & RAFS_CHUNK_DIGEST) && chunk->index < s->chunks &&
	       memcmp(chunk->digest, none, sizeof(none)) != 0;
}

/* A cache without a map may have it from an earlier process: its digest tells. */
static bool is_left(struct shared_blob *s, const struct rafs_chunk *chunk, struct worker *w)
{
	if (!s->unmapped || chunk->index >= s->chunks || !cached_fits(s, chunk) ||
	    !cache_file_written(s->cache, chunk->u_off, chunk->u_size) || cached_read(s, chunk, w) < 0 ||
	    !chunk_digest_right(s, chunk, w->plain.bytes))
		return false;
	cache_file_set_ready(s->cache, chunk->index);
	chunk_set_verified(s, chunk->index, true);
	return true;
}

/* Whether it is in our cache now. */
static bool take(struct reader *r, struct shared_blob *s, const struct rafs_chunk *chunk, struct worker *w)
{
	struct dedup_key key = key_of(s, chunk);

	if (chunk_is_ready(s, chunk) || is_left(s, chunk, w))
		return true;
	if (!has_key(s, chunk) || buffer_reserve(&w->plain, chunk->u_size) < 0 ||
	    !dedup_find(r->dedup, &key, s->source, w->plain.bytes, chunk->u_size) ||
	    cached_write(s, chunk, w->plain.bytes, w) < 0)
		return false;
	cache_file_set_ready(s->cache, chunk->index);
	chunk_set_verified(s, chunk->index, true);
	dedup_record(r->dedup, &key, s->source, chunk->u_off);
	reader_add(&r->count.cached_chunks, 1);
	reader_add(&r->count.shared_chunks, 1);
	reader_add(&r->count.shared_bytes, chunk->u_size);
	return true;
}

/* All chunks of the unit, or it is fetched whole. */
static bool take_unit(struct reader *r, struct shared_blob *s, const struct unit *u, struct worker *w)
{
	struct rafs_chunk chunk;
	uint32_t first, end;

	if (!unit_chunks(s, u, &first, &end))
		return take(r, s, &u->chunk, w);
	for (uint32_t i = first; i < end; i++)
		if (chunk_table_get(s->table, i, &chunk) < 0 || !take(r, s, &chunk, w))
			return false;
	return true;
}

/* What is left to be read, or that it is better read piece by piece. */
static void narrow(struct fetch *f)
{
	uint64_t begin = UINT64_MAX, end = 0, wanted = 0;

	for (uint32_t i = 0; i < f->n; i++) {
		const struct unit *u = &f->flights[i].unit;

		if (f->flights[i].shared)
			continue;
		begin = u->c_off < begin ? u->c_off : begin;
		end = u->c_off + u->c_size > end ? u->c_off + u->c_size : end;
		wanted += u->c_size;
	}
	if (!wanted || end - begin > wanted + WASTE_MAX) {
		f->joined = false;
		return;
	}
	f->c_begin = begin;
	f->c_end = end;
}

void share_fetch(struct fetch *f, struct worker *w)
{
	struct shared_blob *s = f->blob->shared;
	struct reader *r = f->reader;
	uint32_t n = 0;
	char why[256];

	if (!f->joined || !(s->source || s->unmapped))
		return;
	if (s->raw) {
		/* Each flight looks for itself, before it reads. */
		f->joined = !cache_file_written(s->cache, f->c_begin, f->c_end - f->c_begin);
		return;
	}
	for (uint32_t i = 0; i < f->n; i++) {
		f->flights[i].shared = take_unit(r, s, &f->flights[i].unit, w);
		n += f->flights[i].shared;
	}
	if (n)
		narrow(f);
	if (r->dedup && dedup_failed(r->dedup, why))
		reader_say(r, GRAFT_LOG_WARN, "%s", why);
}

void share_offer(const struct reader *r, const struct shared_blob *s, const struct rafs_chunk *chunk, const void *plain)
{
	struct dedup_key key = key_of(s, chunk);

	/* The image's word for it is not enough: nydusd does not look at what it takes from here. */
	if (has_key(s, chunk) && chunk_digest_right(s, chunk, plain))
		dedup_record(r->dedup, &key, s->source, chunk->u_off);
}

void share_open(struct reader *r, struct shared_blob *s)
{
	char folder[CACHE_PATH_MAX], path[CACHE_PATH_MAX + RAFS_BLOB_ID_MAX + 16];

	if (!r->dedup || !s->cache || cache_dir_real(s->dir, folder) < 0)
		return;
	snprintf(path, sizeof(path), "%s/%s.blob.data", strcmp(folder, "/") ? folder : "", s->info.id);
	s->source = dedup_name_new(path);
	dedup_add_folder(r->dedup, folder, cache_dir_fd(s->dir));
}
