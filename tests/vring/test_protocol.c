/* SPDX-License-Identifier: Apache-2.0 */
/* vhost-user messages: what is offered, any order, repeated, refused, malformed, and rings that stop and go on. */
#include "tests/vring/fixture.h"

#include "tests/vring/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#define QUEUES 4
#define TAG "graft-tag"
#define REPLY_MS 30000

static struct fixture tagged = {.config = {.queues = QUEUES, .tag = TAG}};
static struct fixture plain = {.config = {.queues = 1}};

/* True if a message was refused in one of the two ways there are. */
static bool refused(int res)
{
	return res == -EREMOTEIO || res == -EPIPE || res == -ECONNRESET;
}

static void test_offer(void **state)
{
	struct fixture *f = *state;
	uint64_t value;

	struct frontend_config c = {.features = FIXTURE_FEATURES, .protocol = FIXTURE_PROTOCOL | VU_PROTOCOL_MEM_SLOTS};
	fixture_connect_with(f, &c);
	const uint64_t want = 1ULL << VIRTIO_F_VERSION_1 | VU_FEATURE_PROTOCOL | FEATURE_EVENT_IDX | FEATURE_INDIRECT |
			      FEATURE_LOG_ALL;
	assert_int_equal(f->fe->offered & want, want);
	const uint64_t protocol = VU_PROTOCOL_MQ | VU_PROTOCOL_LOG_SHMFD | VU_PROTOCOL_REPLY_ACK |
				  VU_PROTOCOL_RESET_DEVICE | VU_PROTOCOL_MEM_SLOTS;
	assert_int_equal(f->fe->protocol_offered & protocol, protocol);
	assert_int_equal(!!(f->fe->protocol_offered & VU_PROTOCOL_CONFIG), f->config.tag != NULL);
	/* INFLIGHT_SHMFD and SHMEM come later, SHARED_OBJECT, PAGEFAULT and the like never. */
	const uint64_t absent = 1ULL << 8 | 1ULL << 12 | 1ULL << 17 | 1ULL << 20 | 1ULL << 21 | 1ULL << 22;
	assert_int_equal(f->fe->protocol_offered & absent, 0);
	assert_int_equal(frontend_ask_u64(f->fe, VU_GET_MAX_MEM_SLOTS, &value), 0);
	assert_true(value >= 8 && value <= 4096);
	if (fixture_is_peer(f))
		return;
	assert_true(f->fe->offered & FEATURE_PACKED);
	assert_int_equal(frontend_ask_u64(f->fe, VU_GET_QUEUE_NUM, &value), 0);
	assert_int_equal(value, 1 + f->config.queues);
}

static int get_config(struct fixture *f, uint32_t offset, uint32_t size, struct vu_config *out)
{
	struct vu_config c = {.offset = offset, .size = size};
	struct vu_reply reply;
	int res = vu_ask(f->fe->sock, VU_GET_CONFIG, &c, 12 + size, NULL, 0, &reply);

	if (res < 0)
		return res;
	*out = reply.config;
	return reply.header.size == 12 + size ? 0 : -EBADMSG;
}

static void test_config(void **state)
{
	struct fixture *f = *state;
	struct vu_config c;
	char tag[36] = TAG;
	uint32_t queues = fixture_is_peer(f) ? 1 : QUEUES, got;

	fixture_connect(f, FIXTURE_FEATURES);
	assert_int_equal(get_config(f, 0, 40, &c), 0);
	assert_memory_equal(c.bytes, tag, 36);
	memcpy(&got, c.bytes + 36, 4);
	assert_int_equal(got, queues);
	assert_int_equal(get_config(f, 36, 4, &c), 0);
	memcpy(&got, c.bytes, 4);
	assert_int_equal(got, queues);
	assert_int_equal(get_config(f, 3, 5, &c), 0);
	assert_memory_equal(c.bytes, tag + 3, 5);
	/* QEMU asks for the whole of its own structure, which may be longer. */
	assert_int_equal(get_config(f, 0, 60, &c), 0);
	for (unsigned i = 44; i < 60; i++)
		assert_int_equal(c.bytes[i], 0);
	c = (struct vu_config){.size = 40};
	assert_int_equal(frontend_order(f->fe, VU_SET_CONFIG, &c, 12 + 40, NULL, 0), 0);
	assert_int_equal(get_config(f, 0, 36, &c), 0);
	assert_memory_equal(c.bytes, tag, 36); /* written over by nobody */
	fixture_start_client(f, 1);
	fixture_check_alive(f);
}

static void test_config_refused(void **state)
{
	struct fixture *f = *state;
	struct vu_config c;

	fixture_connect(f, FIXTURE_FEATURES);
	assert_true(get_config(f, 0, 40, &c) < 0);
	fixture_check_survived(f);
}

/* Everything that may be repeated, repeated while a client is served. */
static void test_repeated(void **state)
{
	struct fixture *f = *state;
	uint64_t value;

	if (fixture_is_peer(f))
		skip();
	fixture_mount(f, FIXTURE_FEATURES);
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(frontend_ask_u64(f->fe, VU_GET_FEATURES, &value), 0);
		assert_int_equal(value, f->fe->offered);
		assert_int_equal(frontend_ask_u64(f->fe, VU_GET_PROTOCOL_FEATURES, &value), 0);
		assert_int_equal(frontend_ask_u64(f->fe, VU_GET_QUEUE_NUM, &value), 0);
		assert_int_equal(frontend_order_u64(f->fe, VU_SET_PROTOCOL_FEATURES, f->fe->protocol), 0);
		assert_int_equal(frontend_order_u64(f->fe, VU_SET_FEATURES, f->fe->features), 0);
		assert_int_equal(frontend_order(f->fe, VU_SET_OWNER, NULL, 0, NULL, 0), 0);
		assert_int_equal(frontend_send_table(f->fe), 0);
		for (unsigned r = 0; r < f->fe->nrings; r++) {
			assert_int_equal(frontend_order_fd(f->fe, VU_SET_VRING_CALL, r, f->fe->ring[r].call), 0);
			assert_int_equal(frontend_order_fd(f->fe, VU_SET_VRING_ERR, r, f->fe->ring[r].err), 0);
			assert_int_equal(frontend_order_fd(f->fe, VU_SET_VRING_KICK, r, f->fe->ring[r].kick), 0);
			assert_int_equal(frontend_order_state(f->fe, VU_SET_VRING_ENABLE, r, 1), 0);
		}
		fixture_check_alive(f);
		fixture_check_alive(f);
	}
}

static int send_step(struct frontend *fe, unsigned index, unsigned step)
{
	struct ring *r = &fe->ring[index];

	switch (step) {
	case 0:
		return frontend_order_state(fe, VU_SET_VRING_NUM, index, r->size);
	case 1:
		return frontend_order_state(fe, VU_SET_VRING_BASE, index, ring_base(r));
	case 2:
		return frontend_send_addr(fe, index);
	case 3:
		return frontend_order_fd(fe, VU_SET_VRING_ERR, index, r->err);
	case 4:
		return frontend_order_fd(fe, VU_SET_VRING_CALL, index, r->call);
	case 5:
		return frontend_order_state(fe, VU_SET_VRING_ENABLE, index, 1);
	default:
		return frontend_order_fd(fe, VU_SET_VRING_KICK, index, r->kick);
	}
}

/* The messages of a ring in a random order; KICK last, or anywhere. */
static void set_up_shuffled(struct fixture *f, bool kick_anywhere, unsigned *seed)
{
	unsigned order[7] = {0, 1, 2, 3, 4, 5, 6};

	for (unsigned r = 0; r < f->fe->nrings; r++) {
		for (unsigned i = kick_anywhere ? 6 : 5; i > 0; i--) {
			unsigned k = (unsigned)rand_r(seed) % (i + 1), t = order[i];
			order[i] = order[k];
			order[k] = t;
		}
		for (unsigned i = 0; i < 7; i++)
			assert_int_equal(send_step(f->fe, r, order[i]), 0);
	}
}

static void test_any_order(void **state)
{
	struct fixture *f = *state;
	unsigned seed = 7;

	for (unsigned i = 0; i < 40; i++) {
		struct frontend_config c = {.socket = f->daemon.socket,
					    .features = fixture_modes[i % FIXTURE_MODES].features,
					    .protocol = FIXTURE_PROTOCOL};
		if (fixture_is_peer(f) && i > 0)
			break;
		assert_int_equal(frontend_connect(&f->fe, &c), 0);
		assert_int_equal(frontend_negotiate(f->fe, &c), 0);
		assert_int_equal(frontend_send_memory(f->fe), 0);
		assert_int_equal(frontend_make_rings(f->fe, &c), 0);
		set_up_shuffled(f, i >= 20, &seed);
		fixture_start_client(f, 1);
		fixture_check_alive(f);
		fixture_disconnect(f);
	}
}

/* A front end that does not know protocol features: rings run from KICK on, there is no ENABLE. */
static void test_without_protocol(void **state)
{
	struct fixture *f = *state;
	struct frontend_config c = {.socket = f->daemon.socket};

	if (fixture_is_peer(f))
		skip();
	assert_int_equal(frontend_connect(&f->fe, &c), 0);
	assert_int_equal(frontend_ask_u64(f->fe, VU_GET_FEATURES, &f->fe->offered), 0);
	f->fe->features = 1ULL << VIRTIO_F_VERSION_1;
	assert_int_equal(frontend_order(f->fe, VU_SET_OWNER, NULL, 0, NULL, 0), 0);
	assert_int_equal(frontend_order_u64(f->fe, VU_SET_FEATURES, f->fe->features), 0);
	assert_int_equal(frontend_send_memory(f->fe), 0);
	assert_int_equal(frontend_make_rings(f->fe, &c), 0);
	for (unsigned r = 0; r < f->fe->nrings; r++)
		for (unsigned step = 0; step < 7; step++)
			if (step != 5)
				assert_int_equal(send_step(f->fe, r, step), 0);
	fixture_start_client(f, 1);
	fixture_check_alive(f);
}

/* A request put into slot 0 without a kick. */
static void submit_getattr(struct fixture *f)
{
	struct fuse_getattr_in in = {.getattr_flags = 0};
	struct fuse_op op = {.opcode = FUSE_GETATTR,
			     .node = FUSE_ROOT_ID,
			     .arg = {{.bytes = &in, .len = sizeof(in)}},
			     .nargs = 1,
			     .reply_len = sizeof(struct fuse_attr_out)};

	assert_int_equal(fuse_submit(&f->client, f->client.slot, &op), 0);
}

static void expect_answer(struct fixture *f)
{
	assert_int_equal(ring_wait(f->client.ring, REPLY_MS), 0);
	assert_non_null(fuse_reap(&f->client));
	assert_int_equal(f->client.slot->error, 0);
}

/* What lies in a ring when it starts, or is enabled, is served without a kick. */
static void run_pending(struct fixture *f, const struct fixture_mode *mode)
{
	(void)mode;
	fixture_start_client(f, 1);
	uint32_t base;

	assert_int_equal(frontend_stop_ring(f->fe, 1, &base), 0);
	submit_getattr(f);
	assert_int_equal(frontend_start_ring_at(f->fe, 1, base), 0);
	expect_answer(f);

	assert_int_equal(frontend_order_state(f->fe, VU_SET_VRING_ENABLE, 1, 0), 0);
	submit_getattr(f);
	assert_int_equal(frontend_order_state(f->fe, VU_SET_VRING_ENABLE, 1, 1), 0);
	expect_answer(f);
	fixture_check_alive(f);
}

static void test_pending(void **state)
{
	struct frontend_config c = {.ring_size = 0};

	if (fixture_is_peer(*state))
		skip(); /* it waits for a kick */
	fixture_each_mode(*state, &c, run_pending);
}

/* The ring stops where the driver stands and goes on from there, many times. */
static void run_restart(struct fixture *f, const struct fixture_mode *mode)
{
	uint32_t base;

	(void)mode;
	fixture_start_client(f, 1);
	for (unsigned i = 0; i < 60; i++) {
		for (unsigned k = 0; k <= i % 7; k++)
			fixture_check_alive(f);
		assert_int_equal(frontend_stop_ring(f->fe, 1, &base), 0);
		assert_int_equal(base, ring_base(&f->fe->ring[1]));
		assert_int_equal(frontend_start_ring(f->fe, 1), 0);
	}
	fixture_check_alive(f);
}

static void test_restart(void **state)
{
	struct frontend_config c = {.ring_size = 16};

	fixture_each_mode(*state, &c, run_restart);
}

/* Stopped in the middle of a load: what was taken is finished, nothing is lost, nothing is done twice. */
static void run_stop_busy(struct fixture *f, const struct fixture_mode *mode)
{
	struct ring *r = &f->fe->ring[1];
	struct fuse_entry_out e;
	uint32_t base;
	uint64_t fh;

	(void)mode;
	assert_int_equal(fuse_client_init(&f->client, f->fe, 1, 16, 65536), 0);
	f->mounted = true;
	assert_int_equal(fuse_init(&f->client, FIXTURE_INIT), 0);
	assert_int_equal(fuse_create(&f->client, FUSE_ROOT_ID, "file", 2, 0644, &e, &fh), 0);
	for (unsigned round = 0; round < 20; round++) {
		unsigned done = 0;
		for (unsigned i = 0; i < 16; i++) {
			struct fuse_write_in in = {.fh = fh, .size = 65536, .offset = i * 65536};
			struct fuse_op op = {.opcode = FUSE_WRITE,
					     .node = e.nodeid,
					     .arg = {{.bytes = &in, .len = sizeof(in)}},
					     .nargs = 1,
					     .data_in = 65536,
					     .reply_len = sizeof(struct fuse_write_out)};
			assert_int_equal(fuse_submit(&f->client, &f->client.slot[i], &op), 0);
		}
		ring_kick_now(f->client.ring);
		assert_int_equal(frontend_stop_ring(f->fe, 1, &base), 0);
		usleep(1000);
		uint32_t left = r->inflight;
		for (struct fuse_slot *s; (s = fuse_reap(&f->client)); done++)
			assert_int_equal(s->error, 0);
		assert_int_equal(r->inflight, left - done);
		/* What is in flight now was never taken: the base stands before it. */
		if (r->kind == RING_SPLIT)
			assert_int_equal(base, (uint16_t)(r->next - r->inflight));
		else
			assert_int_equal(base & 0x7fff, r->used);
		assert_int_equal(frontend_start_ring_at(f->fe, 1, base), 0);
		while (done < 16) {
			assert_int_equal(ring_wait(r, REPLY_MS), 0);
			for (struct fuse_slot *s; (s = fuse_reap(&f->client)); done++)
				assert_int_equal(s->error, 0);
		}
		assert_int_equal(done, 16);
		assert_int_equal(r->inflight, 0);
	}
	fixture_check_alive(f);
}

static void test_stop_busy(void **state)
{
	struct frontend_config c = {.ring_size = 128};

	if (fixture_is_peer(*state))
		skip();
	fixture_each_mode(*state, &c, run_stop_busy);
}

/* A new kick descriptor on a running ring is the one that counts; so is a new call descriptor. */
static void run_replace_fds(struct fixture *f, const struct fixture_mode *mode)
{
	struct ring *r = &f->fe->ring[1];

	(void)mode;
	fixture_start_client(f, 1);
	for (unsigned i = 0; i < 10; i++) {
		int *fd = i & 1 ? &r->call : &r->kick;
		int fresh = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		assert_true(fresh >= 0);
		assert_int_equal(frontend_order_fd(f->fe, i & 1 ? VU_SET_VRING_CALL : VU_SET_VRING_KICK, 1, fresh), 0);
		close(*fd);
		*fd = fresh;
		fixture_check_alive(f);
		fixture_check_alive(f);
	}
}

static void test_replace_fds(void **state)
{
	struct frontend_config c = {.ring_size = 0};

	if (fixture_is_peer(*state))
		skip(); /* it loses the ring */
	fixture_each_mode(*state, &c, run_replace_fds);
}

/* No call descriptor: no interrupts, but answers. No kick descriptor: refused, or the ring is polled. */
static void test_no_fds(void **state)
{
	struct fixture *f = *state;
	int64_t deadline = clock_ms() + REPLY_MS;

	if (fixture_is_peer(f))
		skip();
	fixture_mount(f, FIXTURE_FEATURES);
	assert_int_equal(frontend_order_fd(f->fe, VU_SET_VRING_CALL, 1, -1), 0);
	submit_getattr(f);
	ring_kick_now(f->client.ring);
	while (!fuse_reap(&f->client)) {
		assert_true(clock_ms() < deadline);
		usleep(1000);
	}
	assert_int_equal(f->client.slot->error, 0);
	assert_int_equal(frontend_order_fd(f->fe, VU_SET_VRING_CALL, 1, f->fe->ring[1].call), 0);
	assert_int_equal(frontend_order_fd(f->fe, VU_SET_VRING_ERR, 1, -1), 0);
	fixture_check_alive(f);

	int res = frontend_order_fd(f->fe, VU_SET_VRING_KICK, 1, -1);
	if (res == 0) {
		submit_getattr(f);
		expect_answer(f);
	} else {
		assert_true(refused(res));
	}
	fixture_check_survived(f);
}

/* The memory table is sent again, and grows, while requests are under way. */
static void run_memory(struct fixture *f, const struct fixture_mode *mode)
{
	static const struct ram_spec extra = {.gpa = 1ULL << 30, .size = 1 << 20, .manual = true};
	struct fuse_attr_out attr;

	(void)mode;
	fixture_start_client(f, 1);
	uint64_t reply = f->client.slot->reply;
	for (unsigned i = 0; i < 10; i++) {
		submit_getattr(f);
		ring_kick_now(f->client.ring);
		assert_int_equal(frontend_send_table(f->fe), 0);
		expect_answer(f);
		int index = ram_add(&f->fe->ram, &extra);
		assert_true(index > 0);
		assert_int_equal(frontend_send_table(f->fe), 0);
		f->client.slot->reply = extra.gpa + 4096 * i;
		assert_int_equal(fuse_getattr(&f->client, FUSE_ROOT_ID, &attr), 0);
		f->client.slot->reply = reply;
		ram_remove(&f->fe->ram, (unsigned)index);
		assert_int_equal(frontend_send_table(f->fe), 0);
		fixture_check_alive(f);
	}
}

static void test_memory(void **state)
{
	struct frontend_config c = {.ring_size = 0};

	if (fixture_is_peer(*state))
		skip(); /* it wants the table sorted */
	fixture_each_mode(*state, &c, run_memory);
}

static void test_memory_slots(void **state)
{
	static const struct ram_spec extra = {.gpa = 1ULL << 30, .size = 1 << 20, .manual = true};
	struct frontend_config c = {.features = FIXTURE_FEATURES, .protocol = FIXTURE_PROTOCOL | VU_PROTOCOL_MEM_SLOTS};
	struct fixture *f = *state;
	struct fuse_attr_out attr;

	fixture_connect_with(f, &c);
	fixture_start_client(f, 1);
	uint64_t reply = f->client.slot->reply;
	for (unsigned i = 0; i < 20; i++) {
		int index = ram_add(&f->fe->ram, &extra);
		assert_true(index > 0);
		assert_int_equal(frontend_add_region(f->fe, (unsigned)index), 0);
		f->client.slot->reply = extra.gpa;
		assert_int_equal(fuse_getattr(&f->client, FUSE_ROOT_ID, &attr), 0);
		f->client.slot->reply = reply;
		assert_int_equal(frontend_remove_region(f->fe, (unsigned)index), 0);
		ram_remove(&f->fe->ram, (unsigned)index);
		fixture_check_alive(f);
	}
	if (fixture_is_peer(f))
		return;
	/* A descriptor with REM_MEM_REG is allowed, and closed. */
	unsigned index = (unsigned)ram_add(&f->fe->ram, &extra);
	assert_int_equal(frontend_add_region(f->fe, index), 0);
	struct vu_mem_reg reg = {.region = frontend_region(f->fe, index)};
	assert_int_equal(frontend_order(f->fe, VU_REM_MEM_REG, &reg, sizeof(reg), &f->fe->ram.region[index].fd, 1), 0);
	fixture_check_alive(f);
	/* What is not there cannot go. */
	assert_true(refused(frontend_remove_region(f->fe, index)));
	fixture_check_survived(f);
}

/* Regions in any order. */
static void test_unsorted_table(void **state)
{
	static const struct ram_spec layout[] = {
		{.gpa = 3ULL << 30, .size = 16 << 20},
		{.gpa = 1ULL << 30, .size = 16 << 20},
		{.gpa = 2ULL << 30, .size = 16 << 20},
	};
	struct frontend_config c = {
		.features = FIXTURE_FEATURES, .protocol = FIXTURE_PROTOCOL, .layout = layout, .nlayout = 3};
	struct fixture *f = *state;

	if (fixture_is_peer(f))
		skip();
	fixture_connect_with(f, &c);
	fixture_start_client(f, 1);
	fixture_check_alive(f);
}

/* RESET_DEVICE ends the session and stops the device; set up anew it works. */
static void test_reset(void **state)
{
	struct fixture *f = *state;
	struct fuse_entry_out e;
	struct fuse_attr_out attr;
	uint64_t fh;

	if (fixture_is_peer(f))
		skip();
	fixture_mount(f, FIXTURE_FEATURES);
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(fuse_create(&f->client, FUSE_ROOT_ID, "file", 2, 0644, &e, &fh), 0);
		assert_int_equal(frontend_order(f->fe, VU_RESET_DEVICE, NULL, 0, NULL, 0), 0);
		assert_int_equal(frontend_order_u64(f->fe, VU_SET_FEATURES, f->fe->features), 0);
		for (unsigned r = 0; r < f->fe->nrings; r++)
			assert_int_equal(frontend_recover_ring(f->fe, r), 0);
		assert_int_equal(fuse_getattr(&f->client, FUSE_ROOT_ID, &attr), -EBADF);
		assert_int_equal(fuse_init(&f->client, FIXTURE_INIT), 0);
		assert_int_equal(fuse_getattr(&f->client, e.nodeid, &attr), -EBADF);
		fixture_check_alive(f);
	}
}

/* GET_VRING_BASE of rings that never ran, or not any more. */
static void test_base_of_stopped(void **state)
{
	struct fixture *f = *state;
	struct vu_state vs = {.index = 0};
	struct vu_reply reply;

	fixture_mount(f, FIXTURE_FEATURES);
	fixture_check_alive(f);
	for (unsigned i = 0; i < 3; i++) {
		for (vs.index = 0; vs.index < 2; vs.index++) {
			assert_int_equal(vu_ask(f->fe->sock, VU_GET_VRING_BASE, &vs, sizeof(vs), NULL, 0, &reply), 0);
			assert_int_equal(reply.state.index, vs.index);
			assert_int_equal(reply.state.num, ring_base(&f->fe->ring[vs.index]));
		}
	}
	for (unsigned r = 0; r < 2; r++)
		assert_int_equal(frontend_start_ring(f->fe, r), 0);
	fixture_check_alive(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(test_offer, &tagged),	    FIXTURE_TEST(test_config, &tagged),
		FIXTURE_TEST(test_repeated, &tagged),	    FIXTURE_TEST(test_any_order, &tagged),
		FIXTURE_TEST(test_without_protocol, &tagged), FIXTURE_TEST(test_pending, &tagged),
		FIXTURE_TEST(test_restart, &tagged),	    FIXTURE_TEST(test_stop_busy, &tagged),
		FIXTURE_TEST(test_replace_fds, &tagged),    FIXTURE_TEST(test_no_fds, &tagged),
		FIXTURE_TEST(test_memory, &tagged),	    FIXTURE_TEST(test_memory_slots, &tagged),
		FIXTURE_TEST(test_unsorted_table, &tagged), FIXTURE_TEST(test_reset, &tagged),
		FIXTURE_TEST(test_base_of_stopped, &tagged),
	};
	const struct CMUnitTest untagged[] = {
		FIXTURE_TEST(test_offer, &plain),
		FIXTURE_TEST(test_config_refused, &plain),
	};
	int failed = fixture_run("vring/protocol", tests, sizeof(tests) / sizeof(tests[0]), &tagged);

	return failed + fixture_run("vring/protocol without a tag", untagged, 2, &plain);
}
