/* SPDX-License-Identifier: Apache-2.0 */
/* Chunk tables of every v6 image: from the blob, from a cache folder, from nydusd's cache; spoiled caches and blobs. */
#include "rafs_blob_rig.h"

#include "rafs/codec/codec.h"
#include "rafs/codec/digest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define INLINE_META "blobs/40acde183685536912ba5c25c69521d6672a1d3eb566f4cd34669875e5cc0ae6"
#define INLINE_TOC  "blobs/adfb92615670bdbcfda0281a1a34f34b19515c5c0cbe25f3866357a00b5c3eb3"
#define ZRAN        "blobs/ca915cf7ef7cd61f8bf51c41306c5d327ca047de6eb11d429d008ed298c6ca3e"

static const struct {
	const char *name, *source;
	uint32_t flags; /* that its chunks have between them */
} images[] = {
	{ "v6-batch", "boot", RAFS_CHUNK_COMPRESSED | RAFS_CHUNK_BATCH | RAFS_CHUNK_CRC },
	{ "v6-chunk64k", "boot", RAFS_CHUNK_COMPRESSED },
	{ "v6-dict", "boot", RAFS_CHUNK_COMPRESSED },
	{ "v6-encrypt", "boot", RAFS_CHUNK_COMPRESSED | RAFS_CHUNK_ENCRYPTED | RAFS_CHUNK_CRC },
	{ "v6-encrypt-batch", "boot",
	  RAFS_CHUNK_COMPRESSED | RAFS_CHUNK_BATCH | RAFS_CHUNK_ENCRYPTED | RAFS_CHUNK_CRC },
	{ "v6-inline-meta", INLINE_META, RAFS_CHUNK_COMPRESSED },
	{ "v6-inline-toc", INLINE_TOC, RAFS_CHUNK_COMPRESSED | RAFS_CHUNK_DIGEST },
	{ "v6-lz4_block", "boot", RAFS_CHUNK_COMPRESSED },
	{ "v6-merged", "boot", RAFS_CHUNK_COMPRESSED },
	{ "v6-none", "boot", 0 },
	{ "v6-parent", "boot", RAFS_CHUNK_COMPRESSED },
	{ "v6-prefetch", "boot", RAFS_CHUNK_COMPRESSED },
	{ "v6-sha256", "boot", RAFS_CHUNK_COMPRESSED },
	{ "v6-tar", "boot", RAFS_CHUNK_COMPRESSED },
	{ "v6-targz", "boot", RAFS_CHUNK_COMPRESSED },
	{ "v6-zran", ZRAN, RAFS_CHUNK_COMPRESSED | RAFS_CHUNK_ZRAN | RAFS_CHUNK_DIGEST },
	{ "v6-zstd", "boot", RAFS_CHUNK_COMPRESSED },
	{ "extra-blob-toc", "boot", RAFS_CHUNK_COMPRESSED | RAFS_CHUNK_DIGEST },
	{ "extra-tar-ref", "boot", RAFS_CHUNK_CRC },
	{ "extra-zran", "boot", RAFS_CHUNK_COMPRESSED | RAFS_CHUNK_ZRAN },
	{ "extra-encrypt-tiny", "boot",
	  RAFS_CHUNK_COMPRESSED | RAFS_CHUNK_BATCH | RAFS_CHUNK_ENCRYPTED | RAFS_CHUNK_CRC },
};

static struct chunk_table *open_table(const struct rafs_blob_info *info, struct blob_file *blob,
				      struct cache_dir *cache, bool digests)
{
	struct graft_error err = { 0 };
	struct chunk_table *t = NULL;

	if (chunk_table_open(&t, info, blob, cache, digests, &err) < 0)
		fail_msg("%s", err.text);
	return t;
}

static void expect_failure(const struct rafs_blob_info *info, struct blob_file *blob, struct cache_dir *cache,
			   bool digests, int code)
{
	struct graft_error err = { 0 };
	struct chunk_table *t = NULL;
	int res = chunk_table_open(&t, info, blob, cache, digests, &err);

	assert_int_equal(res, -code);
	assert_null(t);
	assert_int_equal(err.code, code);
	if (!strstr(err.text, info->id) && !strstr(err.text, info->meta_id))
		fail_msg("the text does not name the blob: %s", err.text);
}

/* All entries, each in order of its place; the flags they have between them. */
static uint32_t check_entries(const struct chunk_table *t, const struct rafs_blob_info *info)
{
	struct rafs_chunk c;
	uint32_t flags = 0;
	uint64_t end = 0;

	assert_int_equal(chunk_table_count(t), info->chunk_count);
	for (uint32_t i = 0; i < info->chunk_count; i++) {
		assert_int_equal(chunk_table_get(t, i, &c), 0);
		assert_int_equal(c.index, i);
		assert_int_equal(c.u_off, end);
		end = (c.u_off + c.u_size + 4095) & ~UINT64_C(4095);
		flags |= c.flags;
	}
	assert_int_equal(end, info->u_size);
	assert_int_equal(chunk_table_get(t, info->chunk_count, &c), -ENOENT);
	assert_int_equal(chunk_table_get(t, UINT32_MAX, &c), -ENOENT);
	return flags;
}

static void same_tables(const struct chunk_table *a, const struct chunk_table *b)
{
	assert_int_equal(chunk_table_count(a), chunk_table_count(b));
	assert_int_equal(chunk_table_has_digests(a), chunk_table_has_digests(b));
	for (uint32_t i = 0; i < chunk_table_count(a); i++) {
		struct rafs_chunk x, y;

		assert_int_equal(chunk_table_get(a, i, &x), 0);
		assert_int_equal(chunk_table_get(b, i, &y), 0);
		rig_same_chunk(&x, &y);
	}
}

/* From the blob without a folder, from the blob into a folder, from the folder. */
static uint32_t check_blob(const struct rafs_blob_info *info, struct backend *backend)
{
	struct graft_error err = { 0 };
	char *folder = rig_folder();
	struct cache_dir *cache = rig_cache(folder);
	struct blob_file *blob = rig_blob(backend, info->meta_id, &err);
	struct chunk_table *t[3];
	uint32_t flags;

	assert_non_null(blob);
	expect_failure(info, NULL, cache, true, ENOENT);
	t[0] = open_table(info, blob, NULL, true);
	t[1] = open_table(info, blob, cache, true);
	t[2] = open_table(info, NULL, cache, true);
	flags = check_entries(t[0], info);
	for (int i = 1; i < 3; i++) {
		same_tables(t[0], t[i]);
		chunk_table_close(t[i]);
	}
	assert_int_equal(chunk_table_has_digests(t[0]), (info->features & RAFS_BLOB_CHUNK_DIGEST) != 0);
	chunk_table_close(t[0]);
	t[0] = open_table(info, blob, cache, false);
	assert_false(chunk_table_has_digests(t[0]));
	chunk_table_close(t[0]);
	blob_close(blob);
	cache_dir_put(cache);
	rig_folder_free(folder);
	return flags;
}

static void test_every_image(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(images) / sizeof(images[0]); i++) {
		struct rig_image image;
		uint32_t flags = 0;

		print_message("%s\n", images[i].name);
		rig_image_open(&image, images[i].name, images[i].source);
		for (uint32_t b = 0; b < rafs_image_super(image.image)->blobs; b++)
			flags |= check_blob(rafs_image_blob(image.image, b), image.backend);
		assert_int_equal(flags, images[i].flags);
		rig_image_close(&image);
	}
}

/* nydusd's own files, kept with three images. */
static const char *const by_nydusd[] = { "extra-blob-toc", "extra-encrypt-tiny", "extra-zran" };
static const char *const suffixes[] = { ".blob.meta", ".blob.digest", ".blob.toc" };

static bool kept_by_nydusd(char *path, size_t room, const char *image, const char *id, const char *suffix)
{
	snprintf(path, room, "%s/nydusd-cache/%s%s", image, id, suffix);
	return access(rig_path(path), F_OK) == 0;
}

static void test_as_nydusd_keeps_it(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(by_nydusd) / sizeof(by_nydusd[0]); i++) {
		struct graft_error err = { 0 };
		struct rig_image image;
		char *ours = rig_folder(), *theirs = rig_folder(), from[512], name[128];
		struct cache_dir *ours_dir = rig_cache(ours), *theirs_dir = rig_cache(theirs);

		rig_image_open(&image, by_nydusd[i], "boot");
		const struct rafs_blob_info *info = rafs_image_blob(image.image, 0);
		struct blob_file *blob = rig_blob(image.backend, info->meta_id, &err);
		struct chunk_table *a = open_table(info, blob, ours_dir, true);
		for (size_t s = 0; s < sizeof(suffixes) / sizeof(suffixes[0]); s++) {
			size_t want_len, len;

			snprintf(name, sizeof(name), "%s%s", info->id, suffixes[s]);
			bool kept = kept_by_nydusd(from, sizeof(from), by_nydusd[i], info->id, suffixes[s]);
			assert_int_equal(kept, rig_exists(ours, name));
			if (!kept)
				continue;
			unsigned char *want = rig_read(NULL, from, &want_len), *have = rig_read(ours, name, &len);
			assert_int_equal(len, want_len);
			assert_memory_equal(have, want, len);
			rig_write(theirs, name, want, want_len);
			free(want);
			free(have);
		}
		/* What nydusd kept will do without the blob. */
		struct chunk_table *b = open_table(info, NULL, theirs_dir, true);
		same_tables(a, b);
		chunk_table_close(a);
		chunk_table_close(b);
		blob_close(blob);
		rig_image_close(&image);
		cache_dir_put(ours_dir);
		cache_dir_put(theirs_dir);
		rig_folder_free(ours);
		rig_folder_free(theirs);
	}
}

/* A chunk's bytes, as the table says they are stored. */
static void check_digest(struct codec *codec, const struct rafs_blob_info *info, struct blob_file *blob,
			 const struct rafs_chunk *c)
{
	unsigned char *stored = malloc(c->c_size), *plain = malloc(c->u_size);
	uint8_t digest[RAFS_DIGEST_SIZE];

	assert_true(c->flags & RAFS_CHUNK_DIGEST);
	assert_int_equal(blob_read_buffer(blob, c->c_off, stored, c->c_size), 0);
	assert_int_equal(codec_decompress(codec, c->flags & RAFS_CHUNK_COMPRESSED ? info->compressor : RAFS_NONE,
					  stored, c->c_size, plain, c->u_size),
			 0);
	assert_int_equal(digest_of(info->digester, plain, c->u_size, digest), 0);
	assert_memory_equal(digest, c->digest, sizeof(digest));
	free(stored);
	free(plain);
}

static void test_digests_are_of_the_chunks(void **state)
{
	static const char *const sources[][2] = { { "extra-blob-toc", "boot" }, { "v6-inline-toc", INLINE_TOC } };
	struct codec *codec = codec_new();

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct graft_error err = { 0 };
		struct rig_image image;

		rig_image_open(&image, sources[i][0], sources[i][1]);
		const struct rafs_blob_info *info = rafs_image_blob(image.image, 0);
		struct blob_file *blob = rig_blob(image.backend, info->meta_id, &err);
		struct chunk_table *t = open_table(info, blob, NULL, true);
		for (uint32_t k = 0; k < chunk_table_count(t); k++) {
			struct rafs_chunk c;

			assert_int_equal(chunk_table_get(t, k, &c), 0);
			check_digest(codec, info, blob, &c);
		}
		chunk_table_close(t);
		blob_close(blob);
		rig_image_close(&image);
	}
	codec_free(codec);
}

/* A copy of an image's first blob that tests may spoil, with a backend and a cache folder. */
struct copy {
	struct rig_image image;
	struct rafs_blob_info info;
	unsigned char *bytes; /* of the blob of meta_id */
	size_t len;
	char *blobs, *folder;
	struct backend *backend;
	struct cache_dir *cache;
};

static void copy_open(struct copy *c, const char *name, const char *source)
{
	char path[512];

	rig_image_open(&c->image, name, source);
	c->info = *rafs_image_blob(c->image.image, 0);
	snprintf(path, sizeof(path), "%s/blobs/%s", name, c->info.meta_id);
	c->bytes = rig_read(NULL, path, &c->len);
	c->blobs = rig_folder();
	c->folder = rig_folder();
	c->cache = rig_cache(c->folder);
	c->backend = rig_backend(c->blobs);
	rig_write(c->blobs, c->info.meta_id, c->bytes, c->len);
}

static void copy_close(struct copy *c)
{
	backend_free(c->backend);
	cache_dir_put(c->cache);
	rig_folder_free(c->blobs);
	rig_folder_free(c->folder);
	rig_image_close(&c->image);
	free(c->bytes);
}

static struct blob_file *copy_blob(struct copy *c)
{
	struct graft_error err = { 0 };
	struct blob_file *blob = rig_blob(c->backend, c->info.meta_id, &err);

	if (!blob)
		fail_msg("%s", err.text);
	return blob;
}

/* A cached file with one byte changed, cut short, emptied, zeroed: made anew from the blob, an error without it. */
static void spoil_cached(struct copy *c, const char *suffix, bool digests)
{
	char name[128];
	size_t len, again_len;
	struct blob_file *blob = copy_blob(c);

	snprintf(name, sizeof(name), "%s%s", c->info.id, suffix);
	chunk_table_close(open_table(&c->info, blob, c->cache, digests));
	unsigned char *good = rig_read(c->folder, name, &len);
	for (int way = 0; way < 5; way++) {
		unsigned char *bad = malloc(len + 1);

		memcpy(bad, good, len);
		bad[len] = 0;
		if (way == 0)
			bad[3] ^= 0x80;
		else if (way == 4)
			memset(bad, 0, len);
		rig_write(c->folder, name, bad, way == 1 ? len - 1 : way == 2 ? 0 : way == 3 ? len + 1 : len);
		struct graft_error err = { 0 };
		struct chunk_table *t = NULL;
		assert_true(chunk_table_open(&t, &c->info, NULL, c->cache, digests, &err) < 0);
		assert_non_null(strstr(err.text, c->info.id));
		chunk_table_close(open_table(&c->info, blob, c->cache, digests));
		unsigned char *again = rig_read(c->folder, name, &again_len);
		assert_int_equal(again_len, len);
		assert_memory_equal(again, good, len);
		free(again);
		free(bad);
	}
	free(good);
	blob_close(blob);
}

static void test_spoiled_caches(void **state)
{
	struct copy c;

	(void)state;
	/* Nothing vouches for this one but the entries themselves. */
	copy_open(&c, "v6-zstd", "boot");
	spoil_cached(&c, ".blob.meta", false);
	copy_close(&c);
	copy_open(&c, "extra-blob-toc", "boot");
	spoil_cached(&c, ".blob.meta", true);
	spoil_cached(&c, ".blob.digest", true);
	spoil_cached(&c, ".blob.toc", true);
	copy_close(&c);
}

static void flip_cached(struct copy *c, const char *suffix, size_t at)
{
	char name[128];
	size_t len;

	snprintf(name, sizeof(name), "%s%s", c->info.id, suffix);
	unsigned char *bytes = rig_read(c->folder, name, &len);
	assert_true(at < len);
	bytes[at] ^= 1;
	rig_write(c->folder, name, bytes, len);
	free(bytes);
}

/* Where the image has the digest of the table of contents, no bit of a cached table can be changed. */
static void test_toc_vouches_for_the_cache(void **state)
{
	static const size_t places[] = { 0, 5, 8, 15, 29 * 16 - 1, 4096 + 0x3c, 4096 + 0xff0 };
	struct copy c;

	(void)state;
	copy_open(&c, "extra-blob-toc", "boot");
	struct blob_file *blob = copy_blob(&c);
	struct chunk_table *good = open_table(&c.info, blob, NULL, true);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		chunk_table_close(open_table(&c.info, blob, c.cache, true));
		flip_cached(&c, ".blob.meta", places[i]);
		expect_failure(&c.info, NULL, c.cache, true, ENOENT);
		/* Nor where digests are not asked for: the table of contents is in the cache too. */
		expect_failure(&c.info, NULL, c.cache, false, ENOENT);
		struct chunk_table *t = open_table(&c.info, blob, c.cache, true);
		same_tables(good, t);
		chunk_table_close(t);
	}
	chunk_table_close(good);
	blob_close(blob);
	copy_close(&c);
}

/* A folder that cannot take files is no reason to fail. */
static void test_cache_gone(void **state)
{
	struct copy c;

	(void)state;
	copy_open(&c, "extra-blob-toc", "boot");
	struct blob_file *blob = copy_blob(&c);
	assert_int_equal(rmdir(c.folder), 0);
	struct chunk_table *t = open_table(&c.info, blob, c.cache, true);
	check_entries(t, &c.info);
	assert_true(chunk_table_has_digests(t));
	chunk_table_close(t);
	blob_close(blob);
	copy_close(&c);
}

static void test_short_and_missing_blobs(void **state)
{
	struct graft_error err = { 0 };
	struct copy c;

	(void)state;
	copy_open(&c, "v6-zstd", "boot");
	const size_t cuts[] = {
		1, 4096, c.info.ci_offset - 1, c.info.ci_offset + 1, c.info.ci_offset + c.info.ci_c_size, c.len - 1
	};
	for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
		rig_write(c.blobs, c.info.meta_id, c.bytes, cuts[i]);
		struct blob_file *blob = copy_blob(&c);
		expect_failure(&c.info, blob, c.cache, false, EIO);
		expect_failure(&c.info, blob, NULL, false, EIO);
		blob_close(blob);
	}
	assert_null(rig_blob(c.backend, "0123456789abcdef", &err));
	assert_non_null(strstr(err.text, "0123456789abcdef"));
	copy_close(&c);
}

/* Blobs with one byte of the table, the header, the digests or the table of contents changed. */
static void test_spoiled_blobs(void **state)
{
	struct copy c;

	(void)state;
	copy_open(&c, "extra-blob-toc", "boot");
	const size_t table = c.info.ci_offset, header = table + c.info.ci_c_size;
	const size_t digests = header + 4096 + 512, toc = c.len - c.info.toc_size;
	const struct {
		size_t at;
		bool digests; /* matters only where these are wanted */
	} places[] = {
		{ table + 20, false }, { header, false },   { header + 0x40, false },     { digests, true },
		{ toc, false },        { toc + 24, false }, { c.len - 512 + 148, false }, { c.len - 1, false },
	};
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		unsigned char was = c.bytes[places[i].at];
		char *folder = rig_folder();
		struct cache_dir *empty = rig_cache(folder);
		struct chunk_table *t = NULL;

		c.bytes[places[i].at] ^= 0x11;
		rig_write(c.blobs, c.info.meta_id, c.bytes, c.len);
		c.bytes[places[i].at] = was;
		struct blob_file *blob = copy_blob(&c);
		struct graft_error err = { 0 };
		assert_true(chunk_table_open(&t, &c.info, blob, empty, true, &err) < 0);
		assert_non_null(strstr(err.text, c.info.id));
		assert_true(chunk_table_open(&t, &c.info, blob, NULL, true, &err) < 0);
		/* What is bad is not kept. */
		expect_failure(&c.info, NULL, empty, true, ENOENT);
		if (places[i].digests)
			chunk_table_close(open_table(&c.info, blob, NULL, false));
		blob_close(blob);
		cache_dir_put(empty);
		rig_folder_free(folder);
	}
	copy_close(&c);
}

/* A file that is cut short under the mapping: EIO, never a signal. */
static void test_cut_under_the_mapping(void **state)
{
	struct rafs_chunk chunk;
	struct copy c;
	char path[4096];

	(void)state;
	copy_open(&c, "v6-zstd", "boot");
	struct blob_file *blob = copy_blob(&c);
	struct chunk_table *t = open_table(&c.info, blob, c.cache, false);
	snprintf(path, sizeof(path), "%s/%s.blob.meta", c.folder, c.info.id);
	rig_handle_sigbus();
	assert_int_equal(chunk_table_get(t, 0, &chunk), 0);
	assert_int_equal(truncate(path, 0), 0);
	assert_int_equal(chunk_table_get(t, 0, &chunk), -EIO);
	chunk_table_close(t);
	blob_close(blob);
	copy_close(&c);
}

/* A blob stored in a partition has a few bytes more than the image knows of. */
static void test_blob_with_a_tail(void **state)
{
	struct copy c;

	(void)state;
	copy_open(&c, "extra-blob-toc", "boot");
	unsigned char *longer = calloc(1, c.len + 700);
	memcpy(longer, c.bytes, c.len);
	rig_write(c.blobs, c.info.meta_id, longer, c.len + 700);
	free(longer);
	struct blob_file *blob = copy_blob(&c);
	struct chunk_table *t = open_table(&c.info, blob, c.cache, true);
	assert_true(chunk_table_has_digests(t));
	chunk_table_close(t);
	blob_close(blob);
	copy_close(&c);
}

/* An image that does not know its table of contents: it is looked for, and must agree with what it names. */
static void test_toc_that_is_looked_for(void **state)
{
	static const struct {
		const char *name;
		size_t at;
		int with, without; /* results where digests are wanted, and where not */
	} changes[] = {
		{ "blob.meta", 24, EUCLEAN, EUCLEAN },
		{ "blob.meta", 72, EUCLEAN, EUCLEAN },
		{ "blob.meta.header", 24, EUCLEAN, EUCLEAN },
		{ "blob.digest", 24, EUCLEAN, 0 },
		{ "blob.digest", 72, EUCLEAN, 0 },
		{ "blob.digest", 64, EUCLEAN, 0 },
		{ "blob.digest", 8, ENOENT, 0 },
		{ "blob.meta", 8, 0, 0 },
	};
	struct copy c;

	(void)state;
	copy_open(&c, "extra-blob-toc", "boot");
	const size_t toc = c.len - c.info.toc_size;
	c.info.toc_size = 0;
	memset(c.info.toc_digest, 0, sizeof(c.info.toc_digest));
	struct blob_file *blob = copy_blob(&c);
	struct chunk_table *t = open_table(&c.info, blob, NULL, true);
	assert_true(chunk_table_has_digests(t));
	chunk_table_close(t);
	/* Of the entries alone, as nydus-snapshotter has it. */
	assert_int_equal(digest_of(RAFS_SHA256, c.bytes + toc, c.len - toc - 512, c.info.toc_digest), 0);
	t = open_table(&c.info, blob, NULL, true);
	assert_true(chunk_table_has_digests(t));
	chunk_table_close(t);
	c.info.toc_digest[31] ^= 1;
	expect_failure(&c.info, blob, NULL, true, EUCLEAN);
	memset(c.info.toc_digest, 0, sizeof(c.info.toc_digest));
	blob_close(blob);
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		unsigned char *e = memmem(c.bytes + toc, 512, changes[i].name, strlen(changes[i].name) + 1);

		if (strlen(changes[i].name) == 16)
			e = memmem(c.bytes + toc, 512, changes[i].name, 16);
		assert_non_null(e);
		e[-8 + (ptrdiff_t)changes[i].at] ^= 1;
		rig_write(c.blobs, c.info.meta_id, c.bytes, c.len);
		e[-8 + (ptrdiff_t)changes[i].at] ^= 1;
		blob = copy_blob(&c);
		for (int digests = 0; digests < 2; digests++) {
			int code = digests ? changes[i].with : changes[i].without;

			if (code)
				expect_failure(&c.info, blob, NULL, digests, code);
			else
				chunk_table_close(open_table(&c.info, blob, NULL, digests));
		}
		blob_close(blob);
	}
	copy_close(&c);
}

/* nydus-image says LZ4 of a chunk table that it packed so; of anything else it is not read. */
static void test_toc_lz4(void **state)
{
	static const struct {
		const char *name;
		int code;
	} entries[] = { { "blob.meta", 0 }, { "blob.digest", EUCLEAN } };
	struct copy c;

	(void)state;
	copy_open(&c, "extra-blob-toc", "boot");
	const size_t toc = c.len - c.info.toc_size;
	c.info.toc_size = 0;
	memset(c.info.toc_digest, 0, sizeof(c.info.toc_digest));
	for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
		unsigned char *e = memmem(c.bytes + toc, 512, entries[i].name, strlen(entries[i].name) + 1);

		assert_non_null(e);
		unsigned char was = e[-8];
		e[-8] = 4;
		rig_write(c.blobs, c.info.meta_id, c.bytes, c.len);
		e[-8] = was;
		struct blob_file *blob = copy_blob(&c);
		if (entries[i].code)
			expect_failure(&c.info, blob, NULL, true, entries[i].code);
		else
			chunk_table_close(open_table(&c.info, blob, NULL, true));
		blob_close(blob);
	}
	copy_close(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_image),
		cmocka_unit_test(test_as_nydusd_keeps_it),
		cmocka_unit_test(test_digests_are_of_the_chunks),
		cmocka_unit_test(test_spoiled_caches),
		cmocka_unit_test(test_toc_vouches_for_the_cache),
		cmocka_unit_test(test_cache_gone),
		cmocka_unit_test(test_short_and_missing_blobs),
		cmocka_unit_test(test_spoiled_blobs),
		cmocka_unit_test(test_cut_under_the_mapping),
		cmocka_unit_test(test_blob_with_a_tail),
		cmocka_unit_test(test_toc_that_is_looked_for), cmocka_unit_test(test_toc_lz4),
	};

	rig_handle_sigbus();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
