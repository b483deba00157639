/* SPDX-License-Identifier: Apache-2.0 */
/* Where a ring goes on: the front end's base, and what is done where it says 0 for a packed ring that may be fresh. */
#include "tests/unit/vring_rig.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define FEW 4 /* entries of a ring whose rounds are counted by hand */

/* Saved in the middle of a lap and gone on with, as a back end that took over would. */
static void test_base(void **state)
{
	size_t i, k;

	(void)state;
	for (i = 0; i < 5; i++) {
		struct rig *g = rig_new(&variants[i]);
		uint32_t laps;

		for (laps = 0; laps < 40; laps++) {
			struct vring_config config = rig_config(g);

			for (k = 0; k < laps % 5 + 1; k++)
				assert_alive(g);
			config.base = vring_base(&g->ring);
			memset(&g->ring, 0xee, sizeof(g->ring));
			assert_int_equal(vring_init(&g->ring, &config, g->mem, NULL), 0);
			assert_int_equal(vring_base(&g->ring), config.base);
			assert_int_equal(pop(g), VRING_EMPTY);
		}
		rig_free(g);
	}
}

static void test_packed_base(void **state)
{
	const struct variant v = { true, false, SIZE };
	struct rig *g = rig_new(&v);
	struct vring_config config = rig_config(g);

	(void)state;
	config.base = 3U | 1U << 15 | 1U << 16;
	assert_int_equal(vring_init(&g->ring, &config, g->mem, NULL), 0);
	assert_int_equal(g->ring.packed.next_avail, 3);
	assert_true(g->ring.packed.avail_wrap);
	assert_int_equal(g->ring.packed.next_used, 1);
	assert_false(g->ring.packed.used_wrap);
	/* Some front ends leave the upper half out. */
	config.base = 0x8000;
	assert_int_equal(vring_init(&g->ring, &config, g->mem, NULL), 0);
	assert_int_equal(vring_base(&g->ring), VRING_PACKED_FRESH_BASE);
	config.base = SIZE;
	assert_int_equal(vring_init(&g->ring, &config, g->mem, NULL), -EINVAL);
	config.base = SIZE << 16;
	assert_int_equal(vring_init(&g->ring, &config, g->mem, NULL), -EINVAL);
	rig_free(g);
}

static void test_init_refusals(void **state)
{
	static const uint32_t sizes[] = { 0, VRING_MAX_SIZE + 1, UINT32_MAX };
	size_t i, k;

	(void)state;
	for (i = 0; i < 4; i++) {
		struct rig *g = rig_new(&variants[i]);
		struct graft_error err = { 0 };
		struct vring_config config = rig_config(g);
		struct guest_memory *empty = guest_memory_new(NULL, NULL, 0, NULL);
		uint64_t *fields[] = { &config.addr.desc, &config.addr.avail, &config.addr.used };

		assert_int_equal(vring_init(&g->ring, &config, empty, &err), -EFAULT);
		assert_int_equal(vring_init(&g->ring, &config, NULL, &err), -EFAULT);
		guest_memory_put(empty);
		for (k = 0; k < 3; k++) {
			config = rig_config(g);
			config.size = sizes[k];
			assert_int_equal(vring_init(&g->ring, &config, g->mem, &err), -EINVAL);
			config = rig_config(g);
			/* Outside, over the end by two bytes, badly aligned. */
			*fields[k] = DRIVER_USER - 16;
			assert_int_equal(vring_init(&g->ring, &config, g->mem, &err), -EFAULT);
			*fields[k] = DRIVER_USER + MEMORY - 2;
			assert_int_equal(vring_init(&g->ring, &config, g->mem, &err), -EFAULT);
			*fields[k] = DRIVER_USER + 0x80001;
			assert_int_equal(vring_init(&g->ring, &config, g->mem, &err), -EFAULT);
		}
		config = rig_config(g);
		config.size = 12;
		assert_int_equal(vring_init(&g->ring, &config, g->mem, &err), variants[i].packed ? 0 : -EINVAL);
		rig_free(g);
	}
}

static int setup(void **state)
{
	static const struct variant few = { true, false, FEW };

	*state = rig_new(&few);
	return 0;
}

static int teardown(void **state)
{
	rig_free(*state);
	return 0;
}

static void start(struct rig *g, uint32_t base)
{
	struct vring_config config = rig_config(g);

	config.base = base;
	config.indirect = false;
	assert_int_equal(vring_init(&g->ring, &config, g->mem, NULL), 0);
}

/* A chain of n entries goes through. */
static void pass(struct rig *g, uint32_t n)
{
	const struct driver_buf bufs[FEW] = { { DATA, 8, true }, { DATA + 64, 8, true }, { DATA + 128, 8, true } };
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
		cmocka_unit_test(test_base),
		cmocka_unit_test(test_packed_base),
		cmocka_unit_test(test_init_refusals),
		cmocka_unit_test_setup_teardown(test_fresh, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fresh_with_chains, setup, teardown),
		cmocka_unit_test_setup_teardown(test_after_one_round, setup, teardown),
		cmocka_unit_test_setup_teardown(test_after_a_chain_over_the_edge, setup, teardown),
	};

	return cmocka_run_group_tests_name("vring base", tests, NULL, NULL);
}
