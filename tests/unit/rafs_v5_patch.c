/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes of RAFS v5 bootstraps that are changed. */
#include "rafs_v5_patch.h"

#include "rafs_image_walk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

void v5_put(unsigned char *at, unsigned int width, uint64_t value)
{
	unsigned int i;

	for (i = 0; i < width; i++)
		at[i] = (unsigned char)(value >> 8 * i);
}

/* 0 when all entries of a directory could be listed. */
static int list(const struct rafs_image *image, const char *path)
{
	struct rafs_dirent entry;
	struct rafs_inode dir;
	uint64_t cookie = 0;
	int rc = walk_path(image, path, &dir);

	if (rc < 0)
		return rc;
	do
		rc = rafs_dir_next(image, &dir, &cookie, &entry);
	while (rc > 0);
	return rc;
}

int64_t v5_call(const struct rafs_image *image, const char *path, enum v5_what what)
{
	static char room[RAFS_XATTR_MAX];
	struct rafs_extent extent;
	struct rafs_inode inode;
	int rc;

	if (what == V5_LIST)
		return list(image, path);
	rc = walk_path(image, path, &inode);
	if (rc < 0 || what == V5_LOOKUP)
		return rc;
	switch (what) {
	case V5_READ:
		return rafs_extent_at(image, &inode, 0, &extent);
	case V5_READ_END:
		return rafs_extent_at(image, &inode, inode.size - 1, &extent);
	case V5_LINK:
		return rafs_readlink(image, &inode, room, sizeof(room));
	case V5_XATTR:
		return rafs_xattr_get(image, &inode, "user.not-there", room, sizeof(room));
	case V5_VERIFY:
		return rafs_inode_verify(image, &inode);
	case V5_LOOKUP:
	case V5_LIST:
		break;
	}
	return 0;
}

struct rafs_image *v5_changed(const unsigned char *bytes, size_t size)
{
	struct rafs_image *image = NULL;
	struct graft_error err = { 0 };

	if (walk_open_bytes(&image, bytes, size, &err) != 0)
		fail_msg("%s", err.text);
	return image;
}

struct rafs_inode v5_inode(const char *boot, const char *path)
{
	struct rafs_image *image = walk_open(boot);
	struct rafs_inode inode;

	assert_int_equal(walk_path(image, path, &inode), 0);
	rafs_image_close(image);
	return inode;
}
