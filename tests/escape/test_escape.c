/* SPDX-License-Identifier: Apache-2.0 */
/* test-escape none|chroot|namespace root|user: runs every attempt to get out of the share against a daemon in that mode. */
#include "tests/escape/attempt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ATTEMPTS_MIN 60
#define ATTEMPTS_MAX 256

/* A daemon for each group of tables. */
static const struct attempt_table *const usual[] = {&names_table,  &links_table, &ids_table, &opens_table,
						    &places_table, &calls_table, NULL};
static const struct attempt_table *const with_few_files[] = {&handles_table, NULL};
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

static size_t gather(const struct attempt_table *const *table, struct CMUnitTest *tests)
{
	size_t n = 0;

	for (; *table; table++) {
		for (size_t i = 0; i < (*table)->n && n < ATTEMPTS_MAX; i++) {
			const struct attempt *a = &(*table)->rows[i];
			if (possible(a))
				tests[n++] = (struct CMUnitTest){.name = name_of(a),
								 .test_func = run_attempt,
								 .teardown_func = end_attempt,
								 .initial_state = (void *)(uintptr_t)a};
		}
	}
	return n;
}

/* Adds to *count. 0, 77 where that world cannot be had, or 1. */
static int run_group(const struct world_kind *kind, const struct attempt_table *const *table, size_t *count)
{
	static struct CMUnitTest tests[ATTEMPTS_MAX];
	int res = world_up(&world, kind);

	if (res)
		return res;
	size_t n = gather(table, tests);
	*count += n;
	if (n)
		res = _cmocka_run_group_tests("escape", tests, n, NULL, NULL);
	return world_down(&world) || res ? 1 : 0;
}

int main(int argc, char **argv)
{
	const char *user = argc > 2 ? argv[2] : "root";
	size_t n = 0;

	if (argc < 2) {
		fprintf(stderr, "usage: %s none|chroot|namespace [root|user]\n", argv[0]);
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (getenv("GRAFT_TEST_FILTER"))
		cmocka_set_test_filter(getenv("GRAFT_TEST_FILTER"));
	struct world_kind kind = {.mode = argv[1], .user = strcmp(user, "user") == 0 ? WORLD_USER : 0};
	int res = run_group(&kind, usual, &n);
	if (res)
		return res;
	kind.few_files = true;
	if (!kind.user) /* file handles are root's */
		res = run_group(&kind, with_few_files, &n);
	printf("%zu attempts, sandbox %s, as %s\n", n, argv[1], user);
	return n < ATTEMPTS_MIN ? 1 : res;
}
