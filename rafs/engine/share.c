/* SPDX-License-Identifier: Apache-2.0 */
/* Chunks that another cache of this host has are taken from there, and ours are offered: by a deduplication database. */
#include "rafs/codec/digest.h"
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

/* Whether it is in our cache now. */
static bool take(struct reader *r, struct shared_blob *s, const struct rafs_chunk *chunk, struct worker *w)
{
	struct dedup_key key = key_of(s, chunk);

	if (chunk_is_ready(s, chunk))
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
	struct reader *r = f->reader;
	uint32_t n = 0;
	char why[256];

	if (!f->joined || !f->blob->shared->source)
		return;
	for (uint32_t i = 0; i < f->n; i++) {
		f->flights[i].shared = take_unit(r, f->blob->shared, &f->flights[i].unit, w);
		n += f->flights[i].shared;
	}
	if (n)
		narrow(f);
	if (dedup_failed(r->dedup, why))
		reader_say(r, GRAFT_LOG_WARN, "%s", why);
}

void share_offer(const struct reader *r, const struct shared_blob *s, const struct rafs_chunk *chunk, const void *plain)
{
	struct dedup_key key = key_of(s, chunk);
	uint8_t digest[RAFS_DIGEST_SIZE];

	/* The image's word for it is not enough: nydusd does not look at what it takes from here. */
	if (has_key(s, chunk) && digest_of((enum rafs_digester)key.digester, plain, chunk->u_size, digest) == 0 &&
	    memcmp(digest, key.digest, sizeof(digest)) == 0)
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
