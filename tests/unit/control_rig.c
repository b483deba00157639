/* SPDX-License-Identifier: Apache-2.0 */
/* Starts the control module and speaks raw HTTP to it. */
#include "control_rig.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE_S 60 /* a client waits this long before its test fails */

void rig_prepare(struct rig *r)
{
	memset(r, 0, sizeof(*r));
	r->module = &graft_control_v1;
	fake_reset();
	strcpy(r->dir, "/tmp/graft-control-XXXXXX");
	assert_non_null(mkdtemp(r->dir));
	snprintf(r->path, sizeof(r->path), "%s/api.sock", r->dir);
	fake_config()->server.api_socket = r->path;
}

void rig_start(struct rig *r)
{
	struct graft_error err = { 0 };

	if (r->module->open(fake_host(), &r->control, &err) || r->module->restore(r->control, &err) ||
	    r->module->start(r->control, &err))
		fail_msg("%s", err.text);
	r->serving = true;
}

void rig_stop(struct rig *r)
{
	if (r->serving)
		r->module->stop(r->control);
	r->serving = false;
	if (r->control)
		r->module->close(r->control);
	r->control = NULL;
}

int rig_setup(void **state)
{
	struct rig *r = malloc(sizeof(*r));

	*state = r;
	rig_prepare(r);
	rig_start(r);
	return 0;
}

int rig_teardown(void **state)
{
	struct rig *r = *state;

	rig_stop(r);
	unlink(r->path);
	assert_int_equal(rmdir(r->dir), 0);
	fake_reset();
	free(r);
	return 0;
}

int rig_connect(const struct rig *r)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct timeval patience = { .tv_sec = PATIENCE_S };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	strcpy(addr.sun_path, r->path);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return fd;
}

bool wire_send(int fd, const void *bytes, size_t len)
{
	const char *at = bytes;

	while (len) {
		ssize_t n = send(fd, at, len, MSG_NOSIGNAL);

		if (n < 0)
			return false;
		at += n;
		len -= (size_t)n;
	}
	return true;
}

bool wire_silent(int fd)
{
	char byte;

	return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

static bool read_head(int fd, struct reply *reply)
{
	size_t len = 0;

	while (len + 1 < sizeof(reply->head)) {
		ssize_t n = recv(fd, reply->head + len, 1, 0);

		if (n <= 0)
			return false;
		reply->head[++len] = '\0';
		if (len >= 4 && !strcmp(reply->head + len - 4, "\r\n\r\n"))
			return true;
	}
	return false;
}

bool wire_receive(int fd, struct reply *reply)
{
	memset(reply, 0, sizeof(*reply));
	if (!read_head(fd, reply))
		return false;
	assert_int_equal(sscanf(reply->head, "HTTP/1.1 %d", &reply->status), 1);
	const char *length = strstr(reply->head, "Content-Length: ");
	reply->len = length ? strtoul(length + strlen("Content-Length: "), NULL, 10) : 0;
	reply->body = calloc(1, reply->len + 1);
	for (size_t have = 0; have < reply->len;) {
		ssize_t n = recv(fd, reply->body + have, reply->len - have, 0);

		if (n <= 0) {
			free(reply->body);
			return false;
		}
		have += (size_t)n;
	}
	reply->json = json_loads(reply->body, JSON_DECODE_ANY, NULL);
	return true;
}

struct reply *call_on(int fd, const char *method, const char *target, const char *body)
{
	struct reply *reply = malloc(sizeof(*reply));
	char *text = NULL;
	int len = body ? asprintf(&text,
				  "%s %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
				  "Content-Length: %zu\r\n\r\n%s",
				  method, target, strlen(body), body)
		       : asprintf(&text, "%s %s HTTP/1.1\r\nHost: localhost\r\n\r\n", method, target);

	assert_true(len > 0);
	assert_true(wire_send(fd, text, (size_t)len));
	free(text);
	if (!wire_receive(fd, reply))
		fail_msg("%s %s: no answer", method, target);
	return reply;
}

struct reply *call(const struct rig *r, const char *method, const char *target, const char *body)
{
	int fd = rig_connect(r);
	struct reply *reply = call_on(fd, method, target, body);

	close(fd);
	return reply;
}

void reply_free(struct reply *reply)
{
	json_decref(reply->json);
	free(reply->body);
	free(reply);
}

void expect(struct reply *reply, int status, const char *body)
{
	if (reply->status != status)
		fail_msg("status %d, not %d: %s", reply->status, status, reply->body);
	assert_string_equal(reply->body, body ? body : "");
	reply_free(reply);
}

void expect_error(struct reply *reply, int status, const char *code, const char *text)
{
	const char *said = NULL, *message = NULL;
	int number = 0;

	if (reply->status != status)
		fail_msg("status %d, not %d: %s", reply->status, status, reply->body);
	assert_non_null(strstr(reply->head, "Content-Type: application/json\r\n"));
	assert_int_equal(json_unpack(reply->json, "{s:{s:s, s:i, s:s}}", "error", "code", &said, "errno", &number,
				     "message", &message),
			 0);
	assert_string_equal(said, code);
	assert_string_equal(strerrorname_np(number), code);
	assert_null(strchr(message, '\n'));
	if (!strstr(message, text))
		fail_msg("'%s' is not in '%s'", text, message);
	reply_free(reply);
}
