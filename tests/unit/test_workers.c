/* SPDX-License-Identifier: Apache-2.0 */
/* Workers and strands. */
#include "server/workers.h"

#include <errno.h>
#include <sched.h>
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

/* What the threads' own directory and umask need; of those of a pool, the one that counts down to 0 does not get it. */
static _Atomic int until_failure;

int __real_unshare(int flags);
int __wrap_unshare(int flags);
int __wrap_unshare(int flags)
{
	if (atomic_fetch_sub(&until_failure, 1) != 1)
		return __real_unshare(flags);
	errno = EPERM;
	return -1;
}

/* Several pools at a time, each waited for later; work that came before is done. */
static void test_two_steps(void **state)
{
	struct graft_error err = { 0 };
	struct workers *w[2] = { workers_new(3, 10), workers_new(2, 10) };
	struct piece piece = { .work = { .fn = run } };

	(void)state;
	atomic_store(&ran, 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(workers_begin(w[i], &err), 0);
	workers_post(w[0], &piece.work);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(workers_await(w[i], &err), 0);
		assert_true(workers_running(w[i]));
		workers_free(w[i]);
	}
	assert_int_equal(atomic_load(&ran), 1);
	/* One that nobody waited for ends too. */
	w[0] = workers_new(3, 10);
	assert_int_equal(workers_begin(w[0], &err), 0);
	workers_free(w[0]);
}

/* Where one thread cannot run, none does; then all can. */
static void test_one_fails(void **state)
{
	struct graft_error err = { 0 };
	struct workers *w = workers_new(4, 10);

	(void)state;
	for (int nth = 1; nth <= 4; nth++) {
		atomic_store(&until_failure, nth);
		assert_int_equal(workers_start(w, &err), -EPERM);
		assert_false(workers_running(w));
	}
	atomic_store(&until_failure, 0);
	assert_int_equal(workers_start(w, &err), 0);
	assert_true(workers_running(w));
	workers_free(w);
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
		cmocka_unit_test(test_strand), cmocka_unit_test(test_fair),     cmocka_unit_test(test_two_steps),
		cmocka_unit_test(test_one_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
