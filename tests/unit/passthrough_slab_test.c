/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the slab: indices, bounds, memory coming and going, threads. */
#include "plugins/passthrough/slab.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define ITEM 80

static size_t resident(const struct slab *s)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), pages = s->reserved / page, n = 0;
	unsigned char *map = malloc(pages);

	assert_non_null(map);
	assert_int_equal(mincore(s->base, s->reserved, map), 0);
	for (size_t i = 0; i < pages; i++)
		n += map[i] & 1;
	free(map);
	return n * page;
}

static void test_bad_sizes(void **state)
{
	struct slab s;

	(void)state;
	assert_int_equal(slab_init(&s, 0, 10), -EINVAL);
	assert_int_equal(slab_init(&s, 12, 10), -EINVAL);
	assert_int_equal(slab_init(&s, ITEM, 0), -EINVAL);
	assert_int_equal(slab_init(&s, ITEM, SLAB_MAX + 1), -EINVAL);
}

static void test_indices(void **state)
{
	enum { N = 3000 };
	static void *at[N];
	struct slab s;

	(void)state;
	assert_int_equal(slab_init(&s, ITEM, 100000), 0);
	assert_null(slab_at(&s, 0));
	for (uint32_t i = 0; i < N; i++) {
		assert_int_equal(slab_alloc(&s), i);
		at[i] = slab_at(&s, i);
		assert_non_null(at[i]);
		assert_int_equal(slab_index(&s, at[i]), i);
		memset(at[i], (int)i, ITEM);
	}
	assert_int_equal(slab_used(&s), N);
	assert_null(slab_at(&s, 3 * SLAB_CHUNK));
	assert_null(slab_at(&s, SLAB_NONE));
	for (uint32_t i = 0; i < N; i++) {
		assert_ptr_equal(slab_at(&s, i), at[i]);
		assert_int_equal(((unsigned char *)at[i])[ITEM - 1], i & 0xff);
	}
	/* The next one gets the place that is free; freeing twice does nothing. */
	slab_free(&s, 1500);
	slab_free(&s, 1500);
	assert_int_equal(slab_used(&s), N - 1);
	assert_int_equal(slab_alloc(&s), 1500);
	slab_fini(&s);
}

static void test_next(void **state)
{
	struct slab s;

	(void)state;
	assert_int_equal(slab_init(&s, ITEM, 5000), 0);
	assert_int_equal(slab_next(&s, 0), SLAB_NONE);
	for (uint32_t i = 0; i < 3000; i++)
		slab_alloc(&s);
	for (uint32_t i = 0; i < 3000; i++) {
		if (i != 5 && i != 64 && i != 2999)
			slab_free(&s, i);
	}
	assert_int_equal(slab_next(&s, 0), 5);
	assert_int_equal(slab_next(&s, 6), 64);
	assert_int_equal(slab_next(&s, 64), 64);
	assert_int_equal(slab_next(&s, 65), 2999);
	assert_int_equal(slab_next(&s, 3000), SLAB_NONE);
	assert_int_equal(slab_next(&s, SLAB_NONE), SLAB_NONE);
	slab_fini(&s);
}

static void test_bound(void **state)
{
	static const uint32_t bounds[] = {1, SLAB_CHUNK - 1, SLAB_CHUNK, SLAB_CHUNK + 1};

	(void)state;
	for (size_t b = 0; b < sizeof(bounds) / sizeof(bounds[0]); b++) {
		struct slab s;

		assert_int_equal(slab_init(&s, ITEM, bounds[b]), 0);
		for (uint32_t i = 0; i < bounds[b]; i++)
			assert_int_not_equal(slab_alloc(&s), SLAB_NONE);
		assert_int_equal(slab_alloc(&s), SLAB_NONE);
		slab_free(&s, 0);
		assert_int_equal(slab_alloc(&s), 0);
		assert_int_equal(slab_alloc(&s), SLAB_NONE);
		slab_fini(&s);
	}
}

static void test_memory_returns(void **state)
{
	enum { N = 50 * SLAB_CHUNK };
	struct slab s;

	(void)state;
	assert_int_equal(slab_init(&s, ITEM, 1 << 20), 0);
	for (int round = 0; round < 3; round++) {
		for (uint32_t i = 0; i < N; i++) {
			uint32_t index = slab_alloc(&s);

			assert_true(index < N); /* chunks that were given back are used again */
			memset(slab_at(&s, index), 0x55, ITEM);
		}
		assert_true(resident(&s) >= (size_t)N * ITEM);
		for (uint32_t i = 0; i < N; i++)
			slab_free(&s, i);
		/* The spare chunk, and pages that two chunks share. */
		assert_true(resident(&s) <= (size_t)SLAB_CHUNK * ITEM + 60 * (size_t)sysconf(_SC_PAGESIZE));
		assert_int_equal(slab_used(&s), 0);
	}
	slab_fini(&s);
}

static void *hammer(void *arg)
{
	struct slab *s = arg;
	uint32_t mine[600];

	for (int round = 0; round < 30; round++) {
		for (size_t i = 0; i < 600; i++) {
			mine[i] = slab_alloc(s);
			if (mine[i] == SLAB_NONE)
				return "full";
			memcpy(slab_at(s, mine[i]), &mine[i], sizeof(mine[i]));
		}
		for (size_t i = 0; i < 600; i++) {
			if (memcmp(slab_at(s, mine[i]), &mine[i], sizeof(mine[i])) != 0)
				return "given out twice";
			slab_free(s, mine[i]);
		}
	}
	return NULL;
}

static void test_threads(void **state)
{
	pthread_t threads[4];
	struct slab s;

	(void)state;
	assert_int_equal(slab_init(&s, ITEM, 1 << 20), 0);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, hammer, &s), 0);
	for (size_t i = 0; i < 4; i++) {
		void *complaint;

		pthread_join(threads[i], &complaint);
		assert_null(complaint);
	}
	assert_int_equal(slab_used(&s), 0);
	slab_fini(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad_sizes), cmocka_unit_test(test_indices),	cmocka_unit_test(test_next),
		cmocka_unit_test(test_bound),	  cmocka_unit_test(test_memory_returns), cmocka_unit_test(test_threads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
