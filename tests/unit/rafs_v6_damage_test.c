/* SPDX-License-Identifier: Apache-2.0 */
/* v6 images with one field of an inode, directory, link, xattr or chunk index changed: the result of each call that
 * meets it. */
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

/* What is changed: a field of .. */
enum place {
	RECORD, /* the inode of path */
	XATTRS, /* its xattr area */
	TAIL,   /* its inline data */
	INDEX,  /* its array of chunk indexes */
	DIRENT, /* the entry `name` of directory path */
	NAME,   /* the bytes of that entry's name */
};

/* What is asked: of the inode of path .. */
enum ask {
	GET,    /* rafs_inode_get */
	LOOKUP, /* rafs_lookup of `name` in it; RECORD: of path in its own directory */
	LIST,   /* rafs_dir_next to its end */
	PARENT,
	LINK,
	VALUE,  /* rafs_xattr_get of `name` */
	NAMES,  /* rafs_xattr_list: 0 for any list */
	EXTENT, /* rafs_extent_at 0 */
};

struct row {
	enum place place;
	enum ask ask;
	const char *path, *name;
	uint32_t at, size; /* bytes */
	uint64_t value;
	int res;
};

#define BAD (-EUCLEAN)
#define END UINT64_MAX /* in value: a block address or nid behind the end */

/* In extra-v6-dirs; the directory order has 17 entries, "." the fifth. */
static const struct row rows[] = {
	/* Inodes. */
	{ RECORD, GET, "one", NULL, 0, 2, 0x19, BAD },
	{ RECORD, GET, "one", NULL, 0, 2, 0x8009, BAD },
	{ RECORD, GET, "one", NULL, 0, 2, 0x1, BAD }, /* layouts a file cannot have */
	{ RECORD, GET, "one", NULL, 0, 2, 0x3, BAD },
	{ RECORD, GET, "one", NULL, 0, 2, 0x5, BAD },
	{ RECORD, GET, "one", NULL, 0, 2, 0x7, BAD },
	{ RECORD, LOOKUP, "one", NULL, 0, 2, 0x1, BAD },
	{ RECORD, GET, "one", NULL, 2, 2, 0xffff, BAD }, /* xattrs behind the end */
	{ RECORD, GET, "one", NULL, 4, 2, 0, BAD },
	{ RECORD, GET, "one", NULL, 4, 2, 0170644, BAD },
	{ RECORD, LOOKUP, "one", NULL, 4, 2, S_IFIFO | 0644, BAD },
	{ RECORD, GET, "one", NULL, 8, 8, UINT64_MAX, BAD },
	{ RECORD, GET, "one", NULL, 8, 8, UINT64_C(1) << 52, BAD },
	{ RECORD, GET, "one", NULL, 8, 8, UINT64_C(8192) << 20, BAD }, /* 8192 indexes: more than the file's rest */
	{ RECORD, GET, "one", NULL, 8, 8, 0, 0 },
	{ RECORD, GET, "one", NULL, 16, 4, UINT32_MAX, 0 }, /* chunk format: of no use here */
	{ RECORD, GET, "one", NULL, 20, 4, 0, 0 },
	{ RECORD, GET, "one", NULL, 40, 4, UINT32_MAX, 0 }, /* nanoseconds are cut */
	{ RECORD, GET, "one", NULL, 44, 4, 0, BAD },
	{ RECORD, GET, "order", NULL, 0, 2, 0x9, BAD },
	{ RECORD, GET, "order", NULL, 0, 2, 0x3, BAD },
	{ RECORD, GET, "order", NULL, 8, 8, 4090, BAD }, /* tail across its block's end */
	{ RECORD, GET, "order", NULL, 8, 8, UINT64_C(1) << 63, BAD },
	{ RECORD, LIST, "order", NULL, 8, 8, 11, BAD },
	{ RECORD, LIST, "order", NULL, 8, 8, 204, BAD },
	{ RECORD, LIST, "order", NULL, 8, 8, 0, 0 },     /* nothing in it .. */
	{ RECORD, LOOKUP, "order", NULL, 8, 8, 0, BAD }, /* .. but not its own dots either */
	{ RECORD, PARENT, "order", NULL, 8, 8, 0, BAD },
	{ RECORD, GET, "size-4096", NULL, 16, 4, 16, BAD },
	{ RECORD, GET, "size-4096", NULL, 16, 4, UINT32_MAX, BAD },
	{ RECORD, LIST, "size-4096", NULL, 16, 4, 0, BAD }, /* zeros and the superblock */
	{ RECORD, GET, "two-blocks-inline", NULL, 16, 4, 16, BAD },
	{ RECORD, GET, "links/to-59", NULL, 8, 8, 0, BAD },
	{ RECORD, GET, "links/to-59", NULL, 8, 8, 4097, BAD },
	{ RECORD, GET, "links/to-4095", NULL, 8, 8, 4096, 0 },
	{ RECORD, LINK, "links/to-4095", NULL, 8, 8, 4096, BAD }, /* a NUL in it */
	{ RECORD, GET, "links/to-4095", NULL, 16, 4, 16, BAD },
	{ RECORD, GET, "links/to-59", NULL, 0, 2, 0x9, BAD },
	{ TAIL, LINK, "links/to-59", NULL, 7, 1, 0, BAD },
	{ TAIL, LINK, "links/to-59", NULL, 7, 1, '/', 59 },
	/* Blocks of directories. */
	{ TAIL, LIST, "order", NULL, 8, 2, 0, BAD },
	{ TAIL, LOOKUP, "order", "0", 8, 2, 0, BAD },
	{ TAIL, LIST, "order", NULL, 8, 2, 203, BAD },
	{ TAIL, LOOKUP, "order", "0", 8, 2, 203, BAD },
	{ TAIL, LIST, "order", NULL, 8, 2, 65532, BAD },
	{ TAIL, LIST, "order", NULL, 8, 2, 216, BAD },  /* an entry more than there are */
	{ TAIL, LIST, "order", NULL, 20, 2, 204, BAD }, /* first name empty */
	{ TAIL, LIST, "order", NULL, 20, 2, 100, BAD },
	{ TAIL, LIST, "order", NULL, 20, 2, 65535, BAD },
	/* Entries. */
	{ DIRENT, LOOKUP, "order", "A", 0, 8, 0, BAD },
	{ DIRENT, LIST, "order", "A", 0, 8, 0, BAD },
	{ DIRENT, LOOKUP, "order", "A", 0, 8, END, BAD },
	{ DIRENT, LIST, "order", "A", 0, 8, END, BAD },
	{ DIRENT, LIST, "order", "A", 0, 8, UINT64_C(1) << 59, BAD },
	{ DIRENT, LOOKUP, "order", "A", 0, 8, UINT64_C(1) << 59 | 128, BAD }, /* times 32: the root */
	{ DIRENT, LOOKUP, "order", "A", 10, 1, 8, BAD },
	{ DIRENT, LIST, "order", "A", 10, 1, 8, BAD },
	{ DIRENT, LOOKUP, "order", "A", 10, 1, 2, BAD }, /* directory, it says */
	{ DIRENT, LIST, "order", "A", 10, 1, 2, 0 },
	{ DIRENT, LOOKUP, "order", "A", 10, 1, 0, 0 }, /* says nothing */
	{ DIRENT, LIST, "order", "A", 8, 2, 0, BAD },
	{ DIRENT, LIST, "order", "A", 8, 2, 4095, BAD },
	{ NAME, LIST, "order", "A", 0, 1, '/', BAD },
	{ NAME, LIST, "order", "A", 0, 1, 0, BAD },
	{ NAME, LIST, "order", "A", 0, 1, 'B', 0 },
	{ NAME, LIST, "order", "A", 0, 1, 'a', BAD },      /* twice */
	{ NAME, LIST, "order", "A", 0, 1, 'b', BAD },      /* out of order */
	{ NAME, LIST, "order", "\xff\xfe", 1, 1, 0, 0 },   /* the last name ends at a NUL */
	{ NAME, LIST, "order", "\xff\xfe", 0, 1, 0, BAD }, /* but is not empty */
	/* Dots. */
	{ DIRENT, LIST, "order", ".", 0, 8, 128, BAD },
	{ DIRENT, LIST, "order", "..", 0, 8, 0, BAD },
	{ NAME, PARENT, "order", "..", 1, 1, '!', BAD },
	{ NAME, PARENT, "order", ".", 0, 1, '-', 0 },
	{ DIRENT, PARENT, "order", "..", 0, 8, 0, BAD },
	{ DIRENT, PARENT, "order", "..", 0, 8, END, BAD },
	{ DIRENT, PARENT, "order", "..", 10, 1, 1, BAD },
	/* Extended attributes; those of this directory are one ACL of 44 bytes and another. */
	{ XATTRS, NAMES, "x/acl-dir", NULL, 13, 1, 7, BAD },
	{ XATTRS, NAMES, "x/acl-dir", NULL, 13, 1, 0, BAD },
	{ XATTRS, NAMES, "x/acl-dir", NULL, 13, 1, 5, BAD },
	{ XATTRS, NAMES, "x/acl-dir", NULL, 13, 1, 0x81, BAD }, /* long prefixes are no part of RAFS */
	{ XATTRS, NAMES, "x/acl-dir", NULL, 13, 1, 1, BAD },    /* "user." and nothing more */
	{ XATTRS, NAMES, "x/acl-dir", NULL, 12, 1, 1, BAD },    /* a name behind a whole one */
	{ XATTRS, NAMES, "x/acl-dir", NULL, 14, 2, 0xffff, BAD },
	{ XATTRS, NAMES, "x/acl-dir", NULL, 14, 2, 92, 0 },
	{ XATTRS, NAMES, "x/acl-dir", NULL, 14, 2, 93, BAD }, /* its own four bytes count too */
	{ XATTRS, NAMES, "x/acl-dir", NULL, 4, 1, 255, BAD },
	{ RECORD, NAMES, "x/acl-dir", NULL, 2, 2, 1, 0 }, /* an area with no entry */
	{ RECORD, VALUE, "x/acl-dir", "system.posix_acl_access", 2, 2, 1, -ENODATA },
	{ RECORD, VALUE, "x/acl-dir", "system.posix_acl_access", 2, 2, 2, BAD },
	{ RECORD, VALUE, "x/acl-dir", "system.posix_acl_access", 2, 2, 0, -ENODATA },
	/* Chunk indexes. */
	{ INDEX, EXTENT, "one", NULL, 2, 1, 0, BAD },
	{ INDEX, EXTENT, "one", NULL, 2, 1, 2, BAD },
	{ INDEX, EXTENT, "one", NULL, 2, 1, 255, BAD },
	{ INDEX, EXTENT, "one", NULL, 0, 2, 16, 0 },
	{ INDEX, EXTENT, "one", NULL, 0, 2, 17, BAD },
	{ INDEX, EXTENT, "one", NULL, 3, 1, 1, BAD },
	{ INDEX, EXTENT, "one", NULL, 4, 4, 17, BAD },
	{ INDEX, EXTENT, "one", NULL, 4, 4, UINT32_MAX, BAD },
	{ INDEX, EXTENT, "one", NULL, 4, 4, 16, 0 },
};

static uint64_t place_of(const struct patch *p, const struct row *r)
{
	struct rafs_inode inode = patch_inode(p, r->path);
	uint64_t name_at, dirent;

	switch (r->place) {
	case RECORD:
		return inode.at;
	case XATTRS:
		assert_true(inode.xattr_at != 0);
		return inode.xattr_at;
	case TAIL:
		assert_true(inode.tail_at != 0);
		return inode.tail_at;
	case INDEX:
		return inode.data_at;
	case DIRENT:
	case NAME:
		dirent = patch_dirent(p, r->path, r->name, &name_at);
		return r->place == NAME ? name_at : dirent;
	}
	return 0;
}

static int list(const struct rafs_image *image, const struct rafs_inode *dir)
{
	struct rafs_dirent entry;
	uint64_t cookie = 0;
	int res, n = 0;

	while ((res = rafs_dir_next(image, dir, &cookie, &entry)) > 0)
		assert_true(++n < 1000);
	return res;
}

/* The directory of path as it was, and the last part of it. */
static const char *split(const struct patch *p, const char *path, struct rafs_inode *dir)
{
	const char *slash = strrchr(path, '/');
	char head[256] = "";

	if (slash)
		snprintf(head, sizeof(head), "%.*s", (int)(slash - path), path);
	*dir = patch_inode(p, head);
	return slash ? slash + 1 : path;
}

static int ask(const struct patch *p, const struct rafs_image *image, const struct row *r)
{
	struct rafs_inode was = patch_inode(p, r->path), inode, dir;
	static char room[65536];
	struct rafs_extent e;
	const char *last;
	uint64_t ino;
	int64_t got;
	int res = rafs_inode_get(image, was.ino, &inode);

	if (r->ask == LOOKUP && !r->name) {
		last = split(p, r->path, &dir);
		return rafs_lookup(image, &dir, last, strlen(last), &inode);
	}
	if (r->ask == GET || res < 0)
		return res;
	switch (r->ask) {
	case LOOKUP:
		return rafs_lookup(image, &inode, r->name, strlen(r->name), &dir);
	case LIST:
		return list(image, &inode);
	case PARENT:
		return rafs_parent(image, &inode, &ino);
	case LINK:
		return rafs_readlink(image, &inode, room, sizeof(room));
	case VALUE:
		return (int)rafs_xattr_get(image, &inode, r->name, room, sizeof(room));
	case NAMES:
		got = rafs_xattr_list(image, &inode, room, sizeof(room));
		return got < 0 ? (int)got : 0;
	case EXTENT:
		return rafs_extent_at(image, &inode, 0, &e);
	case GET:
		break;
	}
	return res;
}

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *r = &rows[i];
		struct rafs_image *image;
		struct patch p;
		uint64_t value = r->value;
		int res;

		patch_init(&p, "extra-v6-dirs");
		if (r->place == DIRENT && value == END)
			value = (p.size - p.inodes_at) / 32;
		patch_set(&p, place_of(&p, r) + r->at, r->size, value);
		image = patch_open(&p);
		res = ask(&p, image, r);
		if (res != r->res)
			fail_msg("row %zu (%s %s at %u = 0x%llx): %d, expected %d", i, r->path, r->name ? r->name : "",
				 r->at, (unsigned long long)r->value, res, r->res);
		rafs_image_close(image);
		patch_fini(&p);
	}
}

/* Directories reached from a second place, from below, or by themselves. */
static void test_circles(void **state)
{
	static const struct {
		const char *dir, *name, *to;
	} links[] = {
		{ "x", "acl-dir", "links" }, { "x", "acl-dir", "" },       { "x", "acl-dir", "x" },
		{ "", "order", "" },         { "", "order", "x/acl-dir" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		struct rafs_inode dir, out;
		struct rafs_image *image;
		struct patch p;

		patch_init(&p, "extra-v6-dirs");
		dir = patch_inode(&p, links[i].dir);
		patch_set(&p, patch_dirent(&p, links[i].dir, links[i].name, NULL), 8, patch_inode(&p, links[i].to).ino);
		image = patch_open(&p);
		assert_int_equal(rafs_lookup(image, &dir, links[i].name, strlen(links[i].name), &out), -EUCLEAN);
		rafs_image_close(image);
		patch_fini(&p);
	}
}

/* A parent whose entry keeps its type to itself, and which is none. */
static void test_parents(void **state)
{
	static const struct {
		const char *to;
		int res;
	} parents[] = {
		{ "", 0 }, { "x", 0 }, { "order", -EUCLEAN }, { "one", -EUCLEAN }, { "links/to-59", -EUCLEAN }
	};

	(void)state;
	for (size_t i = 0; i < sizeof(parents) / sizeof(parents[0]); i++) {
		struct rafs_image *image;
		struct rafs_inode dir;
		struct patch p;
		uint64_t at, ino = 0;

		patch_init(&p, "extra-v6-dirs");
		dir = patch_inode(&p, "order");
		at = patch_dirent(&p, "order", "..", NULL);
		patch_set(&p, at, 8, patch_inode(&p, parents[i].to).ino);
		patch_set(&p, at + 10, 1, 0);
		image = patch_open(&p);
		assert_int_equal(rafs_parent(image, &dir, &ino), parents[i].res);
		if (!parents[i].res)
			assert_int_equal(ino, patch_inode(&p, parents[i].to).ino);
		rafs_image_close(image);
		patch_fini(&p);
	}
}

/* Numbers at the ends of the file. */
static void test_numbers(void **state)
{
	struct rafs_image *image;
	struct rafs_inode inode;
	struct patch p;
	uint64_t end;

	(void)state;
	patch_init(&p, "v6-zstd");
	end = (p.size - p.inodes_at) / 32;
	memset(p.bytes + p.size - 64, 0, 64);
	patch_inode_at(&p, p.size - 64, S_IFIFO);
	image = patch_open(&p);
	assert_int_equal(rafs_inode_get(image, end - 2, &inode), 0);
	assert_int_equal(rafs_inode_get(image, end, &inode), -ENOENT);
	assert_int_equal(rafs_inode_get(image, end + 1, &inode), -ENOENT);
	assert_int_equal(rafs_inode_get(image, 0, &inode), -ENOENT);
	assert_int_equal(rafs_inode_get(image, (UINT64_C(1) << 59) + 128, &inode), -ENOENT);
	assert_int_equal(rafs_inode_get(image, UINT64_MAX, &inode), -ENOENT);
	rafs_image_close(image);
	/* An extended inode of which half is there, a compact one that is there. */
	patch_set(&p, p.size - 32, 2, 1);
	image = patch_open(&p);
	assert_int_equal(rafs_inode_get(image, end - 1, &inode), -EUCLEAN);
	rafs_image_close(image);
	patch_set(&p, p.size - 32, 2, 0);
	patch_set(&p, p.size - 28, 2, S_IFIFO);
	patch_set(&p, p.size - 26, 2, 1);
	image = patch_open(&p);
	assert_int_equal(rafs_inode_get(image, end - 1, &inode), 0);
	rafs_image_close(image);
	/* And one whose xattrs, and whose chunk indexes, begin at the end. */
	patch_set(&p, p.size - 30, 2, 1);
	image = patch_open(&p);
	assert_int_equal(rafs_inode_get(image, end - 1, &inode), -EUCLEAN);
	rafs_image_close(image);
	patch_set(&p, p.size - 30, 2, 0);
	patch_set(&p, p.size - 32, 2, 8);
	patch_set(&p, p.size - 28, 2, S_IFREG);
	image = patch_open(&p);
	assert_int_equal(rafs_inode_get(image, end - 1, &inode), 0);
	rafs_image_close(image);
	patch_set(&p, p.size - 24, 4, 1);
	image = patch_open(&p);
	assert_int_equal(rafs_inode_get(image, end - 1, &inode), -EUCLEAN);
	rafs_image_close(image);
	patch_fini(&p);
}

/* A generated dictionary opens, but what its file says is no file's content. */
static void test_dictionary(void **state)
{
	struct rafs_inode inode;
	struct rafs_image *image;
	struct rafs_extent e;
	struct patch p;

	(void)state;
	patch_init(&p, "v6-zstd");
	patch_set(&p, 4096 + 0x54, 4, 0x40000201);
	patch_set(&p, 4096 + 0x58, 8, 0); /* sizes: of no blob */
	patch_set(&p, 4096 + 0x60, 8, 0);
	patch_set(&p, 4096 + 0x48, 4, 7);
	image = patch_open(&p);
	assert_int_equal(walk_path(image, "sizes/text-1", &inode), 0);
	assert_int_equal(rafs_extent_at(image, &inode, 0, &e), -EUCLEAN);
	rafs_image_close(image);
	patch_fini(&p);
}

/* A stretch of the tar that goes beyond its end. */
static void test_tarfs_end(void **state)
{
	struct rafs_inode inode;
	struct rafs_image *image;
	struct rafs_extent e;
	struct patch p;
	uint64_t blocks;

	(void)state;
	patch_init(&p, "extra-v6-tarfs");
	blocks = rafs_image_blob(p.was, 0)->c_size / 512;
	inode = patch_inode(&p, "f-513");
	patch_set(&p, inode.data_at + 4, 4, blocks - 2);
	image = patch_open(&p);
	assert_int_equal(rafs_extent_at(image, &inode, 0, &e), 0);
	assert_int_equal(e.chunk.c_off + 1024, rafs_image_blob(image, 0)->c_size);
	rafs_image_close(image);
	patch_set(&p, inode.data_at + 4, 4, blocks - 1);
	image = patch_open(&p);
	assert_int_equal(rafs_extent_at(image, &inode, 0, &e), -EUCLEAN);
	rafs_image_close(image);
	patch_fini(&p);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),    cmocka_unit_test(test_circles),    cmocka_unit_test(test_parents),
		cmocka_unit_test(test_numbers), cmocka_unit_test(test_dictionary), cmocka_unit_test(test_tarfs_end),
	};

	return cmocka_run_group_tests_name("v6 damaged", tests, NULL, NULL);
}
