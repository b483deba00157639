/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of transport/queue_poll: when a queue looks out for work, for how long, and when it stops. */
#include "transport/queue_poll.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define MAX 50000ULL

static struct queue_crowd crowd;
static struct queue_poll poll;

static int setup(void **state)
{
	(void)state;
	queue_crowd_init(&crowd, 4);
	queue_crowd_wake(&crowd);
	queue_poll_init(&poll, MAX);
	return 0;
}

static uint64_t look(void)
{
	return queue_poll_look(&poll, &crowd);
}

static void test_off(void **state)
{
	(void)state;
	queue_poll_init(&poll, 0);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(look(), 0);
		queue_poll_slept(&poll, 0);
	}
}

static void test_learns(void **state)
{
	(void)state;
	assert_int_equal(look(), 0);
	/* A long sleep promises nothing, a short one does. */
	queue_poll_slept(&poll, 2 * MAX + 1);
	assert_int_equal(look(), 0);
	queue_poll_slept(&poll, 2 * MAX);
	assert_in_range(look(), QUEUE_POLL_MIN_NS, MAX);
	/* The look grows short where work comes soon, and never longer than its bound. */
	for (int i = 0; i < 100; i++)
		queue_poll_met(&poll, 1000, false);
	assert_int_equal(look(), QUEUE_POLL_MIN_NS);
	for (int i = 0; i < 100; i++)
		queue_poll_met(&poll, MAX, false);
	assert_int_equal(look(), MAX);
}

/* What was won is bounded: the end of the work is noticed after a bounded time of looking in vain. */
static void test_gives_up(void **state)
{
	(void)state;
	uint64_t spent = 0;

	queue_poll_slept(&poll, 1000);
	for (int i = 0; i < 100000; i++)
		queue_poll_met(&poll, 0, false);
	for (uint64_t ns; (ns = look()); spent += ns)
		queue_poll_missed(&poll, ns);
	assert_in_range(spent, MAX, (QUEUE_POLL_CREDIT + 1) * MAX);
}

/* Work that comes only because the queue sleeps: looks become rare, but are never given up for good. */
static void test_disappointed(void **state)
{
	(void)state;
	uint32_t looks = 0, i;

	for (i = 0; i < 20000; i++) {
		uint64_t ns = look();
		if (ns) {
			looks++;
			queue_poll_missed(&poll, MAX);
		}
		queue_poll_slept(&poll, 3000);
	}
	assert_in_range(looks, 10, 40);
	for (i = 0; i <= QUEUE_POLL_ASKED && !look(); i++)
		queue_poll_slept(&poll, 3000);
	assert_in_range(i, 0, QUEUE_POLL_ASKED);
	/* Once it pays again, a new disappointment costs no more than the first one did. */
	for (i = 0; i < 100; i++)
		queue_poll_met(&poll, 1000, false);
	assert_int_equal(poll.asked, 1);
}

static void test_hole(void **state)
{
	(void)state;
	queue_poll_slept(&poll, 1000);
	assert_int_not_equal(look(), 0);
	queue_poll_met(&poll, 40000, true);
	assert_int_equal(look(), 0);
	queue_poll_slept(&poll, 1000);
	assert_int_equal(look(), 0);
	queue_poll_slept(&poll, 1000);
	assert_int_not_equal(look(), 0);
	/* Later than any look may last: not met by it. */
	queue_poll_met(&poll, MAX + 1, false);
	assert_int_equal(look(), 0);
}

/* One processor is left to the drivers. */
static void test_crowd(void **state)
{
	(void)state;
	queue_poll_slept(&poll, 1000);
	queue_crowd_wake(&crowd);
	queue_crowd_wake(&crowd);
	assert_int_not_equal(look(), 0);
	queue_crowd_wake(&crowd);
	assert_int_equal(look(), 0);
	queue_crowd_sleep(&crowd);
	assert_int_not_equal(look(), 0);
	for (uint32_t n = 0; n < 2; n++) {
		queue_crowd_init(&crowd, n);
		queue_crowd_wake(&crowd);
		assert_int_equal(look(), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_off, setup),      cmocka_unit_test_setup(test_learns, setup),
		cmocka_unit_test_setup(test_gives_up, setup), cmocka_unit_test_setup(test_disappointed, setup),
		cmocka_unit_test_setup(test_hole, setup),     cmocka_unit_test_setup(test_crowd, setup),
	};

	return cmocka_run_group_tests_name("queue_poll", tests, NULL, NULL);
}
