/* SPDX-License-Identifier: Apache-2.0 */
/* The workers: order by urgency, promotion, jobs for later, cancelling. */
#include "rafs/engine/pool.h"

#include "lib/clock.h"

#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* cmocka.h wants these first */
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

struct named {
	struct job job; /* first */
	char name;
};

static char order[16];
static _Atomic uint32_t ran;
static _Atomic bool hold, held;

static void note(struct job *job, struct worker *w)
{
	(void)w;
	order[atomic_load(&ran)] = ((struct named *)(void *)job)->name; /* one worker */
	atomic_fetch_add(&ran, 1);
}

static void wait_on(struct job *job, struct worker *w)
{
	(void)job;
	(void)w;
	atomic_store(&held, true);
	while (atomic_load(&hold))
		usleep(1000);
}

static void wait_until_ran(uint32_t n)
{
	for (int i = 0; i < 10000 && atomic_load(&ran) < n; i++)
		usleep(1000);
	assert_int_equal(atomic_load(&ran), n);
}

static void begin(struct pool *p, struct job *blocker)
{
	memset(order, 0, sizeof(order));
	atomic_store(&ran, 0);
	atomic_store(&held, false);
	atomic_store(&hold, true);
	*blocker = (struct job){.run = wait_on};
	pool_push(p, blocker, POOL_DEMAND);
	while (!atomic_load(&held))
		usleep(1000);
}

/* One worker, held up while jobs come. */
static void test_order(void **state)
{
	struct pool *p = pool_get(1);
	struct named jobs[6];
	struct job blocker;

	(void)state;
	for (int i = 0; i < 6; i++)
		jobs[i] = (struct named){.job.run = note, .name = (char)('a' + i)};
	begin(p, &blocker);
	pool_push(p, &jobs[0].job, POOL_PREFETCH);
	pool_push(p, &jobs[1].job, POOL_AHEAD);
	pool_push(p, &jobs[2].job, POOL_AHEAD);
	pool_push(p, &jobs[3].job, POOL_DEMAND);
	pool_push(p, &jobs[4].job, POOL_AHEAD);
	pool_push(p, &jobs[5].job, POOL_DEMAND);
	pool_promote(p, &jobs[2].job); /* somebody waits for it now */
	pool_promote(p, &jobs[5].job); /* is that already */
	assert_true(pool_cancel(p, &jobs[4].job));
	assert_false(pool_cancel(p, &jobs[4].job));
	atomic_store(&hold, false);
	wait_until_ran(5);
	assert_string_equal(order, "cdfba");
	assert_false(pool_cancel(p, &jobs[0].job));
	pool_promote(p, &jobs[0].job); /* has run */
	pool_put(p);
}

static void test_later(void **state)
{
	struct pool *p = pool_get(1);
	struct named soon = {.job.run = note, .name = 's'}, never = {.job.run = note, .name = 'n'}, now = {.job.run = note, .name = 'x'};
	struct job blocker;

	(void)state;
	begin(p, &blocker);
	pool_push_later(p, &never.job, UINT64_C(3600000000000));
	pool_push_later(p, &soon.job, 50000000);
	atomic_store(&hold, false);
	wait_until_ran(1);
	pool_push(p, &now.job, POOL_DEMAND);
	wait_until_ran(2);
	assert_string_equal(order, "sx");
	assert_true(pool_cancel(p, &never.job));
	/* What waits for later can be wanted now. */
	pool_push_later(p, &never.job, UINT64_C(3600000000000));
	pool_promote(p, &never.job);
	wait_until_ran(3);
	pool_put(p);
}

/* One pool for all; it grows to the greatest wish. */
static void test_shared(void **state)
{
	struct pool *p = pool_get(1), *q = pool_get(3);
	struct job blockers[3];

	(void)state;
	assert_ptr_equal(p, q);
	atomic_store(&hold, true);
	for (int i = 0; i < 3; i++) {
		atomic_store(&held, false);
		blockers[i] = (struct job){.run = wait_on};
		pool_push(p, &blockers[i], POOL_DEMAND);
		while (!atomic_load(&held))
			usleep(1000);
	}
	atomic_store(&hold, false);
	pool_put(p);
	pool_put(q);
}

static void test_buffer(void **state)
{
	struct buffer b = {0};

	(void)state;
	assert_int_equal(buffer_reserve(&b, 100), 0);
	unsigned char *first = b.bytes;
	assert_int_equal(buffer_reserve(&b, 50), 0);
	assert_ptr_equal(b.bytes, first);
	assert_int_equal(buffer_reserve(&b, 1 << 20), 0);
	memset(b.bytes, 1, 1 << 20);
	buffer_free(&b);
	assert_null(b.bytes);
	buffer_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_later),
		cmocka_unit_test(test_shared),
		cmocka_unit_test(test_buffer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
