/* SPDX-License-Identifier: Apache-2.0 */
/* A file against its model, on split and packed rings, for each cache mode. */
#include "tests/vring/fixture.h"

#include "tests/vring/data_model.h"

#include <string.h>

static struct fixture fixtures[] = {
	{.config = {.queues = 1, .mount_keys = "cache = auto"}},
	{.config = {.queues = 1, .mount_keys = "cache = always"}},
	{.config = {.queues = 1, .mount_keys = "cache = metadata"}},
	{.config = {.queues = 1, .mount_keys = "cache = never"}},
};
#ifdef GRAFT_SANITIZED
#define CHECK_STEPS 2500
#else
#define CHECK_STEPS 10000
#endif
#define CACHES (sizeof(fixtures) / sizeof(fixtures[0]))

static void run(struct fixture *f, uint64_t features, uint64_t init, uint32_t segment)
{
	struct frontend_config c = {.features = features, .protocol = FIXTURE_PROTOCOL, .ring_size = 256};
	unsigned steps = fixture_count(CHECK_STEPS, 100000);
	struct data_model m;
	int res;

	fixture_connect_with(f, &c);
	if (features & ~f->fe->features)
		skip();
	assert_int_equal(fuse_client_init(&f->client, f->fe, 1, 1, MODEL_MAX_IO), 0);
	f->mounted = true;
	f->client.segment = segment;
	f->client.page_data = true;
	assert_int_equal(fuse_init(&f->client, FIXTURE_INIT | init), 0);
	assert_int_equal(data_model_open(&m, &f->client, FUSE_ROOT_ID, "model", 42), 0);
	for (unsigned i = 0; i < steps; i++) {
		res = data_model_step(&m);
		if (res < 0)
			fail_msg("step %u, %s: %d", i, m.what, res);
	}
	res = data_model_check(&m);
	if (res < 0)
		fail_msg("at the end: %s: %d", m.what, res);
	assert_true(fixture_file_is(f, "model", m.image, m.size));
	assert_false(m.no_copy);
	for (unsigned i = 0; i < MODEL_MODES; i++)
		if (m.no_fallocate & 1u << i)
			assert_false(fixture_host_allocates(f, data_model_modes[i]));
	data_model_close(&m);
}

static void test_split(void **state)
{
	run(*state, FEATURE_INDIRECT | FEATURE_EVENT_IDX, 0, 0);
}

static void test_split_direct(void **state)
{
	run(*state, 0, FUSE_WRITEBACK_CACHE, 700);
}

static void test_packed(void **state)
{
	run(*state, FEATURE_PACKED | FEATURE_INDIRECT | FEATURE_EVENT_IDX, 0, 0);
}

static void test_packed_direct(void **state)
{
	run(*state, FEATURE_PACKED, FUSE_WRITEBACK_CACHE, 700);
}

int main(void)
{
	int failed = 0;

	for (unsigned i = 0; i < CACHES; i++) {
		const struct CMUnitTest tests[] = {
			FIXTURE_TEST(test_split, &fixtures[i]),
			FIXTURE_TEST(test_split_direct, &fixtures[i]),
			FIXTURE_TEST(test_packed, &fixtures[i]),
			FIXTURE_TEST(test_packed_direct, &fixtures[i]),
		};
		failed += fixture_run(fixtures[i].config.mount_keys, tests, 4, &fixtures[i]);
	}
	return failed;
}
