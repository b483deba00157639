/* SPDX-License-Identifier: Apache-2.0 */
/* graftctl image check: names and inodes. */
#include "ctl/image_check.h"

#include "ctl/image_text.h"
#include "lib/cleanup.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define NAMES_ROOM 65536                /* bytes of all names of an inode's xattrs: more than the kernel lists */
#define NO_SUCH "user.graftctl.no-such" /* an xattr that nobody has */

/* What all names of a hardlink must agree on, and the two ways to an inode. */
static bool alike(const struct rafs_inode *a, const struct rafs_inode *b)
{
	return a->ino == b->ino && a->size == b->size && a->mtime == b->mtime && a->mtime_nsec == b->mtime_nsec &&
	       a->mode == b->mode && a->uid == b->uid && a->gid == b->gid && a->nlink == b->nlink && a->rdev == b->rdev;
}

static void check_xattr(struct check *c, const char *path, const struct rafs_inode *inode, const char *name,
			void *value)
{
	int64_t n = rafs_xattr_get(c->image->rafs, inode, name, value, RAFS_XATTR_MAX);
	if (n < 0)
		check_found(c, path, "extended attribute %s: %s", name, image_reason((int)n));
}

static void check_xattrs(struct check *c, const char *path, const struct rafs_inode *inode)
{
	if (inode->xattr_at == 0)
		return;
	auto_free char *names = malloc(NAMES_ROOM), *value = malloc(RAFS_XATTR_MAX);
	int64_t n = names && value ? rafs_xattr_list(c->image->rafs, inode, names, NAMES_ROOM) : -ENOMEM;
	if (n < 0)
		check_found(c, path, "its extended attributes: %s", image_reason((int)n));
	for (const char *name = names; n > 0 && name < names + n; name += strlen(name) + 1)
		check_xattr(c, path, inode, name, value);
	/* A bad entry ends the list without a word; who looks for a name behind it hears of it. */
	int64_t end = rafs_xattr_get(c->image->rafs, inode, NO_SUCH, value, RAFS_XATTR_MAX);
	if (end < 0 && end != -ENODATA)
		check_found(c, path, "its extended attributes: %s", image_reason((int)end));
}

static void check_symlink(struct check *c, const char *path, const struct rafs_inode *inode)
{
	int res;
	auto_free char *target = image_target(c->image->rafs, inode, &res);
	if (!target)
		check_found(c, path, "the symlink's target: %s", image_reason(res));
	else if (res == 0)
		check_found(c, path, "the symlink has no target");
}

/* i_digest; only v5 has it. */
static void check_digest(struct check *c, const char *path, const struct rafs_inode *inode)
{
	int res = rafs_inode_verify(c->image->rafs, inode);
	if (res == -EIO)
		check_found(c, path, "the inode's digest differs from that of what it holds");
	else if (res != 0)
		check_found(c, path, "the inode's digest: %s", image_reason(res));
}

/* What a record holds, of any type but a directory. */
static int check_content(struct check *c, const char *path, const struct rafs_inode *inode)
{
	int res = 0;
	if (inode->mtime_nsec > 999999999)
		check_found(c, path, "the time of the last change has %" PRIu32 " nanoseconds", inode->mtime_nsec);
	check_xattrs(c, path, inode);
	if (S_ISREG(inode->mode))
		res = check_file(c, path, inode);
	else if (S_ISLNK(inode->mode))
		check_symlink(c, path, inode);
	else if (strcmp(image_type_name(inode->mode), "unknown") == 0)
		check_found(c, path, "mode 0%" PRIo32 " is of no type of file", inode->mode);
	if (res == 0 && !S_ISDIR(inode->mode))
		check_digest(c, path, inode);
	return res;
}

/* Counts a name of an inode that is no directory. True for the first one. */
static bool count_link(struct check *c, const struct rafs_inode *inode)
{
	uint64_t *link = image_map_at(&c->links, inode->ino);
	/* Out of memory: the numbers of links are not compared for it. */
	if (!link)
		return true;
	bool first = *link == 0;
	*link = first ? (uint64_t)inode->nlink << 32 | 1 : *link + 1;
	return first;
}

static void check_parent(struct check *c, const struct image_walk_at *at, const struct rafs_inode *own)
{
	uint64_t parent = own->parent;
	/* In v6 only directories know where they are; in v5 all names of a hardlink name the parent of one of them. */
	bool known = S_ISDIR(own->mode) || (c->image->super->version == 5 && own->nlink == 1);
	int res = S_ISDIR(own->mode) ? rafs_parent(c->image->rafs, own, &parent) : 0;
	if (res != 0)
		check_found(c, at->path, "the entry '..': %s", image_reason(res));
	else if (known && parent != at->dir->ino)
		check_found(c, at->path, "its parent is said to be inode %" PRIu64 ", but it lies in %" PRIu64, parent,
			    at->dir->ino);
}

/* The inode that the name leads to, which must be the one that was listed. */
static bool find_by_name(struct check *c, const struct image_walk_at *at, struct rafs_inode *own)
{
	int res = rafs_lookup(c->image->rafs, at->dir, at->entry->name, at->entry->len, own);
	if (res != 0)
		check_found(c, at->path, "it is listed, but looked up by name: %s", image_reason(res));
	else if (!alike(own, at->inode))
		check_found(c, at->path, "looked up by name it is not what it is by its inode number, %" PRIu64,
			    at->inode->ino);
	return res == 0;
}

int check_entry(void *arg, const struct image_walk_at *at)
{
	struct check *c = arg;
	struct rafs_inode own;
	bool first = S_ISDIR(at->inode->mode) || count_link(c, at->inode);

	c->tally.names++;
	c->tally.inodes += first;
	check_progress(c);
	if (at->entry->type != DT_UNKNOWN && at->entry->type != IFTODT(at->inode->mode))
		check_found(c, at->path, "the directory says %s, the inode %s",
			    image_type_name(DTTOIF(at->entry->type)), image_type_name(at->inode->mode));
	if (!find_by_name(c, at, &own))
		own = *at->inode;
	else
		check_parent(c, at, &own);
	/* In v5 each name of a hardlink has a record of its own. */
	if (!first && c->image->super->version == 6)
		return 0;
	return check_content(c, at->path, &own);
}

void check_directory(void *arg, const struct image_walk_at *at, uint32_t subdirs)
{
	struct check *c = arg;
	/* 1 is what some file systems give a directory: not counted. */
	if (at->inode->nlink != 1 && at->inode->nlink != subdirs + 2)
		check_found(c, at->path, "the directory has %" PRIu32 " links, must have %" PRIu32, at->inode->nlink,
			    subdirs + 2);
	check_digest(c, at->path, at->inode);
}

int check_root(struct check *c, const struct rafs_inode *root)
{
	uint64_t parent;
	int res = rafs_parent(c->image->rafs, root, &parent);
	c->tally.names++;
	c->tally.inodes++;
	if (res != 0)
		check_found(c, "/", "the entry '..': %s", image_reason(res));
	else if (parent != root->ino)
		check_found(c, "/", "its parent is said to be inode %" PRIu64, parent);
	return check_content(c, "/", root);
}

void check_links(struct check *c)
{
	for (size_t i = 0; i < c->links.room; i++) {
		const struct image_map_slot *slot = &c->links.slots[i];
		uint32_t nlink = (uint32_t)(slot->value >> 32), names = (uint32_t)slot->value;
		char where[48];
		if (slot->value == 0 || nlink == names)
			continue;
		snprintf(where, sizeof(where), "inode %" PRIu64, slot->key);
		check_found(c, where, "it has %" PRIu32 " links, but %" PRIu32 " names", nlink, names);
	}
}
