/* SPDX-License-Identifier: Apache-2.0 */
/* test-escape none|chroot|namespace root|user: runs every attempt to get out of the share against a daemon in that mode. */
#include "tests/escape/attempt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ATTEMPTS_MIN 60
#define ATTEMPTS_MAX 256

static const struct attempt_table *const tables[] = {&names_table, &links_table, &ids_table,
						     &opens_table, &places_table, &calls_table};
static struct world world;

static void run_attempt(void **state)
{
	const struct attempt *a = *state;

	world_begin(&world);
	a->try(&world, a->arg);
	world_end(&world);
}

/* After an attempt that failed too. */
static int end_attempt(void **state)
{
	(void)state;
	world_drop(&world);
	return daemon_reported(&world.daemon) ? -1 : 0;
}

static bool possible(const struct attempt *a)
{
	return !(a->needs & ATTEMPT_ROOT && world.user) && !(a->needs & ATTEMPT_MOUNT && !world.mounts);
}

/* "class: what", kept until the end. */
static const char *name_of(const struct attempt *a)
{
	static char names[ATTEMPTS_MAX][120];
	static unsigned n;

	snprintf(names[n], sizeof(names[n]), "%s: %s", a->class, a->what);
	return names[n++];
}

static size_t gather(struct CMUnitTest *tests)
{
	size_t n = 0;

	for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++) {
		for (size_t i = 0; i < tables[t]->n && n < ATTEMPTS_MAX; i++) {
			const struct attempt *a = &tables[t]->rows[i];
			if (possible(a))
				tests[n++] = (struct CMUnitTest){.name = name_of(a),
								 .test_func = run_attempt,
								 .teardown_func = end_attempt,
								 .initial_state = (void *)(uintptr_t)a};
		}
	}
	return n;
}

int main(int argc, char **argv)
{
	static struct CMUnitTest tests[ATTEMPTS_MAX];
	const char *user = argc > 2 ? argv[2] : "root";

	if (argc < 2) {
		fprintf(stderr, "usage: %s none|chroot|namespace [root|user]\n", argv[0]);
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	int res = world_up(&world, argv[1], strcmp(user, "user") == 0 ? WORLD_USER : 0, NULL);
	if (res)
		return res;
	size_t n = gather(tests);
	if (getenv("GRAFT_TEST_FILTER"))
		cmocka_set_test_filter(getenv("GRAFT_TEST_FILTER"));
	res = _cmocka_run_group_tests("escape", tests, n, NULL, NULL);
	if (n < ATTEMPTS_MIN)
		res = 1;
	printf("%zu attempts, sandbox %s, as %s\n", n, argv[1], user);
	return world_down(&world) || res ? 1 : 0;
}
