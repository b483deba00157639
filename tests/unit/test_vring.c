/* SPDX-License-Identifier: Apache-2.0 */
/* Unit test of transport/vring, split and packed, against the driver of vring_driver.c. */
#include "lib/iov.h"
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

static void test_simple(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < NVARIANTS; i++) {
		struct rig *g = rig_new(&variants[i]);
		const struct driver_buf bufs[] = { { DATA, 40, false }, { DATA + 4096, 100, true } };
		int id;

		assert_int_equal(pop(g), VRING_EMPTY);
		memcpy(g->memory.base + DRIVER_DATA, "hello", 6);
		id = driver_add(&g->driver, bufs, 2, variants[i].size < 2);
		assert_int_equal(pop(g), VRING_CHAIN);
		assert_int_equal(g->chain.nin, 1);
		assert_int_equal(g->chain.nout, 1);
		assert_int_equal(g->chain.in_len, 40);
		assert_int_equal(g->chain.out_len, 100);
		assert_int_equal(g->iov[0].iov_len, 40);
		assert_string_equal(g->iov[0].iov_base, "hello");
		memcpy(g->iov[1].iov_base, "answer", 7);
		assert_string_equal(g->memory.base + DRIVER_DATA + 4096, "answer");
		assert_int_equal(pop(g), VRING_EMPTY);
		give_back(g, id, 7);
		rig_free(g);
	}
}

/* Deterministic pseudo-random numbers. */
static uint32_t dice(uint32_t *seed, uint32_t n)
{
	*seed = *seed * 1664525 + 1013904223;
	return (*seed >> 8) % n;
}

struct outstanding {
	struct vring_chain chain;
	int id;
	uint32_t len;
};

static void add_random(struct rig *g, uint32_t *seed, struct outstanding *waiting, uint32_t *n)
{
	struct driver_buf bufs[4];
	uint32_t i, nbufs = 1 + dice(seed, 4), tag = dice(seed, 100000);
	bool indirect = dice(seed, 3) == 0;
	int id;

	for (i = 0; i < nbufs; i++)
		bufs[i] = (struct driver_buf){ DATA + (uint64_t)tag * 16 % 0x100000 + i * 4096, 1 + tag % 64, i > 0 };
	id = driver_add(&g->driver, bufs, nbufs, indirect);
	if (id < 0)
		return;
	waiting[*n].id = id;
	waiting[(*n)++].len = bufs[0].len;
}

static void take_all(struct rig *g, struct outstanding *waiting, uint32_t n, uint32_t *taken)
{
	for (; *taken < n; ++*taken) {
		assert_int_equal(pop(g), VRING_CHAIN);
		assert_int_equal(g->chain.in_len, waiting[*taken].len);
		waiting[*taken].chain = g->chain;
	}
	assert_int_equal(pop(g), VRING_EMPTY);
}

/* Many laps, chains of all lengths, given back in any order and in batches of all sizes. */
static void run_laps(const struct variant *v, uint32_t rounds)
{
	static struct outstanding waiting[DRIVER_MAX_SIZE];
	struct rig *g = rig_new(v);
	uint32_t seed = 42 + v->size, n = 0, taken = 0, back = 0, round;

	for (round = 0; round < rounds; round++) {
		uint32_t i, batch, first, id, len;
		struct outstanding order[DRIVER_MAX_SIZE];

		for (i = dice(&seed, 6); i > 0; i--)
			add_random(g, &seed, waiting, &n);
		take_all(g, waiting, n, &taken);
		batch = dice(&seed, n + 1);
		for (i = 0; i < batch; i++) {
			first = dice(&seed, n);
			order[i] = waiting[first];
			waiting[first] = waiting[--n];
			vring_push(&g->ring, &order[i].chain, order[i].len * 3);
		}
		taken = n;
		vring_publish(&g->ring);
		for (i = 0; i < batch; i++, back++) {
			assert_true(driver_used(&g->driver, &id, &len));
			assert_int_equal(id, order[i].id);
			assert_int_equal(len, order[i].len * 3);
		}
		assert_false(driver_used(&g->driver, &id, &len));
	}
	assert_true(back > rounds / 20);
	rig_free(g);
}

static void test_laps(void **state)
{
	size_t i;

	(void)state;
	/* Past 65536 chains, where the split ring's indices wrap. */
	for (i = 0; i < NVARIANTS; i++)
		run_laps(&variants[i], variants[i].size == SIZE ? 40000 : 4000);
}

static void test_index_wrap(void **state)
{
	const struct variant v = { false, true, SIZE };
	struct rig *g = rig_new(&v);
	uint32_t i;

	(void)state;
	for (i = 0; i < 70000; i++)
		assert_alive(g);
	assert_int_equal(vring_base(&g->ring), 70000 - 65536);
	rig_free(g);
}

static void test_merge(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < 4; i++) {
		struct rig *g = rig_new(&variants[i]);
		/* Neighbours become one piece; a gap, or a change of direction, begins a new one; empty ones vanish. */
		const struct driver_buf bufs[] = {
			{ DATA, 0, false },        { DATA, 100, false },       { DATA + 100, 28, false },
			{ DATA + 256, 4, false },  { DATA + 260, 4096, true }, { DATA + 0x9000, 0, true },
			{ DATA + 4356, 10, true },
		};
		int id = driver_add(&g->driver, bufs, 7, false);

		assert_int_equal(pop(g), VRING_CHAIN);
		assert_int_equal(g->chain.nin, 2);
		assert_int_equal(g->chain.nout, 1);
		assert_int_equal(g->iov[0].iov_len, 128);
		assert_int_equal(g->iov[1].iov_len, 4);
		assert_int_equal(g->iov[2].iov_len, 4106);
		assert_int_equal(g->chain.in_len, 132);
		give_back(g, id, 4106);
		rig_free(g);
	}
}

/* Three regions: two neighbours, mapped from different places of the file, and one after a hole. */
static void test_regions(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < 4; i++) {
		struct rig *g = rig_new(&variants[i]);
		const struct guest_region_info infos[] = {
			{ DRIVER_GPA, 0x200000, DRIVER_USER, 0 },
			{ DRIVER_GPA + 0x200000, 0x1000, DRIVER_USER + 0x900000, 0x300000 },
			{ DRIVER_GPA + 0x202000, 0x1000, DRIVER_USER + 0xa00000, 0x301000 },
		};
		const int fds[] = { g->memory.fd, g->memory.fd, g->memory.fd };
		struct guest_memory *split = guest_memory_new(infos, fds, 3, NULL);
		const uint64_t edge = DRIVER_GPA + 0x200000;
		struct driver_buf over = { edge - 8, 16, false }, hole = { edge + 0xff8, 16, true };
		struct driver_buf outside = { edge + 0x8000, 1, true }, huge = { edge - 8, UINT32_MAX, true };
		struct vring_addresses addr = driver_addresses(&g->driver);
		struct iov_cursor cursor;
		char got[32];
		int id;

		assert_int_equal(vring_remap(&g->ring, &addr, split, NULL), 0);
		memcpy(g->memory.base + 0x200000 - 8, "left....", 8);
		memcpy(g->memory.base + 0x300000, "right...", 8);
		id = driver_add(&g->driver, &over, 1, false);
		assert_int_equal(pop(g), VRING_CHAIN);
		cursor = iov_cursor(g->iov, g->chain.nin);
		assert_int_equal(iov_read(&cursor, got, sizeof(got)), 16);
		assert_memory_equal(got, "left....right...", 16);
		give_back(g, id, 0);
		for (int bad = 0; bad < 3; bad++) {
			id = driver_add(&g->driver, bad == 0 ? &hole : bad == 1 ? &outside : &huge, 1, false);
			assert_int_equal(pop(g), VRING_BAD);
			assert_non_null(strstr(g->ring.fault, "outside"));
			give_back(g, id, 0);
		}
		assert_alive(g);
		guest_memory_put(split);
		rig_free(g);
	}
}

/* The whole ring taken at once is still right. */
static void test_full(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < NVARIANTS; i++) {
		struct rig *g = rig_new(&variants[i]);
		const struct driver_buf buf = { DATA, 8, true };
		uint32_t n = 0, id, len;

		while (driver_add(&g->driver, &buf, 1, false) >= 0)
			n++;
		assert_int_equal(n, variants[i].size);
		while (n--) {
			assert_int_equal(pop(g), VRING_CHAIN);
			vring_push(&g->ring, &g->chain, n);
		}
		assert_int_equal(pop(g), VRING_EMPTY);
		vring_publish(&g->ring);
		for (n = variants[i].size; n--;) {
			assert_true(driver_used(&g->driver, &id, &len));
			assert_int_equal(len, n);
		}
		assert_alive(g);
		rig_free(g);
	}
}

static void test_kicks(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < 5; i++) {
		struct rig *g = rig_new(&variants[i]);
		const struct driver_buf buf = { DATA, 8, true };
		uint32_t lap, id, len;

		for (lap = 0; lap < 50; lap++) {
			vring_disarm(&g->ring);
			/* Asleep: a kick for the first chain. What came before the ring was armed is found. */
			assert_false(vring_arm(&g->ring));
			driver_add(&g->driver, &buf, 1, false);
			assert_true(driver_kick(&g->driver));
			vring_disarm(&g->ring);
			/* Awake: none. */
			assert_int_equal(pop(g), VRING_CHAIN);
			vring_push(&g->ring, &g->chain, 0);
			driver_add(&g->driver, &buf, 1, false);
			assert_false(driver_kick(&g->driver));
			assert_true(vring_arm(&g->ring));
			vring_disarm(&g->ring);
			assert_int_equal(pop(g), VRING_CHAIN);
			vring_push(&g->ring, &g->chain, 0);
			vring_publish(&g->ring);
			while (driver_used(&g->driver, &id, &len))
				;
		}
		rig_free(g);
	}
}

static void test_interrupts(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < 5; i++) {
		struct rig *g = rig_new(&variants[i]);
		const struct driver_buf bufs[] = { { DATA, 8, false }, { DATA + 64, 8, true } };
		uint32_t lap, k, id, len;

		for (lap = 0; lap < 50; lap++) {
			/* Nothing given back, nothing to say. */
			assert_false(vring_publish(&g->ring));
			driver_interrupts(&g->driver, true);
			for (k = 0; k < 3; k++) {
				driver_add(&g->driver, bufs, 2, false);
				assert_int_equal(pop(g), VRING_CHAIN);
				vring_push(&g->ring, &g->chain, 8);
			}
			/* One for the batch. */
			assert_true(vring_publish(&g->ring));
			assert_false(vring_publish(&g->ring));
			while (driver_used(&g->driver, &id, &len))
				;
			driver_interrupts(&g->driver, false);
			driver_add(&g->driver, bufs, 2, false);
			assert_int_equal(pop(g), VRING_CHAIN);
			vring_push(&g->ring, &g->chain, 8);
			assert_false(vring_publish(&g->ring));
			while (driver_used(&g->driver, &id, &len))
				;
		}
		rig_free(g);
	}
}

static void test_dirty_ring(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < 4; i++) {
		struct rig *g = rig_new(&variants[i]);
		struct driver_memory bitmap;
		struct dirty_log *log;
		struct vring_addresses addr = driver_addresses(&g->driver);
		const uint8_t none[512] = { 0 };

		driver_memory_init(&bitmap, 0x10000);
		log = dirty_log_new(bitmap.fd, 0x10000, 0, NULL);
		/* Without the ring's own flag nothing is logged. */
		vring_set_log(&g->ring, log);
		assert_alive(g);
		assert_memory_equal(bitmap.base, none, sizeof(none));
		addr.logged = true;
		addr.log = 0x5000;
		assert_int_equal(vring_remap(&g->ring, &addr, g->mem, NULL), 0);
		vring_set_log(&g->ring, log);
		assert_alive(g);
		vring_arm(&g->ring);
		/* Split: used ring and index at the log address. Packed: descriptors where they are, the event area
		 * there. */
		assert_int_equal(bitmap.base[0], 1 << 5);
		assert_int_equal(bitmap.base[DRIVER_GPA / 4096 / 8], variants[i].packed ? 1 : 0);
		vring_set_log(&g->ring, NULL);
		memset(bitmap.base, 0, 0x10000);
		assert_alive(g);
		vring_disarm(&g->ring);
		assert_memory_equal(bitmap.base, none, sizeof(none));
		dirty_log_put(log);
		driver_memory_fini(&bitmap);
		rig_free(g);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_simple),
		cmocka_unit_test(test_laps),
		cmocka_unit_test(test_index_wrap),
		cmocka_unit_test(test_merge),
		cmocka_unit_test(test_regions),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_kicks),
		cmocka_unit_test(test_interrupts),
		cmocka_unit_test(test_dirty_ring),
	};

	return cmocka_run_group_tests_name("vring", tests, NULL, NULL);
}
