/* SPDX-License-Identifier: Apache-2.0 */
/* RAFS v6: directories, searched by halves and listed in order (reference 2.7, 8). */
#include "v6.h"

#include <dirent.h>
#include <errno.h>

#define DIRENT_SIZE 12 /* bytes */
/* A cookie is a block and an index in it: a block of 4096 bytes has less than 2^9 entries. */
#define INDEX_BITS 9

/* A block of a directory: entries, then names. */
struct block {
	const unsigned char *base;
	uint32_t size;  /* bytes */
	uint32_t count; /* entries, at least 1 */
};

/* An entry where it lies; the name is not looked into. */
struct entry {
	const char *name;
	uint32_t len; /* bytes, 1..255 */
	uint32_t type;
	uint64_t nid;
};

/* What an entry's type stands for. */
static const struct {
	uint32_t format; /* S_IF*; 0: any */
	uint32_t type;   /* DT_* */
} types[] = {
	{ 0, DT_UNKNOWN },   { S_IFREG, DT_REG },  { S_IFDIR, DT_DIR },   { S_IFCHR, DT_CHR },
	{ S_IFBLK, DT_BLK }, { S_IFIFO, DT_FIFO }, { S_IFSOCK, DT_SOCK }, { S_IFLNK, DT_LNK },
};

static uint64_t block_count(const struct rafs_image *image, const struct rafs_inode *dir)
{
	uint64_t size = image->super.block_size;

	return dir->size / size + (dir->size % size != 0);
}

static int block_at(const struct rafs_image *image, const struct rafs_inode *dir, uint64_t i, struct block *out)
{
	uint64_t off = i * image->super.block_size, left = dir->size - off;
	uint32_t first;

	out->size = left < image->super.block_size ? (uint32_t)left : image->super.block_size;
	out->base = v6_flat(image, dir, off, out->size);
	if (!out->base || out->size < DIRENT_SIZE)
		return -EUCLEAN;
	first = bytes_u16(out->base + 8);
	if (first < DIRENT_SIZE || first % DIRENT_SIZE || first >= out->size)
		return -EUCLEAN;
	out->count = first / DIRENT_SIZE;
	return 0;
}

static int entry_at(const struct block *b, uint32_t i, struct entry *out)
{
	const unsigned char *d = b->base + (size_t)i * DIRENT_SIZE;
	uint32_t from = bytes_u16(d + 8), to = i + 1 < b->count ? bytes_u16(d + DIRENT_SIZE + 8) : b->size;

	if (from < b->count * DIRENT_SIZE || from >= to || to > b->size)
		return -EUCLEAN;
	out->name = (const char *)b->base + from;
	out->len = to - from;
	/* Behind the last name there may be room left. */
	if (i + 1 == b->count)
		out->len = (uint32_t)strnlen(out->name, out->len);
	out->nid = bytes_u64(d);
	out->type = d[10];
	if (!out->len || out->len > RAFS_NAME_MAX || out->type >= sizeof(types) / sizeof(types[0]))
		return -EUCLEAN;
	return 0;
}

/* Names by their bytes. */
static int compare(const char *a, size_t alen, const char *b, size_t blen)
{
	int diff = memcmp(a, b, alen < blen ? alen : blen);

	return diff ? diff : (alen > blen) - (alen < blen);
}

/* The last block that may hold the name, by the first name of each: 1, 0: none, -EUCLEAN. */
static int find_block(const struct rafs_image *image, const struct rafs_inode *dir, const char *name, size_t len,
		      struct block *out)
{
	uint64_t low = 0, high = block_count(image, dir);
	int found = 0;

	while (low < high) {
		uint64_t mid = low + (high - low) / 2;
		struct block b;
		struct entry e;
		int res = block_at(image, dir, mid, &b);

		if (!res)
			res = entry_at(&b, 0, &e);
		if (res < 0)
			return res;
		if (compare(e.name, e.len, name, len) > 0) {
			high = mid;
		} else {
			low = mid + 1;
			*out = b;
			found = 1;
		}
	}
	return found;
}

/* 0 and the entry of that name, which may be "." or "..". */
static int find(const struct rafs_image *image, const struct rafs_inode *dir, const char *name, size_t len,
		struct entry *out)
{
	struct block b = { 0 };
	uint32_t low = 0, high;
	int res = find_block(image, dir, name, len, &b);

	if (res <= 0)
		return res ? res : -ENOENT;
	high = b.count;
	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		int diff;

		res = entry_at(&b, mid, out);
		if (res < 0)
			return res;
		diff = compare(out->name, out->len, name, len);
		if (!diff)
			return 0;
		if (diff > 0)
			high = mid;
		else
			low = mid + 1;
	}
	return -ENOENT;
}

/* The inode that an entry names: one that is missing or of another type is the image's fault. */
static int entry_inode(const struct rafs_image *image, const struct entry *e, struct rafs_inode *out)
{
	uint32_t format = types[e->type].format;
	int res = v6_inode_get(image, e->nid, out);

	if (res < 0)
		return -EUCLEAN;
	return !format || format == (out->mode & S_IFMT) ? 0 : -EUCLEAN;
}

static int dotdot(const struct rafs_image *image, const struct rafs_inode *dir, struct entry *e)
{
	int res = find(image, dir, "..", 2, e);

	return res == -ENOENT ? -EUCLEAN : res;
}

int v6_lookup(const struct rafs_image *image, const struct rafs_inode *dir, const char *name, size_t len,
	      struct rafs_inode *out)
{
	struct entry e;
	int res = find(image, dir, name, len, &e);

	if (!res)
		res = entry_inode(image, &e, out);
	if (res < 0 || !S_ISDIR(out->mode))
		return res;
	/* A directory is reached from one place alone, and the root from none: so there are no circles. */
	if (out->ino == image->super.root || out->ino == dir->ino)
		return -EUCLEAN;
	res = dotdot(image, out, &e);
	if (!res && e.nid != dir->ino)
		res = -EUCLEAN;
	return res;
}

int v6_parent(const struct rafs_image *image, const struct rafs_inode *dir, uint64_t *ino)
{
	struct rafs_inode parent;
	struct entry e;
	int res;

	if (dir->ino == image->super.root) {
		*ino = dir->ino;
		return 0;
	}
	res = dotdot(image, dir, &e);
	if (!res)
		res = entry_inode(image, &e, &parent);
	if (!res && (!S_ISDIR(parent.mode) || parent.ino == dir->ino))
		res = -EUCLEAN;
	if (!res)
		*ino = e.nid;
	return res;
}

/* The entry at (block, index) must come behind the one before it. */
static int check_order(const struct rafs_image *image, const struct rafs_inode *dir, uint64_t block,
		       const struct block *b, uint32_t index, const struct entry *e)
{
	struct block before = *b;
	struct entry last;
	int res = 0;

	if (!index) {
		if (!block)
			return 0;
		res = block_at(image, dir, block - 1, &before);
		index = before.count;
	}
	if (!res)
		res = entry_at(&before, index - 1, &last);
	if (res < 0)
		return res;
	return compare(last.name, last.len, e->name, e->len) < 0 ? 0 : -EUCLEAN;
}

static bool is_dots(const struct entry *e)
{
	return e->name[0] == '.' && (e->len == 1 || (e->len == 2 && e->name[1] == '.'));
}

/* Copies an entry that is no dots, then checks the copy. */
static int tell(const struct entry *e, struct rafs_dirent *out)
{
	out->ino = e->nid;
	out->type = types[e->type].type;
	out->len = e->len;
	memcpy(out->name, e->name, e->len);
	out->name[e->len] = '\0';
	return meta_name_ok(out->name, out->len) ? 1 : -EUCLEAN;
}

/* Of "." or "..", whose inode numbers nobody believes. */
static int tell_dots(const struct entry *e, struct rafs_dirent *out)
{
	*out = (struct rafs_dirent){ .ino = e->nid, .type = DT_DIR, .len = e->len, .name = ".." };
	out->name[e->len] = '\0';
	return 1;
}

static int next(const struct rafs_image *image, const struct rafs_inode *dir, bool dots, uint64_t *cookie, struct rafs_dirent *out)
{
	uint64_t block = *cookie >> INDEX_BITS, blocks = block_count(image, dir);
	uint32_t index = *cookie & ((1U << INDEX_BITS) - 1);

	/* Names are in order, so dots come up no more than twice. */
	while (block < blocks) {
		struct block b;
		struct entry e;
		int res = block_at(image, dir, block, &b);

		if (res < 0)
			return res;
		if (index >= b.count)
			return -EINVAL;
		res = entry_at(&b, index, &e);
		if (!res)
			res = check_order(image, dir, block, &b, index, &e);
		if (res < 0)
			return res;
		if (!v6_nid_ok(image, e.nid) || (is_dots(&e) && e.len == 1 && e.nid != dir->ino))
			return -EUCLEAN;
		if (++index == b.count) {
			index = 0;
			block++;
		}
		if (is_dots(&e) && !dots)
			continue;
		res = is_dots(&e) ? tell_dots(&e, out) : tell(&e, out);
		if (res > 0)
			*cookie = block << INDEX_BITS | index;
		return res;
	}
	return block == blocks && !index ? 0 : -EINVAL;
}

int v6_dir_next(const struct rafs_image *image, const struct rafs_inode *dir, uint64_t *cookie, struct rafs_dirent *out)
{
	return next(image, dir, false, cookie, out);
}

int v6_dir_next_all(const struct rafs_image *image, const struct rafs_inode *dir, uint64_t *cookie, struct rafs_dirent *out)
{
	return next(image, dir, true, cookie, out);
}

int v6_dir_seek(const struct rafs_image *image, const struct rafs_inode *dir, uint64_t n, uint64_t *cookie)
{
	uint64_t block = 0, blocks = block_count(image, dir);

	for (; block < blocks; block++) {
		struct block b;
		int res = block_at(image, dir, block, &b);

		if (res < 0)
			return res;
		if (n < b.count)
			break;
		n -= b.count;
	}
	*cookie = block < blocks ? block << INDEX_BITS | n : blocks << INDEX_BITS;
	return 0;
}
