/* SPDX-License-Identifier: Apache-2.0 */
/* Unit test of the vhost-user transport's connections: front ends that follow each other, the end, and socket paths. */
#include "vhost_world.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- connections ---- */

static int count_fds(void)
{
	int fd, n = 0;

	for (fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void test_reconnect(void **state)
{
	int i, fds;

	(void)state;
	/* An answer shows that the connection was accepted. */
	assert_int_equal(front_ask(&w.front, VHOST_USER_GET_FEATURES, NULL, 0), 0x574000000);
	fds = count_fds();
	for (i = 0; i < 10; i++) {
		front_start(&w.front, world_kinds[(size_t)i % WORLD_KINDS]);
		assert_true(front_echo(&w.front, 1, "hello"));
		if (i % 2) {
			/* It leaves with a request in flight. */
			assert_true(front_request(&w.front, 1, 0, "A") >= 0);
			front_kick(&w.front, 1);
			assert_true(wait_for(&w.client.nwaiting, 1));
		}
		world_reconnect();
		assert_true(wait_for(&w.client.disconnects, (uint32_t)i + 1));
		assert_int_equal(atomic_load(&w.client.nwaiting), 0);
	}
	/* What came with the messages was closed with the connection. */
	assert_int_equal(front_ask(&w.front, VHOST_USER_GET_FEATURES, NULL, 0), 0x574000000);
	assert_int_equal(count_fds(), fds);
	assert_int_equal(atomic_load(&w.client.ended), 0);
}

/* A second front end waits until the first has left. */
static void test_two_fronts(void **state)
{
	struct front second;
	struct pollfd p;

	(void)state;
	front_start(&w.front, BASIC);
	assert_true(front_connect(&second, w.path));
	front_send(&second, VHOST_USER_GET_FEATURES, VHOST_USER_VERSION, NULL, 0, NULL, 0);
	p = (struct pollfd){ .fd = second.sock, .events = POLLIN };
	assert_int_equal(poll(&p, 1, 50), 0);
	assert_true(front_echo(&w.front, 1, "first"));
	front_close(&w.front);
	assert_int_equal(poll(&p, 1, FRONT_TIMEOUT_MS), 1);
	w.front = second;
	front_receive(&w.front, &(struct vhost_user_message){ 0 });
	front_start(&w.front, BASIC);
	assert_true(front_echo(&w.front, 1, "second"));
}

static void test_once(void **state)
{
	struct vhost_user_config config = world_config();
	struct front second = { .sock = -1 };

	(void)state;
	config.once = true;
	world_start(&config);
	assert_true(front_connect(&w.front, w.path));
	front_start(&w.front, BASIC);
	assert_true(front_echo(&w.front, 1, "only"));
	assert_int_equal(atomic_load(&w.client.ended), 0);
	/* Nobody waits for a service that will not come. */
	assert_int_equal(access(w.path, F_OK), 0);
	assert_false(front_connect(&second, w.path));
	assert_int_equal(errno, ECONNREFUSED);
	front_close(&w.front);
	assert_true(wait_for(&w.client.ended, 1));
	assert_int_equal(access(w.path, F_OK), -1);
	assert_false(front_connect(&w.front, w.path));
	assert_int_equal(w.t->ops->join(w.t), 0);
	w.t->ops->free(w.t);
	w.t = NULL;
}

static void test_refused(void **state)
{
	struct vhost_user_config config = world_config();

	(void)state;
	world_start(&config);
	atomic_store(&w.client.refuse, true);
	assert_true(front_connect(&w.front, w.path));
	assert_int_equal(front_ask(&w.front, VHOST_USER_GET_FEATURES, NULL, 0), UINT64_MAX);
	front_close(&w.front);
	atomic_store(&w.client.refuse, false);
	assert_true(front_connect(&w.front, w.path));
	assert_int_equal(front_ask(&w.front, VHOST_USER_GET_FEATURES, NULL, 0), 0x574000000);
	front_close(&w.front);
}

/* The end comes with a front end connected and requests in flight; the socket is gone after it. */
static void test_end_in_flight(void **state)
{
	(void)state;
	front_start(&w.front, EVENTS);
	assert_true(front_request(&w.front, 1, 0, "A") >= 0);
	front_kick(&w.front, 1);
	assert_true(wait_for(&w.client.nwaiting, 1));
	world_stop();
	assert_int_equal(atomic_load(&w.client.disconnects), 1);
	assert_int_equal(access(w.path, F_OK), -1);
	assert_int_equal(atomic_load(&w.client.ended), 0);
}

static void expect_refusal(const struct vhost_user_config *config, const char *text)
{
	struct graft_error err = { 0 };

	assert_null(vhost_user_new(config, &w.client.ops, &w.client, &err));
	if (!strstr(err.text, text))
		fail_msg("\"%s\" does not say \"%s\"", err.text, text);
}

static void test_settings(void **state)
{
	struct vhost_user_config config = world_config();
	struct graft_error err = { 0 };
	struct transport *t;

	(void)state;
	world_listen();
	config.queues = 0;
	expect_refusal(&config, "request queues");
	config.queues = VHOST_USER_MAX_REQUEST_QUEUES + 1;
	expect_refusal(&config, "request queues");
	config.queues = VHOST_USER_MAX_REQUEST_QUEUES;
	config.tag = "";
	expect_refusal(&config, "tag");
	config.tag = "1234567890123456789012345678901234567";
	expect_refusal(&config, "tag");
	config.tag = "123456789012345678901234567890123456";
	/* The listener is taken by who succeeds. */
	assert_true(w.listener.socket.fd >= 0);
	/* Made, but never started: its socket goes with it. */
	t = vhost_user_new(&config, &w.client.ops, &w.client, &err);
	assert_non_null(t);
	assert_int_equal(w.listener.socket.fd, -1);
	assert_int_equal(t->ops->kind, GRAFT_VHOST_USER);
	assert_int_equal(access(w.path, F_OK), 0);
	t->ops->free(t);
	assert_int_equal(access(w.path, F_OK), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_CONNECTED(test_reconnect), WORLD_CONNECTED(test_two_fronts),    WORLD_ALONE(test_once),
		WORLD_ALONE(test_refused),       WORLD_CONNECTED(test_end_in_flight), WORLD_ALONE(test_settings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
