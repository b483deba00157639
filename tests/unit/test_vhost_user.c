/* SPDX-License-Identifier: Apache-2.0 */
/* Unit test of the vhost-user device over its socket: negotiation, serving, rings, memory, dirty log. */
#include "lib/mapping.h"
#include "vhost_world.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- negotiation ---- */

static void test_offer(void **state)
{
	struct front *f = &w.front;
	struct vhost_user_message msg = { .config = { 0, 44, 0, { 0 } } };
	uint32_t queues;

	(void)state;
	assert_int_equal(front_ask(f, VHOST_USER_GET_FEATURES, NULL, 0), 0x574000000);
	assert_int_equal(front_ask(f, VHOST_USER_GET_PROTOCOL_FEATURES, NULL, 0), 0xa62b);
	front_negotiate(f, BASIC);
	assert_int_equal(front_ask(f, VHOST_USER_GET_QUEUE_NUM, NULL, 0), 3);
	assert_int_equal(front_ask(f, VHOST_USER_GET_MAX_MEM_SLOTS, NULL, 0), 509);
	/* The configuration space, and zeros behind it. */
	memset(msg.config.data, 0xff, 44);
	front_send(f, VHOST_USER_GET_CONFIG, VHOST_USER_VERSION, msg.bytes, 12 + 44, NULL, 0);
	assert_int_equal(front_receive(f, &msg), 12 + 44);
	assert_string_equal(msg.config.data, "myfs");
	memcpy(&queues, msg.config.data + 36, 4);
	assert_int_equal(queues, 2);
	assert_int_equal(msg.config.data[40] | msg.config.data[43], 0);
	msg.config.offset = 36;
	msg.config.size = 4;
	front_send(f, VHOST_USER_GET_CONFIG, VHOST_USER_VERSION, msg.bytes, 12 + 4, NULL, 0);
	assert_int_equal(front_receive(f, &msg), 12 + 4);
	assert_int_equal(msg.config.data[0], 2);
	assert_int_equal(front_ack(f, VHOST_USER_SET_CONFIG, msg.bytes, 12 + 4, NULL, 0), 0);
}

static void test_no_tag(void **state)
{
	struct vhost_user_config config = world_config();

	(void)state;
	config.tag = NULL;
	config.queues = 1;
	world_start(&config);
	assert_true(front_connect(&w.front, w.path));
	assert_int_equal(front_ask(&w.front, VHOST_USER_GET_PROTOCOL_FEATURES, NULL, 0), 0xa42b);
	front_negotiate(&w.front, BASIC);
	assert_int_equal(front_ask(&w.front, VHOST_USER_GET_QUEUE_NUM, NULL, 0), 2);
	/* Not negotiated, so not possible. */
	front_send(&w.front, VHOST_USER_GET_CONFIG, VHOST_USER_VERSION, "\0\0\0\0\1\0\0\0\0\0\0\0", 13, NULL, 0);
	assert_int_equal(front_receive(&w.front, &(struct vhost_user_message){ 0 }), -1);
	front_close(&w.front);
}

/* A handler's failure is acknowledged and the connection goes on; without an acknowledgement it ends. */
static void test_failures(void **state)
{
	struct front *f = &w.front;
	int file;

	(void)state;
	front_negotiate(f, BASIC);
	assert_int_equal(front_ack_u64(f, VHOST_USER_SET_FEATURES, BASIC | 1), 1);
	assert_int_equal(front_ack_u64(f, VHOST_USER_SET_FEATURES, BASIC | 1ULL << 33), 1);
	assert_int_equal(front_ack_u64(f, VHOST_USER_SET_PROTOCOL_FEATURES, f->protocol_features | 1ULL << 12), 1);
	assert_int_equal(front_ack_state(f, VHOST_USER_SET_VRING_NUM, 0, 0), 1);
	assert_int_equal(front_ack_state(f, VHOST_USER_SET_VRING_NUM, 0, 32769), 1);
	assert_int_equal(front_ack_state(f, VHOST_USER_SET_VRING_NUM, 0, 100), 1);
	assert_int_equal(front_ack_state(f, VHOST_USER_SET_VRING_NUM, 3, 128), 1);
	assert_int_equal(front_ack_state(f, VHOST_USER_SET_VRING_BASE, 3, 0), 1);
	assert_int_equal(front_ack_state(f, VHOST_USER_SET_VRING_ENABLE, 3, 1), 1);
	assert_int_equal(front_ack_fd(f, VHOST_USER_SET_VRING_KICK, 3, f->kick[0]), 1);
	assert_int_equal(front_ack_fd(f, VHOST_USER_SET_VRING_CALL, 255, f->kick[0]), 1);
	/* A regular file cannot be waited for. */
	file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	assert_int_equal(front_ack_fd(f, VHOST_USER_SET_VRING_KICK, 0, file), 1);
	close(file);
	f->rings[0].mem = &f->memory;
	f->rings[0].at = 0;
	assert_int_equal(front_addr(f, 0, false, 0), 0);
	f->rings[0].at = 8;
	assert_int_equal(front_addr(f, 0, false, 0), 1);
	/* Still there. */
	assert_int_equal(front_ack_u64(f, VHOST_USER_SET_FEATURES, BASIC), 0);
	assert_int_equal(front_ask(f, VHOST_USER_GET_QUEUE_NUM, NULL, 0), 3);
	front_send(f, VHOST_USER_SET_VRING_NUM, VHOST_USER_VERSION, "\3\0\0\0\1\0\0\0", 8, NULL, 0);
	assert_int_equal(front_ask(f, VHOST_USER_GET_FEATURES, NULL, 0), UINT64_MAX);
	world_reconnect();
	/* No acknowledgement where a message has an answer of its own: a wrong ring ends it. */
	front_negotiate(f, BASIC);
	assert_int_equal(front_ask(f, VHOST_USER_GET_VRING_BASE, "\3\0\0\0\0\0\0\0", 8), UINT64_MAX);
	world_reconnect();
	/* Nor before REPLY_ACK was negotiated. */
	front_send(f, VHOST_USER_SET_OWNER, VHOST_USER_VERSION | VHOST_USER_NEED_REPLY, NULL, 0, NULL, 0);
	assert_int_equal(front_ask(f, VHOST_USER_GET_FEATURES, NULL, 0), 0x574000000);
	front_send(f, 31, VHOST_USER_VERSION, "\0\0\0\0\0\0\0", 8, NULL, 0);
	assert_int_equal(front_ask(f, VHOST_USER_GET_FEATURES, NULL, 0), UINT64_MAX);
	world_reconnect();
	front_start(f, BASIC);
	assert_true(front_echo(f, 1, "alive"));
}

/* ---- serving ---- */

static void test_serve(void **state)
{
	struct front *f = &w.front;
	char text[32];
	size_t i;
	int n;

	(void)state;
	for (i = 0; i < WORLD_KINDS; i++) {
		front_start(f, world_kinds[i]);
		for (n = 0; n < 300; n++) {
			snprintf(text, sizeof(text), "request %d", n);
			assert_true(front_echo(f, (uint32_t)n % 3, text));
		}
		assert_true(front_echo(f, 1, "N: pinned"));
		assert_true(front_echo(f, 1, "P: pinned and complete"));
		world_reconnect();
	}
}

/* A full ring at once: everything comes back, with fewer interrupts than requests or as many. */
static void test_depth(void **state)
{
	struct front *f = &w.front;
	size_t i;

	(void)state;
	for (i = 0; i < WORLD_KINDS; i++) {
		uint32_t lap, n, id, len;

		front_start(f, world_kinds[i]);
		for (lap = 0; lap < 100; lap++) {
			for (n = 0; n < 32; n++)
				assert_true(front_request(f, 1, n, n % 5 ? "quick" : "P") >= 0);
			front_kick(f, 1);
			while (n--)
				assert_true(front_used(f, 1, &id, &len));
		}
		world_reconnect();
	}
}

static void test_async(void **state)
{
	struct front *f = &w.front;
	size_t i;

	(void)state;
	for (i = 0; i < WORLD_KINDS; i++) {
		uint32_t n, id, len;

		front_start(f, world_kinds[i]);
		for (n = 0; n < 8; n++)
			assert_true(front_request(f, 1, 8 + n, "A") >= 0);
		front_kick(f, 1);
		assert_true(wait_for(&w.client.nwaiting, 8));
		/* Others pass, on this queue and on the one of high priority. */
		assert_true(front_request(f, 1, 20, "quick") >= 0);
		front_kick(f, 1);
		assert_true(front_used(f, 1, &id, &len));
		assert_int_equal(len, 6);
		assert_true(front_echo(f, 0, "hiprio"));
		assert_int_equal(fake_client_release(&w.client), 8);
		for (n = 0; n < 8; n++) {
			assert_true(front_used(f, 1, &id, &len));
			assert_int_equal(len, 2);
			assert_string_equal(front_answer(f, 8 + n), "A");
		}
		world_reconnect();
	}
}

static void *release_always(void *arg)
{
	struct fake_client *c = arg;

	while (!atomic_load(&c->refuse))
		if (!fake_client_release(c))
			sched_yield();
	return NULL;
}

/* Two threads complete while the queue goes to sleep and wakes up: no completion is lost. */
static void test_completion_race(void **state)
{
	struct front *f = &w.front;
	uint32_t lap, n, id, len;
	pthread_t threads[2];

	(void)state;
	front_start(f, EVENTS);
	for (n = 0; n < 2; n++)
		assert_int_equal(pthread_create(&threads[n], NULL, release_always, &w.client), 0);
	for (lap = 0; lap < 1000; lap++) {
		uint32_t depth = lap % 4 ? 1 : 16;

		for (n = 0; n < depth; n++)
			assert_true(front_request(f, 1, n, "A") >= 0);
		front_kick(f, 1);
		while (n--)
			assert_true(front_used(f, 1, &id, &len));
	}
	atomic_store(&w.client.refuse, true);
	for (n = 0; n < 2; n++)
		pthread_join(threads[n], NULL);
	atomic_store(&w.client.refuse, false);
}

/* More requests in flight than the bound: the rest waits in the ring and follows. */
static void test_inflight_bound(void **state)
{
	struct front *f = &w.front;
	struct driver *d = &f->rings[1];
	const struct driver_buf bufs[] = { { DRIVER_GPA + DRIVER_DATA, 2, false },
					   { DRIVER_GPA + DRIVER_DATA + 64, 8, true } };
	uint32_t n, id, len;

	(void)state;
	front_negotiate(f, EVENTS);
	front_ring(f, 1, EVENTS);
	front_base(f, 1);
	driver_init(d, &f->memory, DRIVER_RING_BYTES, DRIVER_MAX_SIZE, false, true);
	assert_int_equal(front_ack_state(f, VHOST_USER_SET_VRING_NUM, 1, DRIVER_MAX_SIZE), 0);
	assert_int_equal(front_ack_fd(f, VHOST_USER_SET_VRING_KICK, 1, f->kick[1]), 0);
	strcpy((char *)f->memory.base + DRIVER_DATA, "A");
	for (n = 0; n < 400; n++)
		assert_true(driver_add(d, bufs, 2, false) >= 0);
	assert_int_equal(front_ack_state(f, VHOST_USER_SET_VRING_ENABLE, 1, 1), 0);
	assert_true(wait_for(&w.client.nwaiting, VHOST_USER_QUEUE_INFLIGHT));
	world_sleep_ms(20);
	assert_int_equal(atomic_load(&w.client.nwaiting), VHOST_USER_QUEUE_INFLIGHT);
	fake_client_release(&w.client);
	assert_true(wait_for(&w.client.nwaiting, 400 - VHOST_USER_QUEUE_INFLIGHT));
	fake_client_release(&w.client);
	for (n = 0; n < 400; n++)
		assert_true(front_used(f, 1, &id, &len));
}

static void test_polling(void **state)
{
	struct front *f = &w.front;
	uint32_t id, len;
	int n;

	(void)state;
	front_start(f, EVENTS);
	assert_int_equal(front_ack_fd(f, VHOST_USER_SET_VRING_KICK, 1, -1), 0);
	for (n = 0; n < 5; n++) {
		assert_true(front_request(f, 1, 0, "polled") >= 0);
		assert_true(front_used(f, 1, &id, &len));
	}
	/* No call descriptor: served, but without an interrupt. */
	assert_int_equal(front_ack_fd(f, VHOST_USER_SET_VRING_CALL, 1, -1), 0);
	n = (int)atomic_load(&w.client.served);
	assert_true(front_request(f, 1, 0, "silent") >= 0);
	assert_true(wait_for(&w.client.served, (uint32_t)n + 1));
	while (!driver_used(&f->rings[1], &id, &len))
		world_sleep_ms(1);
}

/* ---- rings: order, exchange, stop ---- */

/* What waits in a ring when it starts is served without a kick. */
static void test_pending(void **state)
{
	struct front *f = &w.front;
	uint32_t id, len;

	(void)state;
	front_negotiate(f, EVENTS);
	front_ring(f, 1, EVENTS);
	assert_true(front_request(f, 1, 0, "early") >= 0);
	world_sleep_ms(20);
	/* Not enabled yet. */
	assert_false(driver_used(&f->rings[1], &id, &len));
	assert_int_equal(front_ack_state(f, VHOST_USER_SET_VRING_ENABLE, 1, 1), 0);
	assert_true(front_used(f, 1, &id, &len));
	/* Disabled again: it waits; enabled: it is served. */
	assert_int_equal(front_ack_state(f, VHOST_USER_SET_VRING_ENABLE, 1, 0), 0);
	assert_true(front_request(f, 1, 0, "late") >= 0);
	front_kick(f, 1);
	world_sleep_ms(20);
	assert_false(driver_used(&f->rings[1], &id, &len));
	assert_int_equal(front_ack_state(f, VHOST_USER_SET_VRING_ENABLE, 1, 1), 0);
	assert_true(front_used(f, 1, &id, &len));
}

/* Without the feature of protocol features, rings are enabled from the start, and cannot be told otherwise. */
static void test_enabled_at_start(void **state)
{
	struct front *f = &w.front;

	(void)state;
	front_start(f, VIRTIO_F_VERSION_1);
	assert_true(front_echo(f, 2, "hello"));
	assert_int_equal(front_ack_state(f, VHOST_USER_SET_VRING_ENABLE, 2, 0), 1);
	assert_true(front_echo(f, 2, "hello"));
}

/* Every order of what a ring needs. */
static void test_any_order(void **state)
{
	enum { FEATURES, MEMORY, NUM, ADDR, BASE, KICK, CALL, ENABLE, STEPS };
	struct front *f = &w.front;
	uint32_t seed = 7, round, i;

	(void)state;
	for (round = 0; round < 60; round++) {
		uint64_t features = world_kinds[round % WORLD_KINDS];
		int steps[STEPS], rc = 0;

		for (i = 0; i < STEPS; i++)
			steps[i] = (int)i;
		for (i = STEPS - 1; i > 0; i--) {
			uint32_t k = (seed = seed * 1664525 + 1013904223) >> 8, t = (uint32_t)steps[i];

			steps[i] = steps[k % (i + 1)];
			steps[k % (i + 1)] = (int)t;
		}
		f->protocol_features = front_ask(f, VHOST_USER_GET_PROTOCOL_FEATURES, NULL, 0);
		assert_int_equal(front_ack_u64(f, VHOST_USER_SET_PROTOCOL_FEATURES, f->protocol_features), 0);
		driver_init(&f->rings[1], &f->memory, DRIVER_RING_BYTES, FRONT_SIZE, features & VIRTIO_F_RING_PACKED,
			    features & VIRTIO_F_EVENT_IDX);
		for (i = 0; i < STEPS; i++) {
			switch (steps[i]) {
			case FEATURES:
				rc = front_ack_u64(f, VHOST_USER_SET_FEATURES, features);
				break;
			case MEMORY:
				rc = front_memory(f);
				break;
			case NUM:
				rc = front_ack_state(f, VHOST_USER_SET_VRING_NUM, 1, FRONT_SIZE);
				break;
			case ADDR:
				rc = front_addr(f, 1, false, 0);
				break;
			case BASE:
				rc = front_ack_state(f, VHOST_USER_SET_VRING_BASE, 1,
						     features & VIRTIO_F_RING_PACKED ? VRING_PACKED_FRESH_BASE : 0);
				break;
			case KICK:
				rc = front_ack_fd(f, VHOST_USER_SET_VRING_KICK, 1, f->kick[1]);
				break;
			case CALL:
				rc = front_ack_fd(f, VHOST_USER_SET_VRING_CALL, 1, f->call[1]);
				break;
			default:
				rc = front_ack_state(f, VHOST_USER_SET_VRING_ENABLE, 1, 1);
				break;
			}
			assert_int_equal(rc, 0);
		}
		assert_true(front_echo(f, 1, "in any order"));
		world_reconnect();
	}
}

static void test_kick_exchange(void **state)
{
	struct front *f = &w.front;
	int old;

	(void)state;
	front_start(f, EVENTS);
	assert_true(front_echo(f, 1, "before"));
	old = f->kick[1];
	f->kick[1] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	assert_int_equal(front_ack_fd(f, VHOST_USER_SET_VRING_KICK, 1, f->kick[1]), 0);
	assert_true(front_echo(f, 1, "after"));
	close(old);
	old = f->call[1];
	f->call[1] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	assert_int_equal(front_ack_fd(f, VHOST_USER_SET_VRING_CALL, 1, f->call[1]), 0);
	assert_true(front_echo(f, 1, "again"));
	close(old);
}

/* A stop ends what is in flight before it answers, keeps the position, and nothing is served until the next start. */
static void test_stop_drains(void **state)
{
	struct front *f = &w.front;
	size_t i;

	(void)state;
	for (i = 0; i < WORLD_KINDS; i++) {
		bool packed = world_kinds[i] & VIRTIO_F_RING_PACKED;
		uint32_t base, n, id, len, expected;

		front_start(f, world_kinds[i]);
		for (n = 0; n < 5; n++)
			assert_true(front_request(f, 1, 2 * n, "A") >= 0);
		front_kick(f, 1);
		assert_true(wait_for(&w.client.nwaiting, 5));
		base = front_base(f, 1);
		for (n = 0; n < 5; n++)
			assert_true(driver_used(&f->rings[1], &id, &len));
		assert_int_equal(len, 2);
		/* Five chains, of two descriptors each. */
		expected = packed ? VRING_PACKED_FRESH_BASE + 10 + (10U << 16) : 5;
		assert_int_equal(base, expected);
		assert_int_equal(front_base(f, 1), expected);
		assert_true(front_request(f, 1, 0, "rests") >= 0);
		eventfd_write(f->kick[1], 1);
		world_sleep_ms(20);
		assert_false(driver_used(&f->rings[1], &id, &len));
		assert_int_equal(front_ack_fd(f, VHOST_USER_SET_VRING_KICK, 1, f->kick[1]), 0);
		assert_true(front_used(f, 1, &id, &len));
		assert_int_equal(len, 6);
		assert_true(front_echo(f, 1, "goes on"));
		world_reconnect();
	}
	assert_true(atomic_load(&w.client.cancels) >= WORLD_KINDS);
}

static void *release_later(void *arg)
{
	world_sleep_ms(250);
	fake_client_release(arg);
	return NULL;
}

/* What cannot be cancelled is waited for, and asked again. */
static void test_stop_waits(void **state)
{
	struct front *f = &w.front;
	uint32_t id, len;
	pthread_t t;

	(void)state;
	atomic_store(&w.client.cancel_ends, false);
	front_start(f, EVENTS);
	assert_true(front_request(f, 1, 0, "A") >= 0);
	front_kick(f, 1);
	assert_true(wait_for(&w.client.nwaiting, 1));
	assert_int_equal(pthread_create(&t, NULL, release_later, &w.client), 0);
	assert_int_equal(front_base(f, 1), 1);
	assert_true(driver_used(&f->rings[1], &id, &len));
	assert_true(atomic_load(&w.client.cancels) > 1);
	pthread_join(t, NULL);
	atomic_store(&w.client.cancel_ends, true);
}

static void test_reset_device(void **state)
{
	struct front *f = &w.front;
	size_t i;

	(void)state;
	for (i = 0; i < WORLD_KINDS; i++) {
		uint32_t id, len;

		front_start(f, world_kinds[i]);
		assert_true(front_request(f, 1, 0, "A") >= 0);
		front_kick(f, 1);
		assert_true(wait_for(&w.client.nwaiting, 1));
		assert_int_equal(front_ack(f, VHOST_USER_RESET_DEVICE, NULL, 0, NULL, 0), 0);
		assert_int_equal(atomic_load(&w.client.resets), i + 1);
		assert_true(driver_used(&f->rings[1], &id, &len));
		/* Nothing runs; then all is set up anew on the same connection. */
		assert_true(front_request(f, 1, 0, "rests") >= 0);
		eventfd_write(f->kick[1], 1);
		world_sleep_ms(10);
		assert_false(driver_used(&f->rings[1], &id, &len));
		front_start(f, world_kinds[WORLD_KINDS - 1 - i]);
		assert_true(front_echo(f, 1, "reset"));
		world_reconnect();
	}
}

/* Another kind of ring on the same connection, without a stop in between. */
static void test_features_again(void **state)
{
	struct front *f = &w.front;
	uint32_t i;

	(void)state;
	front_start(f, BASIC);
	assert_true(front_echo(f, 1, "split"));
	assert_int_equal(front_ack(f, VHOST_USER_RESET_OWNER, NULL, 0, NULL, 0), 0);
	assert_true(front_echo(f, 1, "still split"));
	assert_int_equal(front_ack_u64(f, VHOST_USER_SET_FEATURES, BASIC), 0);
	assert_true(front_echo(f, 1, "still split"));
	for (i = 0; i < 2; i++) {
		front_base(f, i);
		driver_init(&f->rings[i], &f->memory, i * DRIVER_RING_BYTES, FRONT_SIZE, true, false);
	}
	driver_init(&f->rings[2], &f->memory, 2 * DRIVER_RING_BYTES, FRONT_SIZE, true, false);
	assert_int_equal(front_ack_u64(f, VHOST_USER_SET_FEATURES, PACKED), 0);
	assert_true(front_echo(f, 2, "packed"));
}

static void test_broken_ring(void **state)
{
	struct front *f = &w.front;
	struct pollfd p = { .fd = f->err[1], .events = POLLIN };
	uint32_t before;

	(void)state;
	front_start(f, BASIC);
	assert_true(front_echo(f, 1, "good"));
	before = atomic_load(&world_lines);
	driver_put16(f->rings[1].avail + 2, 5000);
	eventfd_write(f->kick[1], 1);
	assert_int_equal(poll(&p, 1, FRONT_TIMEOUT_MS), 1);
	eventfd_write(f->kick[1], 1);
	world_sleep_ms(20);
	assert_int_equal(atomic_load(&world_lines), before + 1);
	/* The others go on, and this one after a new start. */
	assert_true(front_echo(f, 0, "hiprio"));
	assert_true(front_echo(f, 2, "other"));
	assert_int_equal(front_base(f, 1), 1);
	front_ring(f, 1, BASIC);
	assert_true(front_echo(f, 1, "good again"));
}

/* A chain that cannot be served comes back empty, and the next one is served. */
static void test_bad_chain(void **state)
{
	struct front *f = &w.front;
	const struct driver_buf outside = { 0x1000, 8, true };
	uint32_t id, len;
	size_t i;

	(void)state;
	for (i = 0; i < WORLD_KINDS; i++) {
		front_start(f, world_kinds[i]);
		assert_true(driver_add(&f->rings[1], &outside, 1, false) >= 0);
		front_kick(f, 1);
		assert_true(front_used(f, 1, &id, &len));
		assert_int_equal(len, 0);
		assert_true(front_echo(f, 1, "good"));
		world_reconnect();
	}
}

/* ---- memory ---- */

static void test_memory_changes(void **state)
{
	struct front *f = &w.front;
	struct vhost_user_message msg = { 0 };
	struct driver_memory extra;
	const struct driver_buf bufs[] = { { DRIVER_GPA + DRIVER_DATA, 4, false }, { 0x9000, 64, true } };
	uint32_t id, len;

	(void)state;
	driver_memory_init(&extra, 0x10000);
	front_start(f, EVENTS);
	strcpy((char *)f->memory.base + DRIVER_DATA, "mem");
	msg.slot.region = (struct guest_region_info){ 0x8000, 0x8000, 0x5000000, 0x1000 };
	assert_int_equal(front_ack(f, VHOST_USER_ADD_MEM_REG, msg.bytes, 40, &extra.fd, 1), 0);
	assert_int_equal(front_ack(f, VHOST_USER_ADD_MEM_REG, msg.bytes, 40, &extra.fd, 1), 1);
	assert_true(driver_add(&f->rings[1], bufs, 2, false) >= 0);
	front_kick(f, 1);
	assert_true(front_used(f, 1, &id, &len));
	assert_int_equal(len, 4);
	assert_string_equal(extra.base + 0x2000, "mem");
	/* A request in flight keeps its memory, whatever becomes of the table. */
	strcpy((char *)f->memory.base + DRIVER_DATA, "A");
	assert_true(driver_add(&f->rings[1], bufs, 2, false) >= 0);
	front_kick(f, 1);
	assert_true(wait_for(&w.client.nwaiting, 1));
	memset(extra.base, 0, 0x10000);
	assert_int_equal(front_ack(f, VHOST_USER_REM_MEM_REG, msg.bytes, 40, &extra.fd, 1), 0);
	assert_int_equal(front_ack(f, VHOST_USER_REM_MEM_REG, msg.bytes, 40, NULL, 0), 1);
	assert_int_equal(fake_client_release(&w.client), 1);
	assert_true(front_used(f, 1, &id, &len));
	assert_string_equal(extra.base + 0x2000, "A");
	/* Gone for new ones. */
	assert_true(driver_add(&f->rings[1], bufs, 2, false) >= 0);
	front_kick(f, 1);
	assert_true(front_used(f, 1, &id, &len));
	assert_int_equal(len, 0);
	/* The whole table anew, with rings that run. */
	assert_int_equal(front_memory(f), 0);
	assert_true(front_echo(f, 1, "new table"));
	/* The ring's own memory goes: it rests, and goes on when it is back. */
	msg.slot.region = (struct guest_region_info){ DRIVER_GPA, FRONT_MEMORY, DRIVER_USER, 0 };
	assert_int_equal(front_ack(f, VHOST_USER_REM_MEM_REG, msg.bytes, 40, NULL, 0), 0);
	assert_true(front_request(f, 1, 0, "waits") >= 0);
	eventfd_write(f->kick[1], 1);
	world_sleep_ms(10);
	assert_false(driver_used(&f->rings[1], &id, &len));
	assert_int_equal(front_ack(f, VHOST_USER_ADD_MEM_REG, msg.bytes, 40, &f->memory.fd, 1), 0);
	assert_true(front_used(f, 1, &id, &len));
	assert_true(front_echo(f, 1, "back"));
	driver_memory_fini(&extra);
}

static int set_log_base(struct front *f, const struct driver_memory *bitmap, uint64_t size)
{
	struct vhost_user_message msg;

	msg.log.size = size;
	msg.log.offset = 0;
	front_send(f, VHOST_USER_SET_LOG_BASE, VHOST_USER_VERSION | VHOST_USER_NEED_REPLY, msg.bytes, 16, &bitmap->fd,
		   1);
	return front_receive(f, &msg);
}

static bool is_dirty(const struct driver_memory *bitmap, uint64_t gpa)
{
	return atomic_load((_Atomic uint8_t *)&bitmap->base[gpa / 4096 / 8]) >> (gpa / 4096 % 8) & 1;
}

/* Migration: the log is turned on for a ring that runs, follows new memory, and is turned off. */
static void test_dirty_log(void **state)
{
	struct front *f = &w.front;
	struct driver_memory bitmap, extra;
	struct vhost_user_message msg = { 0 };
	const uint64_t answer = DRIVER_GPA + DRIVER_DATA + 0x1800, used = DRIVER_GPA + DRIVER_RING_BYTES + 0x20000;
	const struct driver_buf bufs[] = { { DRIVER_GPA + DRIVER_DATA, 4, false }, { 0x9000, 64, true } };
	int log_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	eventfd_t count = 0;
	uint32_t id, len;

	(void)state;
	driver_memory_init(&bitmap, 0x10000);
	driver_memory_init(&extra, 0x10000);
	front_start(f, EVENTS);
	assert_int_equal(set_log_base(f, &bitmap, 0x10000), 16);
	assert_int_equal(front_ack(f, VHOST_USER_SET_LOG_FD, NULL, 0, &log_fd, 1), 0);
	assert_true(front_echo(f, 1, "off"));
	assert_false(is_dirty(&bitmap, answer));
	assert_int_equal(eventfd_read(log_fd, &count), -1);
	assert_int_equal(front_ack_u64(f, VHOST_USER_SET_FEATURES, EVENTS | VIRTIO_F_LOG_ALL), 0);
	assert_true(front_echo(f, 1, "data only"));
	assert_true(is_dirty(&bitmap, answer));
	assert_false(is_dirty(&bitmap, used));
	assert_false(is_dirty(&bitmap, answer - 0x1000));
	/* The signal comes behind the used index. */
	assert_int_equal(poll(&(struct pollfd){ .fd = log_fd, .events = POLLIN }, 1, FRONT_TIMEOUT_MS), 1);
	assert_int_equal(front_addr(f, 1, true, used), 0);
	assert_true(front_echo(f, 1, "ring too"));
	assert_true(is_dirty(&bitmap, used));
	/* Memory that comes later is logged as well. */
	msg.slot.region = (struct guest_region_info){ 0x8000, 0x8000, 0x5000000, 0 };
	assert_int_equal(front_ack(f, VHOST_USER_ADD_MEM_REG, msg.bytes, 40, &extra.fd, 1), 0);
	assert_true(driver_add(&f->rings[1], bufs, 2, false) >= 0);
	front_kick(f, 1);
	assert_true(front_used(f, 1, &id, &len));
	assert_true(is_dirty(&bitmap, 0x9000));
	/* A request that went ASYNC before is logged by what it wrote after. */
	strcpy((char *)f->memory.base + DRIVER_DATA, "A");
	assert_true(driver_add(&f->rings[1], bufs, 2, false) >= 0);
	front_kick(f, 1);
	assert_true(wait_for(&w.client.nwaiting, 1));
	memset(bitmap.base, 0, 0x10000);
	assert_int_equal(front_ack(f, VHOST_USER_REM_MEM_REG, msg.bytes, 40, NULL, 0), 0);
	fake_client_release(&w.client);
	assert_true(front_used(f, 1, &id, &len));
	assert_true(is_dirty(&bitmap, 0x9000));
	/* Off is off. */
	assert_int_equal(front_ack_u64(f, VHOST_USER_SET_FEATURES, EVENTS), 0);
	world_sleep_ms(10);
	memset(bitmap.base, 0, 0x10000);
	assert_true(front_echo(f, 1, "off again"));
	assert_false(is_dirty(&bitmap, answer));
	assert_false(is_dirty(&bitmap, used));
	/* A log that is too short for the memory there is: no answer would be right. */
	assert_int_equal(set_log_base(f, &bitmap, 64), -1);
	close(log_fd);
	driver_memory_fini(&bitmap);
	driver_memory_fini(&extra);
}

#if defined(__SANITIZE_THREAD__)
#define THREAD_SANITIZER 1
#elif defined(__has_feature)
#define THREAD_SANITIZER __has_feature(thread_sanitizer)
#else
#define THREAD_SANITIZER 0
#endif

/* That of lib/mapping. cmocka puts its own in its place during each test. */
static struct sigaction sigbus;

static void take_handler(void)
{
	struct driver_memory memory;
	struct mapping m;

	driver_memory_init(&memory, 0x1000);
	if (mapping_open(&m, memory.fd, 0, 0x1000, MAPPING_READ, NULL) == 0)
		mapping_close(&m);
	driver_memory_fini(&memory);
	sigaction(SIGBUS, NULL, &sigbus);
}

/* A front end takes the memory away from under its rings: they are its own loss, the device answers it and the next one. */
static void test_shrunk_memory(void **state)
{
	struct front *f = &w.front;
	uint32_t kind, i;

	(void)state;
	/* Atomics of a ring fault with a lock of the sanitizer's held, which the handler would wait for. */
	if (THREAD_SANITIZER)
		skip();
	sigaction(SIGBUS, &sigbus, NULL);
	for (kind = 0; kind < WORLD_KINDS; kind++) {
		front_start(f, world_kinds[kind]);
		assert_true(front_echo(f, 1, "before"));
		assert_int_equal(ftruncate(f->memory.fd, 0), 0);
		for (i = 0; i < FRONT_RINGS; i++)
			eventfd_write(f->kick[i], 1);
		world_sleep_ms(10);
		assert_true(front_base(f, 1) != UINT32_MAX);
		world_reconnect();
	}
	front_start(f, BASIC);
	assert_true(front_echo(f, 1, "after"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_CONNECTED(test_offer),
		WORLD_ALONE(test_no_tag),
		WORLD_CONNECTED(test_failures),
		WORLD_CONNECTED(test_serve),
		WORLD_CONNECTED(test_depth),
		WORLD_CONNECTED(test_async),
		WORLD_CONNECTED(test_completion_race),
		WORLD_CONNECTED(test_inflight_bound),
		WORLD_CONNECTED(test_polling),
		WORLD_CONNECTED(test_pending),
		WORLD_CONNECTED(test_enabled_at_start),
		WORLD_CONNECTED(test_any_order),
		WORLD_CONNECTED(test_kick_exchange),
		WORLD_CONNECTED(test_stop_drains),
		WORLD_CONNECTED(test_stop_waits),
		WORLD_CONNECTED(test_reset_device),
		WORLD_CONNECTED(test_features_again),
		WORLD_CONNECTED(test_broken_ring),
		WORLD_CONNECTED(test_bad_chain),
		WORLD_CONNECTED(test_memory_changes),
		WORLD_CONNECTED(test_dirty_log),
		WORLD_CONNECTED(test_shrunk_memory),
	};

	take_handler();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
