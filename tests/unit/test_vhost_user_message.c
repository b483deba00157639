/* SPDX-License-Identifier: Apache-2.0 */
/* Unit test of transport/vhost_user_message: framing over a socket, and the table of what a message must look like. */
#include "transport/vhost_user_message.h"

#include "lib/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define ALL_FEATURES UINT64_MAX

struct wire {
	int front, back, stop;
	struct vhost_user_message msg;
	struct graft_error err;
};

static int wire_open(void **state)
{
	static struct wire w;
	int pair[2];

	memset(&w, 0, sizeof(w));
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) < 0)
		return -1;
	w.front = pair[0];
	w.back = pair[1];
	w.stop = eventfd(0, 0);
	*state = &w;
	return 0;
}

static int wire_close(void **state)
{
	struct wire *w = *state;

	vhost_user_message_close(&w->msg);
	close(w->front);
	close(w->back);
	close(w->stop);
	return 0;
}

static int receive(struct wire *w)
{
	memset(&w->err, 0, sizeof(w->err));
	return vhost_user_message_read(w->back, w->stop, &w->msg, &w->err);
}

/* Sends bytes with n copies of the stop descriptor. */
static void send_fds(struct wire *w, const void *bytes, size_t len, uint32_t n)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * 64)];
	} control = { 0 };
	struct iovec iov = { (void *)(uintptr_t)bytes, len };
	struct msghdr hdr = { .msg_iov = &iov, .msg_iovlen = 1 };
	uint32_t i;

	if (n) {
		struct cmsghdr *c;

		hdr.msg_control = control.bytes;
		hdr.msg_controllen = CMSG_SPACE(sizeof(int) * n);
		c = CMSG_FIRSTHDR(&hdr);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * n);
		for (i = 0; i < n; i++)
			memcpy(CMSG_DATA(c) + i * sizeof(int), &w->stop, sizeof(int));
	}
	assert_int_equal(sendmsg(w->front, &hdr, 0), len);
}

static void send_message(struct wire *w, uint32_t request, uint32_t flags, const void *payload, uint32_t size,
			 uint32_t nfds)
{
	uint8_t bytes[sizeof(struct vhost_user_header) + 8192];
	struct vhost_user_header header = { request, flags, size };

	memcpy(bytes, &header, sizeof(header));
	if (size)
		memcpy(bytes + sizeof(header), payload, size);
	send_fds(w, bytes, sizeof(header) + size, nfds);
}

static void test_whole(void **state)
{
	struct wire *w = *state;
	uint64_t features = 0x123456789;
	int i;

	send_message(w, VHOST_USER_SET_FEATURES, VHOST_USER_VERSION | VHOST_USER_NEED_REPLY, &features, 8, 0);
	send_message(w, VHOST_USER_GET_FEATURES, VHOST_USER_VERSION, NULL, 0, 0);
	assert_int_equal(receive(w), 1);
	assert_int_equal(w->msg.header.request, VHOST_USER_SET_FEATURES);
	assert_int_equal(w->msg.u64, features);
	assert_int_equal(w->msg.nfds, 0);
	assert_int_equal(receive(w), 1);
	assert_int_equal(w->msg.header.request, VHOST_USER_GET_FEATURES);
	/* Descriptors come with the message and are ours alone. */
	features = 1;
	send_message(w, VHOST_USER_SET_VRING_CALL, VHOST_USER_VERSION, &features, 8, 2);
	assert_int_equal(receive(w), 1);
	assert_int_equal(w->msg.nfds, 2);
	assert_true(fcntl(w->msg.fds[0], F_GETFD) & FD_CLOEXEC);
	i = vhost_user_message_take_fd(&w->msg, 0);
	assert_true(i >= 0);
	assert_int_equal(vhost_user_message_take_fd(&w->msg, 0), -1);
	assert_int_equal(vhost_user_message_take_fd(&w->msg, 2), -1);
	features = (uint64_t)w->msg.fds[1];
	vhost_user_message_close(&w->msg);
	assert_int_equal(fcntl(i, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl((int)features, F_GETFD), -1);
	close(i);
	close(w->front);
	assert_int_equal(receive(w), 0);
	w->front = -1;
}

static void *trickle(void *arg)
{
	struct wire *w = arg;
	struct vhost_user_header header = { VHOST_USER_SET_FEATURES, VHOST_USER_VERSION, 8 };
	uint8_t bytes[sizeof(header) + 8] = { 0 };
	size_t i;

	memcpy(bytes, &header, sizeof(header));
	bytes[sizeof(header)] = 0x42;
	for (i = 0; i < sizeof(bytes); i++) {
		struct timespec ms = { 0, 1000000 };

		send_fds(w, bytes + i, 1, i == 0 ? 1 : 0);
		nanosleep(&ms, NULL);
	}
	return NULL;
}

/* A message may come a byte at a time; its descriptor comes with the first. */
static void test_trickle(void **state)
{
	struct wire *w = *state;
	pthread_t t;

	assert_int_equal(thread_start(&t, "trickle", trickle, w), 0);
	assert_int_equal(receive(w), 1);
	assert_int_equal(w->msg.u64, 0x42);
	assert_int_equal(w->msg.nfds, 1);
	pthread_join(t, NULL);
}

static void test_stop(void **state)
{
	struct wire *w = *state;
	uint64_t one = 1;
	uint32_t half = VHOST_USER_SET_FEATURES;

	send_fds(w, &half, sizeof(half), 0);
	assert_int_equal(write(w->stop, &one, 8), 8);
	assert_int_equal(receive(w), -ECANCELED);
}

static void test_bad_frames(void **state)
{
	static const struct {
		uint32_t request, flags, size, sent, nfds;
		const char *text;
	} rows[] = {
		{ 1, 0, 0, 0, 0, "flags" },
		{ 1, 2, 0, 0, 0, "flags" },
		{ 1, VHOST_USER_VERSION | VHOST_USER_REPLY, 0, 0, 0, "flags" },
		{ 1, VHOST_USER_VERSION | 16, 0, 0, 0, "flags" },
		{ 1, VHOST_USER_VERSION, VHOST_USER_MAX_PAYLOAD + 1, 0, 0, "bytes" },
		{ 1, VHOST_USER_VERSION, UINT32_MAX, 0, 0, "bytes" },
		{ 2, VHOST_USER_VERSION, 8, 7, 0, "within" },
		{ 5, VHOST_USER_VERSION, 8, 8, VHOST_USER_MAX_FDS + 1, "descriptors" },
		{ 5, VHOST_USER_VERSION, 8, 8, 64, "descriptors" },
	};
	uint8_t payload[8] = { 0 };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct wire *w;
		struct vhost_user_header header = { rows[i].request, rows[i].flags, rows[i].size };
		uint8_t bytes[sizeof(header) + sizeof(payload)] = { 0 };

		assert_int_equal(wire_open((void **)&w), 0);
		memcpy(bytes, &header, sizeof(header));
		send_fds(w, bytes, sizeof(header) + rows[i].sent, rows[i].nfds);
		shutdown(w->front, SHUT_WR);
		assert_int_equal(receive(w), -EPROTO);
		assert_non_null(strstr(w->err.text, rows[i].text));
		wire_close((void **)&w);
	}
}

static void test_cut_header(void **state)
{
	struct wire *w = *state;

	send_fds(w, "abc", 3, 0);
	shutdown(w->front, SHUT_WR);
	assert_int_equal(receive(w), -EPROTO);
	assert_non_null(strstr(w->err.text, "within"));
}

static void test_reply(void **state)
{
	struct wire *w = *state;
	struct vhost_user_header header;
	uint64_t value;

	w->msg.header =
		(struct vhost_user_header){ VHOST_USER_GET_FEATURES, VHOST_USER_VERSION | VHOST_USER_NEED_REPLY, 0 };
	w->msg.u64 = 77;
	assert_int_equal(vhost_user_message_reply(w->back, w->stop, &w->msg, 8, &w->err), 0);
	assert_int_equal(read(w->front, &header, sizeof(header)), sizeof(header));
	assert_int_equal(header.request, VHOST_USER_GET_FEATURES);
	assert_int_equal(header.flags, VHOST_USER_VERSION | VHOST_USER_REPLY);
	assert_int_equal(header.size, 8);
	assert_int_equal(read(w->front, &value, 8), 8);
	assert_int_equal(value, 77);
	/* Nobody reads: it waits, and a stop ends that. */
	value = 1;
	assert_int_equal(write(w->stop, &value, 8), 8);
	do {
		w->msg.header.size = 0;
	} while (vhost_user_message_reply(w->back, w->stop, &w->msg, VHOST_USER_MAX_PAYLOAD, &w->err) == 0);
	close(w->front);
	w->front = -1;
	assert_int_equal(vhost_user_message_reply(w->back, w->stop, &w->msg, 8, &w->err), -EPIPE);
}

static int check(uint32_t request, uint32_t size, uint32_t nfds, uint64_t word, uint64_t features)
{
	struct vhost_user_message msg = { .header = { request, VHOST_USER_VERSION, size }, .nfds = nfds };
	struct graft_error err = { 0 };
	int rc;

	memset(msg.bytes, 0, sizeof(msg.bytes));
	memcpy(msg.bytes, &word, sizeof(word));
	rc = vhost_user_message_check(&msg, features, &err);
	assert_int_equal(rc != 0, err.text[0] != '\0');
	return rc;
}

static void test_table(void **state)
{
	/* Each message as it must be; then one byte and one descriptor more and less, and without its feature. */
	static const struct {
		uint32_t request, size, nfds;
		int feature;
		bool replies;
	} rows[] = {
		{ VHOST_USER_GET_FEATURES, 0, 0, -1, true },
		{ VHOST_USER_SET_FEATURES, 8, 0, -1, false },
		{ VHOST_USER_SET_OWNER, 0, 0, -1, false },
		{ VHOST_USER_RESET_OWNER, 0, 0, -1, false },
		{ VHOST_USER_SET_LOG_BASE, 16, 1, VHOST_USER_PROTOCOL_LOG_SHMFD, true },
		{ VHOST_USER_SET_VRING_NUM, 8, 0, -1, false },
		{ VHOST_USER_SET_VRING_ADDR, 40, 0, -1, false },
		{ VHOST_USER_SET_VRING_BASE, 8, 0, -1, false },
		{ VHOST_USER_GET_VRING_BASE, 8, 0, -1, true },
		{ VHOST_USER_SET_VRING_KICK, 8, 1, -1, false },
		{ VHOST_USER_SET_VRING_CALL, 8, 1, -1, false },
		{ VHOST_USER_SET_VRING_ERR, 8, 1, -1, false },
		{ VHOST_USER_GET_PROTOCOL_FEATURES, 0, 0, -1, true },
		{ VHOST_USER_SET_PROTOCOL_FEATURES, 8, 0, -1, false },
		{ VHOST_USER_GET_QUEUE_NUM, 0, 0, VHOST_USER_PROTOCOL_MQ, true },
		{ VHOST_USER_SET_VRING_ENABLE, 8, 0, -1, false },
		{ VHOST_USER_RESET_DEVICE, 0, 0, VHOST_USER_PROTOCOL_RESET_DEVICE, false },
		{ VHOST_USER_GET_MAX_MEM_SLOTS, 0, 0, VHOST_USER_PROTOCOL_CONFIGURE_MEM_SLOTS, true },
		{ VHOST_USER_ADD_MEM_REG, 40, 1, VHOST_USER_PROTOCOL_CONFIGURE_MEM_SLOTS, false },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint32_t r = rows[i].request, size = rows[i].size, n = rows[i].nfds;

		assert_int_equal(check(r, size, n, 0, ALL_FEATURES), 0);
		assert_int_equal(check(r, size + 1, n, 0, ALL_FEATURES), -EPROTO);
		assert_int_equal(check(r, size, n + 1, 0, ALL_FEATURES), -EPROTO);
		if (size)
			assert_int_equal(check(r, size - 1, n, 0, ALL_FEATURES), -EPROTO);
		if (n)
			assert_int_equal(check(r, size, n - 1, 0, ALL_FEATURES), -EPROTO);
		if (rows[i].feature >= 0)
			assert_int_equal(check(r, size, n, 0, ALL_FEATURES & ~(1ULL << rows[i].feature)), -EPROTO);
		assert_int_equal(vhost_user_message_replies(r), rows[i].replies);
		assert_string_not_equal(vhost_user_message_name(r), "message");
	}
}

static void test_contents(void **state)
{
	/* word: the first eight bytes of the payload, low half first. */
	static const struct {
		uint32_t request, size, nfds;
		uint64_t word;
		int rc;
	} rows[] = {
		/* SET_MEM_TABLE: count must agree with size and descriptors. */
		{ VHOST_USER_SET_MEM_TABLE, 8 + 32, 1, 1, 0 },
		{ VHOST_USER_SET_MEM_TABLE, 8 + 32 * 32, 32, 32, 0 },
		{ VHOST_USER_SET_MEM_TABLE, 8, 0, 0, -EPROTO },
		{ VHOST_USER_SET_MEM_TABLE, 8 + 32, 1, 2, -EPROTO },
		{ VHOST_USER_SET_MEM_TABLE, 8 + 32, 2, 1, -EPROTO },
		{ VHOST_USER_SET_MEM_TABLE, 8 + 64, 1, 1, -EPROTO },
		{ VHOST_USER_SET_MEM_TABLE, 8 + 33, 1, 1, -EPROTO },
		{ VHOST_USER_SET_MEM_TABLE, 8 + 32, 1, 0x08000001, -EPROTO },
		{ VHOST_USER_SET_MEM_TABLE, 8 + 32 * 33, 33, 33, -EPROTO },
		/* Ring descriptors: either one or the bit that says there is none. */
		{ VHOST_USER_SET_VRING_KICK, 8, 0, 0x100, 0 },
		{ VHOST_USER_SET_VRING_KICK, 8, 1, 0xff, 0 },
		{ VHOST_USER_SET_VRING_KICK, 8, 1, 0x100, -EPROTO },
		{ VHOST_USER_SET_VRING_KICK, 8, 0, 0, -EPROTO },
		{ VHOST_USER_SET_VRING_CALL, 8, 1, 0x200, -EPROTO },
		{ VHOST_USER_SET_VRING_ERR, 8, 1, 1ULL << 63, -EPROTO },
		{ VHOST_USER_SET_VRING_ADDR, 40, 0, 1ULL << 32, 0 },
		{ VHOST_USER_SET_VRING_ADDR, 40, 0, 2ULL << 32, -EPROTO },
		{ VHOST_USER_SET_VRING_ENABLE, 8, 0, 1ULL << 32, 0 },
		{ VHOST_USER_SET_VRING_ENABLE, 8, 0, 2ULL << 32, -EPROTO },
		/* Config: offset in the low half, size in the high one. */
		{ VHOST_USER_GET_CONFIG, 12 + 40, 0, 40ULL << 32, 0 },
		{ VHOST_USER_GET_CONFIG, 12 + 40, 0, 40ULL << 32 | 4056, 0 },
		{ VHOST_USER_GET_CONFIG, 12 + 40, 0, 40ULL << 32 | 4057, -EPROTO },
		{ VHOST_USER_GET_CONFIG, 12 + 40, 0, 40ULL << 32 | UINT32_MAX, -EPROTO },
		{ VHOST_USER_GET_CONFIG, 12 + 40, 0, 41ULL << 32, -EPROTO },
		{ VHOST_USER_GET_CONFIG, 12, 0, 0, -EPROTO },
		{ VHOST_USER_GET_CONFIG, VHOST_USER_MAX_PAYLOAD, 0, (VHOST_USER_MAX_PAYLOAD - 12ULL) << 32, 0 },
		{ VHOST_USER_SET_CONFIG, 12 + 1, 0, 1ULL << 32, 0 },
		{ VHOST_USER_SET_CONFIG, 12 + 1, 0, 0, -EPROTO },
		/* Either form is in use. */
		{ VHOST_USER_SET_LOG_FD, 0, 1, 0, 0 },
		{ VHOST_USER_SET_LOG_FD, 8, 1, 0, 0 },
		{ VHOST_USER_SET_LOG_FD, 0, 0, 0, -EPROTO },
		{ VHOST_USER_SET_BACKEND_REQ_FD, 0, 1, 0, 0 },
		{ VHOST_USER_REM_MEM_REG, 40, 0, 0, 0 },
		{ VHOST_USER_REM_MEM_REG, 40, 1, 0, 0 },
		{ VHOST_USER_REM_MEM_REG, 40, 2, 0, -EPROTO },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(check(rows[i].request, rows[i].size, rows[i].nfds, rows[i].word, ALL_FEATURES),
				 rows[i].rc);
}

static void test_unsupported(void **state)
{
	static const uint32_t requests[] = { 0,  19, 20, 22, 23, 26, 27, 28, 29, 30, 31,        32,
					     33, 35, 39, 40, 41, 42, 43, 44, 45, 99, UINT32_MAX };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		assert_int_equal(check(requests[i], 0, 0, 0, ALL_FEATURES), -EPROTO);
		assert_int_equal(check(requests[i], 8, 0, 0, ALL_FEATURES), -EPROTO);
		assert_string_equal(vhost_user_message_name(requests[i]), "message");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_whole, wire_open, wire_close),
		cmocka_unit_test_setup_teardown(test_trickle, wire_open, wire_close),
		cmocka_unit_test_setup_teardown(test_stop, wire_open, wire_close),
		cmocka_unit_test_setup_teardown(test_cut_header, wire_open, wire_close),
		cmocka_unit_test_setup_teardown(test_reply, wire_open, wire_close),
		cmocka_unit_test(test_bad_frames),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_contents),
		cmocka_unit_test(test_unsupported),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
