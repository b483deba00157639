/* SPDX-License-Identifier: Apache-2.0 */
/* A ring with both its sides. */
#include "tests/unit/vring_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

const struct variant variants[NVARIANTS] = {
	{ false, false, SIZE }, { false, true, SIZE }, { true, false, SIZE }, { true, true, SIZE },
	{ true, true, 13 },     { false, true, 1 },    { true, false, 1 },    { false, false, DRIVER_MAX_SIZE },
};

struct vring_config rig_config(const struct rig *g)
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

struct rig *rig_new_sized(const struct variant *v, uint64_t memory)
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

struct rig *rig_new(const struct variant *v)
{
	return rig_new_sized(v, MEMORY);
}

void rig_free(struct rig *g)
{
	guest_memory_put(g->mem);
	driver_memory_fini(&g->memory);
	free(g);
}

enum vring_result pop(struct rig *g)
{
	return vring_pop(&g->ring, g->iov, &g->chain);
}

void give_back(struct rig *g, int id, uint32_t len)
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

void assert_alive(struct rig *g)
{
	const struct driver_buf buf = { DATA, 8, true };
	int id = driver_add(&g->driver, &buf, 1, false);

	assert_true(id >= 0);
	assert_int_equal(pop(g), VRING_CHAIN);
	give_back(g, id, 8);
}
