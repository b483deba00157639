/* SPDX-License-Identifier: Apache-2.0 */
/* Everything an image shows, by calls of rafs/meta/image.h, whose promises are checked on the way. */
#include "rafs_image_touch.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define QUEUE_MAX 512 /* directories that wait; more are not gone into */

struct touch {
	const struct rafs_image *image;
	struct image_seen seen;
	uint64_t work; /* calls left */
	uint64_t queue[QUEUE_MAX];
	uint32_t first, last; /* of the queue: it is not reused, so that an image of endless directories ends */
};

#define PROMISE(t)                                                                                                     \
	do {                                                                                                           \
		if (!(t)) {                                                                                            \
			fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #t);                                \
			abort();                                                                                       \
		}                                                                                                      \
	} while (0)

bool image_memory_init(struct image_memory *m, const void *bytes, size_t size, const char *name)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), head = (page - size % page) % page;
	unsigned char *base;

	memset(m, 0, sizeof(*m));
	base = mmap(NULL, head + size + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (base == MAP_FAILED)
		return false;
	memcpy(base + head, bytes, size);
	m->guard = base + head + size;
	mprotect(base, head + size, PROT_READ);
	mprotect(m->guard, page, PROT_NONE);
	m->origin.map = (struct mapping){ .base = base + head, .size = size, .head = (uint32_t)head };
	snprintf(m->origin.name, sizeof(m->origin.name), "%s", name);
	return true;
}

void image_memory_fini(struct image_memory *m)
{
	mapping_close(&m->origin.map);
	munmap(m->guard, (size_t)sysconf(_SC_PAGESIZE));
}

/* Takes one from the work that is left and keeps count of errors. */
static int64_t called(struct touch *t, int64_t rc)
{
	PROMISE(rc >= -4095);
	if (t->work)
		t->work--;
	if (rc < 0)
		t->seen.errors++;
	return rc;
}

static void touch_chunk(const struct touch *t, const struct rafs_extent *e)
{
	const struct rafs_blob_info *blob;

	PROMISE(e->blob < rafs_image_super(t->image)->blobs);
	blob = rafs_image_blob(t->image, e->blob);
	PROMISE(e->chunk.index < RAFS_CHUNKS_MAX);
	if (blob->chunk_count)
		PROMISE(e->chunk.index < blob->chunk_count);
	if (!e->complete)
		return;
	PROMISE(e->chunk.u_size >= 1 && e->chunk.u_size <= RAFS_CHUNK_MAX && e->len <= e->chunk.u_size);
	PROMISE(e->chunk.c_size <= RAFS_CHUNK_MAX + RAFS_CHUNK_MAX / 64);
	PROMISE(e->chunk.c_off <= UINT64_C(1) << 40 && e->chunk.u_off <= UINT64_C(1) << 44);
}

static void touch_extents(struct touch *t, const struct rafs_inode *inode)
{
	struct rafs_extent e, again;
	uint64_t off = 0;

	while (off < inode->size && t->work) {
		if (called(t, rafs_extent_at(t->image, inode, off, &e)) < 0)
			break;
		PROMISE(e.len >= 1 && e.file_off <= off && off - e.file_off < e.len);
		PROMISE(e.file_off + e.len <= inode->size);
		if (!e.hole)
			touch_chunk(t, &e);
		/* Its last byte leads to the same stretch. */
		if (called(t, rafs_extent_at(t->image, inode, e.file_off + e.len - 1, &again)) == 0)
			PROMISE(again.file_off <= e.file_off + e.len - 1);
		t->seen.extents++;
		off = e.file_off + e.len;
	}
	if (inode->size)
		called(t, rafs_extent_at(t->image, inode, inode->size - 1, &e));
	PROMISE(rafs_extent_at(t->image, inode, inode->size, &e) < 0);
}

static void touch_xattrs(struct touch *t, const struct rafs_inode *inode)
{
	static char names[RAFS_XATTR_MAX], value[RAFS_XATTR_MAX];
	int64_t len = called(t, rafs_xattr_list(t->image, inode, NULL, 0)), got, at;

	called(t, rafs_xattr_get(t->image, inode, "user.not-there", NULL, 0));
	if (len < 0 || len > (int64_t)sizeof(names) ||
	    called(t, rafs_xattr_list(t->image, inode, names, sizeof(names))) < 0)
		return;
	for (at = 0; at < len && t->work; at += (int64_t)strlen(names + at) + 1) {
		got = called(t, rafs_xattr_get(t->image, inode, names + at, value, sizeof(value)));
		PROMISE(got <= (int64_t)sizeof(value));
		called(t, rafs_xattr_get(t->image, inode, names + at, value, 1));
		t->seen.xattrs++;
	}
}

static void touch_inode(struct touch *t, const struct rafs_inode *inode)
{
	static char target[65536];
	int64_t len;
	uint64_t parent;

	PROMISE(inode->size <= INT64_MAX);
	touch_xattrs(t, inode);
	called(t, rafs_inode_verify(t->image, inode));
	len = rafs_readlink(t->image, inode, target, sizeof(target));
	if (S_ISLNK(inode->mode)) {
		if (called(t, len) >= 0) {
			PROMISE(len <= (int64_t)sizeof(target) && !memchr(target, 0, (size_t)len));
			t->seen.links++;
		}
	} else {
		PROMISE(len == -EINVAL || len == -EIO);
	}
	if (S_ISREG(inode->mode))
		touch_extents(t, inode);
	if (S_ISDIR(inode->mode))
		called(t, rafs_parent(t->image, inode, &parent));
}

static void touch_entry(struct touch *t, const struct rafs_inode *dir, const struct rafs_dirent *entry)
{
	struct rafs_inode named, inode;

	PROMISE(entry->len >= 1 && entry->len <= RAFS_NAME_MAX && strlen(entry->name) == entry->len);
	PROMISE(!strchr(entry->name, '/') && strcmp(entry->name, ".") != 0 && strcmp(entry->name, "..") != 0);
	t->seen.dirents++;
	if (called(t, rafs_lookup(t->image, dir, entry->name, entry->len, &named)) == 0)
		touch_inode(t, &named);
	if (called(t, rafs_inode_get(t->image, entry->ino, &inode)) < 0)
		return;
	PROMISE(inode.ino == entry->ino);
	touch_inode(t, &inode);
	if (S_ISDIR(inode.mode) && t->last < QUEUE_MAX)
		t->queue[t->last++] = inode.ino;
}

static void touch_dir(struct touch *t, uint64_t ino)
{
	struct rafs_inode dir, none;
	struct rafs_dirent entry;
	uint64_t cookie = 0, before, wild;

	if (called(t, rafs_inode_get(t->image, ino, &dir)) < 0)
		return;
	touch_inode(t, &dir);
	called(t, rafs_lookup(t->image, &dir, "not there", 9, &none));
	PROMISE(!S_ISDIR(dir.mode) || rafs_lookup(t->image, &dir, "..", 2, &none) < 0);
	for (before = cookie; t->work && called(t, rafs_dir_next(t->image, &dir, &cookie, &entry)) > 0;
	     before = cookie) {
		PROMISE(cookie != before && cookie < UINT64_C(1) << 62);
		touch_entry(t, &dir, &entry);
	}
	/* Cookies that no guest was given. */
	for (wild = 1; wild; wild <<= 5) {
		cookie = wild + 7;
		called(t, rafs_dir_next(t->image, &dir, &cookie, &entry));
	}
}

struct image_seen image_touch(const struct rafs_image *image, uint64_t work)
{
	struct touch *t = calloc(1, sizeof(*t));
	const struct rafs_super *super = rafs_image_super(image);
	struct image_seen seen = { 0 };
	struct rafs_inode inode;
	uint32_t i;

	if (!t)
		return seen;
	t->image = image;
	t->work = work;
	for (i = 0; i < super->prefetch_entries && i < 256; i++)
		called(t, rafs_inode_get(image, rafs_image_prefetch(image, i), &inode));
	PROMISE(rafs_image_prefetch(image, super->prefetch_entries) == 0);
	for (i = 0; i < 256; i++)
		called(t, rafs_inode_get(image, i, &inode));
	called(t, rafs_inode_get(image, UINT64_MAX, &inode));
	t->queue[t->last++] = super->root;
	while (t->first < t->last && t->work)
		touch_dir(t, t->queue[t->first++]);
	seen = t->seen;
	free(t);
	return seen;
}
