/* SPDX-License-Identifier: Apache-2.0 */
/* The API's socket, who may use it, and its end. */
#include "control_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define INFO "/api/graft/v1/info"

static int prepare(void **state)
{
	struct rig *r = malloc(sizeof(*r));

	rig_prepare(r);
	*state = r;
	return 0;
}

static int open_only(struct rig *r, struct graft_error *err)
{
	r->control = NULL;
	return r->module->open(fake_host(), &r->control, err);
}

static void expect_served(const struct rig *r)
{
	struct reply *reply = call(r, "GET", INFO, NULL);

	assert_int_equal(reply->status, 200);
	reply_free(reply);
}

static int bind_there(const struct rig *r, bool listening)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(addr.sun_path, r->path);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	if (listening)
		assert_int_equal(listen(fd, 8), 0);
	return fd;
}

static void mode_is_0600_whatever_the_umask(void **state)
{
	static const mode_t masks[] = { 0, 022, 077, 0777 };
	struct rig *r = *state;
	struct stat st;

	for (size_t i = 0; i < sizeof(masks) / sizeof(masks[0]); i++) {
		mode_t before = umask(masks[i]);

		rig_start(r);
		umask(before);
		assert_int_equal(stat(r->path, &st), 0);
		assert_int_equal(st.st_mode & 07777, 0600);
		expect_served(r);
		rig_stop(r);
		assert_int_equal(stat(r->path, &st), -1);
	}
}

static void stale_sockets_are_replaced(void **state)
{
	struct rig *r = *state;

	close(bind_there(r, true));
	assert_int_equal(access(r->path, F_OK), 0);
	rig_start(r);
	expect_served(r);
}

static void live_sockets_are_left_alone(void **state)
{
	struct rig *r = *state;
	struct graft_error err;
	int fd = bind_there(r, true);

	assert_int_equal(open_only(r, &err), -EADDRINUSE);
	assert_non_null(strstr(err.text, "in use by a running process"));
	/* Nobody has connected to it. */
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(accept(fd, NULL, NULL), -1);
	assert_int_equal(access(r->path, F_OK), 0);
	close(fd);
}

static void other_files_are_left_alone(void **state)
{
	struct rig *r = *state;
	struct graft_error err;
	int fd = open(r->path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	close(fd);
	assert_int_equal(open_only(r, &err), -EEXIST);
	assert_non_null(strstr(err.text, "is not a socket"));
	assert_int_equal(unlink(r->path), 0);
	assert_int_equal(symlink("/nonexistent", r->path), 0);
	assert_int_equal(open_only(r, &err), -EEXIST);
	assert_int_equal(unlink(r->path), 0);
	fake_config()->server.api_socket = "/nonexistent/folder/api.sock";
	assert_int_equal(open_only(r, &err), -ENOENT);
	assert_non_null(strstr(err.text, "/nonexistent/folder/api.sock"));
}

/* Another daemon took the path meanwhile. */
static void only_its_own_socket_is_removed(void **state)
{
	struct rig *r = *state;

	rig_start(r);
	assert_int_equal(unlink(r->path), 0);
	int fd = bind_there(r, true);
	rig_stop(r);
	assert_int_equal(access(r->path, F_OK), 0);
	close(fd);
}

static void no_socket_no_api(void **state)
{
	struct rig *r = *state;

	fake_config()->server.api_socket = NULL;
	rig_start(r);
	assert_int_equal(access(r->path, F_OK), -1);
	rig_stop(r);
}

/* In a child, as descriptors 3 and on are what the tests' own process uses. Returns its exit status. */
static int in_child(const struct rig *r, int (*fn)(struct rig *, int listener), int listener)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		struct rig own = *r;

		_exit(fn(&own, listener));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 99;
}

/* Puts the listener where the service manager would: behind another one. */
static void activate(int listener, const char *names)
{
	char pid[32];
	int moved = fcntl(listener, F_DUPFD, 20), other = socket(AF_UNIX, SOCK_DGRAM, 0);

	dup2(other, 3);
	dup2(moved, 4);
	snprintf(pid, sizeof(pid), "%d", getpid());
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", "2", 1);
	if (names)
		setenv("LISTEN_FDNAMES", names, 1);
	else
		unsetenv("LISTEN_FDNAMES");
}

static int serve_activated(struct rig *r)
{
	struct stat st;

	rig_start(r);
	if (!(fcntl(4, F_GETFD) & FD_CLOEXEC))
		return 2;
	expect_served(r);
	rig_stop(r);
	return stat(r->path, &st) == 0 ? 0 : 3;
}

static int activated_by_path(struct rig *r, int listener)
{
	activate(listener, NULL);
	return serve_activated(r);
}

static int activated_by_name(struct rig *r, int listener)
{
	fake_config()->server.api_socket = NULL;
	activate(listener, "vhost:api");
	return serve_activated(r);
}

static int activated_for_another(struct rig *r, int listener)
{
	struct graft_error err;

	activate(listener, NULL);
	setenv("LISTEN_PID", "1", 1);
	return open_only(r, &err) == -EADDRINUSE ? 0 : 1;
}

static int activated_without_listening(struct rig *r, int listener)
{
	struct graft_error err;

	activate(listener, "api:other");
	return open_only(r, &err) == -EINVAL && strstr(err.text, "descriptor 3") ? 0 : 1;
}

static void sockets_are_inherited(void **state)
{
	struct rig *r = *state;
	int fd = bind_there(r, true);

	assert_int_equal(in_child(r, activated_by_path, fd), 0);
	assert_int_equal(in_child(r, activated_by_name, fd), 0);
	assert_int_equal(in_child(r, activated_for_another, fd), 0);
	assert_int_equal(in_child(r, activated_without_listening, fd), 0);
	close(fd);
}

/* Runs as another user; the status of its answer, from that user's own socket. */
static int ask_as(const struct rig *r, uid_t uid, const char *target)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		struct reply reply;
		char request[256];

		if (setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0)
			_exit(1);
		int fd = rig_connect(r);
		snprintf(request, sizeof(request), "PUT %s HTTP/1.1\r\n\r\n", target);
		if (!wire_send(fd, request, strlen(request)) || !wire_receive(fd, &reply))
			_exit(2);
		_exit(reply.status == 403 && strstr(reply.body, "only root") ? 43 : reply.status == 204 ? 24 : 3);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WEXITSTATUS(status);
}

static void other_users_are_refused(void **state)
{
	struct rig *r = *state;

	if (geteuid() != 0)
		skip();
	rig_start(r);
	assert_int_equal(chmod(r->dir, 0711), 0);
	assert_int_equal(chmod(r->path, 0666), 0);
	assert_int_equal(ask_as(r, 1234, "/api/graft/v1/stop"), 43);
	assert_int_equal(ask_as(r, 1234, "/api/v1/daemon/exit"), 43);
	assert_int_equal(fake_stops(), 0);
	assert_int_equal(ask_as(r, 0, "/api/v1/daemon/exit"), 24);
}

static void anybody_may_be_served(void **state)
{
	struct rig *r = *state;
	struct stat st;

	if (geteuid() != 0)
		skip();
	fake_config()->server.api_peers = CONFIG_API_PEERS_ANY;
	rig_start(r);
	assert_int_equal(stat(r->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0666);
	assert_int_equal(chmod(r->dir, 0711), 0);
	assert_int_equal(ask_as(r, 1234, "/api/v1/daemon/exit"), 24);
}

struct client {
	const struct rig *rig;
	const char *target;
	int status;
};

static void *mount_slowly(void *arg)
{
	struct client *c = arg;
	struct reply *reply =
		call(c->rig, "POST", c->target, "{\"type\":\"memory\",\"config\":{\"source\":\"/slow\"}}");

	c->status = reply->status;
	reply_free(reply);
	return NULL;
}

static void *release_later(void *arg)
{
	usleep(300000);
	fake_release();
	return arg;
}

static void wait_for_slow(unsigned n)
{
	for (int i = 0; i < 6000 && fake_waiting() != n; i++)
		usleep(10000);
	assert_int_equal(fake_waiting(), n);
}

static void running_requests_finish_at_the_end(void **state)
{
	struct rig *r = *state;
	struct client c = { r, "/api/graft/v1/mounts?at=/slow", 0 };
	pthread_t thread, releaser;
	char byte;

	rig_start(r);
	int idle = rig_connect(r), begun = rig_connect(r);
	wire_send(begun, "GET /api", 8);
	pthread_create(&thread, NULL, mount_slowly, &c);
	wait_for_slow(1);
	pthread_create(&releaser, NULL, release_later, NULL);
	rig_stop(r);
	pthread_join(thread, NULL);
	pthread_join(releaser, NULL);
	assert_int_equal(c.status, 201);
	/* Closed, without a word. */
	assert_int_equal(recv(idle, &byte, 1, MSG_DONTWAIT), 0);
	assert_int_equal(recv(begun, &byte, 1, MSG_DONTWAIT), 0);
	close(idle);
	close(begun);
}

/* One that takes too long gets 503; what it does goes on until it is done, and only then the module is closed. */
static void the_end_does_not_wait_for_ever(void **state)
{
	struct rig *r = *state;
	struct client c = { r, "/api/graft/v1/mounts?at=/slow", 0 };
	pthread_t thread, releaser;

	rig_start(r);
	pthread_create(&thread, NULL, mount_slowly, &c);
	wait_for_slow(1);
	r->module->stop(r->control);
	r->serving = false;
	pthread_join(thread, NULL);
	assert_int_equal(c.status, 503);
	assert_int_equal(fake_nmounts(), 0);
	pthread_create(&releaser, NULL, release_later, NULL);
	rig_stop(r);
	assert_int_equal(fake_nmounts(), 1);
	pthread_join(releaser, NULL);
}

static void it_starts_again_and_again(void **state)
{
	struct rig *r = *state;

	for (int i = 0; i < 20; i++) {
		rig_start(r);
		expect_served(r);
		rig_stop(r);
	}
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, prepare, rig_teardown)
	const struct CMUnitTest tests[] = {
		T(mode_is_0600_whatever_the_umask),
		T(stale_sockets_are_replaced),
		T(live_sockets_are_left_alone),
		T(other_files_are_left_alone),
		T(only_its_own_socket_is_removed),
		T(no_socket_no_api),
		T(sockets_are_inherited),
		T(other_users_are_refused),
		T(anybody_may_be_served),
		T(running_requests_finish_at_the_end),
		T(the_end_does_not_wait_for_ever),
		T(it_starts_again_and_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
