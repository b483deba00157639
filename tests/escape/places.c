/* SPDX-License-Identifier: Apache-2.0 */
/* Ways up and out of a directory: the root's parent, mounts below the share, what the host moves out, the router's own names. */
#include "tests/escape/attempt.h"

#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

/* Entries of the last READDIR or READDIRPLUS: the one of that name, or false. */
static bool find_entry(const struct world *w, bool plus, const char *name, struct fuse_direntplus *found)
{
	const unsigned char *data = fuse_data(&w->c, w->c.slot);
	uint32_t len = w->c.slot->len, at = 0, head = plus ? sizeof(*found) : sizeof(found->dirent);

	while (at + head <= len) {
		memset(found, 0, sizeof(*found));
		memcpy(plus ? (void *)found : (void *)&found->dirent, data + at, head);
		if (found->dirent.namelen == strlen(name) && memcmp(data + at + head, name, strlen(name)) == 0)
			return true;
		at += (head + found->dirent.namelen + 7) & ~7u;
	}
	return false;
}

/* Lists a directory; ".." must lead nowhere. above: its inode number must not even be told; NULL: may be. */
static void check_dots(struct world *w, uint64_t node, const char *above)
{
	struct stat st = {.st_ino = 0};
	struct fuse_direntplus e;
	uint64_t fh;

	if (above)
		assert_int_equal(stat(above, &st), 0);
	want("OPENDIR", fuse_opendir(&w->c, node, &fh), 0);
	assert_true(fuse_readdir(&w->c, node, fh, 0, 32768) > 0);
	assert_true(find_entry(w, false, "..", &e));
	assert_true(e.dirent.ino != st.st_ino);
	assert_true(fuse_readdirplus(&w->c, node, fh, 0, 32768) > 0);
	assert_true(find_entry(w, true, "..", &e));
	assert_true(e.dirent.ino != st.st_ino && e.entry_out.attr.ino != st.st_ino);
	assert_int_equal(e.entry_out.nodeid, 0);
	assert_true(find_entry(w, true, ".", &e));
	assert_int_equal(e.entry_out.nodeid, 0);
	want("RELEASEDIR", fuse_releasedir(&w->c, node, fh), 0);
	struct fuse_entry_out out;
	want("LOOKUP ..", fuse_lookup(&w->c, node, "..", &out), -EINVAL);
	want("LOOKUP ../away", fuse_lookup(&w->c, node, "../away", &out), -EINVAL);
	want("RENAME of ..", fuse_rename(&w->c, node, "..", ROOT, "up"), -EINVAL);
	want("MKDIR ../made", fuse_mkdir(&w->c, node, "../made", 0777, &out), -EINVAL);
}

static void try_root(struct world *w, const void *arg)
{
	(void)arg;
	check_dots(w, ROOT, w->daemon.base);
}

static void try_second_root(struct world *w, const void *arg)
{
	(void)arg;
	check_dots(w, look(w, look(w, ROOT, "pseudo"), "second"), w->daemon.base);
}

/* Each entry of a listing is one of the directory: a node of READDIRPLUS is what a look-up gives. */
static void try_listing(struct world *w, const void *arg)
{
	static const char *const names[] = {"dir", "file", "other", "to-dir", "to-file"};
	struct fuse_direntplus e;
	uint64_t fh;

	(void)arg;
	want("OPENDIR", fuse_opendir(&w->c, ROOT, &fh), 0);
	assert_true(fuse_readdirplus(&w->c, ROOT, fh, 0, 32768) > 0);
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_true(find_entry(w, true, names[i], &e));
		uint64_t node = e.entry_out.nodeid;
		bool link = S_ISLNK(e.entry_out.attr.mode);
		assert_int_equal(link, strncmp(names[i], "to-", 3) == 0);
		if (link)
			try_as_parent(w, node);
		assert_true(fuse_readdirplus(&w->c, ROOT, fh, 0, 32768) > 0); /* for the next, again from the start */
	}
	/* Cookies of its own invention give entries of this directory, or nothing. */
	for (uint64_t cookie = 1; cookie; cookie <<= 3)
		fuse_readdirplus(&w->c, ROOT, fh, cookie, 4096);
}

/* The host moves a directory out while the guest holds it: the directory stays the guest's, what is beside it does not become his. */
static void try_moved(struct world *w, const void *arg)
{
	struct fuse_entry_out e;
	uint64_t fh;

	(void)arg;
	assert_int_equal(rename(world_path(w, "share/dir"), world_path(w, "away/dir")), 0);
	int res = fuse_opendir(&w->c, w->dir, &fh);
	if (res != -EACCES) /* Landlock keeps the guest out of what left the share */
		check_dots(w, w->dir, NULL);
	want("LOOKUP ../file", fuse_lookup(&w->c, w->dir, "../file", &e), -EINVAL);
	want("LOOKUP ../../away/file", fuse_lookup(&w->c, w->sub, "../../file", &e), -EINVAL);
	want("LOOKUP ..", fuse_lookup(&w->c, w->sub, "..", &e), -EINVAL);
	want("CREATE ../made", fuse_create(&w->c, w->dir, "../made", O_RDWR, 0666, &e, &fh), -EINVAL);
	want("LINK ../made", fuse_link(&w->c, w->file, w->dir, "../made", &e), -EINVAL);
	want("RENAME of a neighbour", fuse_rename(&w->c, w->dir, "../file", ROOT, "stolen"), -EINVAL);
	want("RENAME to a neighbour", fuse_rename(&w->c, w->dir, "file", w->dir, "../file"), -EINVAL);
	want("LOOKUP in the root", fuse_lookup(&w->c, ROOT, "dir", &e), -ENOENT);
	want("LOOKUP of the neighbour", fuse_lookup(&w->c, ROOT, "file", &e), 0);
	char data[64];
	want("OPEN", fuse_open(&w->c, e.nodeid, O_RDONLY, &fh), 0);
	want("READ", fuse_read(&w->c, e.nodeid, fh, data, sizeof(data), 0), (int64_t)strlen(INSIDE));
	assert_memory_equal(data, INSIDE, strlen(INSIDE));
	daemon_remove_tree(world_path(w, "away/dir"), true);
}

/* The host removes a directory that the guest holds, and makes another of the same name. */
static void try_removed(struct world *w, const void *arg)
{
	struct fuse_entry_out e;
	uint64_t fh;

	(void)arg;
	daemon_remove_tree(world_path(w, "share/dir"), true);
	assert_int_equal(symlink(w->canary.root, world_path(w, "share/dir")), 0);
	want("LOOKUP", fuse_lookup(&w->c, w->dir, "file", &e), -ENOENT);
	want("CREATE", fuse_create(&w->c, w->dir, "new", O_RDWR, 0666, &e, &fh), -ENOENT);
	want("MKDIR", fuse_mkdir(&w->c, w->dir, "new", 0777, &e), -ENOENT);
	want("LINK", fuse_link(&w->c, look(w, ROOT, "file"), w->dir, "new", &e), -ENOENT);
	want("LINK of a removed file", fuse_link(&w->c, w->file, ROOT, "new", &e), -ENOENT);
	want("RENAME into it", fuse_rename(&w->c, ROOT, "file", w->dir, "new"), -ENOENT);
}

/* A directory of the outside, bound below the share: what is in it is shared, what is above it is not. */
static void try_bound(struct world *w, const void *arg)
{
	struct fuse_entry_out e;

	(void)arg;
	host_mount(w, w->second, "share/dir/sub", NULL);
	uint64_t bound = look(w, w->dir, "sub");
	assert_true(bound != w->sub);
	struct fuse_entry_out out;
	want("LOOKUP ..", fuse_lookup(&w->c, bound, "..", &out), -EINVAL);
	want("LOOKUP ../outside", fuse_lookup(&w->c, bound, "../outside", &out), -EINVAL);
	want("RENAME out of it", fuse_rename(&w->c, bound, "file", w->dir, "stolen"), -EXDEV);
	want("RENAME into it", fuse_rename(&w->c, w->dir, "file", bound, "stolen"), -EXDEV);
	want("LINK into it", fuse_link(&w->c, w->file, bound, "stolen", &e), -EXDEV);
	want("LINK out of it", fuse_link(&w->c, look(w, bound, "file"), w->dir, "stolen", &e), -EXDEV);
	/* The kernel takes away mounts of other namespaces when their directory goes: so these must be in the daemon's own. */
	want("RMDIR of the directory below it", fuse_rmdir(&w->c, w->dir, "sub"), -EBUSY);
	want("RENAME of it", fuse_rename(&w->c, w->dir, "sub", ROOT, "moved"), -EBUSY);
	want("MKDIR", fuse_mkdir(&w->c, ROOT, "empty", 0755, &e), 0);
	want("RENAME over it", fuse_rename(&w->c, ROOT, "empty", w->dir, "sub"), -EBUSY);
	want("EXCHANGE with it", fuse_rename2(&w->c, ROOT, "empty", w->dir, "sub", RENAME_EXCHANGE), -EBUSY);
	assert_int_equal(access(world_path(w, "second/file"), F_OK), 0);
}

/* A single file of the outside, bound over a file of the share. */
static void try_bound_file(struct world *w, const void *arg)
{
	struct fuse_entry_out e;

	(void)arg;
	host_mount(w, world_path(w, "second/file"), "share/other", NULL);
	uint64_t bound = look(w, ROOT, "other");
	try_as_parent(w, bound);
	want("LINK of it", fuse_link(&w->c, bound, w->dir, "stolen", &e), -EXDEV);
	want("RENAME of it", fuse_rename(&w->c, ROOT, "other", w->dir, "stolen"), -EBUSY);
}

/* What was held of a mount that went does not lead into the one that came in its place. */
static void try_stale_mount(struct world *w, const void *arg)
{
	uint64_t fh;
	char data[64];

	(void)arg;
	host_mount(w, "tmpfs", "share/dir/sub", "tmpfs");
	host_file(w, "share/dir/sub/file", "first");
	uint64_t top = look(w, w->dir, "sub"), file = look(w, top, "file");
	assert_int_equal(umount2(w->mounted[--w->nmounted], MNT_DETACH), 0);
	host_mount(w, w->away, "share/dir/sub", NULL);
	if (fuse_open(&w->c, file, O_RDONLY, &fh) == 0) {
		want("READ", fuse_read(&w->c, file, fh, data, sizeof(data), 0), 5);
		assert_memory_equal(data, "first", 5);
		want("RELEASE", fuse_release(&w->c, file, fh), 0);
	}
	look(w, top, "file");
}

/* The router's own directory: nothing can be put into it, taken out of it, or put in its place. */
static void try_pseudo(struct world *w, const void *arg)
{
	uint64_t pseudo = look(w, ROOT, "pseudo"), fh;
	struct fuse_client *c = &w->c;
	struct fuse_setattr_in mode = {.valid = FATTR_MODE, .mode = 0};
	struct fuse_attr_out attr;
	struct fuse_entry_out e;

	(void)arg;
	check_dots(w, pseudo, w->daemon.base);
	want("CREATE", fuse_create(c, pseudo, "new", O_RDWR, 0666, &e, &fh), -EROFS);
	want("MKDIR", fuse_mkdir(c, pseudo, "new", 0777, &e), -EROFS);
	want("SYMLINK", fuse_symlink(c, pseudo, "new", w->canary.root, &e), -EROFS);
	want("TMPFILE", fuse_tmpfile(c, pseudo, O_RDWR, 0600, &e, &fh), -EROFS);
	want("RENAME into it", fuse_rename(c, w->dir, "file", pseudo, "new"), -EXDEV);
	want("RENAME out of it", fuse_rename(c, pseudo, "second", w->dir, "stolen"), -EXDEV);
	want("LINK into it", fuse_link(c, w->file, pseudo, "new", &e), -EXDEV);
	want("UNLINK in it", fuse_unlink(c, pseudo, "second"), -EBUSY);
	want("RMDIR in it", fuse_rmdir(c, pseudo, "second"), -EBUSY);
	want("SETATTR", fuse_setattr(c, pseudo, &mode, &attr), -EROFS);
	want("SETXATTR", fuse_setxattr(c, pseudo, "user.x", "x", 1, 0), -EROFS);
	want("OPEN", fuse_open(c, pseudo, O_PATH, &fh), -EISDIR);
}

/* Names that mounts stand on, in the directory of another mount. */
static void try_covered(struct world *w, const void *arg)
{
	struct fuse_client *c = &w->c;
	struct fuse_entry_out e;
	uint64_t fh;

	(void)arg;
	want("MKDIR", fuse_mkdir(c, ROOT, "pseudo", 0777, &e), -EEXIST);
	want("SYMLINK", fuse_symlink(c, ROOT, "pseudo", w->canary.root, &e), -EEXIST);
	want("CREATE", fuse_create(c, ROOT, "pseudo", O_RDWR, 0666, &e, &fh), -EEXIST);
	want("LINK", fuse_link(c, w->file, ROOT, "pseudo", &e), -EEXIST);
	want("UNLINK", fuse_unlink(c, ROOT, "pseudo"), -EBUSY);
	want("RMDIR", fuse_rmdir(c, ROOT, "pseudo"), -EBUSY);
	want("RENAME of it", fuse_rename(c, ROOT, "pseudo", ROOT, "moved"), -EBUSY);
	want("RENAME over it", fuse_rename(c, ROOT, "to-dir", ROOT, "pseudo"), -EBUSY);
	want("EXCHANGE with a link", fuse_rename2(c, ROOT, "to-dir", ROOT, "pseudo", RENAME_EXCHANGE), -EBUSY);
	assert_int_equal(access(world_path(w, "share/pseudo"), F_OK), -1);
}

/* A second name that the host's user gave to a file of the outside makes that file a part of the share, and nothing else. */
static void try_hard_link(struct world *w, const void *arg)
{
	struct fuse_entry_out e;

	(void)arg;
	assert_int_equal(link(world_path(w, "second/file"), world_path(w, "share/dir/linked")), 0);
	uint64_t node = look(w, w->dir, "linked");
	try_as_parent(w, node);
	want("LINK", fuse_link(&w->c, node, ROOT, "again", &e), 0);
	assert_int_equal(e.attr.nlink, 3);
	want("LINK of a directory", fuse_link(&w->c, w->dir, ROOT, "loop", &e), -EPERM);
	int res = fuse_link(&w->c, ROOT, w->dir, "loop", &e);
	assert_true(res == -EPERM || res == -EXDEV); /* Landlock's word */
	want("RENAME into itself", fuse_rename(&w->c, ROOT, "dir", w->sub, "loop"), -EINVAL);
}

/* Every flag of RENAME2, also those that nobody knows. */
static void try_rename_flags(struct world *w, const void *arg)
{
	(void)arg;
	for (uint32_t bit = 3; bit < 32; bit++)
		want("RENAME2", fuse_rename2(&w->c, w->dir, "file", ROOT, "taken", 1u << bit), -EINVAL);
	want("both", fuse_rename2(&w->c, w->dir, "file", ROOT, "other", RENAME_EXCHANGE | RENAME_NOREPLACE), -EINVAL);
	int res = fuse_rename2(&w->c, w->dir, "file", ROOT, "taken", RENAME_WHITEOUT);
	assert_true(res == 0 || res == -EPERM || res == -EINVAL);
}

static const struct attempt rows[] = {
	{"parent", "'..' of the root, listed and looked up", try_root, NULL, 0},
	{"parent", "'..' of another mount's root", try_second_root, NULL, 0},
	{"parent", "nodes of READDIRPLUS, and cookies made up", try_listing, NULL, 0},
	{"parent", "a held directory moved out of the share", try_moved, NULL, 0},
	{"parent", "a held directory removed, a link in its place", try_removed, NULL, 0},
	{"mount", "a directory bound below the share", try_bound, NULL, ATTEMPT_MOUNT},
	{"mount", "a file bound below the share", try_bound_file, NULL, ATTEMPT_MOUNT},
	{"mount", "nodes of a mount that went, another in its place", try_stale_mount, NULL, ATTEMPT_MOUNT | ATTEMPT_ROOT},
	{"router", "its own directory", try_pseudo, NULL, 0},
	{"router", "names that mounts stand on", try_covered, NULL, 0},
	{"hard link", "to a file of the outside, and to directories", try_hard_link, NULL, 0},
	{"hard link", "RENAME2 with flags nobody knows", try_rename_flags, NULL, 0},
};

const struct attempt_table places_table = ATTEMPT_TABLE(rows);
