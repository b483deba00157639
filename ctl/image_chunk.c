/* SPDX-License-Identifier: Apache-2.0 */
/* A chunk from the blob to plain bytes, and against its checks. */
#include "ctl/image_chunk.h"

#include "rafs/bytes.h"
#include "rafs/codec/codec.h"
#include "rafs/codec/digest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Bytes of a chunk as it lies in the blob: compressors may make it a little longer. */
#define STORED_MAX (RAFS_CHUNK_MAX + RAFS_CHUNK_MAX / 8)
#define CONTEXTS 4 /* decoded ones that are kept: files are not always in the blob's order */

struct buffer {
	unsigned char *bytes;
	size_t room;
};

/* What is decoded as one: a chunk, or a context with all its chunks. */
struct unit {
	uint64_t c_off;
	uint32_t c_size, u_size;
	bool compressed;
	bool batch;                   /* it does not say whether it is compressed: its size does, when decrypted */
	const struct rafs_zran *zran; /* NULL: none */
};

struct context {
	struct buffer plain;
	uint64_t key;   /* blob and context, 0: none */
	uint64_t c_off; /* of a batch, which the chunk says */
	uint64_t used;  /* when, in chunks */
};

struct image_decoder {
	struct codec *codec;
	struct buffer stored, clear, plain;
	struct context contexts[CONTEXTS];
	uint64_t clock;
};

struct image_decoder *image_decoder_new(void)
{
	struct image_decoder *d = calloc(1, sizeof(*d));
	if (d)
		d->codec = codec_new();
	if (d && d->codec)
		return d;
	free(d);
	return NULL;
}

void image_decoder_free(struct image_decoder *d)
{
	if (!d)
		return;
	for (size_t i = 0; i < CONTEXTS; i++)
		free(d->contexts[i].plain.bytes);
	free(d->stored.bytes);
	free(d->clear.bytes);
	free(d->plain.bytes);
	codec_free(d->codec);
	free(d);
}

/* size was bounded by the caller. */
static int make_room(struct buffer *b, size_t size)
{
	if (b->room >= size)
		return 0;
	free(b->bytes);
	b->room = 0;
	b->bytes = malloc(size);
	if (!b->bytes)
		return -ENOMEM;
	b->room = size;
	return 0;
}

static int fail(int res, const char **what, const char *text)
{
	*what = res == -ENOMEM ? "out of memory" : text;
	return res;
}

/* Stored bytes to plain ones in to. */
static int decode(struct image_decoder *d, const struct rafs_blob_info *info, const struct unit *unit, bool encrypted,
		  struct buffer *to, const char **what)
{
	const unsigned char *in = d->stored.bytes;
	size_t len = unit->c_size;
	int res = make_room(to, unit->u_size);

	if (res == 0 && encrypted) {
		res = make_room(&d->clear, len);
		if (res == 0)
			res = codec_decrypt(d->codec, info, in, unit->c_size, d->clear.bytes, &len);
		if (res != 0)
			return fail(res, what, "cannot be decrypted");
		in = d->clear.bytes;
	}
	if (res != 0)
		return fail(res, what, "");
	if (unit->zran)
		return fail(codec_zran(d->codec, unit->zran, in, to->bytes, unit->u_size), what,
			    "the gzip stream cannot be unpacked there");
	bool compressed = unit->batch ? len != unit->u_size : unit->compressed;
	res = codec_decompress(d->codec, compressed ? (enum rafs_compressor)info->compressor : RAFS_NONE, in, len,
			       to->bytes, unit->u_size);
	return fail(res, what, compressed ? "cannot be decompressed" : "is stored with another size");
}

static int read_unit(struct image *image, struct image_decoder *d, uint32_t i, const struct unit *unit, bool encrypted,
		     struct buffer *to, const char **what)
{
	const struct rafs_blob_info *info = rafs_image_blob(image->rafs, i);
	struct blob_file *file = image_blob_file(image, i);

	if (!file)
		return fail(-ENOENT, what, "the blob is not there");
	if (unit->c_size == 0 || unit->c_size > STORED_MAX || unit->u_size == 0 || unit->u_size > RAFS_CHUNK_MAX)
		return fail(-EUCLEAN, what, "its sizes cannot be right");
	if (!unit->zran && info->data_end > 0 && !bytes_within(unit->c_off, unit->c_size, info->data_end))
		return fail(-EUCLEAN, what, "lies behind the end of the blob's data");
	if (!bytes_within(unit->c_off, unit->c_size, blob_size(file)))
		return fail(-EIO, what, "lies behind the end of the blob: it was cut short");
	int res = make_room(&d->stored, unit->c_size);
	if (res == 0)
		res = blob_read_buffer(file, unit->c_off, d->stored.bytes, unit->c_size);
	if (res != 0)
		return fail(res, what, "cannot be read from the blob");
	return decode(d, info, unit, encrypted, to, what);
}

/* What to read for a chunk's context. */
static int unit_of_context(struct chunk_table *table, const struct rafs_chunk *chunk, struct unit *unit,
			   struct rafs_zran *zran)
{
	struct rafs_batch batch;
	int res;

	if (chunk->flags & RAFS_CHUNK_ZRAN) {
		res = chunk_table_zran(table, chunk->context, zran);
		*unit = (struct unit){
			.c_off = zran->in_off, .c_size = zran->in_size, .u_size = zran->out_size, .zran = zran
		};
		return res;
	}
	res = chunk_table_batch(table, chunk, &batch);
	*unit = (struct unit){ .c_off = batch.c_off, .c_size = batch.c_size, .u_size = batch.u_size, .batch = true };
	return res;
}

static struct context *oldest(struct image_decoder *d)
{
	struct context *c = &d->contexts[0];
	for (size_t i = 1; i < CONTEXTS; i++) {
		if (d->contexts[i].used < c->used)
			c = &d->contexts[i];
	}
	return c;
}

/* The decoded context of a chunk, kept or made. */
static int get_context(struct image *image, struct image_decoder *d, uint32_t i, const struct rafs_chunk *chunk,
		       const unsigned char **plain, const char **what)
{
	struct chunk_table *table = image_blob_table(image, i);
	uint64_t key = (uint64_t)(i + 1) << 32 | chunk->context;
	uint64_t c_off = chunk->flags & RAFS_CHUNK_ZRAN ? 0 : chunk->c_off;
	struct rafs_zran zran = { 0 };
	struct unit unit;
	/* Of a batch the blob says whether it is encrypted. */
	bool encrypted = rafs_image_blob(image->rafs, i)->features & RAFS_BLOB_ENCRYPTED;

	for (size_t k = 0; k < CONTEXTS; k++) {
		if (d->contexts[k].key == key && d->contexts[k].c_off == c_off) {
			d->contexts[k].used = ++d->clock;
			*plain = d->contexts[k].plain.bytes + chunk->at;
			return 0;
		}
	}
	struct context *c = oldest(d);
	c->key = 0;
	int res = table ? unit_of_context(table, chunk, &unit, &zran) : -ENOENT;
	if (res != 0 || !bytes_within(chunk->at, chunk->u_size, unit.u_size))
		return fail(res != 0 ? res : -EUCLEAN, what, "its batch or gzip context is wrong");
	res = read_unit(image, d, i, &unit, encrypted && !unit.zran, &c->plain, what);
	if (res != 0)
		return res;
	c->key = key;
	c->c_off = c_off;
	c->used = ++d->clock;
	*plain = c->plain.bytes + chunk->at;
	return 0;
}

static int get_chunk(struct image *image, struct image_decoder *d, uint32_t i, const struct rafs_chunk *chunk,
		     const unsigned char **plain, const char **what)
{
	const struct rafs_blob_info *info = rafs_image_blob(image->rafs, i);
	struct unit unit = { .c_off = chunk->c_off, .c_size = chunk->c_size, .u_size = chunk->u_size };
	unit.compressed = chunk->flags & RAFS_CHUNK_COMPRESSED;

	if (chunk->flags & (RAFS_CHUNK_BATCH | RAFS_CHUNK_ZRAN))
		return get_context(image, d, i, chunk, plain, what);
	if (unit.c_size == 0 && unit.compressed && info->compressor == RAFS_GZIP) {
		/* Old stargz images do not say how much there is. */
		uint64_t left = info->data_end > unit.c_off ? info->data_end - unit.c_off : 0;
		unit.c_size = codec_stargz_bound(unit.u_size);
		unit.c_size = left < unit.c_size ? (uint32_t)left : unit.c_size;
	}
	int res = read_unit(image, d, i, &unit, chunk->flags & RAFS_CHUNK_ENCRYPTED, &d->plain, what);
	*plain = d->plain.bytes;
	return res;
}

int image_chunk_verify(struct image *image, struct image_decoder *d, uint32_t i, const struct rafs_chunk *chunk,
		       bool *checked, const char **what)
{
	const unsigned char *plain;
	uint8_t digest[RAFS_DIGEST_SIZE];
	int res = get_chunk(image, d, i, chunk, &plain, what);

	if (res != 0)
		return res;
	*checked = chunk->flags & (RAFS_CHUNK_CRC | RAFS_CHUNK_DIGEST);
	if (chunk->flags & RAFS_CHUNK_CRC && crc32c(plain, chunk->u_size) != chunk->crc)
		return fail(-EIO, what, "its CRC differs");
	if (!(chunk->flags & RAFS_CHUNK_DIGEST))
		return 0;
	res = digest_of((enum rafs_digester)rafs_image_blob(image->rafs, i)->digester, plain, chunk->u_size, digest);
	if (res == 0 && memcmp(digest, chunk->digest, sizeof(digest)) != 0)
		res = -EIO;
	return fail(res, what, "its digest differs");
}

/* The bootstrap's own digest of a chunk: for one that has none, else to compare. */
static int add_digest(struct image *image, uint32_t blob, struct rafs_chunk *chunk, const char **what)
{
	const struct digest_table *digests = image_digests(image);
	uint8_t digest[RAFS_DIGEST_SIZE];

	if (!digests || !digest_table_find(digests, blob, chunk->index, chunk->u_off, digest))
		return 0;
	if (chunk->flags & RAFS_CHUNK_DIGEST && memcmp(digest, chunk->digest, sizeof(digest)) != 0)
		return fail(-EUCLEAN, what, "the bootstrap and the blob give it different digests");
	memcpy(chunk->digest, digest, sizeof(digest));
	chunk->flags |= RAFS_CHUNK_DIGEST;
	return 0;
}

int image_chunk_of(struct image *image, const struct rafs_extent *extent, struct rafs_chunk *out, const char **what)
{
	*out = extent->chunk;
	if (extent->complete)
		return 0;
	out->u_size = (uint32_t)extent->len;
	struct chunk_table *table = image_blob_table(image, extent->blob);
	if (!table)
		return fail(-ENOENT, what, "the blob's chunk table cannot be asked");
	int res = chunk_table_get(table, extent->chunk.index, out);
	if (res == -ENOENT)
		return fail(-EUCLEAN, what, "the blob's chunk table has no chunk of that number");
	if (res != 0)
		return fail(res, what, "its entry in the blob's chunk table is wrong");
	if (out->u_off != extent->chunk.u_off)
		return fail(-EUCLEAN, what, "the bootstrap and the blob's chunk table have it at different places");
	if (out->u_size != extent->len)
		return fail(-EUCLEAN, what, "the bootstrap and the blob's chunk table give it different sizes");
	return add_digest(image, extent->blob, out, what);
}
