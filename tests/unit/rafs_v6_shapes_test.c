/* SPDX-License-Identifier: Apache-2.0 */
/* Forms of v6 that nydus-image does not write any more, or that need care: compact inodes, shared xattrs, ids from file
 * names, cookies, directories out of order. */
#include "rafs_image_touch.h"
#include "rafs_image_walk.h"
#include "rafs_v6_patch.h"

#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BLOBS 4096
#define SCRATCH 0x10000 /* in the fixtures of 94208 bytes: the chunk table, which no call reads */

/* Both inodes are one but for what a compact one cannot hold. */
struct compact {
	struct patch p;
	bool changed[4096]; /* inode of this nid is compact now */
	uint32_t count;
};

static bool fits_compact(const struct rafs_inode *i)
{
	return i->uid <= UINT16_MAX && i->gid <= UINT16_MAX && i->nlink <= UINT16_MAX && i->size <= UINT32_MAX;
}

/*
 * The record moves to the second half of its place: what follows it stays where it is, and its number grows by one.
 */
static void make_compact(struct compact *c, const struct rafs_inode *i)
{
	unsigned char *e = c->p.bytes + i->at, *to = e + 32;
	unsigned char half[32] = { 0 };

	assert_true(i->ino < sizeof(c->changed) - 1);
	if (!fits_compact(i) || c->changed[i->ino])
		return;
	memcpy(half, e, 6); /* format, xattrs, mode */
	half[0] &= 0xfe;
	half[6] = (unsigned char)i->nlink;
	half[7] = (unsigned char)(i->nlink >> 8);
	memcpy(half + 8, e + 8, 4);   /* size */
	memcpy(half + 16, e + 16, 8); /* i_u, ino */
	memcpy(half + 24, e + 24, 2); /* uid */
	memcpy(half + 26, e + 28, 2); /* gid */
	memcpy(to, half, 32);
	memset(e, 0xff, 32);
	c->changed[i->ino] = true;
	c->count++;
}

/* Goes through a directory of the image as it was: inodes first, then the numbers in the entries. */
static void compact_dir(struct compact *c, const struct rafs_inode *dir, bool numbers)
{
	uint64_t block = rafs_image_super(c->p.was)->block_size;
	struct rafs_dirent entry;
	uint64_t cookie = 0;

	while (rafs_dir_next(c->p.was, dir, &cookie, &entry) > 0) {
		struct rafs_inode inode;

		assert_int_equal(rafs_inode_get(c->p.was, entry.ino, &inode), 0);
		if (!numbers)
			make_compact(c, &inode);
		if (S_ISDIR(inode.mode))
			compact_dir(c, &inode, numbers);
	}
	for (uint64_t off = 0; numbers && off < dir->size; off += block) {
		uint64_t base = dir->tail_at && dir->size - off < block ? dir->tail_at : dir->data_at + off;
		uint64_t count = patch_get(&c->p, base + 8, 2) / 12;

		for (uint64_t i = 0; i < count; i++) {
			uint64_t nid = patch_get(&c->p, base + 12 * i, 8);

			patch_set(&c->p, base + 12 * i, 8, nid + c->changed[nid]);
		}
	}
}

static void compare_xattrs(const struct rafs_image *a, const struct rafs_inode *ia, const struct rafs_image *b,
			   const struct rafs_inode *ib)
{
	static char names[65536], va[65536], vb[65536];
	int64_t len = rafs_xattr_list(a, ia, names, sizeof(names));

	assert_true(len >= 0);
	assert_int_equal(rafs_xattr_list(b, ib, va, sizeof(va)), len);
	assert_memory_equal(names, va, len);
	for (int64_t at = 0; at < len; at += (int64_t)strlen(names + at) + 1) {
		int64_t n = rafs_xattr_get(a, ia, names + at, va, sizeof(va));

		assert_true(n >= 0);
		assert_int_equal(rafs_xattr_get(b, ib, names + at, vb, sizeof(vb)), n);
		assert_memory_equal(va, vb, n);
	}
}

static void compare_content(const struct rafs_image *a, const struct rafs_inode *ia, const struct rafs_image *b,
			    const struct rafs_inode *ib)
{
	char ta[4096], tb[4096];
	struct rafs_extent ea, eb;

	if (S_ISLNK(ia->mode)) {
		int n = rafs_readlink(a, ia, ta, sizeof(ta));

		assert_true(n > 0);
		assert_int_equal(rafs_readlink(b, ib, tb, sizeof(tb)), n);
		assert_memory_equal(ta, tb, n);
	}
	for (uint64_t off = 0; S_ISREG(ia->mode) && off < ia->size; off += ea.len) {
		assert_int_equal(rafs_extent_at(a, ia, off, &ea), 0);
		assert_int_equal(rafs_extent_at(b, ib, off, &eb), 0);
		patch_same_extent(&ea, &eb);
	}
}

static void compare_dir(struct compact *c, const struct rafs_inode *da, const struct rafs_image *b,
			const struct rafs_inode *db)
{
	struct rafs_dirent entry, same;
	uint64_t ca = 0, cb = 0, parent;

	while (rafs_dir_next(c->p.was, da, &ca, &entry) > 0) {
		struct rafs_inode ia, ib;

		assert_int_equal(rafs_dir_next(b, db, &cb, &same), 1);
		assert_string_equal(entry.name, same.name);
		assert_int_equal(entry.type, same.type);
		assert_int_equal(rafs_lookup(c->p.was, da, entry.name, entry.len, &ia), 0);
		assert_int_equal(rafs_lookup(b, db, entry.name, entry.len, &ib), 0);
		assert_int_equal(ib.ino, same.ino);
		assert_int_equal(ib.ino, ia.ino + c->changed[ia.ino]);
		assert_int_equal(ib.mode, ia.mode);
		assert_int_equal(ib.nlink, ia.nlink);
		assert_int_equal(ib.size, ia.size);
		assert_int_equal(ib.blocks, ia.blocks);
		assert_int_equal(ib.uid, ia.uid);
		assert_int_equal(ib.gid, ia.gid);
		assert_int_equal(ib.rdev, ia.rdev);
		assert_int_equal(ib.mtime, c->changed[ia.ino] ? 0 : ia.mtime);
		assert_int_equal(ib.mtime_nsec, c->changed[ia.ino] ? 0 : ia.mtime_nsec);
		compare_xattrs(c->p.was, &ia, b, &ib);
		compare_content(c->p.was, &ia, b, &ib);
		if (!S_ISDIR(ia.mode))
			continue;
		assert_int_equal(rafs_parent(b, &ib, &parent), 0);
		assert_int_equal(parent, db->ino);
		compare_dir(c, &ia, b, &ib);
	}
	assert_int_equal(rafs_dir_next(b, db, &cb, &same), 0);
}

static void test_compact(void **state)
{
	static const char *const names[] = { "v6-zstd", "v6-merged", "extra-v6-dirs", "extra-v6-tarfs" };

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct compact *c = calloc(1, sizeof(*c));
		struct rafs_inode root, now;
		struct rafs_image *image;

		assert_non_null(c);
		patch_init(&c->p, names[i]);
		root = patch_inode(&c->p, "");
		compact_dir(c, &root, false);
		make_compact(c, &root);
		compact_dir(c, &root, true);
		patch_set(&c->p, 1024 + 0x0e, 2, root.ino + 1);
		image = patch_open(&c->p);
		assert_int_equal(rafs_inode_get(image, root.ino + 1, &now), 0);
		assert_true(c->count > 10);
		compare_dir(c, &root, image, &now);
		rafs_image_close(image);
		patch_fini(&c->p);
		free(c);
	}
}

/* Puts an xattr entry at *at, which moves behind it. */
static void put_xattr(struct patch *p, uint64_t *at, uint8_t index, const char *name, const char *value)
{
	size_t n = strlen(name), v = strlen(value);

	patch_set(p, *at, 1, n);
	patch_set(p, *at + 1, 1, index);
	patch_set(p, *at + 2, 2, v);
	memcpy(p->bytes + *at + 4, name, n);
	memcpy(p->bytes + *at + 4 + n, value, v);
	*at += (4 + n + v + 3) / 4 * 4;
}

/* A fifo with these attributes and ids of shared ones. bad: index of an entry behind them, 0: none. */
static uint64_t put_attrs(struct patch *p, uint8_t shared, uint8_t bad)
{
	uint64_t nid = patch_inode_at(p, SCRATCH, S_IFIFO | 0600), area = SCRATCH + 64, at = area + 12 + 4 * shared;

	memset(p->bytes + area, 0xee, 12 + 4 * shared);
	patch_set(p, area + 4, 1, shared);
	put_xattr(p, &at, 1, "one", "1");
	put_xattr(p, &at, 4, "overlay.opaque", "y");
	put_xattr(p, &at, 2, "", "access");
	if (bad)
		put_xattr(p, &at, bad, "x", "");
	put_xattr(p, &at, 6, "capability", "");
	patch_set(p, SCRATCH + 2, 2, (at - area - 12) / 4 + 1);
	return nid;
}

struct attrs {
	uint8_t shared, bad;
	const char *name;
	int64_t value, list; /* results */
};

static void test_xattrs(void **state)
{
	enum { THREE = 9 + 23 + 24, FOUR = THREE + 20 };
	static const struct attrs rows[] = {
		{ 0, 0, "user.one", 1, FOUR },
		{ 0, 0, "trusted.overlay.opaque", 1, FOUR },
		{ 0, 0, "system.posix_acl_access", 6, FOUR },
		{ 0, 0, "security.capability", 0, FOUR },
		{ 0, 0, "user.on", -ENODATA, FOUR },
		{ 0, 0, "user.onee", -ENODATA, FOUR },
		{ 0, 0, "user.", -ENODATA, FOUR },
		{ 0, 0, "", -ENODATA, FOUR },
		{ 0, 0, "one", -ENODATA, FOUR },
		{ 0, 0, "system.posix_acl_accessx", -ENODATA, FOUR },
		/* What is shared is not there: who wants it is told. */
		{ 3, 0, "user.one", 1, FOUR },
		{ 3, 0, "security.capability", 0, FOUR },
		{ 3, 0, "user.two", -EUCLEAN, FOUR },
		{ 255, 0, "system.posix_acl_access", 6, FOUR },
		/* A bad entry hides what is behind it only. */
		{ 0, 5, "system.posix_acl_access", 6, THREE },
		{ 0, 5, "security.capability", -EUCLEAN, THREE },
		{ 0, 0x81, "user.one", 1, THREE },
		{ 0, 0x81, "user.two", -EUCLEAN, THREE },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct attrs *r = &rows[i];
		char value[16], names[256];
		struct rafs_inode inode;
		struct rafs_image *image;
		struct patch p;
		uint64_t nid;

		patch_init(&p, "v6-zstd");
		nid = put_attrs(&p, r->shared, r->bad);
		image = patch_open(&p);
		assert_int_equal(rafs_inode_get(image, nid, &inode), 0);
		assert_int_equal(rafs_xattr_get(image, &inode, r->name, value, sizeof(value)), r->value);
		assert_int_equal(rafs_xattr_get(image, &inode, r->name, NULL, 0), r->value);
		if (r->value > 1)
			assert_int_equal(rafs_xattr_get(image, &inode, r->name, value, (size_t)r->value - 1), -ERANGE);
		assert_int_equal(rafs_xattr_list(image, &inode, names, sizeof(names)), r->list);
		assert_int_equal(rafs_xattr_list(image, &inode, NULL, 0), r->list);
		assert_int_equal(rafs_xattr_list(image, &inode, names, (size_t)r->list - 1), -ERANGE);
		rafs_image_close(image);
		patch_fini(&p);
	}
}

/* Shared attributes alone, and more of them than the area has room for. */
static void test_only_shared(void **state)
{
	struct rafs_inode inode;
	struct rafs_image *image;
	struct patch p;
	uint64_t nid;

	(void)state;
	patch_init(&p, "v6-zstd");
	nid = patch_inode_at(&p, SCRATCH, S_IFIFO);
	patch_set(&p, SCRATCH + 2, 2, 3); /* header and two ids */
	memset(p.bytes + SCRATCH + 64, 0, 20);
	for (uint8_t shared = 2; shared <= 3; shared++) {
		patch_set(&p, SCRATCH + 64 + 4, 1, shared);
		image = patch_open(&p);
		assert_int_equal(rafs_inode_get(image, nid, &inode), 0);
		assert_int_equal(rafs_xattr_get(image, &inode, "user.one", NULL, 0), -EUCLEAN);
		assert_int_equal(rafs_xattr_list(image, &inode, NULL, 0), -EUCLEAN);
		rafs_image_close(image);
	}
	patch_fini(&p);
}

/* The only blob's real ids, of an image that came from a file of that name; or the error. */
struct ids {
	uint32_t features;
	bool inlined;
	const char *name;
	const char *id, *meta_id; /* NULL: the stored one; "": refused; "digest": the one in the table */
};

#define NAME "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void test_ids(void **state)
{
	static const struct ids rows[] = {
		{ 0x40000001, false, NAME, NULL, NULL },    { 0x40000001, true, NAME, NULL, NULL },
		{ 0x40000003, true, NAME, NAME, NAME },     { 0x40000003, false, NAME, NAME, NAME },
		{ 0x40000003, true, "", "", "" },           { 0x40000803, true, NAME, NULL, NULL },
		{ 0x00000001, true, NAME, NAME, NAME },     { 0x00000001, false, NAME, NULL, NULL },
		{ 0x40000015, true, NAME, NULL, "digest" }, { 0x40000017, true, NAME, NULL, NAME },
		{ 0x40000017, false, NAME, NULL, NAME },    { 0x00000015, true, NAME, NULL, "digest" },
	};
	const char digest[] = "a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf";

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct ids *r = &rows[i];
		const struct rafs_blob_info *b;
		struct rafs_image *image = NULL;
		struct graft_error err = { 0 };
		struct image_memory m;
		struct patch p;
		int res;

		patch_init(&p, "v6-zstd");
		patch_set(&p, BLOBS + 0x54, 4, r->features);
		for (uint8_t k = 0; k < 32; k++)
			patch_set(&p, BLOBS + 0xa8 + k, 1, 0xa0 + k);
		if (r->features & RAFS_BLOB_CHUNK_INFO_V2)
			patch_set(&p, BLOBS + 0x80, 8, patch_get(&p, BLOBS + 0x48, 4) * 24);
		assert_true(image_memory_init(&m, p.bytes, p.size, r->name));
		m.origin.inlined = r->inlined;
		res = rafs_image_open(&image, &m.origin, &err);
		assert_int_equal(res, r->id && !*r->id ? -EINVAL : 0);
		if (!res) {
			const char *stored = rafs_image_blob(p.was, 0)->id;

			b = rafs_image_blob(image, 0);
			assert_string_equal(b->id, r->id ? r->id : stored);
			assert_string_equal(b->meta_id, !r->meta_id                    ? stored
							: strcmp(r->meta_id, "digest") ? r->meta_id
										       : digest);
			if (r->features & RAFS_BLOB_SEPARATE)
				assert_int_equal(b->data_end, b->c_size);
		}
		rafs_image_close(image);
		image_memory_fini(&m);
		patch_fini(&p);
	}
}

/* What the table says of a blob comes out as it is there. */
static void test_blob_fields(void **state)
{
	struct rafs_image *image;
	const struct rafs_blob_info *b;
	struct patch p;

	(void)state;
	patch_init(&p, "v6-encrypt");
	for (uint8_t k = 0; k < 32; k++)
		patch_set(&p, BLOBS + 0x88 + k, 1, 3 * k);
	patch_set(&p, BLOBS + 0x68, 4, 0x380);
	patch_set(&p, BLOBS + 0x54, 4, 0x70000125);
	image = patch_open(&p);
	b = rafs_image_blob(image, 0);
	assert_memory_equal(b->key, p.bytes + BLOBS + 0xa8, 32);
	assert_memory_equal(b->iv, p.bytes + BLOBS + 0xc8, 16);
	assert_memory_equal(b->toc_digest, p.bytes + BLOBS + 0x88, 32);
	assert_int_equal(b->toc_size, 0x380);
	assert_int_equal(b->ci_compressor, RAFS_ZSTD);
	assert_int_equal(b->data_end, b->ci_offset - 512);
	rafs_image_close(image);
	patch_fini(&p);
}

/* Both layouts with as many blobs as an image can have: slots reach into the second block and beyond. */
static void test_many_blobs(void **state)
{
	enum { N = RAFS_BLOBS_MAX, TABLE = 0x9000, SIZE = TABLE + N * 256 + 4096 };
	struct graft_error err = { 0 };
	struct rafs_image *image;
	struct patch p;
	unsigned char *more;

	(void)state;
	patch_init(&p, "extra-v6-empty");
	more = calloc(1, (SIZE + 4095) & ~4095u);
	assert_non_null(more);
	memcpy(more, p.bytes, 4096);
	memcpy(more + SIZE / 4096 * 4096, p.bytes + 4096, 4096); /* the root */
	free(p.bytes);
	p.bytes = more;
	p.size = (SIZE + 4095) & ~4095u;
	patch_set(&p, 1024 + 0x28, 4, SIZE / 4096 - 1);
	patch_set(&p, 1024 + 0x56, 2, N);
	patch_set(&p, 1152 + 0x08, 8, TABLE);
	patch_set(&p, 1152 + 0x10, 4, N * 256);
	for (uint32_t i = 0; i < N; i++) {
		uint64_t e = TABLE + i * 256;

		snprintf((char *)p.bytes + e, 64, "blob-%u", i);
		memcpy(p.bytes + 1408 + i * 128, p.bytes + e, 64);
		patch_set(&p, 1408 + i * 128 + 64, 4, 1);
		patch_set(&p, e + 0x40, 4, i);
		patch_set(&p, e + 0x44, 4, 0x100000);
		patch_set(&p, e + 0x54, 4, 0x40000001);
	}
	if (walk_open_bytes(&image, p.bytes, p.size, &err) != 0)
		fail_msg("%s", err.text);
	assert_int_equal(rafs_image_super(image)->blobs, N);
	assert_string_equal(rafs_image_blob(image, N - 1)->id, "blob-253");
	rafs_image_close(image);
	patch_fini(&p);
}

/* Every cookie that was given leads on from there; others lead to an entry, or are refused. */
static void test_cookies(void **state)
{
	struct rafs_inode dir;
	struct rafs_dirent entry, again;
	uint64_t cookie = 0, given[400], n = 0;
	char names[400][RAFS_NAME_MAX + 1];
	struct patch p;

	(void)state;
	patch_init(&p, "v6-zstd");
	dir = patch_inode(&p, "many");
	assert_true(dir.size > 4096);
	for (given[0] = 0; rafs_dir_next(p.was, &dir, &cookie, &entry) > 0; given[n] = cookie) {
		assert_true(n < 399);
		memcpy(names[n++], entry.name, sizeof(entry.name));
	}
	assert_int_equal(n, 300);
	for (uint64_t i = n; i-- > 0;) {
		cookie = given[i];
		assert_int_equal(rafs_dir_next(p.was, &dir, &cookie, &again), 1);
		assert_string_equal(again.name, names[i]);
		assert_int_equal(cookie, given[i + 1]);
	}
	cookie = given[n];
	assert_int_equal(rafs_dir_next(p.was, &dir, &cookie, &again), 0);
	assert_int_equal(cookie, given[n]);
	cookie = 511; /* no block has so many */
	assert_int_equal(rafs_dir_next(p.was, &dir, &cookie, &again), -EINVAL);
	cookie = given[n] + 1;
	assert_int_equal(rafs_dir_next(p.was, &dir, &cookie, &again), -EINVAL);
	cookie = UINT64_MAX;
	assert_int_equal(rafs_dir_next(p.was, &dir, &cookie, &again), -EINVAL);
	patch_fini(&p);
}

/* Names that are not there, beside each that is; in blocks of 4096 and of 512 bytes. */
static void test_absent(void **state)
{
	static const char *const images[] = { "v6-zstd", "extra-v6-tarfs" };

	(void)state;
	for (size_t i = 0; i < sizeof(images) / sizeof(images[0]); i++) {
		struct rafs_inode dir, inode;
		struct rafs_dirent entry;
		uint64_t cookie = 0;
		struct patch p;

		patch_init(&p, images[i]);
		dir = patch_inode(&p, "many");
		assert_true(dir.size > rafs_image_super(p.was)->block_size);
		while (rafs_dir_next(p.was, &dir, &cookie, &entry) > 0) {
			entry.name[entry.len] = '\1';
			assert_int_equal(rafs_lookup(p.was, &dir, entry.name, entry.len + 1, &inode), -ENOENT);
			assert_int_equal(rafs_lookup(p.was, &dir, entry.name, entry.len, &inode), 0);
			entry.name[entry.len - 1]--;
			assert_int_equal(rafs_lookup(p.was, &dir, entry.name, entry.len + 1, &inode), -ENOENT);
		}
		assert_int_equal(rafs_lookup(p.was, &dir, "!", 1, &inode), -ENOENT);
		assert_int_equal(rafs_lookup(p.was, &dir, "\xff", 1, &inode), -ENOENT);
		assert_int_equal(rafs_lookup(p.was, &dir, ".", 1, &inode), -ENOENT);
		assert_int_equal(rafs_lookup(p.was, &dir, "..", 2, &inode), -ENOENT);
		patch_fini(&p);
	}
}

/* Directories whose names are shuffled: a listing ends with an error, a search ends. */
static void test_unsorted(void **state)
{
	struct rafs_inode dir, inode;
	struct rafs_image *image;
	struct rafs_dirent entry;
	uint64_t cookie = 0, seed = 1;
	struct patch p;
	int res;

	(void)state;
	patch_init(&p, "v6-zstd");
	dir = patch_inode(&p, "many");
	for (uint64_t i = 0; i < dir.size; i++) {
		uint64_t at = (dir.size - i < 4096 && dir.tail_at && i >= dir.size / 4096 * 4096)
				      ? dir.tail_at + i % 4096
				      : dir.data_at + i;

		seed = seed * 6364136223846793005u + 1442695040888963407u;
		if (p.bytes[at] >= '0' && p.bytes[at] <= '9')
			p.bytes[at] = (unsigned char)('0' + (seed >> 33) % 10);
	}
	image = patch_open(&p);
	while ((res = rafs_dir_next(image, &dir, &cookie, &entry)) > 0)
		;
	assert_int_equal(res, -EUCLEAN);
	for (int i = 0; i < 300; i++) {
		char name[24];

		snprintf(name, sizeof(name), "file-%05d", i);
		res = rafs_lookup(image, &dir, name, strlen(name), &inode);
		assert_true(res == 0 || res == -ENOENT || res == -EUCLEAN);
	}
	rafs_image_close(image);
	patch_fini(&p);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_compact), cmocka_unit_test(test_xattrs),      cmocka_unit_test(test_only_shared),
		cmocka_unit_test(test_ids),     cmocka_unit_test(test_blob_fields), cmocka_unit_test(test_many_blobs),
		cmocka_unit_test(test_cookies), cmocka_unit_test(test_absent),      cmocka_unit_test(test_unsorted),
	};

	return cmocka_run_group_tests_name("v6 shapes", tests, NULL, NULL);
}
