/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of lib/cpu_list: what a list may say, and what this process may use. */
#include "lib/cpu_list.h"

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_parse(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		uint32_t n;
		uint16_t cpu[6];
	} good[] = {
		{ "0", 1, { 0 } },   { "3,1,2", 3, { 3, 1, 2 } }, { "0-3,8", 5, { 0, 1, 2, 3, 8 } },
		{ "7-7", 1, { 7 } }, { "8191", 1, { 8191 } },     { "0012,5-6", 3, { 12, 5, 6 } },
	};
	struct graft_error err = { 0 };
	struct cpu_list l;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(cpu_list_parse(&l, good[i].text, &err), 0);
		assert_int_equal(l.n, good[i].n);
		assert_memory_equal(l.cpu, good[i].cpu, l.n * sizeof(l.cpu[0]));
	}
	assert_int_equal(cpu_list_parse(&l, "0-1023", &err), 0);
	assert_int_equal(l.n, CPU_LIST_MAX);
}

static void test_refused(void **state)
{
	(void)state;
	static const struct {
		const char *text, *why;
	} bad[] = {
		{ "", "such as 0-3,8" },
		{ "a", "such as 0-3,8" },
		{ "1,", "such as 0-3,8" },
		{ ",1", "such as 0-3,8" },
		{ "1,,2", "such as 0-3,8" },
		{ "1-", "such as 0-3,8" },
		{ "-1", "such as 0-3,8" },
		{ "1 ,2", "such as 0-3,8" },
		{ "1-2-3", "such as 0-3,8" },
		{ "8192", "such as 0-3,8" },
		{ "99999", "such as 0-3,8" },
		{ "+1", "such as 0-3,8" },
		{ "3-1", "3-1 runs backwards" },
		{ "1,0-2", "processor 1 stands there twice" },
		{ "0-1024", "more than 1024 processors" },
	};
	struct cpu_list l;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct graft_error err = { 0 };
		assert_int_equal(cpu_list_parse(&l, bad[i].text, &err), -EINVAL);
		assert_non_null(strstr(err.text, bad[i].why));
	}
}

/* The processors of this test; the first one, and one that it may not use or that is not there. */
static uint32_t own(uint16_t *first, uint16_t *other)
{
	cpu_set_t set;
	uint32_t n = 0;

	assert_int_equal(sched_getaffinity(0, sizeof(set), &set), 0);
	*other = CPU_NUMBER_MAX;
	for (int i = CPU_SETSIZE - 1; i >= 0; i--) {
		if (!CPU_ISSET(i, &set))
			continue;
		*first = (uint16_t)i;
		n++;
	}
	return n;
}

static void test_allowed(void **state)
{
	(void)state;
	struct graft_error err = { 0 };
	struct cpu_list l = { .n = 1 };
	uint16_t first = 0, other;
	uint32_t n = own(&first, &other);

	assert_int_equal(cpu_count(), n);
	l.cpu[0] = first;
	assert_int_equal(cpu_list_check(&l, &err), 0);
	l.cpu[l.n++] = other;
	assert_int_equal(cpu_list_check(&l, &err), -EINVAL);
	assert_non_null(strstr(err.text, "processor 8191 is not there"));
}

static void test_pin(void **state)
{
	(void)state;
	cpu_set_t before;
	uint16_t first = 0, other;

	own(&first, &other);
	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	assert_int_equal(cpu_pin(pthread_self(), first), 0);
	assert_int_equal(cpu_count(), 1);
	assert_int_equal(sched_getcpu(), first);
	assert_int_equal(cpu_pin(pthread_self(), other), -EINVAL);
	assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_allowed),
		cmocka_unit_test(test_pin),
	};

	return cmocka_run_group_tests_name("cpu_list", tests, NULL, NULL);
}
