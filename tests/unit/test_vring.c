/* SPDX-License-Identifier: Apache-2.0 */
/* Unit test of transport/vring, split and packed, against the driver of vring_driver.c. */
#include "lib/iov.h"
#include "transport/transport.h"
#include "transport/vring.h"

#include "vring_driver.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define SIZE 16
#define MEMORY (4U << 20)
#define DATA (DRIVER_GPA + DRIVER_DATA)

/* A ring with both its sides. */
struct rig {
	struct driver_memory memory;
	struct driver driver;
	struct guest_memory *mem;
	struct vring ring;
	struct iovec iov[2 * TRANSPORT_MAX_IOV];
	struct vring_chain chain;
};

struct variant {
	bool packed, event_idx;
	uint32_t size;
};

static const struct variant variants[] = {
	{ false, false, SIZE }, { false, true, SIZE }, { true, false, SIZE }, { true, true, SIZE },
	{ true, true, 13 },     { false, true, 1 },    { true, false, 1 },    { false, false, DRIVER_MAX_SIZE },
};
#define NVARIANTS (sizeof(variants) / sizeof(variants[0]))

static struct vring_config rig_config(const struct rig *g)
{
	return (struct vring_config){
		.addr = driver_addresses(&g->driver),
		.size = g->driver.size,
		.base = g->driver.packed ? VRING_PACKED_FRESH_BASE : 0,
		.packed = g->driver.packed,
		.event_idx = g->driver.event_idx,
		.indirect = true,
	};
}

static struct rig *rig_new_sized(const struct variant *v, uint64_t memory)
{
	struct rig *g = calloc(1, sizeof(*g));
	struct vring_config config;

	driver_memory_init(&g->memory, memory);
	driver_init(&g->driver, &g->memory, 0, v->size, v->packed, v->event_idx);
	g->mem = driver_memory_map(&g->memory);
	config = rig_config(g);
	assert_int_equal(vring_init(&g->ring, &config, g->mem, NULL), 0);
	return g;
}

static struct rig *rig_new(const struct variant *v)
{
	return rig_new_sized(v, MEMORY);
}

static void rig_free(struct rig *g)
{
	guest_memory_put(g->mem);
	driver_memory_fini(&g->memory);
	free(g);
}

static enum vring_result pop(struct rig *g)
{
	return vring_pop(&g->ring, g->iov, &g->chain);
}

/* Gives the last chain back and sees that the driver gets exactly that. */
static void give_back(struct rig *g, int id, uint32_t len)
{
	uint32_t got_id, got_len;

	vring_push(&g->ring, &g->chain, len);
	assert_false(driver_used(&g->driver, &got_id, &got_len));
	vring_publish(&g->ring);
	assert_true(driver_used(&g->driver, &got_id, &got_len));
	assert_int_equal(got_id, id);
	assert_int_equal(got_len, len);
	assert_false(driver_used(&g->driver, &got_id, &got_len));
}

/* A good chain goes through: the ring is alive. */
static void assert_alive(struct rig *g)
{
	const struct driver_buf buf = { DATA, 8, true };
	int id = driver_add(&g->driver, &buf, 1, false);

	assert_true(id >= 0);
	assert_int_equal(pop(g), VRING_CHAIN);
	give_back(g, id, 8);
}

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
		cmocka_unit_test(test_many_pieces),
		cmocka_unit_test(test_total_length),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_indirect_refusals),
		cmocka_unit_test(test_indirect_not_negotiated),
		cmocka_unit_test(test_indirect_after_direct),
		cmocka_unit_test(test_nested_indirect),
		cmocka_unit_test(test_split_loops),
		cmocka_unit_test(test_broken),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_kicks),
		cmocka_unit_test(test_interrupts),
		cmocka_unit_test(test_event_ahead),
		cmocka_unit_test(test_base),
		cmocka_unit_test(test_packed_base),
		cmocka_unit_test(test_init_refusals),
		cmocka_unit_test(test_dirty_ring),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
