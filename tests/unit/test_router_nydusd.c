/* SPDX-License-Identifier: Apache-2.0 */
/* Node ids of nydusd's form: what stands in them, and their 255 mounts. */
#include "server_world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BITS SERVER_NODE_BITS_NYDUSD
#define WIRE(slot, node) ((uint64_t)(slot) << BITS | (node))

static int nydusd_up(void **state)
{
	struct world *w = world_new();

	w->rig->server->node_bits = BITS;
	*state = w;
	return 0;
}

static void test_form(void **state)
{
	struct world *w = *state;
	struct fuse_entry_out a, m, file;
	struct fuse_attr_out attr;
	struct fuse_statx_out sx;

	world_mount(w, "/a/m", 0, "file=0 dir/ dir/low=1");
	world_init(w, 0);
	assert_int_equal(call_lookup(w->c, 1, "a", &a), 0);
	assert_int_equal(a.nodeid, 2);
	assert_int_equal(a.attr.ino, 2);
	assert_int_equal(a.attr.mode, S_IFDIR | 0777);
	assert_int_equal(call_lookup(w->c, 2, "m", &m), 0);
	assert_int_equal(m.nodeid, WIRE(1, 1));
	assert_int_equal(m.attr.ino, WIRE(1, w->t[0].ino + 1));
	assert_int_equal(call_lookup(w->c, m.nodeid, "file", &file), 0);
	assert_int_equal(file.nodeid, WIRE(1, TREE_ID(2)));
	assert_int_equal(call_getattr(w->c, file.nodeid, &attr), 0);
	assert_int_equal(attr.attr.ino, WIRE(1, w->t[0].ino + 2));
	assert_int_equal(call_statx(w->c, file.nodeid, &sx), 0);
	assert_int_equal(sx.stat.ino, attr.attr.ino);
	assert_int_equal(call_list(w->c, FUSE_READDIRPLUS, m.nodeid, LIST_SIZE, &w->list), 0);
	uint32_t i = listing_find(&w->list, "file");
	assert_int_equal(w->list.entry[i].ino, attr.attr.ino);
	assert_int_equal(w->list.entry[i].e.nodeid, file.nodeid);
	check_names(w, "/", "a");
	check_names(w, "/a", "m");
	check_file(w->c, "/a/m/dir/low", "1");
	/* The same number in no mount, in none that is there, and none. */
	assert_int_equal(call_getattr(w->c, TREE_ID(2), &attr), -ESTALE);
	assert_int_equal(call_getattr(w->c, WIRE(2, TREE_ID(2)), &attr), -ESTALE);
	assert_int_equal(call_getattr(w->c, WIRE(255, 1), &attr), -ESTALE);
	assert_int_equal(call_release(w->c, FUSE_RELEASE, WIRE(255, 1), 0), -ESTALE);
	call_forget(w->c, WIRE(255, 1), 1);
	assert_int_equal(call_getattr(w->c, WIRE(1, 0), &attr), -EBADF);
	world_umount(w, "/a/m");
	assert_int_equal(call_getattr(w->c, file.nodeid, &attr), -ESTALE);
}

/* A root that the image gives another number, which some file's own node has: the two change places. */
static void test_root(void **state)
{
	struct world *w = *state;
	struct fuse_entry_out m, file;
	struct fuse_attr_out attr;
	char text[16];
	uint64_t fh;

	world_tree(w, 0, "file=zero dir/ other=1");
	w->t[0].root = TREE_ID(2);
	assert_int_equal(rig_mount(w->rig, "/m", &w->t[0], NULL), 0);
	world_init(w, 0);
	assert_int_equal(call_lookup(w->c, 1, "m", &m), 0);
	assert_int_equal(m.nodeid, WIRE(1, TREE_ID(2)));
	assert_true(S_ISDIR(m.attr.mode));
	assert_int_equal(call_lookup(w->c, m.nodeid, "file", &file), 0);
	assert_int_equal(file.nodeid, WIRE(1, 1));
	assert_true(S_ISREG(file.attr.mode));
	assert_int_equal(call_getattr(w->c, m.nodeid, &attr), 0);
	assert_true(S_ISDIR(attr.attr.mode));
	assert_int_equal(call_open(w->c, FUSE_OPEN, file.nodeid, &fh), 0);
	assert_int_equal(call_read(w->c, file.nodeid, fh, text, sizeof(text)), 0);
	assert_string_equal(text, "zero");
	assert_int_equal(call_release(w->c, FUSE_RELEASE, file.nodeid, fh), 0);
	assert_int_equal(call_node(w->c, "/m/other"), WIRE(1, TREE_ID(4)));
	assert_int_equal(call_copy(w->c, FUSE_COPY_FILE_RANGE, call_node(w->c, "/m/other"), file.nodeid), 0);
	check_names(w, "/m", "dir file other");
	assert_int_equal(call_list(w->c, FUSE_READDIRPLUS, m.nodeid, LIST_SIZE, &w->list), 0);
	assert_int_equal(w->list.entry[listing_find(&w->list, "file")].e.nodeid, file.nodeid);
	/* Something below it, and what it is told of changes. */
	world_mount(w, "/m/dir/deep", 1, "x=2");
	check_file(w->c, "/m/dir/deep/x", "2");
	check_names(w, "/m/dir", "deep");
	/* All is given back under the names that the mount gave: the tree counts. */
	calls_batch_forget_all(w->c);
	assert_int_equal(call_node(w->c, "/m/file"), WIRE(1, 1));
	calls_forget_all(w->c);
	world_umount(w, "/m/dir/deep");
}

static void test_root_at_top(void **state)
{
	struct world *w = *state;
	struct fuse_attr_out top, root;

	world_tree(w, 0, "file=zero");
	w->t[0].root = 128;
	assert_int_equal(rig_mount(w->rig, "/", &w->t[0], NULL), 0);
	world_init(w, 0);
	assert_int_equal(call_getattr(w->c, 1, &top), 0);
	assert_int_equal(call_getattr(w->c, WIRE(1, 128), &root), 0);
	assert_int_equal(top.attr.ino, root.attr.ino);
	assert_int_equal(top.attr.ino >> BITS, 1);
	assert_int_equal(call_node(w->c, "/file"), WIRE(1, TREE_ID(2)));
	check_file(w->c, "/file", "zero");
}

static void test_wide_root(void **state)
{
	struct world *w = *state;
	struct graft_error err = { 0 };

	world_tree(w, 0, "");
	w->t[0].root = MOUNT_NODE_MASK + 1;
	assert_int_equal(rig_mount(w->rig, "/m", &w->t[0], &err), -EOVERFLOW);
	w->t[0].root = MOUNT_NODE_MASK;
	assert_int_equal(rig_mount(w->rig, "/m", &w->t[0], &err), 0);
	world_init(w, 0);
	assert_int_equal(call_node(w->c, "/m"), WIRE(1, MOUNT_NODE_MASK));
}

/* Mounts enough trees to fill what there is; the caller's trees. */
static void fill(struct world *w, struct tree *trees, uint32_t n)
{
	char at[16];

	for (uint32_t i = 0; i < n; i++) {
		tree_init(&trees[i], "file=x");
		snprintf(at, sizeof(at), "/m%u", i + 1);
		assert_int_equal(rig_mount(w->rig, at, &trees[i], NULL), 0);
	}
}

static void wait_for_mounts(struct world *w, struct tree *t, const char *at)
{
	struct graft_error err = { 0 };

	/* A slot is free when the sweep has seen it. */
	for (int i = 0; i < 2000; i++) {
		int res = rig_mount(w->rig, at, t, &err);

		if (!res)
			return;
		assert_int_equal(res, -ENOSPC);
		usleep(1000);
	}
	fail_msg("%s: %s", at, err.text);
}

static void test_limit(void **state)
{
	static struct tree trees[255];
	struct world *w = *state;
	struct graft_error err = { 0 };

	world_init(w, 0);
	assert_int_equal(mounts_next_slot(w->rig->server), 1);
	fill(w, trees, 255);
	world_tree(w, 0, "file=last");
	assert_int_equal(rig_mount(w->rig, "/more", &w->t[0], &err), -ENOSPC);
	assert_string_equal(err.text,
			    "VFS failed to handle request, FsIndex(Custom { kind: Other, error: \"vfs maximum "
			    "mountpoints reached\" })");
	check_error(w->c, "/more", -ENOENT);
	assert_int_equal(SLOT_OF(call_node(w->c, "/m255")), WIRE(255, 1) >> GRAFT_NODE_BITS);
	/* What a client knows of a mount keeps its number. */
	check_file(w->c, "/m77/file", "x");
	world_umount(w, "/m77");
	assert_int_equal(rig_mount(w->rig, "/more", &w->t[0], &err), -ENOSPC);
	calls_forget_all(w->c);
	wait_for_mounts(w, &w->t[0], "/more");
	assert_int_equal(call_node(w->c, "/more"), WIRE(77, 1));
	check_file(w->c, "/more/file", "last");
	calls_forget_all(w->c);
	for (uint32_t i = 0; i < 255; i++) {
		char at[16];

		snprintf(at, sizeof(at), "/m%u", i + 1);
		assert_int_equal(rig_umount(w->rig, at), i == 76 ? -ENOENT : 0);
		tree_check_empty(&trees[i]);
		tree_fini(&trees[i]);
	}
}

/* The slots come in turn, not the lowest first; where the turn stands can be given. */
static void test_in_turn(void **state)
{
	struct world *w = *state;
	struct graft_error err = { 0 };

	world_init(w, 0);
	world_mount(w, "/a", 0, "");
	world_mount(w, "/b", 1, "");
	world_umount(w, "/a");
	world_mount(w, "/c", 2, "");
	assert_int_equal(call_node(w->c, "/c"), WIRE(3, 1));
	assert_int_equal(mounts_next_slot(w->rig->server), 4);
	assert_int_equal(mounts_set_next_slot(w->rig->server, 257, &err), -EINVAL);
	assert_int_equal(mounts_set_next_slot(w->rig->server, 255, &err), 0);
	world_mount(w, "/d", 3, "");
	assert_int_equal(call_node(w->c, "/d"), WIRE(255, 1));
	assert_int_equal(mounts_next_slot(w->rig->server), 256);
	world_mount(w, "/e", 4, "");
	assert_int_equal(call_node(w->c, "/e"), WIRE(1, 1));
	/* One that is told which to take does not change the turn. */
	world_tree(w, 5, "");
	assert_int_equal(rig_mount_slot(w->rig, "/f", &w->t[5], 256, &err), -EBUSY);
	assert_int_equal(rig_mount_slot(w->rig, "/f", &w->t[5], 200, &err), 0);
	assert_int_equal(mounts_next_slot(w->rig->server), 2);
	assert_int_equal(mounts_set_next_slot(w->rig->server, 0, &err), 0);
	world_mount(w, "/g", 6, "");
	assert_int_equal(call_node(w->c, "/g"), WIRE(4, 1));
}

/* With our own form there is no turn. */
static void test_no_turn(void **state)
{
	struct world *w = *state;
	struct graft_error err = { 0 };

	world_init(w, 0);
	assert_int_equal(mounts_set_next_slot(w->rig->server, 5, &err), -EOPNOTSUPP);
	world_mount(w, "/a", 0, "");
	assert_int_equal(mounts_next_slot(w->rig->server), 0);
	world_tree(w, 1, "");
	w->t[1].root = 128;
	assert_int_equal(rig_mount(w->rig, "/b", &w->t[1], &err), 0);
	assert_int_equal(call_node(w->c, "/b"), 2ull << GRAFT_NODE_BITS | GRAFT_ROOT_NODE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_form, nydusd_up, world_down),
		cmocka_unit_test_setup_teardown(test_root, nydusd_up, world_down),
		cmocka_unit_test_setup_teardown(test_root_at_top, nydusd_up, world_down),
		cmocka_unit_test_setup_teardown(test_wide_root, nydusd_up, world_down),
		cmocka_unit_test_setup_teardown(test_limit, nydusd_up, world_down),
		cmocka_unit_test_setup_teardown(test_in_turn, nydusd_up, world_down),
		cmocka_unit_test_setup_teardown(test_no_turn, world_up, world_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
