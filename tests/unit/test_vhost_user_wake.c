/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of wake-ups: no kick asked for while a queue is busy, none lost, one interrupt for a batch; pinning. */
#include "vhost_world.h"

#include "lib/cpu_list.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/eventfd.h>

#include <cmocka.h>

#define BATCH 20

/* A client that stops at its first request until the test lets it go on. */
static struct {
	bool (*serve)(void *conn, struct transport_request *req);
	sem_t entered, gate;
	_Atomic bool closed;
	uint32_t processors; /* that the queue's thread may use; written before entered */
	_Atomic uint32_t follows; /* of each request in order, a decimal digit: 1 no, 2 yes */
} gate;

static bool gated_serve(void *conn, struct transport_request *req)
{
	atomic_store(&gate.follows, atomic_load(&gate.follows) * 10 + (req->follows ? 2 : 1));
	if (atomic_exchange(&gate.closed, false)) {
		gate.processors = cpu_count();
		sem_post(&gate.entered);
		while (sem_wait(&gate.gate) != 0)
			;
	}
	return gate.serve(conn, req);
}

static int gate_setup(void **state)
{
	struct vhost_user_config config;

	if (world_setup(state) < 0)
		return -1;
	sem_init(&gate.entered, 0, 0);
	sem_init(&gate.gate, 0, 0);
	atomic_store(&gate.closed, false);
	atomic_store(&gate.follows, 0);
	gate.serve = w.client.ops.serve;
	w.client.ops.serve = gated_serve;
	config = world_config();
	world_start(&config);
	return front_connect(&w.front, w.path) ? 0 : -1;
}

/* The queue's thread stands in its first request. */
static void enter_gate(struct front *f)
{
	atomic_store(&gate.closed, true);
	assert_true(front_request(f, 1, 0, "first") >= 0);
	/* Whether a kick is wanted depends on what the queue did before. */
	driver_kick(&f->rings[1]);
	eventfd_write(f->kick[1], 1);
	while (sem_wait(&gate.entered) != 0)
		assert_int_equal(errno, EINTR);
}

static void fill_batch(struct front *f)
{
	for (uint32_t n = 1; n < BATCH; n++) {
		assert_true(front_request(f, 1, n, "more") >= 0);
		assert_false(driver_kick(&f->rings[1]));
	}
}

static void take_batch(struct front *f)
{
	uint32_t id, len;

	for (uint32_t n = 0; n < BATCH; n++)
		while (!driver_used(&f->rings[1], &id, &len))
			world_sleep_ms(1);
	/* A command of the control thread runs between two batches: what the last one had to signal was signalled. */
	assert_int_equal(front_ack_state(f, VHOST_USER_SET_VRING_ENABLE, 1, 1), 0);
}

static uint64_t interrupts(struct front *f)
{
	eventfd_t count = 0;

	return eventfd_read(f->call[1], &count) == 0 ? count : 0;
}

static void test_batch(void **state)
{
	struct front *f = &w.front;

	(void)state;
	for (size_t i = 0; i < WORLD_KINDS; i++) {
		front_start(f, world_kinds[i]);
		driver_interrupts(&f->rings[1], true);
		enter_gate(f);
		interrupts(f);
		fill_batch(f);
		sem_post(&gate.gate);
		take_batch(f);
		assert_int_equal(interrupts(f), 1);
		/* And the queue was not left asleep without a kick asked for. */
		assert_true(front_echo(f, 1, "after"));
		world_reconnect();
	}
}

static void test_no_interrupts(void **state)
{
	struct front *f = &w.front;

	(void)state;
	for (size_t i = 0; i < WORLD_KINDS; i++) {
		front_start(f, world_kinds[i]);
		assert_true(front_echo(f, 1, "before"));
		driver_interrupts(&f->rings[1], false);
		assert_int_equal(front_ack_state(f, VHOST_USER_SET_VRING_ENABLE, 1, 1), 0);
		interrupts(f);
		enter_gate(f);
		fill_batch(f);
		sem_post(&gate.gate);
		take_batch(f);
		assert_int_equal(interrupts(f), 0);
		world_reconnect();
	}
}

/* What comes right behind a request begins when that ended; behind a chain that was dropped nobody knows when. */
static void test_follows(void **state)
{
	const struct driver_buf outside = { 0x1000, 8, true };
	struct front *f = &w.front;
	uint32_t id, len;

	(void)state;
	front_start(f, EVENTS);
	enter_gate(f);
	assert_true(front_request(f, 1, 1, "more") >= 0);
	assert_true(driver_add(&f->rings[1], &outside, 1, false) >= 0);
	assert_true(front_request(f, 1, 2, "more") >= 0);
	assert_true(front_request(f, 1, 3, "more") >= 0);
	driver_kick(&f->rings[1]);
	sem_post(&gate.gate);
	for (int n = 0; n < 5; n++)
		assert_true(front_used(f, 1, &id, &len));
	assert_true(front_echo(f, 1, "after"));
	assert_int_equal(atomic_load(&gate.follows), 12121);
}

/* Kicks only where they are wanted, and pauses around the time that a queue polls: each request must be seen. */
static void test_none_lost(void **state)
{
	static const uint32_t bounds[] = { 0, 1, 50, 1000 };
	struct timespec pause = { 0, 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]) * WORLD_KINDS; i++) {
		struct vhost_user_config config = world_config();

		config.poll_us = bounds[i / WORLD_KINDS];
		world_start(&config);
		assert_true(front_connect(&w.front, w.path));
		front_start(&w.front, world_kinds[i % WORLD_KINDS]);
		for (uint32_t n = 0; n < 500; n++) {
			assert_true(front_echo(&w.front, 1 + n % 2, n % 7 ? "quick" : "P"));
			pause.tv_nsec = n % 50 * 2000;
			if (n % 3 == 0)
				nanosleep(&pause, NULL);
		}
		front_close(&w.front);
		world_stop();
	}
}

/* ---- processors ---- */

static uint16_t own_processor(void)
{
	int cpu = sched_getcpu();

	assert_true(cpu >= 0 && cpu <= CPU_NUMBER_MAX);
	return (uint16_t)cpu;
}

static void test_pinned(void **state)
{
	struct vhost_user_config config = world_config();

	(void)state;
	front_close(&w.front);
	world_stop();
	config.cpus.cpu[config.cpus.n++] = own_processor();
	world_start(&config);
	assert_true(front_connect(&w.front, w.path));
	front_start(&w.front, EVENTS);
	enter_gate(&w.front);
	assert_int_equal(gate.processors, 1);
	sem_post(&gate.gate);
	assert_true(front_echo(&w.front, 2, "the list began anew"));
}

static void test_no_such_processor(void **state)
{
	struct vhost_user_config config = world_config();
	struct graft_error err = { 0 };

	(void)state;
	config.cpus.cpu[config.cpus.n++] = CPU_NUMBER_MAX;
	world_listen();
	w.t = vhost_user_new(&config, &w.client.ops, &w.client, &err);
	assert_non_null(w.t);
	assert_int_equal(w.t->ops->start(w.t, &err), -EINVAL);
	assert_non_null(strstr(err.text, "cannot keep queue 1 on processor 8191"));
	w.t->ops->free(w.t);
	w.t = NULL;
}

#define WORLD_GATED(test) cmocka_unit_test_setup_teardown(test, gate_setup, world_connected_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_GATED(test_batch),  WORLD_GATED(test_no_interrupts),     WORLD_ALONE(test_none_lost),
		WORLD_GATED(test_pinned), WORLD_ALONE(test_no_such_processor), WORLD_GATED(test_follows),
	};

	return cmocka_run_group_tests_name("vhost_user_wake", tests, NULL, NULL);
}
