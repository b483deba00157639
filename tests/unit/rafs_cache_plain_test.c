/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of rafs/cache/plain_cache: names, bound, who goes first, counts that outlive the cache, many threads. */
#include "rafs/cache/plain_cache.h"

#include "rafs/chunk.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char one[1], two[1]; /* owners */

static void put(struct plain_cache *c, const void *owner, uint64_t key, size_t len, int value)
{
	struct plain *p = plain_new(len);

	assert_non_null(p);
	assert_int_equal(p->len, len);
	memset(p->bytes, value, len);
	plain_cache_put(c, owner, key, p);
	plain_put(p);
}

/* The value that a piece was filled with, or -1. */
static int value(struct plain_cache *c, const void *owner, uint64_t key)
{
	struct plain *p = plain_cache_get(c, owner, key);
	int v = p ? p->bytes[p->len - 1] : -1;

	plain_put(p);
	return v;
}

static void test_names(void **state)
{
	struct plain_cache *c = plain_cache_new(100);

	(void)state;
	assert_int_equal(value(c, one, 1), -1);
	put(c, one, 1, 10, 1);
	put(c, two, 1, 10, 2);
	put(c, one, UINT64_MAX, 10, 3);
	/* The first of two stays. */
	put(c, one, 1, 10, 9);
	assert_int_equal(value(c, one, 1), 1);
	assert_int_equal(value(c, two, 1), 2);
	assert_int_equal(value(c, one, UINT64_MAX), 3);
	assert_int_equal(value(c, two, 2), -1);
	plain_cache_drop(c, one);
	assert_int_equal(value(c, one, 1), -1);
	assert_int_equal(value(c, one, UINT64_MAX), -1);
	assert_int_equal(value(c, two, 1), 2);
	plain_cache_drop(c, one);
	plain_cache_free(c);
	plain_cache_free(NULL);
}

static void test_bound(void **state)
{
	struct plain_cache *c = plain_cache_new(100);

	(void)state;
	put(c, one, 1, 40, 1);
	put(c, one, 2, 40, 2);
	put(c, one, 3, 20, 3);
	assert_int_equal(value(c, one, 1), 1);
	/* 2 was used longest ago; it alone makes room. */
	put(c, one, 4, 30, 4);
	assert_int_equal(value(c, one, 2), -1);
	assert_int_equal(value(c, one, 1), 1);
	assert_int_equal(value(c, one, 3), 3);
	/* All of it, then one too large for it. */
	put(c, one, 5, 100, 5);
	assert_int_equal(value(c, one, 1), -1);
	assert_int_equal(value(c, one, 4), -1);
	put(c, one, 6, 101, 6);
	assert_int_equal(value(c, one, 5), 5);
	assert_int_equal(value(c, one, 6), -1);
	plain_cache_free(c);
}

/* More pieces than the table has slots: the oldest go although their bytes would fit. */
static void test_slots(void **state)
{
	struct plain_cache *c = plain_cache_new(1 << 20);
	unsigned int kept = 0;

	(void)state;
	for (unsigned int i = 0; i < 1000; i++)
		put(c, one, i, 1, (int)(i & 0x7f));
	for (unsigned int i = 0; i < 1000; i++) {
		int v = value(c, one, i);

		assert_true(v == -1 || v == (int)(i & 0x7f));
		kept += v >= 0;
		assert_true(v == -1 || i >= 1000 - 256);
	}
	assert_int_equal(kept, 256);
	plain_cache_free(c);
}

static void test_counts(void **state)
{
	struct plain_cache *c = plain_cache_new(100);
	struct plain *p;

	(void)state;
	assert_null(plain_new(RAFS_CHUNK_MAX + 1));
	p = plain_new(RAFS_CHUNK_MAX);
	assert_non_null(p);
	plain_put(p);
	plain_put(NULL);
	/* A limit of nothing keeps nothing. */
	put(c, one, 1, 50, 7);
	p = plain_cache_get(c, one, 1);
	plain_cache_drop(c, one);
	plain_cache_free(c);
	assert_int_equal(p->bytes[49], 7);
	plain_put(p);
	c = plain_cache_new(0);
	put(c, one, 1, 1, 7);
	assert_int_equal(value(c, one, 1), -1);
	plain_cache_free(c);
}

static _Atomic unsigned int wrong;

static void *work(void *arg)
{
	struct plain_cache *c = arg;

	for (unsigned int i = 0; i < 20000; i++) {
		uint64_t key = i * 7 % 40;
		struct plain *p = plain_cache_get(c, one, key);

		if (!p) {
			p = plain_new(8 + key);
			if (!p)
				break;
			memset(p->bytes, (int)key, p->len);
			plain_cache_put(c, one, key, p);
		}
		if (p->len != 8 + key || p->bytes[0] != key || p->bytes[p->len - 1] != key)
			atomic_fetch_add(&wrong, 1);
		plain_put(p);
		if (i % 997 == 0)
			plain_cache_drop(c, one);
	}
	return NULL;
}

static void test_threads(void **state)
{
	struct plain_cache *c = plain_cache_new(400);
	pthread_t threads[4];

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, work, c), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(wrong, 0);
	plain_cache_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),  cmocka_unit_test(test_bound),   cmocka_unit_test(test_slots),
		cmocka_unit_test(test_counts), cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
