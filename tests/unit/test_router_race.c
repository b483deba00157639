/* SPDX-License-Identifier: Apache-2.0 */
/* Threads that mount, umount and remount while others walk, list and read, on two clients. For ThreadSanitizer, too. */
#include "server_world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POINTS 4
#define WALKERS 4
#define CHANGERS 2
#define ROUNDS 300

static const char *const point[POINTS] = { "/a/m", "/a/m/sub/n", "/way/x", "/way/x/y/z" };

struct race {
	struct world *w;
	struct rig *other;
	struct tree *trees; /* CHANGERS for each point */
	_Atomic bool stop;
	_Atomic uint32_t seen;
	_Atomic uint32_t mounts;
};

struct racer {
	struct race *race;
	uint32_t number;
	pthread_t thread;
};

/* Only what is not there, or is going. */
static bool fine(int res)
{
	return res == 0 || res == -ENOENT || res == -ESTALE || res == -ENOTDIR;
}

static void walk(struct race *race, struct calls *c, unsigned *seed, struct listing *l)
{
	const char *at = point[(uint32_t)rand_r(seed) % POINTS];
	struct fuse_entry_out e;
	char path[64], text[64];

	snprintf(path, sizeof(path), "%s/file", at);
	int res = call_cat(c, path, text, sizeof(text));
	if (!fine(res) || (!res && strncmp(text, at, strlen(at))))
		fail_msg("%s: %d '%s'", path, res, res ? "" : text);
	atomic_fetch_add(&race->seen, !res);
	res = call_walk(c, rand_r(seed) & 1 ? at : "/way", &e);
	if (!res)
		res = call_list(c, rand_r(seed) & 1 ? FUSE_READDIR : FUSE_READDIRPLUS, e.nodeid, 300, l);
	if (!fine(res))
		fail_msg("list %s: %d", at, res);
	check_file(c, "/keep/file", "kept");
	if (rand_r(seed) % 4 == 0)
		calls_batch_forget_all(c);
	else if (rand_r(seed) % 2)
		calls_forget_all(c);
	if (c->nheld > CALLS_HELD - 200)
		calls_forget_all(c);
}

static void *walker(void *arg)
{
	struct racer *r = arg;
	struct race *race = r->race;
	struct calls *c = calls_new(r->number % 2 ? race->other : race->w->rig);
	struct listing *l = calloc(1, sizeof(*l));
	unsigned seed = r->number;

	while (!atomic_load(&race->stop))
		walk(race, c, &seed, l);
	calls_free(c);
	free(l);
	return NULL;
}

static void *changer(void *arg)
{
	struct racer *r = arg;
	struct race *race = r->race;
	unsigned seed = 1000 + r->number;

	for (int i = 0; i < ROUNDS; i++) {
		uint32_t p = (uint32_t)rand_r(&seed) % POINTS;
		struct tree *t = &race->trees[r->number * POINTS + p];
		int res;

		switch (rand_r(&seed) % 4) {
		case 0:
			res = rig_remount(race->w->rig, point[p], t, NULL);
			break;
		case 1:
			res = rig_umount(race->w->rig, point[p]);
			break;
		default:
			res = rig_mount(race->w->rig, point[p], t, NULL);
			atomic_fetch_add(&race->mounts, !res);
			break;
		}
		assert_true(res == 0 || res == -EEXIST || res == -ENOENT);
	}
	return NULL;
}

static void make_trees(struct race *race)
{
	race->trees = calloc(CHANGERS * POINTS, sizeof(*race->trees));
	assert_non_null(race->trees);
	for (uint32_t i = 0; i < CHANGERS * POINTS; i++) {
		char words[128];

		snprintf(words, sizeof(words), "file=%s sub/ y/ y/other=1", point[i % POINTS]);
		tree_init(&race->trees[i], words);
	}
}

static void test_race(void **state)
{
	struct race race = { .w = *state };
	struct racer walkers[WALKERS], changers[CHANGERS];
	struct world *w = race.w;

	make_trees(&race);
	world_mount(w, "/", 0, "a/ a/m/ a/m/inside=1");
	world_mount(w, "/keep", 1, "file=kept");
	world_init(w, FUSE_DO_READDIRPLUS);
	race.other = rig_connect(w->rig, GRAFT_DEV_FUSE);
	assert_int_equal(rig_init(race.other, FUSE_DO_READDIRPLUS), 0);
	for (uint32_t i = 0; i < WALKERS; i++) {
		walkers[i] = (struct racer){ .race = &race, .number = i };
		assert_int_equal(pthread_create(&walkers[i].thread, NULL, walker, &walkers[i]), 0);
	}
	for (uint32_t i = 0; i < CHANGERS; i++) {
		changers[i] = (struct racer){ .race = &race, .number = i };
		assert_int_equal(pthread_create(&changers[i].thread, NULL, changer, &changers[i]), 0);
	}
	for (uint32_t i = 0; i < CHANGERS; i++)
		pthread_join(changers[i].thread, NULL);
	atomic_store(&race.stop, true);
	for (uint32_t i = 0; i < WALKERS; i++)
		pthread_join(walkers[i].thread, NULL);
	assert_true(race.mounts > 0);
	for (uint32_t p = 0; p < POINTS; p++)
		rig_umount(w->rig, point[p]);
	check_names(w, "/", "a keep");
	check_names(w, "/a/m", "inside");
	rig_free(race.other);
	for (uint32_t i = 0; i < CHANGERS * POINTS; i++) {
		tree_check_empty(&race.trees[i]);
		tree_fini(&race.trees[i]);
	}
	free(race.trees);
}

/* A client that comes and goes while mounts do. */
static void *visitor(void *arg)
{
	struct race *race = arg;

	while (!atomic_load(&race->stop)) {
		struct rig *rig = rig_connect(race->w->rig, GRAFT_VHOST_USER);
		struct calls *c = calls_new(rig);

		assert_int_equal(rig_init(rig, 0), 0);
		check_file(c, "/keep/file", "kept");
		char text[64];
		int res = call_cat(c, "/way/x/file", text, sizeof(text));
		if (!fine(res))
			fail_msg("visitor: %d", res);
		atomic_fetch_add(&race->seen, 1);
		calls_drop(c);
		calls_free(c);
		rig_free(rig);
	}
	return NULL;
}

static void test_clients_come_and_go(void **state)
{
	struct race race = { .w = *state };
	struct world *w = race.w;
	pthread_t thread;

	make_trees(&race);
	world_mount(w, "/keep", 1, "file=kept");
	world_init(w, 0);
	assert_int_equal(pthread_create(&thread, NULL, visitor, &race), 0);
	for (int i = 0; i < ROUNDS || atomic_load(&race.seen) < 20; i++) {
		assert_int_equal(rig_mount(w->rig, "/way/x", &race.trees[2], NULL), 0);
		if (i % 3 == 0)
			assert_int_equal(rig_remount(w->rig, "/way/x", &race.trees[POINTS + 2], NULL), 0);
		world_umount(w, "/way/x");
	}
	atomic_store(&race.stop, true);
	pthread_join(thread, NULL);
	for (uint32_t i = 0; i < CHANGERS * POINTS; i++) {
		tree_check_empty(&race.trees[i]);
		tree_fini(&race.trees[i]);
	}
	free(race.trees);
}

#define T(name) cmocka_unit_test_setup_teardown(name, world_up, world_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_race),
		T(test_clients_come_and_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
