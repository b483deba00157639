/* SPDX-License-Identifier: Apache-2.0 */
/* Where a packed ring goes on when the front end says 0: a fresh ring, or a real position after an odd number of rounds. */
#include "transport/vring.h"

#include "tests/unit/vring_driver.h"
#include "transport/transport.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define DATA (DRIVER_GPA + DRIVER_DATA)
#define SIZE 4

struct rig {
	struct driver_memory memory;
	struct driver driver;
	struct guest_memory *mem;
	struct vring_config config;
	struct vring ring;
	struct iovec iov[2 * TRANSPORT_MAX_IOV];
};

static void start(struct rig *g, uint32_t base)
{
	g->config.base = base;
	assert_int_equal(vring_init(&g->ring, &g->config, g->mem, NULL), 0);
}

static int setup(void **state)
{
	struct rig *g = calloc(1, sizeof(*g));

	driver_memory_init(&g->memory, 0x200000);
	driver_init(&g->driver, &g->memory, 0, SIZE, true, false);
	g->mem = driver_memory_map(&g->memory);
	g->config = (struct vring_config){ .addr = driver_addresses(&g->driver), .size = SIZE, .packed = true };
	*state = g;
	return 0;
}

static int teardown(void **state)
{
	struct rig *g = *state;

	guest_memory_put(g->mem);
	driver_memory_fini(&g->memory);
	free(g);
	return 0;
}

/* A chain of n entries goes through. */
static void pass(struct rig *g, uint32_t n)
{
	const struct driver_buf bufs[SIZE] = { { DATA, 8, true }, { DATA + 64, 8, true }, { DATA + 128, 8, true } };
	struct vring_chain chain;
	uint32_t got, len;
	int id = driver_add(&g->driver, bufs, n, false);

	assert_true(id >= 0);
	assert_int_equal(vring_pop(&g->ring, g->iov, &chain), VRING_CHAIN);
	assert_int_equal(chain.ndesc, n);
	vring_push(&g->ring, &chain, 8);
	vring_publish(&g->ring);
	assert_true(driver_used(&g->driver, &got, &len));
	assert_int_equal(got, id);
}

static void assert_goes_on(struct rig *g)
{
	struct vring_chain chain;

	assert_int_equal(vring_pop(&g->ring, g->iov, &chain), VRING_EMPTY);
	pass(g, 1);
	pass(g, 3);
}

/* Linux's virtio_uml always says 0. */
static void test_fresh(void **state)
{
	struct rig *g = *state;

	start(g, 0);
	assert_int_equal(vring_base(&g->ring), VRING_PACKED_FRESH_BASE);
	assert_goes_on(g);
}

/* The same where the driver was quicker than the start. */
static void test_fresh_with_chains(void **state)
{
	const struct driver_buf buf = { DATA, 8, true };
	struct rig *g = *state;
	struct vring_chain chain;

	assert_true(driver_add(&g->driver, &buf, 1, false) >= 0);
	start(g, 0);
	assert_int_equal(vring_pop(&g->ring, g->iov, &chain), VRING_CHAIN);
}

static void test_after_one_round(void **state)
{
	struct rig *g = *state;

	start(g, VRING_PACKED_FRESH_BASE);
	pass(g, 3);
	pass(g, 1);
	assert_int_equal(vring_base(&g->ring), 0);
	start(g, 0);
	assert_int_equal(vring_base(&g->ring), 0);
	assert_goes_on(g);
}

/* In the last round the first entry was the second one of a chain, so it was never given back and has no USED. */
static void test_after_a_chain_over_the_edge(void **state)
{
	struct rig *g = *state;

	start(g, VRING_PACKED_FRESH_BASE);
	pass(g, 3);
	pass(g, 1);
	pass(g, 3);
	pass(g, 2);
	pass(g, 3);
	assert_int_equal(vring_base(&g->ring), 0);
	assert_int_equal(driver_get16(g->driver.desc + 14) & VRING_DESC_USED, 0);
	start(g, 0);
	assert_int_equal(vring_base(&g->ring), 0);
	assert_goes_on(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_fresh, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fresh_with_chains, setup, teardown),
		cmocka_unit_test_setup_teardown(test_after_one_round, setup, teardown),
		cmocka_unit_test_setup_teardown(test_after_a_chain_over_the_edge, setup, teardown),
	};

	return cmocka_run_group_tests_name("vring base", tests, NULL, NULL);
}
