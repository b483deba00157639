/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the mount table begin with. */
#include "server_world.h"

#include <stdlib.h>
#include <unistd.h>

#define PATIENCE_MS 20000

struct world *world_new(void)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->rig = rig_new(NULL, 0);
	w->c = calls_new(w->rig);
	for (uint32_t i = 0; i < WORLD_TREES; i++)
		tree_init(&w->t[i], "");
	return w;
}

void world_free(struct world *w)
{
	calls_free(w->c);
	rig_free(w->rig);
	for (uint32_t i = 0; i < WORLD_TREES; i++) {
		tree_check_empty(&w->t[i]);
		tree_fini(&w->t[i]);
	}
	free(w);
}

int world_up(void **state)
{
	*state = world_new();
	return 0;
}

int world_down(void **state)
{
	world_free(*state);
	return 0;
}

struct tree *world_tree(struct world *w, uint32_t i, const char *words)
{
	tree_fini(&w->t[i]);
	tree_init(&w->t[i], words);
	w->t[i].ino = (i + 1) * 1000;
	return &w->t[i];
}

struct tree *world_mount(struct world *w, const char *at, uint32_t i, const char *words)
{
	struct tree *t = world_tree(w, i, words);
	struct graft_error err = { 0 };

	if (rig_mount(w->rig, at, t, &err))
		fail_msg("mount at %s: %s", at, err.text);
	return t;
}

void world_umount(struct world *w, const char *at)
{
	assert_int_equal(rig_umount(w->rig, at), 0);
}

void world_init(struct world *w, uint64_t flags)
{
	assert_int_equal(rig_init(w->rig, flags), 0);
}

void check_file(struct calls *c, const char *path, const char *text)
{
	char got[256];
	int res = call_cat(c, path, got, sizeof(got));

	if (res)
		fail_msg("%s: error %d", path, res);
	assert_string_equal(got, text);
}

void check_error(struct calls *c, const char *path, int error)
{
	struct fuse_entry_out e;
	int res = call_walk(c, path, &e);

	if (res != error)
		fail_msg("%s: %d, not %d", path, res, error);
}

void check_names(struct world *w, const char *path, const char *names)
{
	uint64_t node = call_node(w->c, path);

	assert_int_equal(call_list(w->c, FUSE_READDIR, node, LIST_SIZE, &w->list), 0);
	assert_string_equal(listing_names(&w->list), names);
	assert_int_equal(call_list(w->c, FUSE_READDIRPLUS, node, LIST_SIZE, &w->list), 0);
	assert_string_equal(listing_names(&w->list), names);
}

void wait_for_count(const _Atomic uint32_t *counter, uint32_t value)
{
	for (int i = 0; i < PATIENCE_MS && atomic_load(counter) != value; i++)
		usleep(1000);
	assert_int_equal(atomic_load(counter), value);
}
