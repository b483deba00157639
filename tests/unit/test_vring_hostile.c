/* SPDX-License-Identifier: Apache-2.0 */
/* Unit test of transport/vring, split and packed: what a driver that breaks the rules can do. */
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

static void test_many_pieces(void **state)
{
	const struct variant kinds[] = { { false, false, DRIVER_MAX_SIZE }, { true, false, DRIVER_MAX_SIZE } };
	static struct driver_buf bufs[DRIVER_MAX_SIZE];
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		struct rig *g = rig_new(&kinds[i]);
		uint8_t *table = g->memory.base + 0x200000;
		uint32_t n, k;

		for (k = 0; k < DRIVER_MAX_SIZE; k++)
			bufs[k] = (struct driver_buf){ DATA + k * 16, 8, k >= 512 };
		assert_true(driver_add(&g->driver, bufs, DRIVER_MAX_SIZE, false) >= 0);
		assert_int_equal(pop(g), VRING_CHAIN);
		assert_int_equal(g->chain.nin, 512);
		assert_int_equal(g->chain.nout, 512);
		vring_push(&g->ring, &g->chain, 0);
		vring_publish(&g->ring);
		driver_used(&g->driver, &n, &k);
		/* An indirect table may be longer than the ring: exactly the limit is served, one more is not. */
		for (n = TRANSPORT_MAX_IOV; n <= TRANSPORT_MAX_IOV + 1; n++) {
			struct driver_buf indirect = { DRIVER_GPA + 0x200000, n * 16, false };
			uint16_t id;

			for (k = 0; k < n; k++) {
				uint16_t flags = VRING_DESC_WRITE | (k + 1 < n ? VRING_DESC_NEXT : 0);

				driver_put_desc(table, k, DATA + k * 16, 8, kinds[i].packed ? 0 : flags,
						kinds[i].packed ? flags : (uint16_t)(k + 1));
			}
			id = (uint16_t)driver_add(&g->driver, &indirect, 1, false);
			/* The driver has no way to say INDIRECT without filling the table itself: set the flag by hand.
			 */
			if (kinds[i].packed)
				driver_put16(g->driver.desc + (n - TRANSPORT_MAX_IOV) * 16 + 14,
					     VRING_DESC_INDIRECT | VRING_DESC_USED);
			else
				driver_put16(g->driver.desc + id * 16 + 12, VRING_DESC_INDIRECT);
			assert_int_equal(pop(g), n > TRANSPORT_MAX_IOV ? VRING_BAD : VRING_CHAIN);
			assert_int_equal(g->chain.nout, TRANSPORT_MAX_IOV);
			give_back(g, id, 0);
		}
		rig_free(g);
	}
}

static void test_total_length(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < 4; i++) {
		struct rig *g = rig_new_sized(&variants[i], 5ULL << 30);
		struct driver_buf bufs[] = { { DRIVER_GPA, UINT32_MAX - 1, false },
					     { DATA, 1, true },
					     { DATA, 1, true } };
		int id = driver_add(&g->driver, bufs, 2, false);

		assert_int_equal(pop(g), VRING_CHAIN);
		assert_int_equal(g->chain.in_len, UINT32_MAX - 1);
		give_back(g, id, 1);
		id = driver_add(&g->driver, bufs, 3, false);
		assert_int_equal(pop(g), VRING_BAD);
		assert_non_null(strstr(g->ring.fault, "4 GiB"));
		give_back(g, id, 0);
		rig_free(g);
	}
}

static void test_order(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < 4; i++) {
		struct rig *g = rig_new(&variants[i]);
		const struct driver_buf bufs[] = { { DATA, 8, true },
						   { DATA + 64, 8, false },
						   { DATA + 128, 8, true } };
		int id = driver_add(&g->driver, bufs, 3, false);

		assert_int_equal(pop(g), VRING_BAD);
		assert_non_null(strstr(g->ring.fault, "behind"));
		give_back(g, id, 0);
		assert_alive(g);
		rig_free(g);
	}
}

/* A descriptor by hand in a fresh ring, entry index; the words are put where the kind of ring has them. */
static void raw(struct rig *g, uint8_t *table, uint32_t index, uint64_t addr, uint32_t len, uint16_t flags,
		uint16_t extra)
{
	bool in_ring = table == g->driver.desc;

	if (g->driver.packed)
		driver_put_desc(table, index, addr, len, extra, flags | (in_ring ? VRING_DESC_AVAIL : 0));
	else
		driver_put_desc(table, index, addr, len, flags, extra);
}

/* Makes head available in a fresh split ring; packed entries are available by their flags. */
static void raw_publish(struct rig *g, uint16_t head, uint16_t idx)
{
	if (g->driver.packed)
		return;
	driver_put16(g->driver.avail + 4, head);
	driver_put16(g->driver.avail + 2, idx);
}

static void test_indirect_refusals(void **state)
{
	static const struct {
		uint64_t addr; /* of the table, offset in memory */
		uint32_t len;
		uint16_t flags;
		const char *text;
	} rows[] = {
		{ 0x200000, 0, VRING_DESC_INDIRECT, "size" },
		{ 0x200000, 8, VRING_DESC_INDIRECT, "size" },
		{ 0x200000, 33, VRING_DESC_INDIRECT, "size" },
		{ 0x200000, 65536 * 16, VRING_DESC_INDIRECT, "size" },
		{ 0x200000, 0xfffffff0, VRING_DESC_INDIRECT, "size" },
		{ MEMORY, 16, VRING_DESC_INDIRECT, "lie" },
		{ MEMORY - 16, 32, VRING_DESC_INDIRECT, "lie" },
		{ UINT64_MAX - DRIVER_GPA - 15, 32, VRING_DESC_INDIRECT, "lie" },
		{ 0x200000, 16, VRING_DESC_INDIRECT | VRING_DESC_NEXT, "next" },
	};
	size_t i, kind;

	(void)state;
	for (kind = 0; kind < 4; kind++) {
		for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
			struct rig *g = rig_new(&variants[kind]);

			raw(g, g->memory.base + 0x200000, 0, DATA, 8, 0, 0);
			raw(g, g->driver.desc, 1, DATA, 8, 0, 0);
			raw(g, g->driver.desc, 0, DRIVER_GPA + rows[i].addr, rows[i].len, rows[i].flags, 1);
			raw_publish(g, 0, 1);
			assert_int_equal(pop(g), VRING_BAD);
			assert_non_null(strstr(g->ring.fault, rows[i].text));
			rig_free(g);
		}
	}
}

static void test_indirect_not_negotiated(void **state)
{
	size_t kind;

	(void)state;
	for (kind = 0; kind < 4; kind++) {
		struct rig *g = rig_new(&variants[kind]);
		const struct driver_buf buf = { DATA, 8, false };
		struct vring_config config = rig_config(g);
		int id;

		config.indirect = false;
		assert_int_equal(vring_init(&g->ring, &config, g->mem, NULL), 0);
		id = driver_add(&g->driver, &buf, 1, true);
		assert_int_equal(pop(g), VRING_BAD);
		assert_non_null(strstr(g->ring.fault, "negotiated"));
		give_back(g, id, 0);
		assert_alive(g);
		rig_free(g);
	}
}

/* Direct descriptors, then a table, at an odd address. */
static void test_indirect_after_direct(void **state)
{
	size_t kind;

	(void)state;
	for (kind = 0; kind < 4; kind++) {
		struct rig *g = rig_new(&variants[kind]);

		raw(g, g->memory.base + 0x200003, 0, DATA + 64, 8, VRING_DESC_WRITE | VRING_DESC_NEXT, 1);
		raw(g, g->memory.base + 0x200003, 1, DATA + 128, 8, VRING_DESC_WRITE, 0);
		raw(g, g->driver.desc, 1, DRIVER_GPA + 0x200003, 32, VRING_DESC_INDIRECT, 7);
		raw(g, g->driver.desc, 0, DATA, 8, VRING_DESC_NEXT, 1);
		raw_publish(g, 0, 1);
		assert_int_equal(pop(g), VRING_CHAIN);
		assert_int_equal(g->chain.in_len, 8);
		assert_int_equal(g->chain.out_len, 16);
		assert_int_equal(g->chain.nout, 2);
		assert_int_equal(g->chain.id, variants[kind].packed ? 7 : 0);
		rig_free(g);
	}
}

static void test_nested_indirect(void **state)
{
	size_t kind, self;

	(void)state;
	for (kind = 0; kind < 4; kind++) {
		for (self = 0; self < 2; self++) {
			struct rig *g = rig_new(&variants[kind]);
			/* The table is another one, or the ring's own descriptors: a table that contains itself. */
			uint64_t at = self ? g->driver.at : 0x200000;

			raw(g, g->memory.base + 0x200000, 0, DRIVER_GPA + 0x200000, 16, VRING_DESC_INDIRECT, 0);
			raw(g, g->driver.desc, 0, DRIVER_GPA + at, 16, VRING_DESC_INDIRECT, 0);
			raw_publish(g, 0, 1);
			assert_int_equal(pop(g), VRING_BAD);
			assert_non_null(strstr(g->ring.fault, "inside"));
			rig_free(g);
		}
	}
}

static void test_split_loops(void **state)
{
	const struct variant v = { false, false, SIZE };
	struct rig *g = rig_new(&v);

	(void)state;
	/* A loop of two empty descriptors, in the ring and in a table; a next beyond either. */
	raw(g, g->driver.desc, 0, DATA, 0, VRING_DESC_NEXT, 1);
	raw(g, g->driver.desc, 1, DATA, 0, VRING_DESC_NEXT, 0);
	raw_publish(g, 0, 1);
	assert_int_equal(pop(g), VRING_BAD);
	assert_non_null(strstr(g->ring.fault, "loops"));
	vring_push(&g->ring, &g->chain, 0);
	raw(g, g->memory.base + 0x200000, 0, DATA, 4, VRING_DESC_NEXT, 1);
	raw(g, g->memory.base + 0x200000, 1, DATA, 4, VRING_DESC_NEXT, 0);
	raw(g, g->driver.desc, 0, DRIVER_GPA + 0x200000, 32, VRING_DESC_INDIRECT, 0);
	driver_put16(g->driver.avail + 2, 2);
	assert_int_equal(pop(g), VRING_BAD);
	assert_non_null(strstr(g->ring.fault, "loops"));
	raw(g, g->memory.base + 0x200000, 1, DATA, 4, VRING_DESC_NEXT, 2);
	driver_put16(g->driver.avail + 2, 3);
	assert_int_equal(pop(g), VRING_BAD);
	assert_non_null(strstr(g->ring.fault, "beyond"));
	raw(g, g->driver.desc, 0, DATA, 4, VRING_DESC_NEXT, SIZE);
	driver_put16(g->driver.avail + 2, 4);
	assert_int_equal(pop(g), VRING_BAD);
	assert_non_null(strstr(g->ring.fault, "beyond"));
	rig_free(g);
}

/* A broken ring gives nothing and writes nothing, until it is set up again. */
static void assert_broken(struct rig *g, const char *text)
{
	struct vring_config config = rig_config(g);
	uint8_t before[64], *desc = g->driver.desc, *used = g->driver.used;

	assert_int_equal(pop(g), VRING_BROKEN);
	assert_true(g->ring.broken);
	assert_non_null(strstr(g->ring.fault, text));
	assert_int_equal(pop(g), VRING_BROKEN);
	memcpy(before, used, 32);
	memcpy(before + 32, desc, 32);
	vring_push(&g->ring, &g->chain, 1);
	assert_false(vring_publish(&g->ring));
	assert_memory_equal(before, used, 32);
	assert_memory_equal(before + 32, desc, 32);
	driver_init(&g->driver, &g->memory, 0, g->driver.size, g->driver.packed, g->driver.event_idx);
	assert_int_equal(vring_init(&g->ring, &config, g->mem, NULL), 0);
	assert_alive(g);
}

static void test_broken(void **state)
{
	const struct variant split = { false, false, SIZE }, packed = { true, true, SIZE };
	struct rig *g = rig_new(&split);
	uint32_t i;

	(void)state;
	driver_put16(g->driver.avail + 2, SIZE + 1);
	assert_broken(g, "ahead");
	assert_alive(g);
	driver_put16(g->driver.avail + 2, 1); /* behind what was taken */
	assert_broken(g, "ahead");
	raw_publish(g, SIZE, 2);
	driver_put16(g->driver.avail + 4 + 2, SIZE);
	assert_broken(g, "head");
	rig_free(g);
	g = rig_new(&packed);
	for (i = 0; i < SIZE; i++)
		raw(g, g->driver.desc, i, DATA, 0, VRING_DESC_NEXT, 0);
	assert_broken(g, "longer");
	rig_free(g);
}

/* An event that the driver set a few entries ahead: the interrupt comes exactly with the batch that passes it. */
static void test_event_ahead(void **state)
{
	const struct variant kinds[] = { { false, true, SIZE }, { true, true, SIZE }, { true, true, 13 } };
	size_t i;

	(void)state;
	for (i = 0; i < 3; i++) {
		struct rig *g = rig_new(&kinds[i]);
		const struct driver_buf buf = { DATA, 8, true };
		uint32_t lap, k, id, len;

		assert_alive(g);
		for (lap = 0; lap < 100; lap++) {
			uint32_t ahead = lap % 7, at = g->driver.next_used + ahead;
			bool wrap = g->driver.used_wrap;

			if (kinds[i].packed && at >= kinds[i].size) {
				at -= kinds[i].size;
				wrap = !wrap;
			}
			driver_put16(g->driver.avail + (kinds[i].packed ? 0 : 4 + 2 * kinds[i].size),
				     (uint16_t)(kinds[i].packed ? at | (uint32_t)wrap << 15 : at));
			if (kinds[i].packed)
				driver_put16(g->driver.avail + 2, VRING_EVENT_DESC);
			for (k = 0; k <= ahead; k++) {
				driver_add(&g->driver, &buf, 1, false);
				assert_int_equal(pop(g), VRING_CHAIN);
				vring_push(&g->ring, &g->chain, 8);
				assert_int_equal(vring_publish(&g->ring), k == ahead);
			}
			while (driver_used(&g->driver, &id, &len))
				;
		}
		rig_free(g);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_many_pieces),
		cmocka_unit_test(test_total_length),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_indirect_refusals),
		cmocka_unit_test(test_indirect_not_negotiated),
		cmocka_unit_test(test_indirect_after_direct),
		cmocka_unit_test(test_nested_indirect),
		cmocka_unit_test(test_split_loops),
		cmocka_unit_test(test_broken),
		cmocka_unit_test(test_event_ahead),
	};

	return cmocka_run_group_tests_name("hostile vring", tests, NULL, NULL);
}
