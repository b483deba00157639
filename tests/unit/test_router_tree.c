/* SPDX-License-Identifier: Apache-2.0 */
/* The mount table as a client sees it: directories on the way, what covers what, listings of both. */
#include "server_world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bool is_dir(const struct fuse_entry_out *e)
{
	return S_ISDIR(e->attr.mode);
}

static void test_no_mounts(void **state)
{
	struct world *w = *state;
	struct fuse_attr_out attr;

	world_init(w, 0);
	assert_int_equal(call_getattr(w->c, 1, &attr), 0);
	assert_true(S_ISDIR(attr.attr.mode));
	check_names(w, "/", "");
	check_error(w->c, "/a", -ENOENT);
	assert_int_equal(call_make(w->c, FUSE_MKDIR, 1, "a", NULL), -EROFS);
}

/* File data that was read is counted by opcode; what other requests carry is not. */
static void test_bytes(void **state)
{
	struct world *w = *state;
	struct op_sum sum;

	world_mount(w, "/", 0, "file=deep");
	world_init(w, 0);
	check_file(w->c, "/file", "deep");
	check_file(w->c, "/file", "deep");
	server_op(w->rig->server, FUSE_READ, &sum);
	assert_int_equal(sum.count, 2);
	assert_int_equal(sum.bytes, 8);
	check_names(w, "/", "file");
	server_op(w->rig->server, FUSE_READDIR, &sum);
	assert_int_equal(sum.bytes, 0);
}

/* A directory that only leads to a mount answers what a client asks of an empty, read-only directory. */
static void test_on_the_way(void **state)
{
	struct world *w = *state;
	struct fuse_entry_out a, again, b;
	struct fuse_attr_out attr;
	struct fuse_statx_out sx;
	uint64_t blocks;

	world_mount(w, "/a/b/c", 0, "file=deep");
	world_init(w, 0);
	assert_int_equal(call_lookup(w->c, 1, "a", &a), 0);
	assert_int_equal(call_lookup(w->c, 1, "a", &again), 0);
	assert_true(is_dir(&a) && a.nodeid == again.nodeid && a.nodeid != 1);
	assert_int_equal(SLOT_OF(a.nodeid), 0);
	assert_int_equal(a.entry_valid, 0);
	assert_int_equal(a.entry_valid_nsec, 0);
	assert_int_equal(call_lookup(w->c, a.nodeid, "b", &b), 0);
	assert_true(is_dir(&b) && b.nodeid != a.nodeid && b.attr.ino != a.attr.ino);
	assert_int_equal(call_getattr(w->c, a.nodeid, &attr), 0);
	assert_true(S_ISDIR(attr.attr.mode) && attr.attr.ino == a.attr.ino && attr.attr.nlink >= 1);
	assert_int_equal(call_statx(w->c, a.nodeid, &sx), 0);
	assert_true(S_ISDIR(sx.stat.mode) && sx.stat.ino == a.attr.ino);
	assert_int_equal(call_access(w->c, a.nodeid), 0);
	assert_int_equal(call_statfs(w->c, a.nodeid, &blocks), 0);
	assert_int_equal(call_getxattr(w->c, a.nodeid, "user.x"), -ENODATA);
	assert_int_equal(call_listxattr(w->c, a.nodeid), 0);
	assert_int_equal(w->t[0].statfs, 0);
	check_names(w, "/", "a");
	check_names(w, "/a", "b");
	check_names(w, "/a/b", "c");
	check_names(w, "/a/b/c", "file");
	check_file(w->c, "/a/b/c/file", "deep");
	check_error(w->c, "/a/x", -ENOENT);
	check_error(w->c, "/b", -ENOENT);
	check_error(w->c, "/a/b/c/x", -ENOENT);
}

static void test_on_the_way_is_read_only(void **state)
{
	static const uint32_t makes[] = { FUSE_MKDIR, FUSE_MKNOD, FUSE_CREATE, FUSE_SYMLINK };
	struct world *w = *state;

	world_mount(w, "/a/b", 0, "file=x");
	world_init(w, 0);
	uint64_t a = call_node(w->c, "/a");
	for (size_t i = 0; i < sizeof(makes) / sizeof(makes[0]); i++) {
		assert_int_equal(call_make(w->c, makes[i], a, "new", NULL), -EROFS);
		assert_int_equal(call_make(w->c, makes[i], 1, "new", NULL), -EROFS);
		assert_int_equal(call_make(w->c, makes[i], a, "b", NULL), -EEXIST);
		assert_int_equal(call_make(w->c, makes[i], 1, "a", NULL), -EEXIST);
	}
	assert_int_equal(call_chmod(w->c, a), -EROFS);
	assert_int_equal(call_setxattr(w->c, a, "user.x"), -EROFS);
	assert_int_equal(call_remove(w->c, FUSE_RMDIR, 1, "a"), -EBUSY);
	assert_int_equal(call_remove(w->c, FUSE_RMDIR, a, "b"), -EBUSY);
	assert_int_equal(call_rename(w->c, FUSE_RENAME, 1, "a", 1, "z", 0), -EBUSY);
	assert_int_equal(w->t[0].changes, 0);
	check_names(w, "/", "a");
}

/* What is there already stays the file system's own; only the mount point in it is another's. */
static void test_existing_on_the_way(void **state)
{
	struct world *w = *state;

	world_mount(w, "/", 0, "a/ a/file=real a/b/ a/b/hidden=1 other=2");
	world_init(w, 0);
	uint64_t a = call_node(w->c, "/a"), b = call_node(w->c, "/a/b");
	world_mount(w, "/a/b", 1, "inner=3");
	assert_int_equal(call_node(w->c, "/a"), a);
	assert_int_not_equal(SLOT_OF(call_node(w->c, "/a/b")), SLOT_OF(b));
	check_file(w->c, "/a/file", "real");
	check_file(w->c, "/a/b/inner", "3");
	check_error(w->c, "/a/b/hidden", -ENOENT);
	check_names(w, "/", "a other");
	check_names(w, "/a", "b file");
	check_names(w, "/a/b", "inner");
	/* Who was inside before goes on. */
	assert_int_equal(call_list(w->c, FUSE_READDIR, b, LIST_SIZE, &w->list), 0);
	assert_string_equal(listing_names(&w->list), "hidden");
	world_umount(w, "/a/b");
	check_file(w->c, "/a/b/hidden", "1");
	check_names(w, "/a", "b file");
}

static void test_missing_on_the_way(void **state)
{
	struct world *w = *state;
	struct fuse_entry_out e;

	world_mount(w, "/", 0, "a/ a/file=real");
	world_init(w, 0);
	world_mount(w, "/a/new/deep", 1, "inner=3");
	check_names(w, "/a", "file new");
	check_names(w, "/a/new", "deep");
	check_file(w->c, "/a/new/deep/inner", "3");
	assert_int_equal(call_walk(w->c, "/a/new", &e), 0);
	assert_int_equal(SLOT_OF(e.nodeid), 0);
	assert_int_equal(call_make(w->c, FUSE_MKDIR, e.nodeid, "x", NULL), -EROFS);
	/* Beside it the file system can still be written. */
	assert_int_equal(call_make(w->c, FUSE_MKDIR, call_node(w->c, "/a"), "x", NULL), 0);
	check_names(w, "/a", "file new x");
	world_umount(w, "/a/new/deep");
	check_names(w, "/a", "file x");
	check_error(w->c, "/a/new", -ENOENT);
	assert_int_equal(call_make(w->c, FUSE_MKDIR, call_node(w->c, "/a"), "new", NULL), 0);
	check_names(w, "/a", "file new x");
}

/* A file in the way is covered as a directory is. */
static void test_over_files(void **state)
{
	struct world *w = *state;

	world_mount(w, "/", 0, "f=1 g=2");
	world_init(w, 0);
	uint64_t f = call_node(w->c, "/f");
	world_mount(w, "/f", 1, "inner=3");
	world_mount(w, "/g/deep", 2, "inner=4");
	check_file(w->c, "/f/inner", "3");
	check_file(w->c, "/g/deep/inner", "4");
	check_names(w, "/", "f g");
	assert_int_equal(call_list(w->c, FUSE_READDIR, 1, LIST_SIZE, &w->list), 0);
	assert_int_equal(w->list.entry[listing_find(&w->list, "f")].type, S_IFDIR >> 12);
	assert_int_equal(w->list.entry[listing_find(&w->list, "g")].type, S_IFDIR >> 12);
	uint64_t fh;
	assert_int_equal(call_open(w->c, FUSE_OPEN, f, &fh), 0);
	assert_int_equal(call_release(w->c, FUSE_RELEASE, f, fh), 0);
	world_umount(w, "/f");
	world_umount(w, "/g/deep");
	check_file(w->c, "/f", "1");
	check_file(w->c, "/g", "2");
}

/* A backend may answer a missing name with an entry without a node, to be remembered: not where a mount stands. */
static void test_negative_entries(void **state)
{
	struct world *w = *state;
	struct fuse_entry_out e;

	world_tree(w, 0, "a/")->negative = true;
	assert_int_equal(rig_mount(w->rig, "/", &w->t[0], NULL), 0);
	world_init(w, 0);
	check_error(w->c, "/a/x", -ENOENT);
	world_mount(w, "/a/x/y", 1, "inner=3");
	check_file(w->c, "/a/x/y/inner", "3");
	check_error(w->c, "/a/x/z", -ENOENT);
	world_umount(w, "/a/x/y");
	check_error(w->c, "/a/x", -ENOENT);
	/* vhost-user cannot be told that a name appears below a directory on the way: it may not be remembered. */
	assert_int_equal(call_lookup(w->c, 1, "nowhere", &e), -ENOENT);
}

/* --- every order of mounting and umounting --- */

#define DEPTHS 4
static const char *const depth_path[DEPTHS] = { "/", "/a", "/a/b", "/a/b/c" };
/* The trees at these places: some have the directories that others cover, some do not. */
static const char *const depth_words[2][DEPTHS] = {
	{ "who=0 a/ a/who=0 a/b/ a/b/who=0 a/b/c/ a/b/c/who=0", "who=1 b/ b/who=1 b/c/ b/c/who=1", "who=2 c/ c/who=2", "who=3" },
	{ "who=0", "who=1 b/ b/who=1", "who=2", "who=3" },
};

/* The deepest mount at or above a place, or -1; whether it has that directory itself. */
static int owner_of(uint32_t mounted, int place, int variant, bool *has)
{
	for (int i = place; i >= 0; i--) {
		if (!(mounted & 1u << i))
			continue;
		const char *below = i == 0 ? depth_path[place] + (place > 0) :
					     depth_path[place] + strlen(depth_path[i]) + (place > i);
		char word[32];
		snprintf(word, sizeof(word), "%s/", below);
		*has = place == i || strstr(depth_words[variant][i], word);
		return i;
	}
	*has = false;
	return -1;
}

static void check_place(struct world *w, uint32_t mounted, int place, int variant)
{
	char path[64], text[2] = { 0 };
	bool has;
	int owner = owner_of(mounted, place, variant, &has);
	bool leads = mounted >> (place + 1);

	snprintf(path, sizeof(path), "%s/who", place ? depth_path[place] : "");
	if (has) {
		text[0] = (char)('0' + owner);
		check_file(w->c, path, text);
	} else {
		check_error(w->c, path, -ENOENT);
		check_error(w->c, depth_path[place], leads || place == 0 ? 0 : -ENOENT);
	}
}

static void check_places(struct world *w, uint32_t mounted, int variant)
{
	for (int place = 0; place < DEPTHS; place++)
		check_place(w, mounted, place, variant);
	calls_forget_all(w->c);
}

/* The n-th order of DEPTHS things. */
static void order(int n, int to[DEPTHS])
{
	int left[DEPTHS] = { 0, 1, 2, 3 };

	for (int i = 0; i < DEPTHS; i++) {
		int pick = n % (DEPTHS - i);

		n /= DEPTHS - i;
		to[i] = left[pick];
		memmove(left + pick, left + pick + 1, (size_t)(DEPTHS - i - 1 - pick) * sizeof(left[0]));
	}
}

static void try_order(struct world *w, const int up[DEPTHS], const int down[DEPTHS], int variant)
{
	uint32_t mounted = 0;

	for (int i = 0; i < DEPTHS; i++) {
		world_mount(w, depth_path[up[i]], (uint32_t)up[i], depth_words[variant][up[i]]);
		mounted |= 1u << up[i];
		check_places(w, mounted, variant);
	}
	for (int i = 0; i < DEPTHS; i++) {
		world_umount(w, depth_path[down[i]]);
		mounted &= ~(1u << down[i]);
		check_places(w, mounted, variant);
	}
	for (int i = 0; i < DEPTHS; i++)
		tree_check_empty(&w->t[i]);
}

static void test_every_order(void **state)
{
	struct world *w = *state;
	int up[DEPTHS], down[DEPTHS];

	world_init(w, 0);
	for (int variant = 0; variant < 2; variant++) {
		for (int n = 0; n < 24; n++) {
			order(n, up);
			order((n * 7 + variant) % 24, down);
			try_order(w, up, down, variant);
		}
	}
}

/* --- listings --- */

#define MANY "f0=0 f1=1 f2=2 d0/ d1/ d2/ f3=3 f4=4 f5=5 averyveryverylongname=6 x=7"

static void mount_many(struct world *w)
{
	world_mount(w, "/", 0, MANY);
	world_mount(w, "/d1", 1, "inner=1");
	world_mount(w, "/new", 2, "inner=2");
	world_mount(w, "/way/to/it", 3, "inner=3");
	world_mount(w, "/f3", 4, "inner=4");
	world_init(w, FUSE_DO_READDIRPLUS);
}

#define MANY_NAMES "averyveryverylongname d0 d1 d2 f0 f1 f2 f3 f4 f5 new way x"

static void test_listing_sizes(void **state)
{
	struct world *w = *state;

	mount_many(w);
	for (uint32_t plus = 0; plus < 2; plus++) {
		uint32_t opcode = plus ? FUSE_READDIRPLUS : FUSE_READDIR;

		for (uint32_t size = plus ? 176 : 48; size < 1200; size += 8) {
			assert_int_equal(call_list(w->c, opcode, 1, size, &w->list), 0);
			assert_string_equal(listing_names(&w->list), MANY_NAMES);
			calls_forget_all(w->c);
		}
	}
}

static void test_listing_resumes(void **state)
{
	struct world *w = *state;
	struct listing *rest = calloc(1, sizeof(*rest));
	uint64_t fh;

	mount_many(w);
	assert_int_equal(call_open(w->c, FUSE_OPENDIR, 1, &fh), 0);
	for (uint32_t plus = 0; plus < 2; plus++) {
		uint32_t opcode = plus ? FUSE_READDIRPLUS : FUSE_READDIR;

		assert_int_equal(call_read_dir(w->c, opcode, 1, fh, LIST_SIZE, &w->list), 0);
		for (uint32_t i = 0; i < w->list.n; i++) {
			assert_int_equal(call_read_dir_at(w->c, opcode, 1, fh, w->list.entry[i].off, 200, rest), 0);
			assert_int_equal(rest->n, w->list.n - i - 1);
			for (uint32_t k = 0; k < rest->n; k++)
				assert_string_equal(rest->entry[k].name, w->list.entry[i + 1 + k].name);
		}
	}
	assert_int_equal(call_release(w->c, FUSE_RELEASEDIR, 1, fh), 0);
	free(rest);
}

/* What stays through a listing is in it once, whatever comes and goes meanwhile. */
static void test_listing_while_mounts_change(void **state)
{
	struct world *w = *state;
	struct listing *rest = calloc(1, sizeof(*rest));
	uint64_t fh;

	mount_many(w);
	assert_int_equal(call_list(w->c, FUSE_READDIR, 1, LIST_SIZE, &w->list), 0);
	for (uint32_t i = 0; i < w->list.n; i++) {
		assert_int_equal(call_open(w->c, FUSE_OPENDIR, 1, &fh), 0);
		assert_int_equal(call_read_dir(w->c, FUSE_READDIR, 1, fh, LIST_SIZE, &w->list), 0);
		uint64_t off = w->list.entry[i].off;
		world_umount(w, "/new");
		assert_int_equal(rig_mount(w->rig, "/newer", &w->t[2], NULL), 0);
		assert_int_equal(call_read_dir_at(w->c, FUSE_READDIR, 1, fh, off, 100, rest), 0);
		for (uint32_t k = 0; k < w->list.n; k++) {
			const char *name = w->list.entry[k].name;

			if (strcmp(name, "new") == 0)
				assert_int_equal(listing_find(rest, name), UINT32_MAX);
			else if (k <= i)
				assert_int_equal(listing_find(rest, name), UINT32_MAX);
			else
				assert_int_not_equal(listing_find(rest, name), UINT32_MAX);
		}
		assert_int_equal(call_release(w->c, FUSE_RELEASEDIR, 1, fh), 0);
		world_umount(w, "/newer");
		assert_int_equal(rig_mount(w->rig, "/new", &w->t[2], NULL), 0);
	}
	free(rest);
}

/* An entry of READDIRPLUS is a look-up like any other. */
static void test_listing_plus(void **state)
{
	struct world *w = *state;

	mount_many(w);
	assert_int_equal(call_list(w->c, FUSE_READDIRPLUS, 1, LIST_SIZE, &w->list), 0);
	for (uint32_t i = 0; i < w->list.n; i++) {
		const char *name = w->list.entry[i].name;
		struct fuse_entry_out e, *got = &w->list.entry[i].e;

		if (!got->nodeid)
			continue;
		assert_int_equal(call_lookup(w->c, 1, name, &e), 0);
		assert_true(e.nodeid == got->nodeid);
		assert_true(e.attr.ino == got->attr.ino && e.attr.mode == got->attr.mode);
		assert_int_equal(w->list.entry[i].type, got->attr.mode >> 12);
		if (SLOT_OF(got->nodeid) != SLOT_OF(call_node(w->c, "/x")))
			assert_int_equal(got->entry_valid + got->entry_valid_nsec, 0);
	}
}

static void test_readdir_without_opendir(void **state)
{
	struct world *w = *state;
	uint64_t fh;

	mount_many(w);
	uint64_t way = call_node(w->c, "/way");
	/* A handle of another directory, or of none, is not one of ours; the server must only stay sane. */
	assert_int_equal(call_read_dir(w->c, FUSE_READDIR, way, 12345, LIST_SIZE, &w->list), 0);
	assert_string_equal(listing_names(&w->list), "to");
	assert_int_equal(call_open(w->c, FUSE_OPENDIR, way, &fh), 0);
	assert_int_equal(call_read_dir_at(w->c, FUSE_READDIR, way, fh, UINT64_MAX, LIST_SIZE, &w->list), 0);
	assert_int_equal(w->list.n, 0);
	assert_int_equal(call_release(w->c, FUSE_RELEASEDIR, way, fh), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_up, world_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_bytes),
		T(test_no_mounts),
		T(test_on_the_way),
		T(test_on_the_way_is_read_only),
		T(test_existing_on_the_way),
		T(test_missing_on_the_way),
		T(test_over_files),
		T(test_negative_entries),
		T(test_every_order),
		T(test_listing_sizes),
		T(test_listing_resumes),
		T(test_listing_while_mounts_change),
		T(test_listing_plus),
		T(test_readdir_without_opendir),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
