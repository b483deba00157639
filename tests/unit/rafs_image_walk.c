/* SPDX-License-Identifier: Apache-2.0 */
/* Fixture images against the lists of what they must show. */
#include "rafs_image_walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#define PATH_ROOM 4096
#define DEPTH_MAX 64

struct rafs_image *walk_open(const char *path)
{
	struct rafs_origin origin = { .name = "boot" };
	struct rafs_image *image = NULL;
	struct graft_error err = { 0 };
	char full[PATH_ROOM];
	struct stat st;
	int fd;

	snprintf(full, sizeof(full), "%s/%s", TEST_IMAGES, path);
	fd = open(full, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(mapping_open(&origin.map, fd, 0, (uint64_t)st.st_size, MAPPING_READ, &err), 0);
	close(fd);
	if (rafs_image_open(&image, &origin, &err) != 0)
		fail_msg("%s: %s", path, err.text);
	return image;
}

unsigned char *walk_bytes(const char *path, size_t *size)
{
	char full[PATH_ROOM];
	unsigned char *bytes;
	FILE *f;

	snprintf(full, sizeof(full), "%s/%s", TEST_IMAGES, path);
	f = fopen(full, "re");
	assert_non_null(f);
	fseek(f, 0, SEEK_END);
	*size = (size_t)ftell(f);
	rewind(f);
	bytes = malloc(*size);
	assert_non_null(bytes);
	assert_int_equal(fread(bytes, 1, *size, f), *size);
	fclose(f);
	return bytes;
}

int walk_open_bytes(struct rafs_image **image, const void *bytes, size_t size, struct graft_error *err)
{
	struct rafs_origin origin = { .name = "boot" };
	int fd = memfd_create("boot", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, size), size);
	assert_int_equal(mapping_open(&origin.map, fd, 0, size, MAPPING_READ, err), 0);
	close(fd);
	return rafs_image_open(image, &origin, err);
}

int walk_path(const struct rafs_image *image, const char *path, struct rafs_inode *out)
{
	int rc = rafs_inode_get(image, rafs_image_super(image)->root, out);

	while (rc == 0 && *path) {
		size_t len = strcspn(path, "/");
		struct rafs_inode dir = *out;

		rc = rafs_lookup(image, &dir, path, len, out);
		path += len + (path[len] == '/');
	}
	return rc;
}

/* Bytes of the UTF-8 sequence at s, 0 if there is none. */
static size_t utf8_len(const unsigned char *s)
{
	size_t n = s[0] < 0x80                   ? 1
		   : s[0] >= 0xc2 && s[0] < 0xe0 ? 2
		   : s[0] >= 0xe0 && s[0] < 0xf0 ? 3
		   : s[0] >= 0xf0 && s[0] < 0xf5 ? 4
						 : 0;
	size_t i;

	for (i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

/* As the lists write bytes that are no UTF-8: \xhh. */
static void escape(char *to, size_t room, const char *from)
{
	size_t at = 0;

	while (*from) {
		size_t n = utf8_len((const unsigned char *)from);

		assert_true(at + 8 < room);
		if (n == 0) {
			at += (size_t)snprintf(to + at, room - at, "\\x%02x", (unsigned char)*from++);
			continue;
		}
		memcpy(to + at, from, n);
		at += n;
		from += n;
	}
	to[at] = '\0';
}

struct walk {
	const struct rafs_image *image;
	json_t *expected; /* path: object */
	size_t found;
};

static json_t *load(const char *path)
{
	json_t *all = json_object();
	char full[PATH_ROOM], line[65536];
	FILE *f;

	snprintf(full, sizeof(full), "%s/%s", TEST_IMAGES, path);
	f = fopen(full, "re");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		json_t *entry = json_loads(line, 0, NULL);

		assert_non_null(entry);
		assert_int_equal(json_object_set_new(all, json_string_value(json_object_get(entry, "path")), entry), 0);
	}
	fclose(f);
	return all;
}

static const char *type_name(uint32_t mode)
{
	static const char *const names[] = {
		[DT_REG] = "file",    [DT_DIR] = "dir",  [DT_LNK] = "link", [DT_FIFO] = "fifo",
		[DT_SOCK] = "socket", [DT_CHR] = "char", [DT_BLK] = "block"
	};

	return names[IFTODT(mode)];
}

static void compare_number(const char *path, const json_t *e, const char *key, uint64_t is)
{
	uint64_t must = (uint64_t)json_integer_value(json_object_get(e, key));

	if (must != is)
		fail_msg("%s: %s is %" PRIu64 ", must be %" PRIu64, path, key, is, must);
}

static void compare_xattrs(const struct walk *w, const char *path, const json_t *e, const struct rafs_inode *inode)
{
	static char names[65536], value[RAFS_XATTR_MAX], hex[2 * RAFS_XATTR_MAX + 1];
	json_t *must = json_object_get(e, "xattr");
	int64_t len = rafs_xattr_list(w->image, inode, names, sizeof(names)), at, n = 0, i;

	assert_true(len >= 0);
	assert_int_equal(rafs_xattr_list(w->image, inode, NULL, 0), len);
	if (len > 1)
		assert_int_equal(rafs_xattr_list(w->image, inode, names + sizeof(names) - 1, 1), -ERANGE);
	for (at = 0; at < len; at += (int64_t)strlen(names + at) + 1, n++) {
		int64_t size = rafs_xattr_get(w->image, inode, names + at, value, sizeof(value));

		assert_true(size >= 0);
		assert_int_equal(rafs_xattr_get(w->image, inode, names + at, NULL, 0), size);
		if (size > 1)
			assert_int_equal(rafs_xattr_get(w->image, inode, names + at, hex, 1), -ERANGE);
		for (i = 0; i < size; i++)
			snprintf(hex + 2 * i, 3, "%02x", (unsigned char)value[i]);
		hex[2 * size] = '\0';
		if (strcmp(json_string_value(json_object_get(must, names + at)), hex) != 0)
			fail_msg("%s: value of %s is %s", path, names + at, hex);
	}
	assert_int_equal(n, must ? json_object_size(must) : 0);
	assert_int_equal(rafs_xattr_get(w->image, inode, "user.of-nobody", NULL, 0), -ENODATA);
}

static void compare_extents(const struct walk *w, const char *path, const struct rafs_inode *inode)
{
	struct rafs_extent e;
	uint64_t off = 0;

	for (; off < inode->size; off = e.file_off + e.len) {
		int rc = rafs_extent_at(w->image, inode, off, &e);

		if (rc != 0 || e.file_off != off || e.len == 0)
			fail_msg("%s: extent at %" PRIu64 ": %d", path, off, rc);
		assert_true(e.hole || e.blob < rafs_image_super(w->image)->blobs);
	}
	assert_int_equal(off, inode->size);
	assert_int_equal(rafs_extent_at(w->image, inode, inode->size, &e), -EINVAL);
}

static void compare_regular(const struct walk *w, const char *path, const json_t *e, const struct rafs_inode *inode)
{
	const char *same = json_string_value(json_object_get(e, "same_as"));
	struct rafs_inode other;

	compare_number(path, e, "size", inode->size);
	compare_number(path, e, "nlink", inode->nlink);
	compare_extents(w, path, inode);
	if (same) {
		assert_int_equal(walk_path(w->image, same, &other), 0);
		assert_int_equal(other.ino, inode->ino);
	}
}

static void compare_link(const struct walk *w, const char *path, const json_t *e, const struct rafs_inode *inode)
{
	static char target[65537], escaped[65537];
	int len = rafs_readlink(w->image, inode, target, sizeof(target) - 1);

	assert_true(len > 0);
	assert_int_equal(inode->size, len);
	target[len] = '\0';
	escape(escaped, sizeof(escaped), target);
	if (strcmp(escaped, json_string_value(json_object_get(e, "target"))) != 0)
		fail_msg("%s: target is %s", path, escaped);
	assert_int_equal(rafs_readlink(w->image, inode, target, (size_t)len - 1), -ERANGE);
}

static void compare_inode(const struct walk *w, const char *path, const json_t *e, const struct rafs_inode *inode)
{
	char mode[16];

	assert_string_equal(json_string_value(json_object_get(e, "type")), type_name(inode->mode));
	snprintf(mode, sizeof(mode), "0o%o", inode->mode & 07777);
	if (strcmp(mode, json_string_value(json_object_get(e, "mode"))) != 0)
		fail_msg("%s: mode is %s", path, mode);
	compare_number(path, e, "uid", inode->uid);
	compare_number(path, e, "gid", inode->gid);
	compare_number(path, e, "mtime", inode->mtime);
	compare_xattrs(w, path, e, inode);
	assert_int_equal(rafs_inode_verify(w->image, inode), 0);
	if (S_ISREG(inode->mode))
		compare_regular(w, path, e, inode);
	if (S_ISLNK(inode->mode))
		compare_link(w, path, e, inode);
	if (S_ISCHR(inode->mode) || S_ISBLK(inode->mode)) {
		const json_t *rdev = json_object_get(e, "rdev");

		assert_int_equal(json_integer_value(json_array_get(rdev, 0)), inode->rdev >> 8 & 0xfff);
		assert_int_equal(json_integer_value(json_array_get(rdev, 1)),
				 (inode->rdev & 0xff) | (inode->rdev >> 12 & 0xfff00));
	} else {
		assert_int_equal(inode->rdev, 0);
	}
}

static void walk_dir(struct walk *w, const struct rafs_inode *dir, const char *path, int depth);

static void walk_entry(struct walk *w, const struct rafs_inode *dir, const char *path, const struct rafs_dirent *entry,
		       int depth)
{
	char full[PATH_ROOM], escaped[PATH_ROOM];
	struct rafs_inode inode, same;
	json_t *e;

	snprintf(full, sizeof(full), "%s%s%s", path, *path ? "/" : "", entry->name);
	escape(escaped, sizeof(escaped), full);
	e = json_object_get(w->expected, escaped);
	if (!e)
		fail_msg("%s should not be there", escaped);
	if (rafs_lookup(w->image, dir, entry->name, entry->len, &inode) != 0)
		fail_msg("%s cannot be looked up", escaped);
	assert_int_equal(inode.ino, entry->ino);
	if (entry->type != DT_UNKNOWN)
		assert_int_equal(entry->type, IFTODT(inode.mode));
	assert_int_equal(rafs_inode_get(w->image, entry->ino, &same), 0);
	assert_int_equal(same.at, inode.at);
	compare_inode(w, escaped, e, &inode);
	w->found++;
	if (S_ISDIR(inode.mode))
		walk_dir(w, &inode, full, depth + 1);
}

static void walk_dir(struct walk *w, const struct rafs_inode *dir, const char *path, int depth)
{
	uint64_t cookie = 0, parent;
	struct rafs_dirent entry;
	struct rafs_inode child;
	int rc;

	assert_true(depth < DEPTH_MAX);
	for (rc = rafs_dir_next(w->image, dir, &cookie, &entry); rc > 0;
	     rc = rafs_dir_next(w->image, dir, &cookie, &entry)) {
		walk_entry(w, dir, path, &entry, depth);
		assert_int_equal(rafs_inode_get(w->image, entry.ino, &child), 0);
		if (!S_ISDIR(child.mode))
			continue;
		assert_int_equal(rafs_parent(w->image, &child, &parent), 0);
		assert_int_equal(parent, dir->ino);
	}
	assert_int_equal(rc, 0);
	assert_int_equal(rafs_lookup(w->image, dir, "no such name", 12, &child), -ENOENT);
}

void walk_compare(const struct rafs_image *image, const char *expected)
{
	struct walk w = { .image = image, .expected = load(expected) };
	struct rafs_inode root;
	uint64_t parent;

	assert_int_equal(walk_path(image, "", &root), 0);
	assert_int_equal(rafs_parent(image, &root, &parent), 0);
	assert_int_equal(parent, root.ino);
	assert_int_equal(rafs_inode_verify(image, &root), 0);
	walk_dir(&w, &root, "", 0);
	/* The list may have a line for the root, whose times no builder stores. */
	assert_int_equal(w.found + (json_object_get(w.expected, ".") != NULL), json_object_size(w.expected));
	json_decref(w.expected);
}
