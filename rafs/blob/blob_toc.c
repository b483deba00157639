/* SPDX-License-Identifier: Apache-2.0 */
/* The table of contents at a blob's tail, as nydusd keeps it (<id>.blob.toc), and the digest array that it names. */
#include "rafs/blob/chunk_table_internal.h"

#include "lib/cleanup.h"
#include "rafs/blob/bootstrap.h"
#include "rafs/blob/section.h"
#include "rafs/bytes.h"
#include "rafs/codec/digest.h"

#include <inttypes.h>

#define TOC_GUESS 4096  /* bytes read where the size of the table is not known (reference 3.6) */
#define TOC_MAX 0x10000 /* bytes */
#define TOC_HEADER 512  /* bytes: its tar header, behind the entries */
#define NAME_ROOM (RAFS_BLOB_ID_MAX + sizeof(".blob.digest"))

static bool digest_known(const struct rafs_blob_info *info)
{
	static const uint8_t none[RAFS_DIGEST_SIZE];

	return memcmp(info->toc_digest, none, sizeof(none)) != 0;
}

int blob_read_section(void *arg, uint64_t off, void *to, size_t len)
{
	return blob_read_buffer(arg, off, to, len);
}

/*
 * The digest that the image has is of the entries and their header (nydus-image), or of the entries alone
 * (nydus-snapshotter, which builds most of the images there are).
 */
static int check_digest(const struct blob_toc *toc, const struct rafs_blob_info *info)
{
	const size_t lens[] = { toc->len, toc->len - TOC_HEADER };
	uint8_t digest[RAFS_DIGEST_SIZE];

	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		int res = digest_of(RAFS_SHA256, toc->bytes, lens[i], digest);

		if (res < 0 || memcmp(digest, info->toc_digest, sizeof(digest)) == 0)
			return res;
	}
	return -EUCLEAN;
}

/*
 * Whether the last bytes of `bytes` are info's table of contents: moves it to the front and sets toc->len. 0, -ENOENT:
 * they are none, -EUCLEAN: another.
 */
static int take(struct blob_toc *toc, const struct rafs_blob_info *info, size_t len)
{
	size_t n = toc_size(toc->bytes, len);

	if (n == 0 || (info->toc_size && n != info->toc_size))
		return -ENOENT;
	memmove(toc->bytes, toc->bytes + len - n, n);
	toc->len = n;
	return digest_known(info) ? check_digest(toc, info) : 0;
}

static void toc_name(char name[NAME_ROOM], const struct rafs_blob_info *info)
{
	snprintf(name, NAME_ROOM, "%s.blob.toc", info->id);
}

static int from_cache(struct blob_toc *toc, const struct table_source *s)
{
	char name[NAME_ROOM];
	uint64_t size = 0;

	if (!s->cache)
		return -ENOENT;
	toc_name(name, s->info);
	auto_close int fd = cache_dir_open(s->cache, name, &size);
	if (fd < 0)
		return fd;
	if (size > TOC_MAX)
		return -EUCLEAN;
	if (pread(fd, toc->bytes, size, 0) != (ssize_t)size)
		return -EIO;
	toc->file_size = s->blob ? blob_size(s->blob) : INT64_MAX;
	return take(toc, s->info, size);
}

struct bytes {
	const void *at;
	size_t len;
};

static int fill_bytes(void *arg, int fd)
{
	const struct bytes *b = arg;

	return section_write(fd, b->at, b->len);
}

/* Keeps what was read for whoever uses the folder next; that it cannot be kept is nothing to fail for. */
static void keep(const struct table_source *s, const void *bytes, size_t len)
{
	struct bytes b = { .at = bytes, .len = len };
	struct mapping had = { 0 };
	char name[NAME_ROOM];
	bool same;

	if (!s->cache)
		return;
	toc_name(name, s->info);
	if (section_cached(&had, s->cache, name, len) == 0) {
		same = memcmp(had.base, bytes, len) == 0 && !mapping_torn(&had);
		mapping_close(&had);
		if (same)
			return;
	}
	auto_close int fd = cache_dir_replace(s->cache, name, fill_bytes, &b);
	(void)fd;
}

/* The table as the last thing before end. */
static int from_blob(struct blob_toc *toc, const struct table_source *s, uint64_t end)
{
	uint64_t guess = end < TOC_GUESS ? end & ~UINT64_C(127) : TOC_GUESS;
	size_t len = s->info->toc_size ? s->info->toc_size : guess;

	if (len < 512 || len > TOC_MAX || len > end)
		return -ENOENT;
	int res = blob_read_buffer(s->blob, end - len, toc->bytes, len);
	if (!res) {
		auto_free void *raw = malloc(len);
		if (!raw)
			return -ENOMEM;
		memcpy(raw, toc->bytes, len);
		toc->file_size = end;
		res = take(toc, s->info, len);
		if (!res)
			keep(s, raw, len);
	}
	return res;
}

/*
 * A partition's size is rounded to sectors, so the blob's true end may be what the image says (not so for blobs that
 * hold something else behind what the image counts).
 */
static int from_blob_any(struct blob_toc *toc, const struct table_source *s)
{
	uint64_t size = blob_size(s->blob), c_size = s->info->c_size;
	int res = from_blob(toc, s, size);

	if (res == -ENOENT && c_size < size && !(s->info->features & RAFS_BLOB_SEPARATE))
		res = from_blob(toc, s, c_size);
	return res;
}

int blob_toc_load(struct blob_toc *toc, const struct table_source *s, struct graft_error *err)
{
	int res = -ENOENT;

	*toc = (struct blob_toc){ .bytes = malloc(TOC_MAX) };
	if (!toc->bytes)
		return error_set(err, ENOMEM, "blob %s: table of contents: out of memory", s->info->meta_id);
	if (digest_known(s->info) || !s->blob)
		res = from_cache(toc, s);
	if (res < 0 && s->blob)
		res = from_blob_any(toc, s);
	if (!res)
		return 0;
	free(steal_ptr(toc->bytes));
	if (res == -ENOENT)
		return error_set(err, ENOENT, "blob %s: no table of contents at its end", s->info->meta_id);
	if (res == -EUCLEAN)
		return error_set(err, EUCLEAN, "blob %s: table of contents is not the one that the image means",
				 s->info->meta_id);
	return error_set(err, -res, "blob %s: table of contents: %s", s->info->meta_id, strerror(-res));
}

int blob_toc_section(const struct blob_toc *toc, const char *name, uint64_t len, struct toc_entry *e)
{
	if (!toc->bytes)
		return -ENOENT;
	int res = toc_find(toc->bytes, toc->len, toc->file_size, NULL, name, e);

	return !res && e->u_size != len ? -EUCLEAN : res;
}

int blob_toc_vouches(const struct blob_toc *toc, const char *name, const void *bytes, uint64_t len)
{
	uint8_t digest[RAFS_DIGEST_SIZE];
	struct toc_entry e;
	int res = blob_toc_section(toc, name, len, &e);

	if (!res)
		res = digest_of(RAFS_SHA256, bytes, len, digest);
	if (res < 0)
		return res == -ENOENT ? 0 : res;
	return memcmp(digest, e.digest, sizeof(digest)) == 0 ? 0 : -EUCLEAN;
}

struct fill {
	struct section_source source;
	const struct toc_entry *e;
};

static int fill_section(void *arg, int fd)
{
	const struct fill *f = arg;

	return section_unpack(&f->source, f->e, f->e->digest, fd);
}

static int verified(struct mapping *map, const struct toc_entry *e)
{
	int res = section_verify(map, 0, e->u_size, e->digest);

	if (res < 0)
		mapping_close(map);
	return res;
}

/* Where it lies in the blob, if it is stored plain in a file that can be mapped and no folder is there to keep it. */
static int map_in_place(struct mapping *map, const struct table_source *s, const struct toc_entry *e)
{
	uint64_t base = 0;
	int fd = s->cache || e->compressor != RAFS_NONE ? -1 : blob_fd(s->blob, &base);

	if (fd < 0 || e->c_off > UINT64_MAX - base)
		return -ENOENT;
	int res = mapping_open(map, fd, base + e->c_off, e->c_size, MAPPING_READ, NULL);
	return res < 0 ? res : verified(map, e);
}

/* Maps the digest array e, which its digest vouches for. */
static int map_digests(struct mapping *map, const struct table_source *s, const struct toc_entry *e)
{
	struct fill f = { .source = { .read = blob_read_section, .arg = s->blob }, .e = e };
	char name[NAME_ROOM];

	snprintf(name, sizeof(name), "%s.blob.digest", s->info->id);
	if (section_cached(map, s->cache, name, e->u_size) == 0 && verified(map, e) == 0)
		return 0;
	if (!s->blob)
		return -ENOENT;
	if (map_in_place(map, s, e) == 0)
		return 0;
	auto_close int fd = section_keep(s->cache, name, fill_section, &f);
	if (fd < 0)
		return fd;
	return mapping_open(map, fd, 0, e->u_size, MAPPING_READ, NULL);
}

int chunk_digests_open(struct mapping *map, const struct table_source *s, const struct blob_toc *toc, uint32_t count,
		       struct graft_error *err)
{
	uint64_t size = (uint64_t)count * RAFS_DIGEST_SIZE;
	struct toc_entry e;
	int res = blob_toc_section(toc, "blob.digest", size, &e);

	if (!res && !section_sizes_ok(&e, size))
		res = -EUCLEAN;
	if (res < 0)
		return error_set(err, -res, "blob %s: table of contents names no digest array of %" PRIu32 " chunks",
				 s->info->meta_id, count);
	res = map_digests(map, s, &e);
	if (res == -EUCLEAN)
		return error_set(err, EUCLEAN, "blob %s: digest array is not the one that its table of contents names",
				 s->info->meta_id);
	return res < 0 ? error_set(err, -res, "blob %s: digest array: %s", s->info->meta_id, strerror(-res)) : 0;
}
