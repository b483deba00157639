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

	(void)state;
	config.once = true;
	world_start(&config);
	assert_true(front_connect(&w.front, w.path));
	front_start(&w.front, BASIC);
	assert_true(front_echo(&w.front, 1, "only"));
	assert_int_equal(atomic_load(&w.client.ended), 0);
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

/* ---- sockets ---- */

static void expect_refusal(const struct vhost_user_config *config, const char *text)
{
	struct graft_error err = { 0 };

	assert_null(vhost_user_new(config, &w.client.ops, &w.client, &err));
	if (!strstr(err.text, text))
		fail_msg("\"%s\" does not say \"%s\"", err.text, text);
}

static int bind_stream(const char *path, int type)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, type, 0);

	strcpy(addr.sun_path, path);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

static void test_path_rules(void **state)
{
	struct vhost_user_config config = world_config();
	struct stat st;
	char text[160];
	int fd;

	(void)state;
	/* A file, a directory and a link are left alone. */
	fd = open(w.path, O_CREAT | O_WRONLY, 0600);
	close(fd);
	expect_refusal(&config, "not a socket");
	assert_int_equal(unlink(w.path), 0);
	assert_int_equal(symlink("nowhere", w.path), 0);
	expect_refusal(&config, "not a socket");
	assert_int_equal(unlink(w.path), 0);
	/* A socket of a live process, listening or not yet. */
	fd = bind_stream(w.path, SOCK_STREAM);
	expect_refusal(&config, "in use");
	assert_int_equal(listen(fd, 1), 0);
	expect_refusal(&config, "in use");
	assert_int_equal(access(w.path, F_OK), 0);
	close(fd);
	/* Stale now: replaced, with its own mode, and gone at the end. */
	world_start(&config);
	assert_int_equal(lstat(w.path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0700);
	expect_refusal(&config, "in use");
	/* The look did not disturb: nobody connected. */
	assert_int_equal(atomic_load(&w.client.connects), 0);
	world_stop();
	assert_int_equal(access(w.path, F_OK), -1);
	/* Somebody else's socket at the same path is not removed. */
	world_start(&config);
	assert_int_equal(unlink(w.path), 0);
	fd = bind_stream(w.path, SOCK_DGRAM);
	world_stop();
	assert_int_equal(access(w.path, F_OK), 0);
	expect_refusal(&config, "in use");
	close(fd);
	unlink(w.path);
	/* Paths that cannot be. */
	memset(text, 'x', sizeof(text));
	text[0] = '/';
	text[108] = '\0';
	config.socket = text;
	expect_refusal(&config, "at most 107");
	config.socket = "/nonexistent-folder/fs.sock";
	expect_refusal(&config, "No such file");
	config.socket = "/";
	expect_refusal(&config, "not the name");
	config.socket = "/tmp/";
	expect_refusal(&config, "not the name");
}

static void test_longest_path(void **state)
{
	struct vhost_user_config config = world_config();
	char path[108], dir[108];
	struct graft_error err = { 0 };
	struct transport *t;

	(void)state;
	/* A folder of 60 bytes, a slash, a name of 46: together what sun_path holds with its NUL. */
	memset(dir, 'd', sizeof(dir));
	memcpy(dir, w.dir, strlen(w.dir));
	dir[strlen(w.dir)] = '/';
	dir[60] = '\0';
	assert_int_equal(mkdir(dir, 0700), 0);
	memset(path, 's', sizeof(path));
	memcpy(path, dir, 60);
	path[60] = '/';
	path[107] = '\0';
	config.socket = path;
	t = vhost_user_new(&config, &w.client.ops, &w.client, &err);
	assert_non_null(t);
	assert_int_equal(t->ops->start(t, &err), 0);
	assert_true(front_connect(&w.front, path));
	t->ops->stop(t);
	t->ops->join(t);
	t->ops->free(t);
	front_close(&w.front);
	assert_int_equal(rmdir(dir), 0);
}

static void test_inherited(void **state)
{
	struct vhost_user_config config = world_config();
	int pair[2], fd;

	(void)state;
	config.socket = NULL;
	config.fd = 9999;
	expect_refusal(&config, "descriptor 9999");
	config.fd = open("/dev/null", O_RDWR);
	expect_refusal(&config, "not a socket");
	close(config.fd);
	config.fd = socket(AF_INET, SOCK_STREAM, 0);
	expect_refusal(&config, "not a unix stream socket");
	close(config.fd);
	config.fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	expect_refusal(&config, "not a unix stream socket");
	close(config.fd);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	config.fd = pair[0];
	expect_refusal(&config, "does not listen");
	/* Not taken on failure. */
	assert_int_equal(close(pair[0]), 0);
	close(pair[1]);
	fd = bind_stream(w.path, SOCK_STREAM);
	assert_int_equal(listen(fd, 4), 0);
	config.fd = fd;
	world_start(&config);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_true(front_connect(&w.front, w.path));
	front_start(&w.front, BASIC);
	assert_true(front_echo(&w.front, 1, "inherited"));
	front_close(&w.front);
	world_stop();
	/* Closed, but the path is not ours. */
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	assert_int_equal(access(w.path, F_OK), 0);
}

static void test_settings(void **state)
{
	struct vhost_user_config config = world_config();
	struct graft_error err = { 0 };
	struct transport *t;

	(void)state;
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
	/* Made, but never started: its socket goes with it. */
	t = vhost_user_new(&config, &w.client.ops, &w.client, &err);
	assert_non_null(t);
	assert_int_equal(t->ops->kind, GRAFT_VHOST_USER);
	assert_int_equal(access(w.path, F_OK), 0);
	t->ops->free(t);
	assert_int_equal(access(w.path, F_OK), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_CONNECTED(test_reconnect), WORLD_CONNECTED(test_two_fronts),    WORLD_ALONE(test_once),
		WORLD_ALONE(test_refused),       WORLD_CONNECTED(test_end_in_flight), WORLD_ALONE(test_path_rules),
		WORLD_ALONE(test_longest_path),  WORLD_ALONE(test_inherited),         WORLD_ALONE(test_settings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
