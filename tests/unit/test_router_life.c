/* SPDX-License-Identifier: Apache-2.0 */
/* Mounts that go while clients hold them: stale nodes, waiting requests, slots, replacement, and mounts that fail. */
#include "server_world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void test_umount(void **state)
{
	struct world *w = *state;
	struct fuse_attr_out attr;
	struct fuse_entry_out e;
	char text[16];
	uint64_t fh, dh, blocks;

	world_mount(w, "/", 0, "a/");
	world_mount(w, "/a/m", 1, "dir/ dir/file=1");
	world_init(w, 0);
	uint64_t m = call_node(w->c, "/a/m"), dir = call_node(w->c, "/a/m/dir"), file = call_node(w->c, "/a/m/dir/file");
	assert_int_equal(call_open(w->c, FUSE_OPEN, file, &fh), 0);
	assert_int_equal(call_open(w->c, FUSE_OPENDIR, dir, &dh), 0);
	world_umount(w, "/a/m");
	check_error(w->c, "/a/m", -ENOENT);
	check_names(w, "/a", "");
	assert_int_equal(call_getattr(w->c, m, &attr), -ESTALE);
	assert_int_equal(call_getattr(w->c, file, &attr), -ESTALE);
	assert_int_equal(call_lookup(w->c, m, "dir", &e), -ESTALE);
	assert_int_equal(call_lookup(w->c, dir, "file", &e), -ESTALE);
	assert_int_equal(call_read(w->c, file, fh, text, sizeof(text)), -ESTALE);
	assert_int_equal(call_read_dir(w->c, FUSE_READDIR, dir, dh, LIST_SIZE, &w->list), -ESTALE);
	assert_int_equal(call_open(w->c, FUSE_OPEN, file, &fh), -ESTALE);
	assert_int_equal(call_make(w->c, FUSE_MKDIR, m, "x", NULL), -ESTALE);
	assert_int_equal(call_statfs(w->c, m, &blocks), -ESTALE);
	/* What only gives back. */
	call_release(w->c, FUSE_RELEASE, file, fh);
	call_release(w->c, FUSE_RELEASEDIR, dir, dh);
	calls_forget_all(w->c);
	wait_for_count(&w->t[1].destroys, 1);
	tree_check_empty(&w->t[1]);
	assert_int_equal(rig_umount(w->rig, "/a/m"), -ENOENT);
	assert_int_equal(rig_count_mounts(w->rig), 1);
}

static void check_invalid(struct rig *rig, uint64_t *nodes, uint32_t n)
{
	pthread_mutex_lock(&rig->notices_lock);
	assert_int_equal(rig->ninvalid, n);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t k = 0;

		while (k < n && rig->invalid[k] != nodes[i])
			k++;
		assert_true(k < n);
	}
	rig->ninvalid = 0;
	pthread_mutex_unlock(&rig->notices_lock);
}

/* A client on /dev/fuse is told of every file it holds, and of no other. */
static void test_umount_tells(void **state)
{
	struct world *w = *state;
	struct rig *host = rig_connect(w->rig, GRAFT_DEV_FUSE);
	struct calls *c = calls_new(host);
	uint64_t nodes[8];

	world_mount(w, "/m", 0, "a=1 b=2 dir/ dir/c=3 dir/d=4");
	world_mount(w, "/other", 1, "x=1");
	world_init(w, 0);
	assert_int_equal(rig_init(host, 0), 0);
	call_node(w->c, "/m/dir/d");
	call_node(c, "/other/x");
	nodes[0] = call_node(c, "/m");
	nodes[1] = call_node(c, "/m/a");
	uint64_t b = call_node(c, "/m/b");
	nodes[2] = call_node(c, "/m/dir");
	nodes[3] = call_node(c, "/m/dir/c");
	/* Two look-ups, of which one is given back; and all. */
	call_node(c, "/m/a");
	calls_drop(c);
	call_forget(c, nodes[1], 1);
	call_forget(c, b, 1);
	world_umount(w, "/m");
	check_invalid(host, nodes, 4);
	/* A listing gives look-ups, too. */
	world_mount(w, "/n", 2, "a=1 b=2");
	nodes[0] = call_node(c, "/n");
	assert_int_equal(call_list(c, FUSE_READDIRPLUS, nodes[0], LIST_SIZE, &w->list), 0);
	nodes[1] = w->list.entry[listing_find(&w->list, "a")].e.nodeid;
	nodes[2] = w->list.entry[listing_find(&w->list, "b")].e.nodeid;
	world_umount(w, "/n");
	check_invalid(host, nodes, 3);
	world_mount(w, "/o", 3, "a=1");
	call_node(c, "/o/a");
	calls_batch_forget_all(c);
	world_umount(w, "/o");
	check_invalid(host, nodes, 0);
	calls_free(c);
	rig_free(host);
}

/* A number that a client still holds must not name something new. */
static void test_slots_are_kept_for_who_holds_them(void **state)
{
	struct world *w = *state;
	struct fuse_attr_out attr;

	world_init(w, 0);
	world_mount(w, "/m", 0, "file=0");
	uint64_t first = call_node(w->c, "/m"), file = call_node(w->c, "/m/file");
	world_umount(w, "/m");
	for (int i = 1; i < 4; i++) {
		world_mount(w, "/m", 1, "file=1");
		assert_int_not_equal(SLOT_OF(call_node(w->c, "/m")), SLOT_OF(first));
		check_file(w->c, "/m/file", "1");
		assert_int_equal(call_getattr(w->c, first, &attr), -ESTALE);
		assert_int_equal(call_getattr(w->c, file, &attr), -ESTALE);
		world_umount(w, "/m");
		wait_for_count(&w->t[1].destroys, 1);
	}
	calls_forget_all(w->c);
	/* All was forgotten: numbers are used again, so that they last. */
	uint64_t seen = 0;
	for (int i = 0; i < 8; i++) {
		world_mount(w, "/m", 1, "file=1");
		uint64_t slot = SLOT_OF(call_node(w->c, "/m"));

		assert_true(slot < 64);
		seen |= 1ull << slot;
		world_umount(w, "/m");
		calls_forget_all(w->c);
		wait_for_count(&w->t[1].destroys, 1);
	}
	assert_true(__builtin_popcountll(seen) <= 3);
}

/* A file that was open when its mount went: after its RELEASE nothing keeps the number either. */
static void test_slots_of_open_files(void **state)
{
	struct world *w = *state;
	uint64_t fh, dh, slots = 0;

	world_init(w, 0);
	for (int i = 0; i < 8; i++) {
		world_mount(w, "/m", 0, "file=0 dir/");
		uint64_t file = call_node(w->c, "/m/file"), dir = call_node(w->c, "/m/dir");

		assert_true(SLOT_OF(file) < 64);
		slots |= 1ull << SLOT_OF(file);
		assert_int_equal(call_open(w->c, FUSE_OPEN, file, &fh), 0);
		assert_int_equal(call_open(w->c, FUSE_OPENDIR, dir, &dh), 0);
		world_umount(w, "/m");
		call_release(w->c, FUSE_RELEASE, file, fh);
		call_release(w->c, FUSE_RELEASEDIR, dir, dh);
		calls_forget_all(w->c);
		wait_for_count(&w->t[0].destroys, 1);
	}
	assert_true(__builtin_popcountll(slots) <= 3);
}

/* Numbers are used again at once by a client that forgets, so that they never run out. */
static void test_slots_last(void **state)
{
	struct world *w = *state;

	world_mount(w, "/", 0, "");
	world_init(w, 0);
	for (int i = 0; i < 2000; i++) {
		assert_int_equal(rig_mount(w->rig, "/m", &w->t[1], NULL), 0);
		if (i % 10 == 0)
			assert_true(SLOT_OF(call_node(w->c, "/m")) < 256);
		world_umount(w, "/m");
		calls_forget_all(w->c);
	}
	tree_check_empty(&w->t[1]);
}

/* The instance ends after the last request that is inside, not before. */
static void test_umount_under_a_request(void **state)
{
	struct world *w = *state;
	struct rig_request *q = rig_request_new();
	struct fuse_read_in in = { .size = 100 };
	uint64_t fh;

	world_mount(w, "/m", 0, "file=1");
	world_init(w, 0);
	uint64_t file = call_node(w->c, "/m/file");
	assert_int_equal(call_open(w->c, FUSE_OPEN, file, &fh), 0);
	w->t[0].wait = TREE_WAIT_STUBBORN;
	rig_fill(w->rig, q, FUSE_READ, file, &in, sizeof(in), NULL, 0, RIG_ROOM);
	assert_true(rig_serve(w->rig, q));
	assert_int_equal(tree_waiting(&w->t[0]), 1);
	world_umount(w, "/m");
	check_error(w->c, "/m", -ENOENT);
	usleep(20000);
	assert_int_equal(w->t[0].destroys, 0);
	assert_false(q->done);
	tree_release(&w->t[0], 0);
	rig_wait(q);
	call_release(w->c, FUSE_RELEASE, file, fh);
	wait_for_count(&w->t[0].destroys, 1);
	rig_request_free(q);
}

/* Who awaits an umount finds the instance ended, or goes on when somebody stays inside, or when it was refused. */
static void test_umount_awaited(void **state)
{
	struct world *w = *state;
	struct rig_request *q = rig_request_new();
	struct fuse_read_in in = { .size = 100 };
	uint64_t fh;

	world_mount(w, "/m", 0, "file=1");
	world_mount(w, "/n", 1, "file=1");
	world_init(w, 0);
	uint64_t file = call_node(w->c, "/n/file");
	assert_int_equal(rig_umount_await(w->rig, "/m", false, 60000), 0);
	assert_int_equal(w->t[0].destroys, 1);
	assert_int_equal(rig_umount_await(w->rig, "/m", false, 60000), -ENOENT);
	assert_int_equal(call_open(w->c, FUSE_OPEN, file, &fh), 0);
	assert_int_equal(rig_umount_await(w->rig, "/n", true, 60000), -EBUSY);
	w->t[1].wait = TREE_WAIT_STUBBORN;
	rig_fill(w->rig, q, FUSE_READ, file, &in, sizeof(in), NULL, 0, RIG_ROOM);
	assert_true(rig_serve(w->rig, q));
	assert_int_equal(rig_umount_await(w->rig, "/n", false, 20), 0);
	assert_int_equal(w->t[1].destroys, 0);
	tree_release(&w->t[1], 0);
	rig_wait(q);
	call_release(w->c, FUSE_RELEASE, file, fh);
	wait_for_count(&w->t[1].destroys, 1);
	rig_request_free(q);
}

static void test_umount_cancels(void **state)
{
	struct world *w = *state;
	struct rig_request *q[TREE_WAITING];
	struct fuse_read_in in = { .size = 100 };
	uint64_t fh, other;

	world_mount(w, "/m", 0, "file=1");
	world_mount(w, "/n", 1, "file=1");
	world_init(w, 0);
	uint64_t file = call_node(w->c, "/m/file"), kept = call_node(w->c, "/n/file");
	assert_int_equal(call_open(w->c, FUSE_OPEN, file, &fh), 0);
	assert_int_equal(call_open(w->c, FUSE_OPEN, kept, &other), 0);
	w->t[0].wait = w->t[1].wait = TREE_WAIT_CANCEL;
	for (int i = 0; i < TREE_WAITING; i++) {
		q[i] = rig_request_new();
		rig_fill(w->rig, q[i], FUSE_READ, i ? file : kept, &in, sizeof(in), NULL, 0, RIG_ROOM);
		assert_true(rig_serve(w->rig, q[i]));
	}
	world_umount(w, "/m");
	for (int i = 1; i < TREE_WAITING; i++) {
		rig_wait(q[i]);
		int res = rig_error(q[i]);
		assert_true(res == -EINTR || res == -ESTALE);
	}
	/* Another mount's goes on waiting. */
	assert_int_equal(tree_waiting(&w->t[1]), 1);
	assert_int_equal(w->t[1].cancels, 0);
	tree_release(&w->t[1], 0);
	rig_wait(q[0]);
	assert_int_equal(rig_error(q[0]), 0);
	wait_for_count(&w->t[0].destroys, 1);
	call_release(w->c, FUSE_RELEASE, kept, other);
	for (int i = 0; i < TREE_WAITING; i++)
		rig_request_free(q[i]);
}

static void test_remount(void **state)
{
	struct world *w = *state;
	char text[16];
	uint64_t fh, dh;

	world_mount(w, "/", 0, "a/");
	world_mount(w, "/a/m", 1, "file=old dir/ dir/x=1");
	world_init(w, 0);
	uint64_t file = call_node(w->c, "/a/m/file"), dir = call_node(w->c, "/a/m/dir"), m = call_node(w->c, "/a/m");
	assert_int_equal(call_open(w->c, FUSE_OPEN, file, &fh), 0);
	assert_int_equal(call_open(w->c, FUSE_OPENDIR, dir, &dh), 0);
	world_tree(w, 2, "file=new");
	assert_int_equal(rig_remount(w->rig, "/a/m", &w->t[2], NULL), 0);
	/* What is open reads on, what is held can still be asked. */
	assert_int_equal(call_read(w->c, file, fh, text, sizeof(text)), 0);
	assert_string_equal(text, "old");
	assert_int_equal(call_read_dir(w->c, FUSE_READDIR, dir, dh, LIST_SIZE, &w->list), 0);
	assert_string_equal(listing_names(&w->list), "x");
	struct fuse_attr_out attr;
	assert_int_equal(call_getattr(w->c, m, &attr), 0);
	/* Who looks now sees the new one. */
	check_file(w->c, "/a/m/file", "new");
	check_names(w, "/a/m", "file");
	assert_int_not_equal(SLOT_OF(call_node(w->c, "/a/m")), SLOT_OF(m));
	assert_int_equal(rig_count_mounts(w->rig), 2);
	assert_int_equal(w->t[1].destroys, 0);
	assert_int_equal(call_release(w->c, FUSE_RELEASE, file, fh), 0);
	assert_int_equal(call_release(w->c, FUSE_RELEASEDIR, dir, dh), 0);
	calls_forget_all(w->c);
	wait_for_count(&w->t[1].destroys, 1);
	tree_check_empty(&w->t[1]);
	check_file(w->c, "/a/m/file", "new");
	assert_int_equal(rig_remount(w->rig, "/nothing", &w->t[3], NULL), -ENOENT);
	assert_int_equal(w->t[3].creates, w->t[3].destroys);
}

/* Mounts below a replaced one stay. */
static void test_remount_above(void **state)
{
	struct world *w = *state;

	world_mount(w, "/a", 0, "b/ b/x=0");
	world_mount(w, "/a/b", 1, "inner=1");
	world_mount(w, "/a/c", 2, "inner=2");
	world_init(w, 0);
	check_names(w, "/a", "b c");
	world_tree(w, 3, "file=3 c/ c/x=0");
	assert_int_equal(rig_remount(w->rig, "/a", &w->t[3], NULL), 0);
	check_names(w, "/a", "b c file");
	check_file(w->c, "/a/b/inner", "1");
	check_file(w->c, "/a/c/inner", "2");
	calls_forget_all(w->c);
	wait_for_count(&w->t[0].destroys, 1);
	world_umount(w, "/a");
	check_names(w, "/a", "b c");
	check_file(w->c, "/a/c/inner", "2");
}

/* A remount that is refused leaves the old one as it was. */
static void test_remount_fails(void **state)
{
	struct world *w = *state;
	struct graft_error err = { 0 };
	char text[16];
	uint64_t fh;

	world_mount(w, "/m", 0, "file=old");
	world_init(w, 0);
	uint64_t file = call_node(w->c, "/m/file");
	assert_int_equal(call_open(w->c, FUSE_OPEN, file, &fh), 0);
	world_tree(w, 1, "file=new")->create_error = -EIO;
	assert_int_equal(rig_remount(w->rig, "/m", &w->t[1], &err), -EIO);
	assert_non_null(strstr(err.text, "does not grow"));
	world_tree(w, 2, "file=new")->start_error = -EPERM;
	assert_int_equal(rig_remount(w->rig, "/m", &w->t[2], NULL), -EPERM);
	world_tree(w, 3, "file=new")->session_error = -ENOMEM;
	assert_int_equal(rig_remount(w->rig, "/m", &w->t[3], NULL), -ENOMEM);
	assert_int_equal(call_read(w->c, file, fh, text, sizeof(text)), 0);
	assert_string_equal(text, "old");
	check_file(w->c, "/m/file", "old");
	assert_int_equal(call_release(w->c, FUSE_RELEASE, file, fh), 0);
	for (int i = 1; i < 4; i++)
		tree_check_empty(&w->t[i]);
}

/* "/" goes and comes under clients that have it open. */
static void test_root_comes_and_goes(void **state)
{
	struct world *w = *state;
	uint64_t fh;

	world_mount(w, "/", 0, "file=0 a/");
	world_mount(w, "/a/m", 1, "inner=1");
	world_init(w, 0);
	assert_int_equal(call_open(w->c, FUSE_OPENDIR, 1, &fh), 0);
	assert_int_equal(call_read_dir(w->c, FUSE_READDIR, 1, fh, LIST_SIZE, &w->list), 0);
	assert_string_equal(listing_names(&w->list), "a file");
	world_umount(w, "/");
	check_names(w, "/", "a");
	check_names(w, "/a", "m");
	check_file(w->c, "/a/m/inner", "1");
	check_error(w->c, "/file", -ENOENT);
	/* The open directory: what was read through it may be stale, but neither hangs nor names a wrong file. */
	int res = call_read_dir(w->c, FUSE_READDIR, 1, fh, LIST_SIZE, &w->list);
	assert_true(res == -ESTALE || (!res && !strcmp(listing_names(&w->list), "a")));
	world_mount(w, "/", 2, "second=2");
	check_names(w, "/", "a second");
	check_file(w->c, "/second", "2");
	world_tree(w, 3, "third=3");
	uint64_t second;
	assert_int_equal(call_open(w->c, FUSE_OPENDIR, 1, &second), 0);
	assert_int_equal(rig_remount(w->rig, "/", &w->t[3], NULL), 0);
	check_names(w, "/", "a third");
	check_file(w->c, "/a/m/inner", "1");
	call_release(w->c, FUSE_RELEASEDIR, 1, second);
	call_release(w->c, FUSE_RELEASEDIR, 1, fh);
	calls_forget_all(w->c);
	wait_for_count(&w->t[2].destroys, 1);
	tree_check_empty(&w->t[0]);
	tree_check_empty(&w->t[2]);
}

static void test_strict(void **state)
{
	struct world *w = *state;
	struct graft_error err = { 0 };
	uint64_t fh;

	world_mount(w, "/m", 0, "file=1 dir/");
	world_init(w, 0);
	/* Held by nobody. */
	world_mount(w, "/n", 1, "");
	assert_int_equal(rig_umount_strict(w->rig, "/n", &err), 0);
	uint64_t file = call_node(w->c, "/m/file");
	assert_int_equal(rig_umount_strict(w->rig, "/m", &err), -EBUSY);
	assert_non_null(strpbrk(err.text, "123456789"));
	assert_int_equal(call_open(w->c, FUSE_OPEN, file, &fh), 0);
	assert_int_equal(rig_umount_strict(w->rig, "/m", &err), -EBUSY);
	check_file(w->c, "/m/file", "1");
	assert_int_equal(call_release(w->c, FUSE_RELEASE, file, fh), 0);
	assert_int_equal(rig_umount_strict(w->rig, "/m", &err), -EBUSY);
	calls_forget_all(w->c);
	err = (struct graft_error){ 0 };
	int res = rig_umount_strict(w->rig, "/m", &err);
	if (res)
		fail_msg("%s", err.text);
	assert_int_equal(rig_umount_strict(w->rig, "/m", &err), -ENOENT);
}

static int find_mount(const struct mount_info *info, void *found)
{
	*(struct mount_info *)found = *info;
	return strcmp(info->at, "/m") == 0;
}

static void test_counts(void **state)
{
	struct world *w = *state;
	struct mount_info info;
	uint64_t fh, dh;

	world_mount(w, "/m", 0, "file=1 dir/");
	world_init(w, 0);
	assert_int_equal(mounts_each(w->rig->server, find_mount, &info), 1);
	assert_int_equal(info.nodes, 0);
	assert_int_equal(info.handles, 0);
	assert_string_equal(info.type, "tree");
	assert_true(info.slot > 0 && info.since > 1000000000000000000ull && info.stats && info.nkeys >= 2);
	uint64_t file = call_node(w->c, "/m/file"), dir = call_node(w->c, "/m/dir");
	assert_int_equal(call_open(w->c, FUSE_OPEN, file, &fh), 0);
	assert_int_equal(call_open(w->c, FUSE_OPENDIR, dir, &dh), 0);
	assert_int_equal(mounts_each(w->rig->server, find_mount, &info), 1);
	assert_true(info.nodes >= 3);
	assert_int_equal(info.handles, 2);
	assert_int_equal(call_release(w->c, FUSE_RELEASE, file, fh), 0);
	assert_int_equal(call_release(w->c, FUSE_RELEASEDIR, dir, dh), 0);
	calls_forget_all(w->c);
	assert_int_equal(mounts_each(w->rig->server, find_mount, &info), 1);
	assert_int_equal(info.nodes, 0);
	assert_int_equal(info.handles, 0);
}

static void test_failed_mounts(void **state)
{
	struct world *w = *state;
	struct graft_error err = { 0 };
	uint32_t instances;

	world_mount(w, "/", 0, "a/");
	world_init(w, 0);
	instances = atomic_load(&w->rig->server->instances);
	world_tree(w, 1, "")->create_error = -EIO;
	assert_int_equal(rig_mount(w->rig, "/x/y", &w->t[1], &err), -EIO);
	assert_non_null(strstr(err.text, "does not grow"));
	world_tree(w, 2, "")->start_error = -EPERM;
	assert_int_equal(rig_mount(w->rig, "/x/y", &w->t[2], NULL), -EPERM);
	world_tree(w, 3, "")->session_error = -ENOMEM;
	assert_int_equal(rig_mount(w->rig, "/a/y", &w->t[3], NULL), -ENOMEM);
	world_tree(w, 4, "");
	assert_int_equal(rig_mount(w->rig, "/", &w->t[4], &err), -EEXIST);
	for (int i = 1; i < 5; i++)
		tree_check_empty(&w->t[i]);
	assert_int_equal(atomic_load(&w->rig->server->instances), instances);
	assert_int_equal(rig_count_mounts(w->rig), 1);
	check_names(w, "/", "a");
	check_names(w, "/a", "");
	/* The place is still free. */
	world_mount(w, "/x/y", 5, "inner=5");
	check_file(w->c, "/x/y/inner", "5");
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_up, world_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_umount),
		T(test_umount_tells),
		T(test_slots_are_kept_for_who_holds_them),
		T(test_slots_of_open_files),
		T(test_slots_last),
		T(test_umount_under_a_request),
		T(test_umount_awaited),
		T(test_umount_cancels),
		T(test_remount),
		T(test_remount_above),
		T(test_remount_fails),
		T(test_root_comes_and_goes),
		T(test_strict),
		T(test_counts),
		T(test_failed_mounts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
