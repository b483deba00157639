/* SPDX-License-Identifier: Apache-2.0 */
/* The registry of plugins' counters: owners of one name side by side, order, bounds, and 4096 mounts' worth of them. */
#include "server/metrics.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define OWNERS 4096

static struct metrics *metrics;
static uint64_t counter = 17, other = 18;
static char owners[OWNERS + 1]; /* only their addresses matter */
static char seen[1000];

static int set_up(void **state)
{
	(void)state;
	metrics = metrics_new();
	return metrics ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	metrics_free(metrics);
	return 0;
}

static int list(const char *object, const char *name, const char *unit, uint64_t value, void *arg)
{
	size_t len = strlen(seen);

	snprintf(seen + len, sizeof(seen) - len, "%s.%s=%u%s ", object, name, (unsigned)value, unit);
	return arg && !strcmp(name, arg) ? 5 : 0;
}

static const char *listed(void)
{
	seen[0] = 0;
	assert_int_equal(metrics_each(metrics, list, NULL), 0);
	return seen;
}

/* The old and the new instance of a remount have one name. */
static void test_owners(void **state)
{
	(void)state;
	assert_string_equal(listed(), "");
	assert_int_equal(metrics_add(metrics, &owners[1], "web", "nodes", "", &counter), 0);
	assert_int_equal(metrics_add(metrics, &owners[0], "web", "nodes", "", &other), 0);
	assert_int_equal(metrics_add(metrics, &owners[1], "web", "nodes", "", &counter), -EEXIST);
	assert_int_equal(metrics_add(metrics, &owners[1], "web", "files", "B", &other), 0);
	assert_string_equal(listed(), "web.nodes=17 web.files=18B web.nodes=18 ");
	metrics_remove(metrics, &owners[1]);
	assert_string_equal(listed(), "web.nodes=18 ");
	metrics_remove(metrics, &owners[1]);
	metrics_remove(metrics, &owners[2]);
	assert_int_equal(metrics_add(metrics, &owners[1], "web", "nodes", "", &counter), 0);
	assert_string_equal(listed(), "web.nodes=18 web.nodes=17 ");
	metrics_remove(metrics, &owners[0]);
	metrics_remove(metrics, &owners[1]);
	assert_string_equal(listed(), "");
}

static void test_copies(void **state)
{
	char object[] = "web", name[] = "nodes", unit[] = "B";

	(void)state;
	assert_int_equal(metrics_add(metrics, owners, object, name, unit, &counter), 0);
	object[0] = name[0] = unit[0] = '?';
	counter++;
	assert_string_equal(listed(), "web.nodes=18B ");
	counter--;
}

static void test_early_end(void **state)
{
	(void)state;
	assert_int_equal(metrics_add(metrics, &owners[0], "a", "x", "", &counter), 0);
	assert_int_equal(metrics_add(metrics, &owners[0], "a", "y", "", &counter), 0);
	assert_int_equal(metrics_add(metrics, &owners[1], "b", "z", "", &counter), 0);
	seen[0] = 0;
	assert_int_equal(metrics_each(metrics, list, "x"), 5);
	assert_string_equal(seen, "a.x=17 ");
	assert_int_equal(metrics_each(metrics, list, "y"), 5);
	assert_string_equal(seen, "a.x=17 a.x=17 a.y=17 ");
}

static int tally(const char *object, const char *name, const char *unit, uint64_t value, void *arg)
{
	(void)object;
	(void)name;
	(void)unit;
	*(uint64_t *)arg += value;
	return 0;
}

/* Each a mount with passthrough's four; every second goes, in another order than they came. */
static void test_many_owners(void **state)
{
	static const char *const names[] = { "nodes", "node-descriptors", "open-files", "evicted-descriptors" };
	uint64_t one = 1, sum = 0;

	(void)state;
	for (uint32_t i = 0; i < OWNERS; i++) {
		for (uint32_t k = 0; k < 4; k++)
			assert_int_equal(metrics_add(metrics, &owners[i], "web", names[k], "", &one), 0);
	}
	metrics_each(metrics, tally, &sum);
	assert_int_equal(sum, OWNERS * 4);
	for (uint32_t i = 1; i < OWNERS; i += 2)
		metrics_remove(metrics, &owners[(i * 5) % OWNERS]);
	sum = 0;
	metrics_each(metrics, tally, &sum);
	assert_int_equal(sum, OWNERS * 2);
	assert_int_equal(metrics_add(metrics, &owners[0], "web", "nodes", "", &one), -EEXIST);
	assert_int_equal(metrics_add(metrics, &owners[1], "web", "nodes", "", &one), 0);
}

static void test_bounds(void **state)
{
	uint32_t full = METRICS_MAX / METRICS_OWNER_MAX;
	char name[16];

	(void)state;
	for (uint32_t i = 0; i < full; i++) {
		for (uint32_t k = 0; k < METRICS_OWNER_MAX; k++) {
			snprintf(name, sizeof(name), "m%u", k);
			assert_int_equal(metrics_add(metrics, &owners[i], "x", name, "", &counter), 0);
		}
		assert_int_equal(metrics_add(metrics, &owners[i], "x", "more", "", &counter), -ENOSPC);
	}
	/* An owner that got no counter is not kept. */
	assert_int_equal(metrics_add(metrics, &owners[full], "x", "m", "", &counter), -ENOSPC);
	metrics_remove(metrics, &owners[full]);
	metrics_remove(metrics, &owners[3]);
	assert_int_equal(metrics_add(metrics, &owners[full], "x", "m", "", &counter), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_owners, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_copies, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_early_end, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_many_owners, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_bounds, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
