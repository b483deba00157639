/* SPDX-License-Identifier: Apache-2.0 */
/* What clients do wrong, many at a time, and slow mounts beside quick requests. */
#include "control_rig.h"

#include "server/control/http.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define INFO "/api/graft/v1/info"
#define SLOW "{\"type\":\"memory\",\"config\":{\"source\":\"/slow\"}}"
#define BODY_LIMIT (2u << 20)

static void expect_alive(const struct rig *r)
{
	struct reply *reply = call(r, "GET", INFO, NULL);

	assert_int_equal(reply->status, 200);
	reply_free(reply);
}

static void wait_for_slow(unsigned n)
{
	for (int i = 0; i < 6000 && fake_waiting() != n; i++)
		usleep(10000);
	assert_int_equal(fake_waiting(), n);
}

/* A client that speaks another protocol. */
static void other_protocols_are_told(void **state)
{
	static const char *const lines[] = { "garbage\r\n\r\n", "\n\n\x01\x02\n", "{}\n", "\x16\x03\x01\x02\x7f\n" };

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		int fd = rig_connect(*state);
		struct reply *reply = malloc(sizeof(*reply));

		assert_true(wire_send(fd, lines[i], strlen(lines[i])));
		assert_true(wire_receive(fd, reply));
		expect_error(reply, 400, "EPROTO", "not an HTTP request");
		close(fd);
	}
}

/* Gets a complete answer with a status of 4xx or 5xx, or the connection is closed; others are served. */
static void garbage_is_answered(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} rows[] = {
#define G(text) { text, sizeof(text) - 1 }
		G("garbage\r\n\r\n"),
		G("\0\0\0\0\r\n\r\n"),
		G("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
		G("GET /\r\n\r\n"),
		G("GET / HTTP/9.9\r\n\r\n"),
		G("GET / HTTP/1.1\r\nno colon\r\n\r\n"),
		G("GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n"),
		G("POST / HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n"),
		G("POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n"),
		G("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
		G("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffffff\r\n"),
		G(" / HTTP/1.1\r\n\r\n"),
	};
	struct reply reply;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int fd = rig_connect(*state);

		wire_send(fd, rows[i].bytes, rows[i].len);
		shutdown(fd, SHUT_WR);
		if (wire_receive(fd, &reply)) {
			if (reply.status < 400)
				fail_msg("row %zu: %s", i, reply.head);
			json_decref(reply.json);
			free(reply.body);
		}
		close(fd);
		expect_alive(*state);
	}
}

static void heads_are_bounded(void **state)
{
	char *huge = malloc(1 << 20);
	int fd = rig_connect(*state);
	struct reply reply;

	memset(huge, 'x', 1 << 20);
	memcpy(huge, "GET /", 5);
	wire_send(fd, huge, 1 << 20);
	assert_true(wire_receive(fd, &reply));
	assert_int_equal(reply.status, 414);
	json_decref(reply.json);
	free(reply.body);
	close(fd);

	fd = rig_connect(*state);
	memset(huge, 'x', 1 << 20);
	memcpy(huge, "GET / HTTP/1.1\r\nX: ", 19);
	wire_send(fd, huge, 1 << 20);
	assert_true(wire_receive(fd, &reply));
	assert_int_equal(reply.status, 431);
	json_decref(reply.json);
	free(reply.body);
	close(fd);
	free(huge);
	expect_alive(*state);
}

/* Sends a body of so many bytes, with its length or in chunks. */
static void send_large(int fd, const char *target, size_t len, const char *header)
{
	static char block[65536];
	char head[256];

	memset(block, ' ', sizeof(block));
	snprintf(head, sizeof(head), "POST %s HTTP/1.1\r\n%s", target, header);
	if (strstr(header, "chunked"))
		strcat(head, "\r\n");
	else
		snprintf(head + strlen(head), sizeof(head) - strlen(head), "Content-Length: %zu\r\n\r\n", len);
	assert_true(wire_send(fd, head, strlen(head)));
	while (len) {
		size_t n = len < sizeof(block) ? len : sizeof(block);

		if (strstr(header, "chunked")) {
			snprintf(head, sizeof(head), "%zx\r\n", n);
			assert_true(wire_send(fd, head, strlen(head)));
		}
		assert_true(wire_send(fd, block, n));
		if (strstr(header, "chunked"))
			assert_true(wire_send(fd, "\r\n", 2));
		len -= n;
	}
	if (strstr(header, "chunked"))
		assert_true(wire_send(fd, "0\r\n\r\n", 5));
}

static struct reply *receive(int fd)
{
	struct reply *reply = malloc(sizeof(*reply));

	assert_true(wire_receive(fd, reply));
	return reply;
}

static long resident_kib(void)
{
	long pages[2] = { 0 };
	FILE *f = fopen("/proc/self/statm", "re");

	assert_int_equal(fscanf(f, "%ld %ld", &pages[0], &pages[1]), 2);
	fclose(f);
	return pages[1] * (sysconf(_SC_PAGESIZE) / 1024);
}

static void large_bodies_are_refused(void **state)
{
	static const char *const headers[] = { "", "Transfer-Encoding: chunked\r\n" };

	for (size_t i = 0; i < 2; i++) {
		int fd = rig_connect(*state);
		long before = resident_kib();

		send_large(fd, "/api/graft/v1/mounts?at=/x", 10 << 20, headers[i]);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
		/* At most what may be taken was kept, in a buffer that doubles. */
		assert_true(resident_kib() - before < 8 << 10);
#else
		(void)before;
#endif
		expect_error(receive(fd), 413, "EMSGSIZE", "2 MiB");
		close(fd);
	}
	/* The limit itself is read, and is no JSON. */
	for (size_t i = 0; i < 2; i++) {
		int fd = rig_connect(*state);

		send_large(fd, "/api/graft/v1/mounts?at=/x", BODY_LIMIT, headers[i]);
		expect_error(receive(fd), 400, "EINVAL", "not the JSON");
		send_large(fd, "/api/graft/v1/mounts?at=/x", BODY_LIMIT + 1, headers[i]);
		expect_error(receive(fd), 413, "EMSGSIZE", "2 MiB");
		close(fd);
	}
	assert_int_equal(fake_nmounts(), 0);
}

/* Nothing of a body is read that its client asks about first, or that is longer than we would read away. */
static void hopeless_bodies_are_refused_at_once(void **state)
{
	static const char *const heads[] = {
		"POST /api/graft/v1/mounts?at=/x HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3000000\r\n\r\n",
		"POST /api/graft/v1/mounts?at=/x HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n",
	};

	for (size_t i = 0; i < 2; i++) {
		int fd = rig_connect(*state);

		assert_true(wire_send(fd, heads[i], strlen(heads[i])));
		expect_error(receive(fd), 413, "EMSGSIZE", "2 MiB");
		close(fd);
	}
}

static void deep_json_is_refused(void **state)
{
	size_t depth = 100000;
	char *body = malloc(2 * depth + 64);

	strcpy(body, "{\"type\":\"memory\",\"config\":");
	memset(body + strlen(body), '[', depth);
	body[26 + depth] = '\0';
	expect_error(call(*state, "POST", "/api/graft/v1/mounts?at=/x", body), 400, "EINVAL", "recursion");
	body[40000] = '\0';
	expect(call(*state, "POST", "/api/v1/mount?mountpoint=/x", body), 400,
	       "{\"code\":\"UNDEFINED\",\"message\":\"ParseBody(Error(\\\"recursion limit exceeded\\\", line: 1, "
	       "column: 58))\"}");
	free(body);
}

/* In each state that a client can stall in. */
static void stalled_clients_hold_up_nobody(void **state)
{
	static const char *const begun[] = {
		"",
		"G",
		"GET /api/v1/daemon HTTP/1.1\r\n",
		"GET /api/v1/daemon HTTP/1.1\r\nHost: x\r\n",
		"POST /api/v1/mount?mountpoint=/x HTTP/1.1\r\nContent-Length: 100\r\n\r\n",
		"POST /api/v1/mount?mountpoint=/x HTTP/1.1\r\nContent-Length: 100\r\n\r\n{\"fs_type\"",
		"POST /api/v1/mount?mountpoint=/x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
	};
	int fds[sizeof(begun) / sizeof(begun[0])];

	for (size_t i = 0; i < sizeof(begun) / sizeof(begun[0]); i++) {
		fds[i] = rig_connect(*state);
		assert_true(wire_send(fds[i], begun[i], strlen(begun[i])));
	}
	for (int i = 0; i < 20; i++)
		expect_alive(*state);
	for (size_t i = 0; i < sizeof(begun) / sizeof(begun[0]); i++) {
		assert_true(wire_silent(fds[i]));
		close(fds[i]);
	}
	assert_int_equal(fake_nmounts(), 0);
}

/* A client that does not read its answer, which does not fit the socket's buffer. */
static void slow_readers_hold_up_nobody(void **state)
{
	char target[600], name[400];
	int fd = rig_connect(*state);

	memset(name, 'x', sizeof(name));
	for (int i = 0; i < FAKE_MOUNTS; i++) {
		snprintf(target, sizeof(target), "/api/graft/v1/mounts?at=/%03d%.400s", i, name);
		reply_free(call(*state, "POST", target, "{\"type\":\"memory\"}"));
	}
	for (int i = 0; i < 40; i++)
		assert_true(wire_send(fd, "GET /api/v1/daemon HTTP/1.1\r\n\r\n", 31));
	for (int i = 0; i < 20; i++)
		expect_alive(*state);
	for (int i = 0; i < 40; i++) {
		struct reply *reply = receive(fd);

		assert_int_equal(json_object_size(json_object_get(reply->json, "backend_collection")), FAKE_MOUNTS);
		reply_free(reply);
	}
	close(fd);
}

static void *mount_slowly(void *arg)
{
	expect(call(arg, "POST", "/api/v1/mount?mountpoint=/slow",
		    "{\"fs_type\":\"passthrough_fs\",\"source\":\"/slow\",\"config\":\"\"}"),
	       204, NULL);
	return NULL;
}

static void slow_mounts_hold_up_nobody(void **state)
{
	pthread_t thread;

	pthread_create(&thread, NULL, mount_slowly, *state);
	wait_for_slow(1);
	for (int i = 0; i < 20; i++) {
		expect_alive(*state);
		struct reply *reply = call(*state, "GET", "/api/v1/daemon", NULL);
		assert_int_equal(json_object_size(json_object_get(reply->json, "backend_collection")), 0);
		reply_free(reply);
		reply_free(call(*state, "GET", "/metrics", NULL));
	}
	reply_free(call(*state, "POST", "/api/graft/v1/mounts?at=/quick", "{\"type\":\"memory\"}"));
	expect(call(*state, "DELETE", "/api/v1/mount?mountpoint=/quick", NULL), 204, NULL);
	fake_release();
	pthread_join(thread, NULL);
	assert_non_null(fake_key("/slow", "type", 0));
}

/* The client leaves while its mount is made: that goes on, and nobody misses the answer. */
static void clients_may_leave_before_the_answer(void **state)
{
	static const char request[] = "POST /api/graft/v1/mounts?at=/left HTTP/1.1\r\nContent-Length: 45\r\n\r\n" SLOW;
	int fd = rig_connect(*state);

	assert_int_equal(strlen(SLOW), 45);
	assert_true(wire_send(fd, request, strlen(request)));
	wait_for_slow(1);
	close(fd);
	expect_alive(*state);
	fake_release();
	for (int i = 0; i < 6000 && !fake_nmounts(); i++)
		usleep(10000);
	assert_non_null(fake_key("/left", "type", 0));
	expect_alive(*state);
}

static void too_much_work_is_told(void **state)
{
	fake_refuse_work(true);
	expect_error(call(*state, "POST", "/api/graft/v1/mounts?at=/x", "{\"type\":\"memory\"}"), 503, "EAGAIN",
		     "too many");
	expect(call(*state, "DELETE", "/api/v1/mount?mountpoint=/x", NULL), 503,
	       "{\"code\":\"UNDEFINED\",\"message\":\"DaemonAbnormal(NotReady): \\\"too many requests at a "
	       "time\\\"\"}");
	expect_alive(*state);
	fake_refuse_work(false);
	expect(call(*state, "POST", "/api/v1/mount?mountpoint=/x",
		    "{\"fs_type\":\"memory\",\"source\":\"/s\",\"config\":\"\"}"),
	       204, NULL);
}

#define CLIENTS 8
#define ROUNDS 100

static void *churn(void *arg)
{
	const struct rig *r = arg;
	static _Atomic unsigned number;
	char target[64];
	unsigned me = number++;
	int fd = rig_connect(r);

	snprintf(target, sizeof(target), "/api/graft/v1/mounts?at=/churn%u", me);
	for (int i = 0; i < ROUNDS; i++) {
		struct reply *reply = call_on(fd, "POST", target, "{\"type\":\"memory\"}");

		assert_int_equal(reply->status, 201);
		reply_free(reply);
		reply_free(call_on(fd, "GET", "/api/graft/v1/mounts", NULL));
		reply = call_on(fd, "DELETE", target, NULL);
		assert_int_equal(reply->status, 204);
		reply_free(reply);
	}
	close(fd);
	return NULL;
}

static void many_clients_at_a_time(void **state)
{
	pthread_t threads[CLIENTS];

	for (int i = 0; i < CLIENTS; i++)
		pthread_create(&threads[i], NULL, churn, *state);
	for (int i = 0; i < CLIENTS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(fake_nmounts(), 0);
}

static void idle_connections_stay(void **state)
{
	enum { IDLE = 300 };
	int fds[IDLE];

	for (int i = 0; i < IDLE; i++)
		fds[i] = rig_connect(*state);
	expect_alive(*state);
	for (int i = 0; i < IDLE; i++) {
		assert_true(wire_silent(fds[i]));
		expect(call_on(fds[i], "GET", "/api/v1/none", NULL), 404,
		       "{\"code\":\"UNDEFINED\",\"message\":\"NoRoute\"}");
	}
	for (int i = 0; i < IDLE; i++) {
		assert_true(wire_silent(fds[i]));
		close(fds[i]);
	}
	expect_alive(*state);
}

static void the_513th_is_told(void **state)
{
	int fds[HTTP_CONNECTIONS_MAX];
	struct rlimit limit = { 4096, 4096 };

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_max < 2048)
		skip();
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	for (int i = 0; i < HTTP_CONNECTIONS_MAX; i++) {
		fds[i] = rig_connect(*state);
		/* An answer says that it was accepted. */
		reply_free(call_on(fds[i], "GET", "/api/v1/none", NULL));
	}
	expect_error(call(*state, "GET", INFO, NULL), 503, "EAGAIN", "too many connections");
	expect(call(*state, "GET", "/api/v1/daemon", NULL), 503, "{ \"error\": \"Too many open connections\" }");
	for (int i = 0; i < HTTP_CONNECTIONS_MAX; i++)
		close(fds[i]);
	/* They are gone for the server once it has looked. */
	struct reply *reply = NULL;
	for (int i = 0; i < 6000 && (!reply || reply->status != 200); i++) {
		if (reply)
			reply_free(reply);
		usleep(1000);
		reply = call(*state, "GET", INFO, NULL);
	}
	assert_int_equal(reply->status, 200);
	reply_free(reply);
}

static void close_is_heeded(void **state)
{
	static const char request[] = "GET /api/graft/v1/info HTTP/1.1\r\nConnection: close\r\n\r\n";
	int fd = rig_connect(*state);
	char byte;

	assert_true(wire_send(fd, request, strlen(request)));
	reply_free(receive(fd));
	assert_int_equal(recv(fd, &byte, 1, 0), 0);
	close(fd);
}

static void requests_may_be_cut_anywhere(void **state)
{
	static const char request[] =
		"POST /api/v1/mount?mountpoint=/cut HTTP/1.1\r\nHost: x\r\nContent-Length: 46\r\n\r\n"
		"{\"fs_type\":\"memory\",\"source\":\"/s\",\"config\":\"\"}";
	int fd = rig_connect(*state);

	for (const char *c = request; *c; c++) {
		assert_true(wire_send(fd, c, 1));
		sched_yield();
	}
	expect(receive(fd), 204, NULL);
	close(fd);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
	const struct CMUnitTest tests[] = {
		T(other_protocols_are_told),
		T(garbage_is_answered),
		T(heads_are_bounded),
		T(large_bodies_are_refused),
		T(hopeless_bodies_are_refused_at_once),
		T(deep_json_is_refused),
		T(stalled_clients_hold_up_nobody),
		T(slow_readers_hold_up_nobody),
		T(slow_mounts_hold_up_nobody),
		T(clients_may_leave_before_the_answer),
		T(too_much_work_is_told),
		T(many_clients_at_a_time),
		T(idle_connections_stay),
		T(the_513th_is_told),
		T(close_is_heeded),
		T(requests_may_be_cut_anywhere),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
