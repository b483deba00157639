/* SPDX-License-Identifier: Apache-2.0 */
/* A v6 blob's chunk table in a mapping: its header's rules, and entries checked when they are asked for. */
#include "rafs/blob/chunk_table.h"

#include "rafs/blob/chunk_table_internal.h"
#include "rafs/blob/section.h"
#include "rafs/bytes.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#define V1_SIZE      16 /* bytes of an entry */
#define V2_SIZE      24
#define CONTEXT_SIZE 40
#define DICT_MAX     32768 /* bytes: deflate's window */
#define MAGIC        UINT32_C(0xb10bb10b)
#define MAGIC2_AT    0xffc
#define MASK_40      ((UINT64_C(1) << 40) - 1)
/* An encrypted unit of less than 16 bytes is stored as 18 (reference 5). */
#define TINY_PLAIN  16
#define TINY_STORED 18

/* Flags of a v2 entry (reference 3.4). */
enum { V2_COMPRESSED = 1, V2_ZRAN = 2, V2_BATCH = 4, V2_ENCRYPTED = 8, V2_CRC = 16 };

/* Features that say how a table is read: its header must have those of the image's blob table. */
#define FORM_FEATURES    (RAFS_BLOB_CHUNK_INFO_V2 | RAFS_BLOB_ZRAN | RAFS_BLOB_BATCH)
#define CONTEXT_FEATURES (RAFS_BLOB_ZRAN | RAFS_BLOB_BATCH)

static uint32_t entry_size(uint32_t features)
{
	return features & RAFS_BLOB_CHUNK_INFO_V2 ? V2_SIZE : V1_SIZE;
}

/* Whether u_size bytes can be a table of count chunks. */
static bool size_fits(uint32_t features, uint64_t count, uint64_t u_size)
{
	uint64_t entries = count * entry_size(features);

	if (!(features & CONTEXT_FEATURES))
		return u_size == entries;
	/* No more contexts than chunks. */
	return u_size >= entries && u_size - entries <= count * (CONTEXT_SIZE + DICT_MAX);
}

int chunk_table_sizes_ok(const struct rafs_blob_info *info, struct graft_error *err)
{
	uint32_t f = info->features, count = info->chunk_count;
	const char *what = NULL;

	if (info->version != 6 || f & RAFS_BLOB_TARFS)
		what = "the image has none for this blob";
	else if (f & (CONTEXT_FEATURES | RAFS_BLOB_ENCRYPTED) && !(f & RAFS_BLOB_CHUNK_INFO_V2))
		what = "features that need chunk info v2, without it";
	else if ((f & CONTEXT_FEATURES) == CONTEXT_FEATURES)
		what = "both batches and gzip contexts";
	else if (count == 0 || count > RAFS_CHUNKS_MAX)
		what = "a chunk count that cannot be";
	else if (info->ci_u_size == 0 || info->ci_u_size > TABLE_MAX || info->ci_c_size > info->ci_u_size)
		what = "sizes that cannot be";
	else if (!(f & RAFS_BLOB_DICT_GENERATED) && !size_fits(f, count, info->ci_u_size))
		what = "another size than its chunks take";
	else if (info->ci_compressor == RAFS_NONE ? info->ci_c_size != info->ci_u_size
						  : !section_ratio_ok(info->ci_c_size, info->ci_u_size))
		what = "a packed size that cannot be";
	if (!what)
		return 0;
	return error_set(err, EUCLEAN, "blob %s: chunk table: %s", info->id, what);
}

/* A field of the header and what it must be. */
struct field {
	const char *name;
	uint32_t at;
	uint32_t width; /* bytes: 4 or 8 */
	uint64_t want;
};

static uint64_t field_of(const unsigned char *header, const struct field *f)
{
	return f->width == 8 ? bytes_u64(header + f->at) : bytes_u32(header + f->at);
}

static int bad_header(const struct rafs_blob_info *info, const char *what, struct graft_error *err)
{
	return error_set(err, EUCLEAN, "blob %s: chunk table: header: %s", info->meta_id, what);
}

/* Contexts and dictionaries of a table of `entries` bytes of entries. */
static int contexts_ok(const struct rafs_blob_info *info, const unsigned char *header, uint64_t count,
		       struct graft_error *err)
{
	uint64_t at = bytes_u64(header + 0x28), size = bytes_u64(header + 0x30), contexts = bytes_u32(header + 0x38);

	if (!(info->features & CONTEXT_FEATURES))
		return 0;
	if (at != count * V2_SIZE || !bytes_within(at, size, info->ci_u_size))
		return bad_header(info, "contexts outside the table", err);
	if (contexts > count || contexts * CONTEXT_SIZE > size)
		return bad_header(info, "number of contexts", err);
	return 0;
}

int chunk_table_header_ok(const struct rafs_blob_info *info, const unsigned char *header, struct graft_error *err)
{
	const struct field fields[] = {
		{ "magic", 0, 4, MAGIC },
		{ "second magic", MAGIC2_AT, 4, MAGIC },
		{ "compressor", 0x08, 4, info->ci_compressor },
		{ "offset", 0x10, 8, info->ci_offset },
		{ "stored size", 0x18, 8, info->ci_c_size },
		{ "size", 0x20, 8, info->ci_u_size },
	};
	uint32_t count = bytes_u32(header + 0x0c);

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (field_of(header, &fields[i]) != fields[i].want)
			return bad_header(info, fields[i].name, err);
	if ((bytes_u32(header + 0x04) ^ info->features) & FORM_FEATURES)
		return bad_header(info, "features", err);
	/* A dictionary that was generated names part of a blob's chunks. */
	if (info->features & RAFS_BLOB_DICT_GENERATED ? count == 0 || count > RAFS_CHUNKS_MAX
						      : count != info->chunk_count)
		return bad_header(info, "number of chunks", err);
	if (!size_fits(info->features, count, info->ci_u_size))
		return bad_header(info, "number of chunks for its size", err);
	return contexts_ok(info, header, count, err);
}

int chunk_table_new(struct chunk_table **table, const struct rafs_blob_info *info, struct mapping *map,
		    uint64_t header_at, struct graft_error *err)
{
	unsigned char header[TABLE_HEADER_SIZE];
	struct chunk_table *t = NULL;

	/* A copy: the file may change between check and use. */
	memcpy(header, map->base + header_at, sizeof(header));
	int res = chunk_table_header_ok(info, header, err);
	if (!res) {
		t = calloc(1, sizeof(*t));
		res = t ? 0 : error_set(err, ENOMEM, "blob %s: chunk table: out of memory", info->id);
	}
	if (res < 0) {
		mapping_close(map);
		return res;
	}
	*t = (struct chunk_table){
		.map = *map,
		.header_at = header_at,
		.count = bytes_u32(header + 0x0c),
		.features = info->features,
		.c_end = info->data_end ? info->data_end : info->c_size,
		.u_end = bytes_round_up(info->u_size, RAFS_CHUNK_MIN),
	};
	if (info->features & CONTEXT_FEATURES) {
		t->contexts = bytes_u32(header + 0x38);
		t->contexts_at = (uint64_t)t->count * V2_SIZE;
		t->dicts_at = t->contexts_at + (uint64_t)t->contexts * CONTEXT_SIZE;
		t->dicts_size = bytes_u64(header + 0x30) - (uint64_t)t->contexts * CONTEXT_SIZE;
	}
	*table = t;
	return 0;
}

int chunk_table_from(struct chunk_table **table, const struct rafs_blob_info *info, struct mapping *map,
		     struct mapping *digests, struct graft_error *err)
{
	struct chunk_table *t = NULL;
	int res = chunk_table_sizes_ok(info, err);
	uint64_t header_at = res < 0 ? 0 : bytes_round_up(info->ci_u_size, TABLE_HEADER_SIZE);

	if (!res && map->size != header_at + TABLE_HEADER_SIZE)
		res = error_set(err, EUCLEAN, "blob %s: chunk table: a file of %" PRIu64 " bytes, not %" PRIu64,
				info->id, map->size, header_at + TABLE_HEADER_SIZE);
	if (res < 0)
		mapping_close(map);
	else
		res = chunk_table_new(&t, info, map, header_at, err);
	if (!res && digests && digests->size != (uint64_t)t->count * RAFS_DIGEST_SIZE)
		res = error_set(err, EUCLEAN, "blob %s: digest array of %" PRIu64 " bytes for %" PRIu32 " chunks",
				info->id, digests->size, t->count);
	if (res < 0) {
		chunk_table_close(t);
		if (digests)
			mapping_close(digests);
		return res;
	}
	if (digests)
		t->digests = *digests;
	*table = t;
	return 0;
}

int chunk_table_add_digests(struct chunk_table *t, struct mapping *map)
{
	if (map->size != (uint64_t)t->count * RAFS_DIGEST_SIZE || t->digests.base) {
		mapping_close(map);
		return -EUCLEAN;
	}
	t->digests = *map;
	return 0;
}

bool chunk_table_same_digests(const struct chunk_table *a, const struct chunk_table *b)
{
	return a->digests.size == b->digests.size &&
	       (!a->digests.size || memcmp(a->digests.base, b->digests.base, a->digests.size) == 0);
}

void chunk_table_close(struct chunk_table *t)
{
	if (!t)
		return;
	mapping_close(&t->map);
	mapping_close(&t->digests);
	free(t);
}

uint32_t chunk_table_count(const struct chunk_table *t)
{
	return t->count;
}

bool chunk_table_has_digests(const struct chunk_table *t)
{
	return t->digests.base != NULL;
}

const uint8_t *chunk_table_digests(const struct chunk_table *t)
{
	return t->digests.base;
}

static int torn(const struct chunk_table *t, int res)
{
	return mapping_torn(&t->map) || mapping_torn(&t->digests) ? -EIO : res;
}

static void decode_v1(const unsigned char *e, struct rafs_chunk *out)
{
	uint64_t u = bytes_u64(e), c = bytes_u64(e + 8);

	out->u_off = u & UINT64_C(0xffffffff000);
	out->u_size = (uint32_t)(u >> 44 | (u >> 8 & 0xf) << 20) + 1;
	out->c_off = c & MASK_40;
	out->c_size = (uint32_t)(c >> 44 | (c >> 40 & 0xf) << 20) + 1;
	out->flags = out->c_size != out->u_size ? RAFS_CHUNK_COMPRESSED : 0;
}

static int decode_v2(const unsigned char *e, struct rafs_chunk *out)
{
	static const uint32_t names[] = { RAFS_CHUNK_COMPRESSED, RAFS_CHUNK_ZRAN, RAFS_CHUNK_BATCH,
					  RAFS_CHUNK_ENCRYPTED, RAFS_CHUNK_CRC };
	uint64_t u = bytes_u64(e), c = bytes_u64(e + 8), data = bytes_u64(e + 16);
	uint32_t flags = (uint32_t)(u >> 56);

	out->u_off = (u & UINT32_MAX) << 12;
	out->u_size = (uint32_t)(u >> 32 & 0xffffff) + 1;
	out->c_off = c & MASK_40;
	out->c_size = (uint32_t)(c >> 40);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (flags & 1u << i)
			out->flags |= names[i];
	if (flags & (V2_ZRAN | V2_BATCH)) {
		out->context = (uint32_t)(data >> 32);
		out->at = (uint32_t)data;
	} else if (flags & V2_CRC) {
		out->crc = (uint32_t)data;
	}
	/* A flag that is not known may change what the entry means; crc and context share a field. */
	if (flags >= 1u << sizeof(names) / sizeof(names[0]))
		return -EUCLEAN;
	uint32_t data_flags = flags & (V2_ZRAN | V2_BATCH | V2_CRC);
	return data_flags & (data_flags - 1) ? -EUCLEAN : 0;
}

/* Whether c_size is what u_size bytes that are not compressed are stored in. */
static bool raw_size_ok(bool encrypted, uint64_t c_size, uint64_t u_size)
{
	return c_size == u_size || (encrypted && u_size < TINY_PLAIN && c_size == TINY_STORED);
}

/* The rules of an entry by itself (reference 3.4). */
static int check_entry(const struct chunk_table *t, const struct rafs_chunk *c)
{
	bool batch = c->flags & RAFS_CHUNK_BATCH, zran = c->flags & RAFS_CHUNK_ZRAN;
	bool encrypted = c->flags & RAFS_CHUNK_ENCRYPTED;

	if (!bytes_within(c->c_off, c->c_size, t->c_end) || !bytes_within(c->u_off, c->u_size, t->u_end))
		return -EUCLEAN;
	if ((batch && !(t->features & RAFS_BLOB_BATCH)) || (zran && !(t->features & RAFS_BLOB_ZRAN)) ||
	    (encrypted && !(t->features & RAFS_BLOB_ENCRYPTED)))
		return -EUCLEAN;
	if (batch || zran)
		return 0;
	if (c->c_size == 0 || (!(c->flags & RAFS_CHUNK_COMPRESSED) && !raw_size_ok(encrypted, c->c_size, c->u_size)))
		return -EUCLEAN;
	return 0;
}

static int check_context(const struct chunk_table *t, const struct rafs_chunk *c)
{
	struct rafs_batch batch;
	struct rafs_zran zran;
	uint32_t room;
	int res;

	if (c->flags & RAFS_CHUNK_BATCH) {
		res = chunk_table_batch(t, c, &batch);
		room = batch.u_size;
	} else {
		res = chunk_table_zran(t, c->context, &zran);
		room = zran.out_size;
	}
	if (res < 0)
		return -EUCLEAN;
	return bytes_within(c->at, c->u_size, room) ? 0 : -EUCLEAN;
}

static int get(const struct chunk_table *t, uint32_t i, struct rafs_chunk *out)
{
	uint32_t size = entry_size(t->features);
	const unsigned char *e = t->map.base + (uint64_t)i * size;
	int res = 0;

	if (size == V1_SIZE)
		decode_v1(e, out);
	else
		res = decode_v2(e, out);
	if (!res)
		res = check_entry(t, out);
	if (!res && out->flags & (RAFS_CHUNK_BATCH | RAFS_CHUNK_ZRAN))
		res = check_context(t, out);
	return res;
}

int chunk_table_get(const struct chunk_table *t, uint32_t i, struct rafs_chunk *out)
{
	*out = (struct rafs_chunk){ .index = i };
	if (i >= t->count)
		return -ENOENT;
	int res = get(t, i, out);
	if (chunk_table_has_digests(t)) {
		static const uint8_t none[RAFS_DIGEST_SIZE];

		memcpy(out->digest, t->digests.base + (uint64_t)i * RAFS_DIGEST_SIZE, RAFS_DIGEST_SIZE);
		if (memcmp(out->digest, none, sizeof(none)) != 0)
			out->flags |= RAFS_CHUNK_DIGEST;
	}
	return torn(t, res);
}

int chunk_table_batch(const struct chunk_table *t, const struct rafs_chunk *chunk, struct rafs_batch *out)
{
	*out = (struct rafs_batch){ .c_off = chunk->c_off };
	if (!(t->features & RAFS_BLOB_BATCH))
		return -EUCLEAN;
	if (chunk->context >= t->contexts)
		return -ENOENT;
	const unsigned char *e = t->map.base + t->contexts_at + (uint64_t)chunk->context * CONTEXT_SIZE;
	out->c_size = bytes_u32(e);
	out->u_size = bytes_u32(e + 4);

	bool encrypted = t->features & RAFS_BLOB_ENCRYPTED, ok = true;
	ok &= out->c_size != 0 && out->u_size != 0 && out->u_size <= RAFS_CHUNK_MAX;
	ok &= out->c_size <= out->u_size || raw_size_ok(encrypted, out->c_size, out->u_size);
	ok &= bytes_within(out->c_off, out->c_size, t->c_end);
	return torn(t, ok ? 0 : -EUCLEAN);
}

int chunk_table_zran(const struct chunk_table *t, uint32_t context, struct rafs_zran *out)
{
	*out = (struct rafs_zran){ 0 };
	if (!(t->features & RAFS_BLOB_ZRAN))
		return -EUCLEAN;
	if (context >= t->contexts)
		return -ENOENT;
	const unsigned char *e = t->map.base + t->contexts_at + (uint64_t)context * CONTEXT_SIZE;
	uint64_t dict = bytes_u64(e + 16);
	out->in_off = bytes_u64(e);
	out->out_off = bytes_u64(e + 8);
	out->in_size = bytes_u32(e + 24);
	out->out_size = bytes_u32(e + 28);
	out->dict_size = bytes_u32(e + 32);
	out->byte = e[36];
	out->bits = e[37];

	bool ok = out->in_size != 0 && out->in_size <= RAFS_CHUNK_MAX;
	ok &= out->out_size != 0 && out->out_size <= RAFS_CHUNK_MAX;
	ok &= out->bits <= 7 && out->dict_size <= DICT_MAX;
	ok &= bytes_within(out->in_off, out->in_size, t->c_end);
	ok &= out->out_off <= UINT64_MAX - out->out_size;
	ok &= bytes_within(dict, out->dict_size, t->dicts_size);
	if (ok)
		out->dict = t->map.base + t->dicts_at + dict;
	return torn(t, ok ? 0 : -EUCLEAN);
}

int chunk_table_check_all(const struct chunk_table *t)
{
	struct rafs_chunk c;
	uint64_t end = 0;

	for (uint32_t i = 0; i < t->count; i++) {
		c = (struct rafs_chunk){ .index = i };
		if (get(t, i, &c) < 0 || c.u_off < end)
			return -EUCLEAN;
		end = bytes_round_up(c.u_off + c.u_size, RAFS_CHUNK_MIN);
	}
	return torn(t, 0);
}
