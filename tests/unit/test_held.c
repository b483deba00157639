/* SPDX-License-Identifier: Apache-2.0 */
/* The table of what a client holds, against a plain one; at its bound; by several threads. */
#include "server/held.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NODES 500
#define ROUNDS 60000

static size_t count(struct held *h)
{
	size_t bytes;

	return held_count(h, &bytes);
}

struct seen {
	uint32_t times[NODES];
	uint64_t (*node)(uint32_t i);
	uint32_t others;
};

static void see(void *arg, uint64_t node)
{
	struct seen *seen = arg;
	uint32_t i = 0;

	while (i < NODES && seen->node(i) != node)
		i++;
	if (i < NODES)
		seen->times[i]++;
	else
		seen->others++;
}

static uint64_t dense(uint32_t i)
{
	return i + 1;
}

/* As passthrough's: a generation above the index. */
static uint64_t wide(uint32_t i)
{
	return ((uint64_t)(i % 7 + 1) << 40) + i * 32 + 1;
}

/* All of one shard, and as near to each other as can be. */
static uint64_t crowded(uint32_t i)
{
	static uint64_t nodes[NODES];

	for (uint64_t node = 1, n = nodes[NODES - 1] ? NODES : 0; n < NODES; node++) {
		uint64_t hash = node * 0x9e3779b97f4a7c15ull;

		if (hash >> 60 == 3 && (hash >> 28 & 15) <= 1)
			nodes[n++] = node;
	}
	return nodes[i];
}

static void check_all(struct held *h, uint64_t (*node)(uint32_t), const uint32_t *counts)
{
	struct seen seen = { .node = node };
	size_t held = 0;

	assert_true(held_each(h, see, &seen));
	assert_int_equal(seen.others, 0);
	for (uint32_t i = 0; i < NODES; i++) {
		assert_int_equal(seen.times[i], counts[i] > 0);
		held += counts[i] > 0;
	}
	assert_int_equal(count(h), held);
}

static void model(uint64_t (*node)(uint32_t), unsigned seed)
{
	uint32_t counts[NODES] = { 0 };
	struct held *h = held_new();

	assert_non_null(h);
	for (uint32_t round = 0; round < ROUNDS; round++) {
		/* Waves of more giving and of more taking. */
		bool give = (uint32_t)rand_r(&seed) % 100 < (round / 5000 % 2 ? 30u : 70u);
		uint32_t i = (uint32_t)rand_r(&seed) % NODES, n = (uint32_t)rand_r(&seed) % 3 + 1;

		if (give) {
			held_give(h, node(i));
			counts[i]++;
		} else {
			held_take(h, node(i), n);
			counts[i] -= n < counts[i] ? n : counts[i];
		}
		if (round % 5000 == 0)
			check_all(h, node, counts);
	}
	check_all(h, node, counts);
	for (uint32_t i = 0; i < NODES; i++)
		held_take(h, node(i), UINT64_MAX);
	assert_int_equal(count(h), 0);
	held_free(h);
}

static void test_model(void **state)
{
	(void)state;
	model(dense, 1);
	model(wide, 2);
	model(crowded, 3);
}

static void test_counts(void **state)
{
	struct held *h = held_new();

	(void)state;
	held_take(h, 5, 1);
	for (uint32_t i = 0; i < HELD_COUNT_MAX - 1; i++)
		held_give(h, 5);
	held_take(h, 5, HELD_COUNT_MAX - 2);
	assert_int_equal(count(h), 1);
	held_take(h, 5, 1);
	assert_int_equal(count(h), 0);
	/* One that was not counted to its end is not forgotten too early. */
	for (uint32_t i = 0; i < HELD_COUNT_MAX + 10; i++)
		held_give(h, 5);
	held_take(h, 5, HELD_COUNT_MAX - 1);
	assert_int_equal(count(h), 1);
	held_take(h, 5, HELD_COUNT_MAX + 10);
	assert_int_equal(count(h), 0);
	held_give(h, ((uint64_t)1 << 48) - 1);
	assert_int_equal(count(h), 1);
	held_free(h);
}

/* More than it keeps: the rest is not there, what is can be taken back, and then so is the memory. */
static void test_bound(void **state)
{
	const uint64_t most = (uint64_t)HELD_SHARDS * HELD_SHARD_MAX / 4 * 3;
	struct held *h = held_new();
	size_t bytes, few;

	(void)state;
	held_count(h, &few);
	for (uint64_t node = 1; node <= most * 5 / 4; node++)
		held_give(h, node);
	assert_int_equal(held_count(h, &bytes), most);
	assert_true(bytes <= few + (size_t)HELD_SHARDS * HELD_SHARD_MAX * 8);
	for (uint64_t node = 1; node <= most * 5 / 4; node++)
		held_take(h, node, 1);
	assert_int_equal(held_count(h, &bytes), 0);
	assert_true(bytes <= few + HELD_SHARDS * 16 * 8);
	held_free(h);
}

struct worker {
	pthread_t thread;
	struct held *h;
	unsigned seed;
};

/* Each gives and takes back its own; all touch the same shards. */
static void *work(void *arg)
{
	struct worker *w = arg;
	uint64_t first = (uint64_t)w->seed * 100000;

	for (uint32_t round = 0; round < 20; round++) {
		for (uint32_t i = 1; i <= 2000; i++)
			held_give(w->h, first + i);
		for (uint32_t i = 1; i <= 2000; i++)
			held_take(w->h, first + i, 1);
	}
	held_give(w->h, first + 1);
	return NULL;
}

static void test_threads(void **state)
{
	struct worker workers[4];
	struct held *h = held_new();
	struct seen seen = { .node = dense };

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		workers[i] = (struct worker){ .h = h, .seed = i };
		assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	}
	for (int i = 0; i < 20; i++)
		held_each(h, see, &seen);
	for (unsigned i = 0; i < 4; i++)
		pthread_join(workers[i].thread, NULL);
	assert_int_equal(count(h), 4);
	held_free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_model),
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_bound),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
