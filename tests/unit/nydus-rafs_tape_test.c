/* SPDX-License-Identifier: Apache-2.0 */
/* The tape: order, the index to it, growth with and without memory, what it forgets, and positions beyond 32 bits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "plugins/nydus-rafs/tape.h"

#include <stdlib.h>
#include <string.h>

void *__real_calloc(size_t n, size_t bytes);
void *__wrap_calloc(size_t n, size_t bytes);

static unsigned int failures; /* of the next calls of calloc */

void *__wrap_calloc(size_t n, size_t bytes)
{
	if (!failures)
		return __real_calloc(n, bytes);
	failures--;
	return NULL;
}

static int fresh(void **state)
{
	static struct tape tape;

	failures = 0;
	tape = (struct tape){ 0 };
	*state = &tape;
	return 0;
}

static int gone(void **state)
{
	tape_free(*state);
	return 0;
}

/* first, first + step, ... */
static void add_many(struct tape *t, uint64_t first, uint64_t step, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		tape_add(t, first + i * step);
}

static bool has(const struct tape *t, uint64_t node)
{
	uint64_t at;

	return tape_find(t, node, &at);
}

static uint64_t position(const struct tape *t, uint64_t node)
{
	uint64_t at = UINT64_MAX;

	if (!tape_find(t, node, &at))
		fail_msg("node %llu is not there", (unsigned long long)node);
	assert_true(at >= tape_begin(t) && at < t->end && tape_node(t, at) == node);
	return at;
}

static void empty(void **state)
{
	struct tape *t = *state;

	assert_false(has(t, 0));
	assert_false(has(t, 7));
	assert_int_equal(tape_begin(t), 0);
	tape_free(t);
	tape_free(t);
}

static void order(void **state)
{
	struct tape *t = *state;

	add_many(t, 100, 7, 500);
	assert_int_equal(t->end, 500);
	for (uint32_t i = 0; i < 500; i++) {
		assert_int_equal(position(t, 100 + i * 7), i);
		assert_false(tape_marked(t, i));
	}
	assert_false(has(t, 99));
	assert_false(has(t, 101));
	assert_false(has(t, 100 + 500 * 7));
}

static void node_limits(void **state)
{
	struct tape *t = *state;

	tape_add(t, TAPE_NODE_MAX);
	tape_add(t, (uint64_t)TAPE_NODE_MAX + 1);
	tape_add(t, UINT64_MAX);
	tape_add(t, UINT64_C(1) << 32 | 5);
	assert_int_equal(t->end, 1);
	assert_int_equal(position(t, TAPE_NODE_MAX), 0);
	/* Only the lower bits are the same. */
	tape_add(t, 5);
	assert_false(has(t, UINT64_C(1) << 32 | 5));
	assert_false(has(t, (uint64_t)TAPE_NODE_MAX + 1 + 5));
}

static void marks(void **state)
{
	struct tape *t = *state;

	add_many(t, 1, 1, TAPE_FIRST);
	for (uint32_t i = 0; i < TAPE_FIRST; i += 3)
		tape_mark(t, i, true);
	/* They stay when it grows, and do not hide the node. */
	add_many(t, 5000, 1, 1);
	for (uint32_t i = 0; i < TAPE_FIRST; i++) {
		assert_int_equal(tape_marked(t, i), i % 3 == 0);
		assert_int_equal(position(t, 1 + i), i);
	}
	tape_mark(t, 3, true);
	tape_mark(t, 6, false);
	assert_true(tape_marked(t, 3));
	assert_false(tape_marked(t, 6));
	assert_int_equal(tape_node(t, 3), 4);
	/* A place that is used again begins without. */
	add_many(t, 10000, 1, 2 * TAPE_MAX);
	for (uint64_t at = tape_begin(t); at < t->end; at++)
		assert_false(tape_marked(t, at));
}

static void listed_twice(void **state)
{
	struct tape *t = *state;

	add_many(t, 1, 1, 100);
	tape_mark(t, 41, true);
	tape_add(t, 42);
	assert_int_equal(position(t, 42), 100);
	assert_false(tape_marked(t, 100));
	assert_true(tape_marked(t, 41));
	for (int i = 0; i < 3 * TAPE_FIRST; i++)
		tape_add(t, 42);
	assert_int_equal(position(t, 42), 100 + 3 * TAPE_FIRST);
	assert_int_equal(position(t, 43), 42);
}

static void forgets_the_oldest(void **state)
{
	struct tape *t = *state;
	uint32_t n = TAPE_MAX + 1000, lost = 0;

	add_many(t, 1, 1, n);
	assert_int_equal(t->room, TAPE_MAX);
	assert_int_equal(tape_begin(t), 1000);
	for (uint32_t i = 0; i < 1000; i++)
		assert_false(has(t, 1 + i));
	for (uint32_t i = 1000; i < n; i++) {
		assert_int_equal(tape_node(t, i), 1 + i);
		lost += !has(t, 1 + i);
	}
	/* The index may lose one now and then, where many nodes want the same places. */
	assert_true(lost < n / 100);
	/* Round and round it stays as large. */
	add_many(t, 1000000, 3, 3 * TAPE_MAX);
	assert_int_equal(t->room, TAPE_MAX);
	assert_int_equal(position(t, 1000000 + 3 * (3 * TAPE_MAX - 1)), t->end - 1);
	assert_false(has(t, n));
}

/* Nodes that all want the same place of the index: some of them are lost, the newest is not, and none is taken for another. */
static void collisions(void **state)
{
	struct tape *t = *state;
	uint64_t nodes[32], place = 0;
	uint32_t n = 0, found = 0;

	for (uint64_t node = 1; n < 32; node++) {
		uint64_t want = (node * UINT64_C(0x9e3779b97f4a7c15) >> 32) % (2 * TAPE_FIRST);

		if (!n)
			place = want;
		if (want == place)
			nodes[n++] = node;
	}
	for (n = 0; n < 32; n++) {
		tape_add(t, nodes[n]);
		assert_int_equal(position(t, nodes[n]), n);
	}
	for (n = 0; n < 32; n++)
		found += has(t, nodes[n]) && position(t, nodes[n]) == n;
	assert_int_equal(found, 8);
}

/* Without memory to grow it goes on in the room it has, and grows when there is some again. */
static void memory_is_out(void **state)
{
	struct tape *t = *state;

	failures = 1;
	tape_add(t, 1);
	assert_int_equal(t->end, 0);
	assert_false(has(t, 1));
	add_many(t, 1, 1, TAPE_FIRST);
	failures = 200;
	add_many(t, 1 + TAPE_FIRST, 1, 100);
	assert_int_equal(failures, 0);
	assert_int_equal(t->room, TAPE_FIRST);
	assert_int_equal(tape_begin(t), 100);
	assert_int_equal(position(t, 1 + 100), 100);
	assert_int_equal(position(t, TAPE_FIRST + 100), TAPE_FIRST + 99);
	tape_add(t, 9999);
	assert_int_equal(t->room, 2 * TAPE_FIRST);
	assert_int_equal(position(t, 1 + 100), 100);
	assert_int_equal(position(t, 9999), TAPE_FIRST + 100);
	/* What was forgotten meanwhile is nothing, not anything. */
	for (uint64_t at = tape_begin(t); at < 100; at++)
		assert_int_equal(tape_node(t, at), 0);
}

/* The index keeps 32 bits of a position. */
static void positions_wrap(void **state)
{
	struct tape *t = *state;
	uint64_t wrap = UINT64_C(1) << 32, lost = wrap - 1;

	add_many(t, 1, 1, TAPE_MAX);
	assert_int_equal(t->room, TAPE_MAX);
	t->end = wrap - 1000;
	memset(t->places, 0, 2 * sizeof(*t->places) * t->room);
	add_many(t, 500000, 1, 2000);
	for (uint64_t at = wrap - 1000; at < wrap + 1000; at++) {
		uint64_t node = 500000 + at - (wrap - 1000);

		if (at != lost)
			assert_int_equal(position(t, node), at);
		else
			assert_false(has(t, node));
	}
	/* An entry of 2^32 positions ago is not believed. */
	t->end += wrap - 500;
	for (uint64_t node = 500000; node < 502000; node++) {
		uint64_t at;

		assert_true(!tape_find(t, node, &at) || (tape_node(t, at) == node && at >= tape_begin(t) && at < t->end));
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, fresh, gone)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		T(empty),        T(order),     T(node_limits), T(marks), T(listed_twice), T(forgets_the_oldest),
		T(collisions),   T(memory_is_out), T(positions_wrap),
	};

	return cmocka_run_group_tests_name("nydus-rafs-tape", tests, NULL, NULL);
}
