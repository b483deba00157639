/* SPDX-License-Identifier: Apache-2.0 */
/* Where a chunk table comes from: the cache folder, or the blob, decrypted, unpacked, checked and kept. */
#include "rafs/blob/chunk_table.h"

#include "lib/cleanup.h"
#include "rafs/blob/chunk_table_internal.h"
#include "rafs/blob/section.h"
#include "rafs/bytes.h"
#include "rafs/codec/codec.h"
#include "rafs/codec/digest.h"

#include <inttypes.h>

/* A table on its way from the blob to a file. */
struct transfer {
	const struct table_source *source;
	unsigned char header[TABLE_HEADER_SIZE]; /* plain */
	struct toc_entry e;                      /* where the table lies, and how it is packed */
	const uint8_t *want;                     /* SHA-256 of the table; NULL: not known */
};

static bool encrypted(const struct rafs_blob_info *info)
{
	return info->features & RAFS_BLOB_ENCRYPTED && info->cipher != RAFS_PLAIN;
}

/* Reads len bytes, and decrypts them as one data unit; *len: bytes of plain text. */
static int read_unit(const struct table_source *s, struct codec *c, uint64_t off, void *to, size_t *len)
{
	int res = blob_read_buffer(s->blob, off, to, *len);

	return !res && encrypted(s->info) ? codec_decrypt(c, s->info, to, *len, to, len) : res;
}

/* The header, which is a data unit of its own (reference 3.3). */
static int read_header(struct transfer *t, struct graft_error *err)
{
	const struct rafs_blob_info *info = t->source->info;
	struct codec *c = codec_new();
	size_t len = TABLE_HEADER_SIZE;
	int res = c ? read_unit(t->source, c, info->ci_offset + info->ci_c_size, t->header, &len) : -ENOMEM;

	if (c)
		codec_free(c);
	if (!res && len != TABLE_HEADER_SIZE)
		res = -EIO;
	if (res < 0)
		return error_set(err, -res, "blob %s: chunk table: reading its header: %s", info->meta_id,
				 strerror(-res));
	return chunk_table_header_ok(info, t->header, err);
}

/* What cannot be unpacked piece by piece, in one. */
static int unpack_whole(const struct transfer *t, int fd)
{
	const struct rafs_blob_info *info = t->source->info;
	auto_free void *stored = malloc(info->ci_c_size), *plain = malloc(info->ci_u_size);
	struct codec *c = codec_new();
	size_t len = info->ci_c_size;
	uint8_t digest[RAFS_DIGEST_SIZE];
	int res = stored && plain && c ? read_unit(t->source, c, info->ci_offset, stored, &len) : -ENOMEM;

	if (!res)
		res = codec_decompress(c, info->ci_compressor, stored, len, plain, info->ci_u_size);
	if (c)
		codec_free(c);
	if (!res && t->want) {
		res = digest_of(RAFS_SHA256, plain, info->ci_u_size, digest);
		if (!res && memcmp(digest, t->want, sizeof(digest)) != 0)
			res = -EUCLEAN;
	}
	return res < 0 ? res : section_write(fd, plain, info->ci_u_size);
}

static int unpack(const struct transfer *t, int fd)
{
	const struct section_source source = { .read = blob_read_section, .arg = t->source->blob };

	if (encrypted(t->source->info) || (t->e.compressor != RAFS_NONE && t->e.compressor != RAFS_ZSTD))
		return unpack_whole(t, fd);
	return section_unpack(&source, &t->e, t->want, fd);
}

/* As nydusd lays it out (reference 4). */
static int fill(void *arg, int fd)
{
	static const unsigned char zeros[TABLE_HEADER_SIZE];
	const struct transfer *t = arg;
	uint64_t size = t->e.u_size;
	int res = unpack(t, fd);

	if (!res)
		res = section_write(fd, zeros, bytes_round_up(size, TABLE_HEADER_SIZE) - size);
	return res < 0 ? res : section_write(fd, t->header, TABLE_HEADER_SIZE);
}

static uint64_t file_size(const struct rafs_blob_info *info)
{
	return bytes_round_up(info->ci_u_size, TABLE_HEADER_SIZE) + TABLE_HEADER_SIZE;
}

/* Whether nothing speaks against t: the table of contents if there is one, else the entries themselves. */
static int believe(const struct chunk_table *t, const struct rafs_blob_info *info, const struct blob_toc *toc)
{
	if (!toc->bytes)
		return chunk_table_check_all(t);
	int res = blob_toc_vouches(toc, "blob.meta", t->map.base, info->ci_u_size);
	if (!res)
		res = blob_toc_vouches(toc, "blob.meta.header", t->map.base + t->header_at, TABLE_HEADER_SIZE);
	return !res && mapping_torn(&t->map) ? -EIO : res;
}

static void table_name(char name[RAFS_BLOB_ID_MAX + sizeof(".blob.meta")], const struct rafs_blob_info *info)
{
	snprintf(name, RAFS_BLOB_ID_MAX + sizeof(".blob.meta"), "%s.blob.meta", info->id);
}

static int from_cache(struct chunk_table **table, const struct table_source *s, const struct blob_toc *toc)
{
	char name[RAFS_BLOB_ID_MAX + sizeof(".blob.meta")];
	struct mapping map = { 0 };

	table_name(name, s->info);
	int res = section_cached(&map, s->cache, name, file_size(s->info));
	if (!res)
		res = chunk_table_from(table, s->info, &map, NULL, NULL);
	if (res < 0)
		return res;
	res = believe(*table, s->info, toc);
	if (res < 0)
		chunk_table_close(steal_ptr(*table));
	return res;
}

/* Read where it lies, if it is stored plain in a file that can be mapped and there is no folder to keep it in. */
static int in_place(struct chunk_table **table, const struct table_source *s)
{
	const struct rafs_blob_info *info = s->info;
	uint64_t base = 0, len = info->ci_u_size + TABLE_HEADER_SIZE;
	bool plain = info->ci_compressor == RAFS_NONE && !(info->features & RAFS_BLOB_ENCRYPTED);
	int fd = plain && !s->cache ? blob_fd(s->blob, &base) : -1;
	struct mapping map = { 0 };

	if (fd < 0 || !bytes_within(info->ci_offset, len, blob_size(s->blob)) || info->ci_offset > UINT64_MAX - base)
		return -ENOENT;
	int res = mapping_open(&map, fd, base + info->ci_offset, len, MAPPING_READ, NULL);
	return res < 0 ? res : chunk_table_new(table, info, &map, info->ci_u_size, NULL);
}

static int not_named(const struct rafs_blob_info *info, struct graft_error *err)
{
	return error_set(err, EUCLEAN, "blob %s: chunk table is not the one that its table of contents names",
			 info->meta_id);
}

/* Where the table is, and what is known of it before it is unpacked. */
static int prepare(struct transfer *t, const struct blob_toc *toc, struct toc_entry *named, struct graft_error *err)
{
	const struct rafs_blob_info *info = t->source->info;
	uint64_t size = blob_size(t->source->blob), len = info->ci_c_size + TABLE_HEADER_SIZE;

	if (!bytes_within(info->ci_offset, len, size))
		return error_set(err, EIO,
				 "blob %s: ends before its chunk table does: %" PRIu64 " bytes at %" PRIu64
				 " of %" PRIu64,
				 info->meta_id, len, info->ci_offset, size);
	t->e = (struct toc_entry){
		.compressor = info->ci_compressor,
		.c_off = info->ci_offset,
		.c_size = info->ci_c_size,
		.u_size = info->ci_u_size,
	};
	int res = read_header(t, err);
	if (res < 0)
		return res;
	res = blob_toc_section(toc, "blob.meta", info->ci_u_size, named);
	t->want = res < 0 ? NULL : named->digest;
	if (!res || res == -ENOENT)
		res = blob_toc_vouches(toc, "blob.meta.header", t->header, TABLE_HEADER_SIZE);
	return res < 0 ? not_named(info, err) : 0;
}

static int from_blob(struct chunk_table **table, const struct table_source *s, const struct blob_toc *toc,
		     struct graft_error *err)
{
	const struct rafs_blob_info *info = s->info;
	char name[RAFS_BLOB_ID_MAX + sizeof(".blob.meta")];
	struct transfer t = { .source = s };
	struct mapping map = { 0 };
	struct toc_entry named;
	int res = prepare(&t, toc, &named, err);

	if (res < 0)
		return res;
	table_name(name, info);
	auto_close int fd = section_keep(s->cache, name, fill, &t);
	if (fd == -EUCLEAN)
		return not_named(info, err);
	if (fd < 0)
		return error_set(err, -fd, "blob %s: unpacking the chunk table: %s", info->meta_id, strerror(-fd));
	res = mapping_open(&map, fd, 0, file_size(info), MAPPING_READ, err);
	if (res < 0)
		return error_wrap(err, "blob %s: chunk table", info->id), res;
	return chunk_table_from(table, info, &map, NULL, err);
}

static int find_table(struct chunk_table **table, const struct table_source *s, const struct blob_toc *toc,
		      struct graft_error *err)
{
	int res = from_cache(table, s, toc);

	if (!res)
		return 0;
	if (!s->blob)
		return error_set(err, ENOENT, "blob %s: not at hand, and its chunk table is not in the cache",
				 s->info->meta_id);
	if (in_place(table, s) == 0) {
		if (!toc->bytes || believe(*table, s->info, toc) == 0)
			return 0;
		chunk_table_close(steal_ptr(*table));
	}
	/* It says what is wrong, where the others only say that something is. */
	return from_blob(table, s, toc, err);
}

/* The table of contents matters where digests are wanted; else it vouches for the table if it can be had. */
static int find_toc(struct blob_toc *toc, const struct table_source *s, bool needed, struct graft_error *err)
{
	*toc = (struct blob_toc){ 0 };
	if (!needed && !(s->info->features & RAFS_BLOB_TOC))
		return 0;
	int res = blob_toc_load(toc, s, err);

	/* A blob that ends with another table than the image names is another blob. */
	return needed || (s->blob && res == -EUCLEAN) ? res : 0;
}

int chunk_table_open(struct chunk_table **table, const struct rafs_blob_info *info, struct blob_file *meta_blob,
		     struct cache_dir *cache, bool digests, struct graft_error *err)
{
	const struct table_source s = { .info = info, .blob = meta_blob, .cache = cache };
	bool with_digests = digests && info->features & RAFS_BLOB_CHUNK_DIGEST;
	struct chunk_table *t = NULL;
	struct blob_toc toc;

	int res = chunk_table_sizes_ok(info, err);
	if (res < 0)
		return res;
	res = find_toc(&toc, &s, with_digests, err);
	if (!res)
		res = find_table(&t, &s, &toc, err);
	if (!res && with_digests)
		res = chunk_digests_open(&t->digests, &s, &toc, t->count, err);
	free(toc.bytes);
	if (res < 0) {
		chunk_table_close(t);
		return res;
	}
	*table = t;
	return 0;
}
