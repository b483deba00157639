/* SPDX-License-Identifier: Apache-2.0 */
/* Places and slots that another process gave: written down, taken over, and refused where they are none. */
#include "server_world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* All places as "id<parent:name" in the order they are told. */
struct told {
	char text[1024];
	uint32_t n, stop;
};

static int tell(const struct place_record *r, void *arg)
{
	struct told *t = arg;
	size_t len = strlen(t->text);

	if (++t->n == t->stop)
		return 7;
	snprintf(t->text + len, sizeof(t->text) - len, "%s%llu<%llu:%s", len ? " " : "", (unsigned long long)r->id,
		 (unsigned long long)r->parent, r->name);
	return 0;
}

static void check_places(struct world *w, const char *text)
{
	struct told told = { .n = 0 };

	assert_int_equal(mounts_pseudo_each(w->rig->server, tell, &told), 0);
	assert_string_equal(told.text, text);
}

static void test_each(void **state)
{
	struct world *w = *state;
	struct told told = { .stop = 2 };

	check_places(w, "");
	assert_int_equal(mounts_pseudo_last(w->rig->server), 1);
	world_mount(w, "/a/b/c", 0, "file=1");
	world_mount(w, "/a/x", 1, "file=2");
	world_mount(w, "/", 2, "file=3");
	check_places(w, "2<1:a 3<2:b 4<3:c 5<2:x");
	assert_int_equal(mounts_pseudo_last(w->rig->server), 5);
	assert_int_equal(mounts_pseudo_each(w->rig->server, tell, &told), 7);
	assert_int_equal(told.n, 2);
	world_umount(w, "/a/b/c");
	check_places(w, "2<1:a 5<2:x");
	assert_int_equal(mounts_pseudo_last(w->rig->server), 5);
}

static int restore(struct world *w, const struct place_record *list, size_t n, uint64_t last)
{
	struct graft_error err = { 0 };
	int res = mounts_pseudo_restore(w->rig->server, list, n, last, &err);

	assert_int_equal(res, -err.code);
	return res;
}

/* As another daemon gave them, children before their parents; the client has seen them already. */
static void test_restore(void **state)
{
	static const struct place_record list[] = {
		{ 9, 7, "c" }, { 7, 30, "b" }, { 30, 1, "a" }, { 8, 30, "empty" }, { 31, 1, "b" },
	};
	struct world *w = *state;
	struct fuse_attr_out attr;

	assert_int_equal(restore(w, list, 5, 40), 0);
	check_places(w, "30<1:a 7<30:b 9<7:c 8<30:empty 31<1:b");
	world_mount(w, "/a/b/c", 0, "file=1");
	world_init(w, 0);
	assert_int_equal(call_node(w->c, "/a"), 30);
	assert_int_equal(call_node(w->c, "/a/b"), 7);
	assert_int_equal(call_getattr(w->c, 8, &attr), 0);
	check_names(w, "/a", "b empty");
	check_file(w->c, "/a/b/c/file", "1");
	world_mount(w, "/a/new", 1, "file=2");
	world_mount(w, "/a/new/low", 2, "file=3");
	check_places(w, "30<1:a 7<30:b 9<7:c 8<30:empty 41<30:new 42<41:low 31<1:b");
	/* What is mounted has its ids. */
	assert_int_equal(restore(w, list, 5, 40), -EBUSY);
	world_umount(w, "/a/new/low");
	world_umount(w, "/a/new");
	world_umount(w, "/a/b/c");
	/* A second try; a client that is there sees what came. */
	assert_int_equal(restore(w, list + 4, 1, 31), 0);
	check_places(w, "31<1:b");
	check_names(w, "/", "b");
	assert_int_equal(restore(w, NULL, 0, 0), 0);
	check_places(w, "");
	check_names(w, "/", "");
}

static void test_restore_refuses(void **state)
{
	static char long_name[PLACE_NAME_MAX + 2];
	memset(long_name, 'x', PLACE_NAME_MAX + 1);
	static const struct {
		struct place_record list[3];
		uint64_t last;
		int error;
	} cases[] = {
		{ { { 2, 1, "a" }, { 3, 1, "a" }, { 4, 1, "b" } }, 9, -EINVAL }, /* one name twice */
		{ { { 2, 1, "a" }, { 2, 1, "b" }, { 4, 1, "c" } }, 9, -EINVAL }, /* one id twice */
		{ { { 2, 3, "a" }, { 3, 2, "b" }, { 4, 1, "c" } }, 9, -EINVAL }, /* a ring */
		{ { { 2, 2, "a" }, { 3, 1, "b" }, { 4, 1, "c" } }, 9, -EINVAL }, /* its own parent */
		{ { { 2, 7, "a" }, { 3, 1, "b" }, { 4, 1, "c" } }, 9, -EINVAL }, /* no such parent */
		{ { { 1, 1, "a" }, { 3, 1, "b" }, { 4, 1, "c" } }, 9, -EINVAL }, /* the root */
		{ { { 0, 1, "a" }, { 3, 1, "b" }, { 4, 1, "c" } }, 9, -EINVAL },
		{ { { 2, 1, "a" }, { 3, 1, "b" }, { 4, 1, "c" } }, 3, -EINVAL }, /* beyond the last */
		{ { { 2, 1, "" }, { 3, 1, "b" }, { 4, 1, "c" } }, 9, -EINVAL },
		{ { { 2, 1, "." }, { 3, 1, "b" }, { 4, 1, "c" } }, 9, -EINVAL },
		{ { { 2, 1, ".." }, { 3, 1, "b" }, { 4, 1, "c" } }, 9, -EINVAL },
		{ { { 2, 1, "a/b" }, { 3, 1, "b" }, { 4, 1, "c" } }, 9, -EINVAL },
		{ { { 2, 1, long_name }, { 3, 1, "b" }, { 4, 1, "c" } }, 9, -EINVAL },
		{ { { 2, 1, "a" }, { 3, 1, "b" }, { 4, 1, "c" } }, UINT64_MAX, -ENOSPC },
		{ { { UINT64_MAX, 1, "a" }, { 3, 1, "b" }, { 4, 1, "c" } }, 9, -EINVAL },
		{ { { 2, UINT64_MAX, "a" }, { 3, 1, "b" }, { 4, 1, "c" } }, 9, -EINVAL },
	};
	struct world *w = *state;
	static const struct place_record kept = { 5, 1, "kept" };

	assert_int_equal(restore(w, &kept, 1, 6), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (restore(w, cases[i].list, 3, cases[i].last) != cases[i].error)
			fail_msg("case %zu", i);
		check_places(w, "5<1:kept");
	}
	assert_int_equal(mounts_pseudo_last(w->rig->server), 6);
}

/* Where a path would be longer than any mount's may be. */
static void test_restore_deep(void **state)
{
	struct place_record list[PLACE_PATH_MAX / 2 + 1];
	struct world *w = *state;
	const uint32_t n = PLACE_PATH_MAX / 2;

	for (uint32_t i = 0; i <= n; i++)
		list[i] = (struct place_record){ i + 2, i + 1, "x" };
	assert_int_equal(restore(w, list, n, n + 2), 0);
	assert_int_equal(restore(w, list, n + 1, n + 2), -EINVAL);
	struct place_record *many = calloc(PLACES_MAX + 1, sizeof(*many));
	char *names = calloc(PLACES_MAX + 1, 8);
	assert_true(many && names);
	for (uint32_t i = 0; i <= PLACES_MAX; i++) {
		snprintf(names + (size_t)i * 8, 8, "%u", i);
		many[i] = (struct place_record){ i + 2, 1, names + (size_t)i * 8 };
	}
	assert_int_equal(restore(w, many, PLACES_MAX + 1, PLACES_MAX + 3), -ENOSPC);
	assert_int_equal(restore(w, many, PLACES_MAX, PLACES_MAX + 3), 0);
	free(many);
	free(names);
	assert_int_equal(restore(w, NULL, 0, 0), 0);
}

/* A mount that must come back under the number that the client knows. */
static void test_slot(void **state)
{
	struct world *w = *state;
	struct graft_error err = { 0 };

	world_init(w, 0);
	world_tree(w, 0, "file=0");
	world_tree(w, 1, "file=1");
	assert_int_equal(rig_mount_slot(w->rig, "/m", &w->t[0], 200, &err), 0);
	assert_int_equal(SLOT_OF(call_node(w->c, "/m")), 200);
	check_file(w->c, "/m/file", "0");
	assert_int_equal(rig_mount_slot(w->rig, "/n", &w->t[1], 200, &err), -EBUSY);
	assert_int_equal(rig_mount_slot(w->rig, "/n", &w->t[1], 65535, &err), -EBUSY);
	assert_int_equal(rig_mount_slot(w->rig, "/n", &w->t[1], UINT32_MAX, &err), -EBUSY);
	assert_int_equal(rig_count_mounts(w->rig), 1);
	assert_int_equal(rig_mount(w->rig, "/n", &w->t[1], NULL), 0);
	assert_int_equal(SLOT_OF(call_node(w->c, "/n")), 1);
	/* Held by the client, it is not free yet. */
	world_umount(w, "/m");
	wait_for_count(&w->t[0].destroys, 1);
	assert_int_equal(rig_mount_slot(w->rig, "/m", &w->t[0], 200, &err), -EBUSY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_each, world_up, world_down),
		cmocka_unit_test_setup_teardown(test_restore, world_up, world_down),
		cmocka_unit_test_setup_teardown(test_restore_refuses, world_up, world_down),
		cmocka_unit_test_setup_teardown(test_restore_deep, world_up, world_down),
		cmocka_unit_test_setup_teardown(test_slot, world_up, world_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
