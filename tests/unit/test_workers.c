/* SPDX-License-Identifier: Apache-2.0 */
/* Workers and strands. */
#include "server/workers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define PIECES 500

struct piece {
	struct work work;
	uint32_t number;
};

static _Atomic uint32_t ran, inside, most;
static uint32_t ordered;
static _Atomic bool hold;
static struct strand strand;
static uint32_t order[PIECES];

static void run(struct work *w)
{
	(void)w;
	while (atomic_load(&hold))
		usleep(100);
	atomic_fetch_add(&ran, 1);
}

static void run_in_order(struct work *w)
{
	struct piece *p = (struct piece *)w;
	uint32_t now = atomic_fetch_add(&inside, 1) + 1;

	if (now > atomic_load(&most))
		atomic_store(&most, now);
	assert_true(strand_is_current(&strand));
	/* Not atomic: the strand is what protects it. */
	order[ordered++] = p->number;
	atomic_fetch_add(&ran, 1);
	atomic_fetch_sub(&inside, 1);
}

static struct workers *started(uint32_t threads, uint32_t bound)
{
	struct graft_error err = { 0 };
	struct workers *w = workers_new(threads, bound);

	assert_non_null(w);
	assert_int_equal(workers_start(w, &err), 0);
	atomic_store(&ran, 0);
	atomic_store(&most, 0);
	ordered = 0;
	return w;
}

static void test_auto(void **state)
{
	struct workers *w = workers_new(0, 1);

	(void)state;
	assert_true(workers_threads(w) >= 4 && workers_threads(w) <= 64);
	workers_free(w);
	workers_free(NULL);
}

/* What waits when the end comes is done before it. */
static void test_all_done(void **state)
{
	struct piece pieces[PIECES];
	struct workers *w = started(3, PIECES);

	(void)state;
	for (uint32_t i = 0; i < PIECES; i++) {
		pieces[i].work.fn = run;
		assert_true(workers_try(w, &pieces[i].work));
	}
	workers_free(w);
	assert_int_equal(atomic_load(&ran), PIECES);
}

static void test_bound(void **state)
{
	struct piece pieces[20];
	struct workers *w = started(1, 10);
	uint32_t taken = 0;

	(void)state;
	for (uint32_t i = 0; i < 20; i++)
		pieces[i].work.fn = run;
	atomic_store(&hold, true);
	for (uint32_t i = 0; i < 19; i++)
		taken += workers_try(w, &pieces[i].work);
	/* Ten wait, and one may run already. */
	assert_true(taken == 10 || taken == 11);
	assert_false(workers_try(w, &pieces[19].work));
	workers_post(w, &pieces[19].work);
	atomic_store(&hold, false);
	workers_free(w);
	assert_int_equal(atomic_load(&ran), taken + 1);
}

static void test_strand(void **state)
{
	static struct piece pieces[PIECES];
	struct workers *w = started(4, 10);

	(void)state;
	strand_init(&strand, w);
	assert_false(strand_is_current(&strand));
	for (uint32_t i = 0; i < PIECES; i++) {
		pieces[i] = (struct piece){ { .fn = run_in_order }, i };
		strand_post(&strand, &pieces[i].work);
	}
	strand_fini(&strand);
	assert_int_equal(atomic_load(&ran), PIECES);
	assert_int_equal(atomic_load(&most), 1);
	for (uint32_t i = 0; i < PIECES; i++)
		assert_int_equal(order[i], i);
	workers_free(w);
}

/* A busy strand lets other work pass. */
static void test_fair(void **state)
{
	static struct piece pieces[PIECES];
	struct piece other = { .work = { .fn = run } };
	struct workers *w = started(1, 10);

	(void)state;
	strand_init(&strand, w);
	for (uint32_t i = 0; i < PIECES; i++) {
		pieces[i] = (struct piece){ { .fn = run_in_order }, i };
		strand_post(&strand, &pieces[i].work);
	}
	workers_post(w, &other.work);
	strand_fini(&strand);
	workers_free(w);
	assert_int_equal(atomic_load(&ran), PIECES + 1);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_auto),   cmocka_unit_test(test_all_done), cmocka_unit_test(test_bound),
		cmocka_unit_test(test_strand), cmocka_unit_test(test_fair),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
