/* SPDX-License-Identifier: Apache-2.0 */
/* Changes at and across mount points: what is refused with which error, and what still reaches the right mount. */
#include "server_world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void mount_three(struct world *w)
{
	world_mount(w, "/", 0, "a/ a/file=1 a/sub/ a/sub/deep/ a/other/ free/ file=0");
	world_mount(w, "/a/sub/deep", 1, "inner=2 dir/");
	world_mount(w, "/a/made", 2, "inner=3");
	world_init(w, 0);
}

static void test_new_names(void **state)
{
	static const uint32_t makes[] = { FUSE_MKDIR, FUSE_MKNOD, FUSE_CREATE, FUSE_SYMLINK };
	struct world *w = *state;

	mount_three(w);
	uint64_t a = call_node(w->c, "/a"), sub = call_node(w->c, "/a/sub"), file = call_node(w->c, "/a/file");
	for (size_t i = 0; i < sizeof(makes) / sizeof(makes[0]); i++) {
		assert_int_equal(call_make(w->c, makes[i], a, "made", NULL), -EEXIST);
		assert_int_equal(call_make(w->c, makes[i], sub, "deep", NULL), -EEXIST);
	}
	assert_int_equal(call_link(w->c, file, a, "made"), -EEXIST);
	assert_int_equal(w->t[0].changes, 0);
	for (size_t i = 0; i < sizeof(makes) / sizeof(makes[0]); i++) {
		char name[8];

		snprintf(name, sizeof(name), "n%zu", i);
		assert_int_equal(call_make(w->c, makes[i], a, name, NULL), 0);
	}
	assert_int_equal(call_link(w->c, file, a, "linked"), 0);
	check_names(w, "/a", "file linked made n0 n1 n2 n3 other sub");
	/* The file that CREATE opened. */
	assert_int_equal(call_release(w->c, FUSE_RELEASE, call_node(w->c, "/a/n2"), 1), 0);
}

static void test_removing(void **state)
{
	struct world *w = *state;

	mount_three(w);
	uint64_t a = call_node(w->c, "/a"), sub = call_node(w->c, "/a/sub");
	/* Mount points, and what leads to them. */
	assert_int_equal(call_remove(w->c, FUSE_RMDIR, sub, "deep"), -EBUSY);
	assert_int_equal(call_remove(w->c, FUSE_UNLINK, sub, "deep"), -EBUSY);
	assert_int_equal(call_remove(w->c, FUSE_RMDIR, a, "made"), -EBUSY);
	assert_int_equal(call_remove(w->c, FUSE_UNLINK, a, "made"), -EBUSY);
	assert_int_equal(call_remove(w->c, FUSE_RMDIR, a, "sub"), -EBUSY);
	assert_int_equal(call_remove(w->c, FUSE_RMDIR, 1, "a"), -EBUSY);
	assert_int_equal(w->t[0].changes, 0);
	/* Everything else. */
	assert_int_equal(call_remove(w->c, FUSE_RMDIR, a, "other"), 0);
	assert_int_equal(call_remove(w->c, FUSE_UNLINK, a, "file"), 0);
	assert_int_equal(call_remove(w->c, FUSE_UNLINK, call_node(w->c, "/a/made"), "inner"), 0);
	assert_int_equal(w->t[0].changes, 2);
	assert_int_equal(w->t[2].changes, 1);
	/* Free again with the mount's end. */
	world_umount(w, "/a/sub/deep");
	assert_int_equal(call_remove(w->c, FUSE_RMDIR, sub, "deep"), 0);
	assert_int_equal(call_remove(w->c, FUSE_RMDIR, a, "sub"), 0);
	check_names(w, "/a", "made");
}

static void test_renaming(void **state)
{
	static const uint32_t opcodes[] = { FUSE_RENAME, FUSE_RENAME2 };
	struct world *w = *state;

	mount_three(w);
	uint64_t a = call_node(w->c, "/a"), sub = call_node(w->c, "/a/sub"), other = call_node(w->c, "/free");
	for (int i = 0; i < 2; i++) {
		uint32_t op = opcodes[i];

		assert_int_equal(call_rename(w->c, op, sub, "deep", other, "x", 0), -EBUSY);
		assert_int_equal(call_rename(w->c, op, a, "made", other, "x", 0), -EBUSY);
		assert_int_equal(call_rename(w->c, op, a, "sub", other, "x", 0), -EBUSY);
		assert_int_equal(call_rename(w->c, op, 1, "a", other, "x", 0), -EBUSY);
		/* As the target. */
		assert_int_equal(call_rename(w->c, op, a, "file", sub, "deep", 0), -EBUSY);
		assert_int_equal(call_rename(w->c, op, a, "file", a, "made", 0), -EBUSY);
		assert_int_equal(call_rename(w->c, op, a, "other", a, "sub", 0), -EBUSY);
		assert_int_equal(w->t[0].changes, (unsigned)i);
		assert_int_equal(call_rename(w->c, op, i ? other : a, i ? "moved" : "file", i ? a : other,
					     i ? "file" : "moved", 0),
				 0);
	}
	check_names(w, "/a", "file made other sub");
	check_names(w, "/", "a file free");
}

static void test_across_mounts(void **state)
{
	struct world *w = *state;

	mount_three(w);
	uint64_t a = call_node(w->c, "/a"), file = call_node(w->c, "/a/file");
	uint64_t deep = call_node(w->c, "/a/sub/deep"), inner = call_node(w->c, "/a/sub/deep/inner");
	uint64_t made = call_node(w->c, "/a/made");

	assert_int_equal(call_rename(w->c, FUSE_RENAME, a, "file", deep, "x", 0), -EXDEV);
	assert_int_equal(call_rename(w->c, FUSE_RENAME2, deep, "inner", made, "x", 0), -EXDEV);
	assert_int_equal(call_rename(w->c, FUSE_RENAME2, deep, "inner", a, "x", 0), -EXDEV);
	assert_int_equal(call_link(w->c, file, deep, "x"), -EXDEV);
	assert_int_equal(call_link(w->c, inner, a, "x"), -EXDEV);
	assert_int_equal(call_copy(w->c, FUSE_COPY_FILE_RANGE, file, inner), -EXDEV);
	assert_int_equal(call_copy(w->c, GRAFT_OP_COPY_FILE_RANGE_64, inner, file), -EXDEV);
	assert_int_equal(w->t[0].changes + w->t[1].changes + w->t[2].changes, 0);
	/* Within one it is the plugin's. */
	assert_int_equal(call_copy(w->c, FUSE_COPY_FILE_RANGE, inner, inner), 0);
	assert_int_equal(call_copy(w->c, GRAFT_OP_COPY_FILE_RANGE_64, file, file), 0);
	assert_int_equal(call_rename(w->c, FUSE_RENAME, deep, "inner", deep, "outer", 0), 0);
	assert_int_equal(w->t[1].changes, 2);
}

/* Directories on the way belong to no mount. */
static void test_across_the_way(void **state)
{
	struct world *w = *state;

	world_mount(w, "/way/m", 0, "file=1 dir/");
	world_init(w, 0);
	uint64_t way = call_node(w->c, "/way"), m = call_node(w->c, "/way/m"), file = call_node(w->c, "/way/m/file");
	int res = call_rename(w->c, FUSE_RENAME, m, "file", way, "x", 0);
	assert_true(res == -EXDEV || res == -EROFS);
	res = call_link(w->c, file, way, "x");
	assert_true(res == -EXDEV || res == -EROFS);
	res = call_rename(w->c, FUSE_RENAME, way, "m", m, "x", 0);
	assert_true(res == -EBUSY || res == -EXDEV);
	res = call_rename(w->c, FUSE_RENAME2, way, "none", m, "x", 0);
	assert_true(res < 0);
	assert_int_equal(w->t[0].changes, 0);
}

static void test_statfs(void **state)
{
	struct world *w = *state;
	uint64_t blocks;

	mount_three(w);
	assert_int_equal(call_statfs(w->c, 1, &blocks), 0);
	assert_int_equal(blocks, 1001);
	assert_int_equal(call_statfs(w->c, call_node(w->c, "/a"), &blocks), 0);
	assert_int_equal(blocks, 1001);
	assert_int_equal(call_statfs(w->c, call_node(w->c, "/a/sub/deep"), &blocks), 0);
	assert_int_equal(blocks, 2001);
	assert_int_equal(call_statfs(w->c, call_node(w->c, "/a/made/inner"), &blocks), 0);
	assert_int_equal(blocks, 3001);
	assert_int_equal(w->t[0].statfs, 2);
	assert_int_equal(w->t[1].statfs, 1);
	assert_int_equal(w->t[2].statfs, 1);
}

/* One super block for all: the client can only name the root, and means everything. */
static void test_syncfs_of_all(void **state)
{
	struct world *w = *state;

	mount_three(w);
	assert_int_equal(call_syncfs(w->c, 1), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(w->t[i].syncfs, 1);
}

static void test_syncfs_of_submounts(void **state)
{
	struct world *w = *state;

	w->rig->keys[CONFIG_KEY_SUBMOUNTS] = CONFIG_FLAG_ALWAYS;
	world_mount(w, "/", 0, "a/");
	world_mount(w, "/a/m", 1, "x=1");
	world_init(w, FUSE_SUBMOUNTS);
	assert_int_equal(call_syncfs(w->c, call_node(w->c, "/a/m")), 0);
	assert_int_equal(w->t[0].syncfs, 0);
	assert_int_equal(w->t[1].syncfs, 1);
	assert_int_equal(call_syncfs(w->c, 1), 0);
	assert_int_equal(w->t[0].syncfs, 1);
}

/* The name a client made while somebody mounted over it, and the other way around. */
static void test_mount_over_new_name(void **state)
{
	struct world *w = *state;
	struct fuse_entry_out e;

	world_mount(w, "/", 0, "");
	world_init(w, 0);
	assert_int_equal(call_make(w->c, FUSE_MKDIR, 1, "a", &e), 0);
	assert_int_equal(call_make(w->c, FUSE_MKDIR, e.nodeid, "b", NULL), 0);
	world_mount(w, "/a/b/c", 1, "inner=1");
	check_file(w->c, "/a/b/c/inner", "1");
	assert_int_equal(call_remove(w->c, FUSE_RMDIR, e.nodeid, "b"), -EBUSY);
	world_umount(w, "/a/b/c");
	assert_int_equal(call_remove(w->c, FUSE_RMDIR, e.nodeid, "b"), 0);
	assert_int_equal(call_remove(w->c, FUSE_RMDIR, 1, "a"), 0);
	check_names(w, "/", "");
}

/* A directory that leads to a mount when the mount comes, and only then is made by another way: it stays covered. */
static void test_directory_appears_under_the_way(void **state)
{
	struct world *w = *state;

	world_mount(w, "/", 0, "");
	world_init(w, 0);
	world_mount(w, "/a/m", 1, "inner=1");
	pthread_mutex_lock(&w->t[0].lock);
	w->t[0].nodes[2] = (struct tree_node){ .parent = 1, .mode = 0040755, .name = "a" };
	pthread_mutex_unlock(&w->t[0].lock);
	check_names(w, "/", "a");
	check_file(w->c, "/a/m/inner", "1");
	world_umount(w, "/a/m");
	check_names(w, "/", "a");
	check_names(w, "/a", "");
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_up, world_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_new_names),
		T(test_removing),
		T(test_renaming),
		T(test_across_mounts),
		T(test_across_the_way),
		T(test_statfs),
		T(test_syncfs_of_all),
		T(test_syncfs_of_submounts),
		T(test_mount_over_new_name),
		T(test_directory_appears_under_the_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
