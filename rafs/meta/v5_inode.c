/* SPDX-License-Identifier: Apache-2.0 */
/* RAFS v5: inode records, directories. */
#include "rafs/meta/v5.h"

#include <dirent.h>
#include <errno.h>

/* Inode table values are in units of 8 bytes; the first lies behind the superblock (reference 1.2). */
#define TABLE_UNIT 8
#define TABLE_MIN UINT32_C(0x400)
#define TABLE_MAX (UINT32_C(1) << 29)

#define NSEC_PER_SEC 1000000000
#define SECTOR 512

int v5_record_get(const struct rafs_image *image, uint64_t index, struct v5_record *record)
{
	uint32_t value, name_len;

	if (index == 0 || index > image->inode_entries)
		return -ENOENT;
	value = bytes_u32(image->map.base + image->inodes_at + (index - 1) * 4);
	if (value <= TABLE_MIN || value >= TABLE_MAX)
		return -EUCLEAN;
	record->at = (uint64_t)value * TABLE_UNIT;
	record->bytes = meta_bytes(image, record->at, V5_INODE_SIZE);
	if (!record->bytes)
		return -EUCLEAN;
	name_len = bytes_u16(record->bytes + V5_INODE_NAME_LEN);
	if (name_len == 0 || name_len > RAFS_NAME_MAX || !meta_bytes(image, record->at, V5_INODE_SIZE + name_len))
		return -EUCLEAN;
	record->name_len = name_len;
	return 0;
}

static bool is_device(uint32_t mode)
{
	return S_ISCHR(mode) || S_ISBLK(mode);
}

static bool is_type(uint32_t mode)
{
	return S_ISREG(mode) || S_ISDIR(mode) || S_ISLNK(mode) || is_device(mode) || S_ISFIFO(mode) || S_ISSOCK(mode);
}

/* Only regular files have several names, each with a record of its own and all with the inode number of one of them. */
static bool is_hardlink(const struct rafs_inode *inode)
{
	return S_ISREG(inode->mode) && inode->nlink > 1;
}

/* The fields; of those that say where other parts lie only as they stand. */
static void decode_fields(const unsigned char *bytes, struct rafs_inode *out)
{
	*out = (struct rafs_inode){
		.ino = bytes_u64(bytes + V5_INODE_INO),
		.size = bytes_u64(bytes + V5_INODE_BYTES),
		.blocks = bytes_u64(bytes + V5_INODE_BLOCKS),
		.mtime = bytes_u64(bytes + V5_INODE_MTIME),
		.mtime_nsec = bytes_u32(bytes + V5_INODE_MTIME_NSEC),
		.mode = bytes_u32(bytes + V5_INODE_MODE),
		.uid = bytes_u32(bytes + V5_INODE_UID),
		.gid = bytes_u32(bytes + V5_INODE_GID),
		.nlink = bytes_u32(bytes + V5_INODE_NLINK),
		.parent = bytes_u64(bytes + V5_INODE_PARENT),
		.children = bytes_u32(bytes + V5_INODE_CHILD_INDEX),
		.count = bytes_u32(bytes + V5_INODE_CHILD_COUNT),
	};
	memcpy(out->digest, bytes + V5_INODE_DIGEST, RAFS_DIGEST_SIZE);
	if (is_device(out->mode))
		out->rdev = bytes_u32(bytes + V5_INODE_RDEV);
	if (out->mtime_nsec >= NSEC_PER_SEC)
		out->mtime_nsec = 0;
	/* Images of the old stargz builder have no block counts. */
	if (out->blocks == 0 && S_ISREG(out->mode))
		out->blocks = out->size / SECTOR + (out->size % SECTOR != 0);
}

/*
 * What an inode of that index may say of itself (reference 8.1, and 8.2: whose number is whose). Children come behind
 * their directory in the table, so no chain of directories comes back to where it was.
 */
static int check_fields(const struct rafs_image *image, const struct rafs_inode *inode, uint64_t index)
{
	uint64_t entries = image->inode_entries;

	if (!is_type(inode->mode) || inode->nlink == 0 || inode->ino == 0 || inode->ino > entries ||
	    inode->size > INT64_MAX || inode->parent > entries)
		return -EUCLEAN;
	if (inode->ino != index && !is_hardlink(inode))
		return -EUCLEAN;
	if (index == V5_ROOT ? inode->parent != 0 : inode->parent == 0)
		return -EUCLEAN;
	if (!is_hardlink(inode) && inode->parent >= inode->ino)
		return -EUCLEAN;
	if (S_ISDIR(inode->mode) && inode->count &&
	    (inode->children <= inode->ino || !bytes_within(inode->children - 1, inode->count, entries)))
		return -EUCLEAN;
	return 0;
}

/* Finds the parts behind the fixed one. *end: bytes, where the last of them ends. Everything lies in the file, or
 * -EUCLEAN. */
static int decode_parts(const struct rafs_image *image, const struct v5_record *record, struct rafs_inode *out,
			uint64_t *end)
{
	uint32_t symlink_len = bytes_u16(record->bytes + V5_INODE_SYMLINK_LEN);
	uint64_t at = record->at + V5_INODE_SIZE + bytes_round_up(record->name_len, 8);

	if (S_ISLNK(out->mode)) {
		if (symlink_len == 0)
			return -EUCLEAN;
		out->tail_at = at;
		out->size = symlink_len;
	}
	at += bytes_round_up(symlink_len, 8);
	if (bytes_u64(record->bytes + V5_INODE_FLAGS) & V5_FLAG_XATTR) {
		const unsigned char *total = meta_bytes(image, at, 8);

		if (!total)
			return -EUCLEAN;
		out->xattr_at = at + 8;
		out->xattr_size = bytes_u64(total);
		if (!meta_bytes(image, out->xattr_at, out->xattr_size))
			return -EUCLEAN;
		at += 8 + bytes_round_up(out->xattr_size, 8);
	}
	if (S_ISREG(out->mode)) {
		out->data_at = at;
		at += out->count * V5_CHUNK_SIZE;
	}
	*end = at;
	return at <= image->map.size ? 0 : -EUCLEAN;
}

static bool hits_table(const struct rafs_image *image, uint64_t at, uint64_t end)
{
	uint32_t i;

	for (i = 0; i < V5_TABLES; i++) {
		const struct meta_range *t = &image->tables[i];

		if (t->len && at < t->at + t->len && t->at < end)
			return true;
	}
	return false;
}

static int decode(const struct rafs_image *image, uint64_t index, const struct v5_record *record,
		  struct rafs_inode *out)
{
	uint64_t end = 0;
	int rc;

	decode_fields(record->bytes, out);
	out->at = record->at;
	rc = check_fields(image, out, index);
	if (rc == 0)
		rc = decode_parts(image, record, out, &end);
	if (rc == 0 && hits_table(image, record->at, end))
		rc = -EUCLEAN;
	return rc;
}

int v5_inode_get(const struct rafs_image *image, uint64_t ino, struct rafs_inode *out)
{
	struct v5_record record;
	int rc = v5_record_get(image, ino, &record);

	if (rc == 0)
		rc = decode(image, ino, &record, out);
	/* The index of a further name of a file is nobody's inode number. */
	if (rc == 0 && out->ino != ino)
		rc = -ENOENT;
	return rc;
}

/* Record and inode of a directory's child number i < count. The record is the name's own. */
static int child_get(const struct rafs_image *image, const struct rafs_inode *dir, uint32_t i, struct v5_record *record,
		     struct rafs_inode *out)
{
	uint64_t index = (uint64_t)dir->children + i;
	int rc = v5_record_get(image, index, record);

	if (rc == 0)
		rc = decode(image, index, record, out);
	if (rc == -ENOENT || (rc == 0 && out->parent != dir->ino))
		rc = -EUCLEAN;
	return rc;
}

/*
 * Every name leads to the record that has its number, so that all names of a file tell the same of it. Wants only
 * inode->ino and its mode.
 */
static int follow_hardlink(const struct rafs_image *image, uint64_t index, struct rafs_inode *inode)
{
	uint64_t ino = inode->ino;
	int rc;

	if (ino == index)
		return 0;
	rc = v5_inode_get(image, ino, inode);
	if (rc == -ENOENT || (rc == 0 && !is_hardlink(inode)))
		rc = -EUCLEAN;
	return rc;
}

/* As memcmp of the shorter length, then the shorter first: the order of names in a directory. */
static int name_compare(const char *a, size_t a_len, const unsigned char *b, size_t b_len)
{
	int order = memcmp(a, b, a_len < b_len ? a_len : b_len);

	return order ? order : (a_len > b_len) - (a_len < b_len);
}

int v5_lookup(const struct rafs_image *image, const struct rafs_inode *dir, const char *name, size_t len,
	      struct rafs_inode *out)
{
	uint32_t low = 0, high = dir->count;
	struct v5_record record;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		uint64_t index = (uint64_t)dir->children + mid;
		int rc = v5_record_get(image, index, &record), order;

		if (rc < 0)
			return -EUCLEAN;
		order = name_compare(name, len, record.bytes + V5_INODE_SIZE, record.name_len);
		if (order == 0) {
			rc = child_get(image, dir, mid, &record, out);
			return rc < 0 ? rc : follow_hardlink(image, index, out);
		}
		if (order < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return -ENOENT;
}

int v5_parent(const struct rafs_image *image, const struct rafs_inode *dir, uint64_t *ino)
{
	struct rafs_inode parent;
	int rc;

	*ino = V5_ROOT;
	if (dir->ino == V5_ROOT)
		return 0;
	rc = v5_inode_get(image, dir->parent, &parent);
	if (rc == -ENOENT || (rc == 0 && !S_ISDIR(parent.mode)))
		return -EUCLEAN;
	*ino = dir->parent;
	return rc;
}

int v5_dir_next(const struct rafs_image *image, const struct rafs_inode *dir, uint64_t *cookie, struct rafs_dirent *out)
{
	struct v5_record record;
	struct rafs_inode child;
	int rc;

	if (*cookie >= dir->count)
		return *cookie == dir->count ? 0 : -EINVAL;
	rc = child_get(image, dir, (uint32_t)*cookie, &record, &child);
	if (rc < 0)
		return rc;
	memcpy(out->name, record.bytes + V5_INODE_SIZE, record.name_len);
	out->name[record.name_len] = '\0';
	if (!meta_name_ok(out->name, record.name_len))
		return -EUCLEAN;
	out->ino = child.ino;
	out->type = IFTODT(child.mode);
	out->len = record.name_len;
	++*cookie;
	return 1;
}
