/* SPDX-License-Identifier: Apache-2.0 */
/* The dirty log: every page the device writes is marked while LOG_ALL is acknowledged. */
#include "tests/vring/fixture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define FILE_SIZE 100000

static struct fixture fixture = {.config = {.queues = 1}};

/* A region that is made known after the log. */
#define LATE_BASE (2ULL << 30)
#define LATE_SIZE (1ULL << 20)
static const struct ram_spec late = {.gpa = LATE_BASE, .size = LATE_SIZE, .manual = true};

static void make_file(struct fixture *f)
{
	char *bytes = malloc(FILE_SIZE);

	assert_non_null(bytes);
	memset(bytes, 'x', FILE_SIZE);
	fixture_write_file(f, "file", bytes, FILE_SIZE);
	free(bytes);
}

static bool range_dirty(const struct frontend *fe, uint64_t gpa, uint64_t len)
{
	for (uint64_t at = gpa & ~(uint64_t)(FRONTEND_PAGE - 1); at < gpa + len; at += FRONTEND_PAGE)
		if (!frontend_dirty(fe, at))
			return false;
	return true;
}

static bool range_clean(const struct frontend *fe, uint64_t gpa, uint64_t len)
{
	for (uint64_t at = gpa & ~(uint64_t)(FRONTEND_PAGE - 1); at < gpa + len; at += FRONTEND_PAGE)
		if (frontend_dirty(fe, at))
			return false;
	return true;
}

/* The guest address of the used element of the next request. */
static uint64_t next_used(const struct ring *r)
{
	if (r->kind == RING_PACKED)
		return r->desc + 16ULL * r->used;
	return r->device + 4 + 8ULL * (r->used % r->size);
}

static void check_marked(struct fixture *f, uint64_t node, uint64_t fh, uint32_t size, uint64_t off)
{
	struct fuse_client *c = &f->client;
	uint64_t used = next_used(c->ring);

	frontend_clear_log(f->fe);
	assert_int_equal(fuse_read(c, node, fh, NULL, size, off), size);
	assert_true(range_dirty(f->fe, c->slot->data, size));
	assert_true(range_dirty(f->fe, c->slot->reply, 16));
	assert_true(range_dirty(f->fe, used, 8));
	if (c->ring->kind == RING_SPLIT)
		assert_true(frontend_dirty(f->fe, c->ring->device + 2)); /* used.idx */
}

static void run_marks(struct fixture *f, const struct fixture_mode *mode)
{
	uint64_t node, fh;
	struct fuse_attr_out attr;

	(void)mode;
	make_file(f);
	fixture_start_client(f, 1);
	node = fixture_open(f, "file", 0, &fh);
	check_marked(f, node, fh, 1, 0);
	check_marked(f, node, fh, 4096, 10);
	check_marked(f, node, fh, 70000, 4097);
	f->client.page_data = true;
	check_marked(f, node, fh, 70000, 1);
	for (unsigned i = 0; i < 300; i++) { /* past the end of the ring */
		uint64_t used = next_used(f->client.ring);
		frontend_clear_log(f->fe);
		assert_int_equal(fuse_getattr(&f->client, node, &attr), 0);
		assert_true(range_dirty(f->fe, f->client.slot->reply, 120));
		assert_true(range_dirty(f->fe, used, 8));
	}
}

static void test_marks(void **state)
{
	struct frontend_config c = {.features = FEATURE_LOG_ALL, .log = true};

	fixture_each_mode(*state, &c, run_marks);
}

/* As in a live migration: logging starts and ends while the rings run. */
static void run_switch(struct fixture *f, const struct fixture_mode *mode)
{
	uint64_t node, fh, without = f->fe->features & ~FEATURE_LOG_ALL;
	struct fuse_client *c = &f->client;

	(void)mode;
	make_file(f);
	fixture_start_client(f, 1);
	node = fixture_open(f, "file", 0, &fh);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(frontend_order_u64(f->fe, VU_SET_FEATURES, without), 0);
		frontend_clear_log(f->fe);
		assert_int_equal(fuse_read(c, node, fh, NULL, 10000, 0), 10000);
		if (!fixture_is_peer(f)) /* it goes on for ever */
			assert_true(range_clean(f->fe, c->slot->data, 10000));
		assert_int_equal(frontend_order_u64(f->fe, VU_SET_FEATURES, without | FEATURE_LOG_ALL), 0);
		check_marked(f, node, fh, 10000, 0);
	}
}

static void test_switch(void **state)
{
	struct frontend_config c = {.log = true};

	fixture_each_mode(*state, &c, run_switch);
}

/* A region that came after the log is logged as well. */
static void run_late_region(struct fixture *f, const struct fixture_mode *mode)
{
	uint64_t node, fh;

	(void)mode;
	make_file(f);
	fixture_start_client(f, 1);
	node = fixture_open(f, "file", 0, &fh);
	int index = ram_add(&f->fe->ram, &late);
	assert_true(index > 0);
	assert_int_equal(frontend_add_region(f->fe, (unsigned)index), 0);
	f->client.slot->data = LATE_BASE + 4096;
	check_marked(f, node, fh, 20000, 0);
	assert_int_equal(*(char *)ram_ptr(&f->fe->ram, LATE_BASE + 4096), 'x');
}

static void test_late_region(void **state)
{
	struct frontend_config c = {.features = FEATURE_LOG_ALL,
				    .protocol = FIXTURE_PROTOCOL | VU_PROTOCOL_MEM_SLOTS,
				    .log = true};

	if (fixture_is_peer(*state))
		skip(); /* it does not log them */
	fixture_each_mode(*state, &c, run_late_region);
}

/* The page that holds the end of a region counts too, and writes at borders mark both sides. */
static void test_edges(void **state)
{
	static const struct ram_spec layout[] = {
		{.gpa = LATE_BASE, .size = LATE_SIZE, .manual = true},
		{.gpa = LATE_BASE + LATE_SIZE, .size = LATE_SIZE, .manual = true},
		{.gpa = 4ULL << 30, .size = 64 << 20},
	};
	struct frontend_config c = {.features = FEATURE_LOG_ALL | FIXTURE_FEATURES,
				    .protocol = FIXTURE_PROTOCOL,
				    .log = true,
				    .layout = layout,
				    .nlayout = 3};
	struct fixture *f = *state;
	uint64_t node, fh;

	if (fixture_is_peer(f))
		skip();
	fixture_connect_with(f, &c);
	make_file(f);
	fixture_start_client(f, 1);
	node = fixture_open(f, "file", 0, &fh);
	f->client.slot->data = LATE_BASE + LATE_SIZE - 5;
	check_marked(f, node, fh, 10, 0);
	f->client.slot->data = LATE_BASE + 2 * LATE_SIZE - 10;
	check_marked(f, node, fh, 10, 0);
	f->client.slot->data = LATE_BASE;
	check_marked(f, node, fh, 10, 0);
}

/* A log that is too small, or smaller than it says, is refused, and nobody dies of it. */
static void test_short_log(void **state)
{
	struct fixture *f = *state;
	struct vu_log bad[] = {{.size = 4096}, {.size = 1 << 20}, {.size = 0}, {.size = UINT64_MAX, .offset = 4096}};
	struct frontend_config c = {.features = FEATURE_LOG_ALL, .protocol = FIXTURE_PROTOCOL};

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct vu_reply reply;
		int fd = memfd_create("short-log", MFD_CLOEXEC);

		assert_true(fd >= 0);
		assert_int_equal(ftruncate(fd, 4096), 0);
		fixture_connect_with(f, &c);
		int res = vu_ask(f->fe->sock, VU_SET_LOG_BASE, &bad[i], sizeof(bad[i]), &fd, 1, &reply);
		if (res == 0 && !fixture_is_peer(f)) {
			/* Not refused with an end of the connection: then it must not be used. */
			assert_int_equal(fuse_client_init(&f->client, f->fe, 1, 1, 0), 0);
			f->mounted = true;
			assert_int_equal(fuse_init(&f->client, FIXTURE_INIT), 0);
			fixture_check_alive(f);
		}
		close(fd);
		fixture_disconnect(f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(test_marks, &fixture),       FIXTURE_TEST(test_switch, &fixture),
		FIXTURE_TEST(test_late_region, &fixture), FIXTURE_TEST(test_edges, &fixture),
		FIXTURE_TEST(test_short_log, &fixture),
	};

	return fixture_run("vring/dirty_log", tests, sizeof(tests) / sizeof(tests[0]), &fixture);
}
