/* SPDX-License-Identifier: Apache-2.0 */
/* Requests at nydusd's addresses before their meaning counts: limits, methods, targets, what stays of a connection. */
#include "control_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define NO_ROUTE "{\"code\":\"UNDEFINED\",\"message\":\"NoRoute\"}"
#define BAD_REQUEST "{\"code\":\"UNDEFINED\",\"message\":\"BadRequest\"}"
#define UNREAD(text) "{ \"error\": \"" text "\nAll previous unanswered requests will be dropped.\" }"
#define NYDUS_LINE 1022 /* bytes of the first line or a header, as nydusd 2.4.4 took it */
#define NYDUS_BODY 51200

static struct reply *receive(int fd)
{
	struct reply *reply = malloc(sizeof(*reply));

	assert_true(wire_receive(fd, reply));
	return reply;
}

/* Sends these bytes, and sees that the connection goes on. */
static struct reply *ask(const struct rig *r, const char *bytes)
{
	int fd = rig_connect(r);

	assert_true(wire_send(fd, bytes, strlen(bytes)));
	struct reply *reply = receive(fd);
	assert_null(strcasestr(reply->head, "Connection: close"));
	expect(call_on(fd, "GET", "/api/v1/none", NULL), 404, NO_ROUTE);
	assert_true(wire_silent(fd));
	close(fd);
	return reply;
}

/* What clients may look at besides status and body. */
static void headers_are_nydusds(void **state)
{
	struct reply *reply = call(*state, "GET", "/api/v1/daemon/events", NULL);

	assert_non_null(strstr(reply->head, "Server: Nydus API\r\n"));
	assert_non_null(strcasestr(reply->head, "Connection: keep-alive\r\n"));
	assert_non_null(strstr(reply->head, "Content-Type: application/json\r\n"));
	reply_free(reply);
	reply = call(*state, "OPTIONS", "/api/v1/daemon/events", NULL);
	assert_non_null(strstr(reply->head, "Server: Firecracker API\r\n"));
	assert_non_null(strstr(reply->head, "Content-Type: application/json\r\n"));
	reply_free(reply);
	reply = call(*state, "GET", "/api/graft/v1/info", NULL);
	assert_null(strstr(reply->head, "Server:"));
	reply_free(reply);
}

static void methods(void **state)
{
	static const struct {
		const char *method, *target;
		int status;
		const char *body;
	} rows[] = {
		{ "PATCH", "/api/v1/daemon", 400, BAD_REQUEST },
		{ "DELETE", "/api/v1/daemon", 400, BAD_REQUEST },
		{ "PATCH", "/none", 404, NO_ROUTE },
		{ "OPTIONS", "/api/v1/daemon", 400, UNREAD("Invalid HTTP Method: Unsupported HTTP method.") },
		{ "get", "/api/v1/daemon", 400, UNREAD("Invalid HTTP Method: Unsupported HTTP method.") },
		{ "FROB", "/none", 400, UNREAD("Invalid HTTP Method: Unsupported HTTP method.") },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		expect(call(*state, rows[i].method, rows[i].target, NULL), rows[i].status, rows[i].body);
}

/* The length of the body that a GET would have, and no body. */
static void head_is_a_bad_request(void **state)
{
	static const char head[] = "HEAD /api/v1/daemon HTTP/1.1\r\n\r\n";
	int fd = rig_connect(*state);
	char bytes[1024] = "";

	assert_true(wire_send(fd, head, strlen(head)));
	for (size_t len = 0; !strstr(bytes, "\r\n\r\n");) {
		ssize_t n = read(fd, bytes + len, sizeof(bytes) - 1 - len);

		assert_true(n > 0);
		len += (size_t)n;
	}
	assert_memory_equal(bytes, "HTTP/1.1 400 ", 13);
	assert_non_null(strstr(bytes, "Content-Length: 43\r\n"));
	assert_string_equal(strstr(bytes, "\r\n\r\n"), "\r\n\r\n");
	expect(call_on(fd, "GET", "/api/v1/none", NULL), 404, NO_ROUTE);
	close(fd);
}

static void targets(void **state)
{
	static const struct {
		const char *line;
		int status;
		const char *body;
	} rows[] = {
		{ "GET http://host/api/v1/none HTTP/1.1", 404, NO_ROUTE },
		{ "GET http://host HTTP/1.1", 400, BAD_REQUEST },
		{ "GET api/v1/daemon HTTP/1.1", 400, BAD_REQUEST },
		{ "GET * HTTP/1.1", 400, BAD_REQUEST },
		{ "GET /api/v1/daemon/ HTTP/1.1", 404, NO_ROUTE },
		{ "GET /api//v1/daemon HTTP/1.1", 404, NO_ROUTE },
		{ "GET /api/v1/da\"emon HTTP/1.1", 404, NO_ROUTE },
		{ "GET /api/v1/\xc3\xbc HTTP/1.1", 404, NO_ROUTE },
		{ "GET /api%2Fv1/daemon HTTP/1.1", 404, NO_ROUTE },
		{ "GET / HTTP/1.1", 404, NO_ROUTE },
	};
	char bytes[256];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(bytes, sizeof(bytes), "%s\r\n\r\n", rows[i].line);
		expect(ask(*state, bytes), rows[i].status, rows[i].body);
	}
	struct reply *reply = ask(*state, "GET /api/v2/daemon#part HTTP/1.1\r\n\r\n");
	assert_int_equal(reply->status, 200);
	reply_free(reply);
}

static void first_lines_have_a_limit(void **state)
{
	static const char before[] = "GET /api/v1/", after[] = " HTTP/1.1\r\n\r\n";
	char bytes[4096];

	for (size_t len = NYDUS_LINE - 2; len < NYDUS_LINE + 4; len++) {
		size_t fill = len - strlen(before) - strlen(after) + 4;

		snprintf(bytes, sizeof(bytes), "%s%0*d%s", before, (int)fill, 0, after);
		assert_int_equal(strcspn(bytes, "\r"), len);
		expect(ask(*state, bytes), len <= NYDUS_LINE ? 404 : 400,
		       len <= NYDUS_LINE ? NO_ROUTE : UNREAD("Invalid request."));
	}
}

static void headers_have_a_limit(void **state)
{
	char bytes[8192], wanted[2048];

	for (size_t len = NYDUS_LINE - 1; len < NYDUS_LINE + 1000; len += len < NYDUS_LINE + 4 ? 1 : 500) {
		snprintf(bytes, sizeof(bytes), "GET /api/v1/none HTTP/1.1\r\nX: %0*d\r\n\r\n", (int)len - 3, 0);
		int shown = len < 1024 ? (int)len : 1024;
		snprintf(wanted, sizeof(wanted), UNREAD("Invalid header. Reason: Invalid content length. Header: X: %0*d"),
			 shown - 3, 0);
		expect(ask(*state, bytes), len <= NYDUS_LINE ? 404 : 400, len <= NYDUS_LINE ? NO_ROUTE : wanted);
	}
}

static struct reply *send_body(int fd, const char *target, size_t len, bool chunked)
{
	char *bytes = calloc(1, len + 512);
	int head = chunked ? sprintf(bytes, "PUT %s HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n%zx\r\n", target, len)
			   : sprintf(bytes, "PUT %s HTTP/1.1\r\nContent-Length: %zu\r\n\r\n", target, len);

	memset(bytes + head, ' ', len);
	if (chunked)
		strcpy(bytes + (size_t)head + len, "\r\n0\r\n\r\n");
	assert_true(wire_send(fd, bytes, strlen(bytes)));
	free(bytes);
	return receive(fd);
}

/* nydusd says so before the body has come; what counts is that the next request is one again. */
static void bodies_have_a_limit(void **state)
{
	static const char blank[] = "{\"code\":\"UNDEFINED\",\"message\":\"ParseBody(Error(\\\"EOF while parsing a "
				    "value\\\", line: 1, column: 51200))\"}";
	static const char *const targets[] = { "/api/v1/daemon", "/api/v1/mount?mountpoint=/x", "/none" };
	int fd = rig_connect(*state);

	for (size_t i = 0; i < 6; i++) {
		const char *target = targets[i % 3];
		bool chunked = i >= 3;

		expect(send_body(fd, target, NYDUS_BODY, chunked), i % 3 == 2 ? 404 : 400, i % 3 == 2 ? NO_ROUTE : blank);
		expect(send_body(fd, target, NYDUS_BODY + 1, chunked), 400,
		       UNREAD("Request payload with size 51201 is larger than the limit of 51200 allowed by server."));
		expect(send_body(fd, target, 60000, chunked), 400,
		       UNREAD("Request payload with size 60000 is larger than the limit of 51200 allowed by server."));
	}
	close(fd);
	/* One that asks first is told at once. */
	static const char asks[] = "PUT /api/v1/daemon HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 60000\r\n\r\n";
	fd = rig_connect(*state);
	assert_true(wire_send(fd, asks, strlen(asks)));
	expect(receive(fd), 400,
	       UNREAD("Request payload with size 60000 is larger than the limit of 51200 allowed by server."));
	close(fd);
}

static void empty_bodies_are_none(void **state)
{
	expect(ask(*state, "PUT /api/v1/daemon HTTP/1.1\r\nContent-Length: 0\r\n\r\n"), 400, BAD_REQUEST);
	struct reply *reply = ask(*state, "GET /api/v1/daemon HTTP/1.1\r\nContent-Type: x/y\r\nContent-Length: 0\r\n\r\n");
	assert_int_equal(reply->status, 200);
	reply_free(reply);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
	const struct CMUnitTest tests[] = {
		T(headers_are_nydusds), T(methods), T(head_is_a_bad_request), T(targets), T(first_lines_have_a_limit),
		T(headers_have_a_limit), T(bodies_have_a_limit), T(empty_bodies_are_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
