/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A daemon that serves one front end (once), and each way in which that one can break the protocol: the message is refused, the
 * log says why, and the daemon ends with status 0, as virtiofsd does. Whoever else wants to connect meanwhile is told at once.
 * One that serves again goes on: tests/vring/test_messages.c.
 */
#include "tests/vring/fixture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define SETTLE_MS 30000

/* A message as it goes over the socket; size may differ from the bytes that are sent. */
struct malformed {
	const char *name;
	uint32_t code, flags, size;
	unsigned sent, fds;
	bool leave; /* close at once: a message that never ends */
	bool noted; /* refused where it can be acknowledged, which is a warning, and the connection stays */
};

#define V VU_VERSION
#define ACK (VU_VERSION | VU_NEED_REPLY)

static const struct malformed cases[] = {
	{ "no version", VU_SET_OWNER, 0, 0, 0, 0, false, false },
	{ "version 2", VU_SET_OWNER, 2, 0, 0, 0, false, false },
	{ "a reply", VU_SET_OWNER, V | VU_REPLY, 0, 0, 0, false, false },
	{ "reserved flags", VU_SET_OWNER, V | 0x100, 0, 0, 0, false, false },
	{ "4097 bytes", VU_SET_CONFIG, V, 4097, 0, 0, false, false },
	{ "4 GiB", VU_SET_CONFIG, V, UINT32_MAX, 0, 0, false, false },
	{ "half a payload", VU_SET_FEATURES, V, 8, 4, 0, true, false },
	{ "code 0", 0, ACK, 0, 0, 0, false, false },
	{ "code 19", 19, ACK, 8, 8, 0, false, false },
	{ "code 48", 48, ACK, 8, 8, 0, false, false },
	{ "code 2^32-1", UINT32_MAX, ACK, 8, 8, 0, false, false },
	{ "a payload for GET_FEATURES", VU_GET_FEATURES, V, 8, 8, 0, false, false },
	{ "a descriptor for GET_FEATURES", VU_GET_FEATURES, V, 0, 0, 1, false, false },
	{ "SET_FEATURES of 4 bytes", VU_SET_FEATURES, ACK, 4, 4, 0, false, false },
	{ "a descriptor for SET_FEATURES", VU_SET_FEATURES, ACK, 8, 8, 1, false, false },
	{ "a payload for SET_OWNER", VU_SET_OWNER, ACK, 8, 8, 0, false, false },
	{ "a payload for RESET_OWNER", VU_RESET_OWNER, ACK, 8, 8, 0, false, false },
	{ "SET_MEM_TABLE of 7 bytes", VU_SET_MEM_TABLE, ACK, 7, 7, 1, false, false },
	{ "SET_MEM_TABLE without descriptor", VU_SET_MEM_TABLE, ACK, 40, 40, 0, false, false },
	{ "SET_LOG_BASE of 8 bytes", VU_SET_LOG_BASE, ACK, 8, 8, 1, false, false },
	{ "SET_LOG_BASE without descriptor", VU_SET_LOG_BASE, ACK, 16, 16, 0, false, false },
	{ "SET_LOG_FD without descriptor", VU_SET_LOG_FD, ACK, 0, 0, 0, false, false },
	{ "SET_VRING_NUM of 4 bytes", VU_SET_VRING_NUM, ACK, 4, 4, 0, false, false },
	{ "SET_VRING_NUM of 0", VU_SET_VRING_NUM, ACK, 8, 8, 0, false, true },
	{ "SET_VRING_ADDR of 39 bytes", VU_SET_VRING_ADDR, ACK, 39, 39, 0, false, false },
	{ "a descriptor for SET_VRING_BASE", VU_SET_VRING_BASE, ACK, 8, 8, 1, false, false },
	{ "GET_VRING_BASE of 12 bytes", VU_GET_VRING_BASE, V, 12, 12, 0, false, false },
	{ "SET_VRING_KICK of 4 bytes", VU_SET_VRING_KICK, ACK, 4, 4, 1, false, false },
	{ "two descriptors for SET_VRING_CALL", VU_SET_VRING_CALL, ACK, 8, 8, 2, false, false },
	{ "SET_VRING_ERR of 16 bytes", VU_SET_VRING_ERR, ACK, 16, 16, 1, false, false },
	{ "a payload for GET_PROTOCOL_FEATURES", VU_GET_PROTOCOL_FEATURES, V, 8, 8, 0, false, false },
	{ "SET_PROTOCOL_FEATURES of 0 bytes", VU_SET_PROTOCOL_FEATURES, ACK, 0, 0, 0, false, false },
	{ "a payload for GET_QUEUE_NUM", VU_GET_QUEUE_NUM, V, 4, 4, 0, false, false },
	{ "SET_VRING_ENABLE of 4 bytes", VU_SET_VRING_ENABLE, ACK, 4, 4, 0, false, false },
	{ "SET_BACKEND_REQ_FD without descriptor", VU_SET_BACKEND_REQ_FD, ACK, 0, 0, 0, false, false },
	{ "GET_CONFIG of 4 bytes", VU_GET_CONFIG, V, 4, 4, 0, false, false },
	{ "SET_CONFIG of 8 bytes", VU_SET_CONFIG, ACK, 8, 8, 0, false, false },
	{ "a descriptor for RESET_DEVICE", VU_RESET_DEVICE, ACK, 0, 0, 1, false, false },
	{ "a payload for GET_MAX_MEM_SLOTS", VU_GET_MAX_MEM_SLOTS, V, 8, 8, 0, false, false },
	{ "ADD_MEM_REG without descriptor", VU_ADD_MEM_REG, ACK, 40, 40, 0, false, false },
	{ "REM_MEM_REG of 32 bytes", VU_REM_MEM_REG, ACK, 32, 32, 0, false, false },
	{ "REM_MEM_REG of no region", VU_REM_MEM_REG, ACK, 40, 40, 0, false, true },
};

static const struct daemon_config once = { .tag = "tag", .once = true };

/* A daemon that runs, and a front end that has negotiated. */
static void begin(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	f->config = once;
	assert_int_equal(daemon_init(&f->daemon, &once), 0);
	assert_int_equal(daemon_start(&f->daemon), 0);
	struct frontend_config c = { .socket = f->daemon.socket,
				     .features = FIXTURE_FEATURES | FEATURE_LOG_ALL,
				     .protocol = FRONTEND_ALL };
	assert_int_equal(frontend_connect(&f->fe, &c), 0);
	assert_int_equal(frontend_negotiate(f->fe, &c), 0);
}

/* The front end leaves, and the daemon after it. */
static void end(struct fixture *f)
{
	fixture_disconnect(f);
	int status = daemon_wait(&f->daemon, SETTLE_MS);
	if (status != 0) {
		daemon_show_log(&f->daemon);
		fail_msg("the daemon ended with %d", status);
	}
	assert_false(daemon_reported(&f->daemon));
	assert_true(daemon_logged(&f->daemon, "Client disconnected, shutting down"));
	assert_int_equal(access(f->daemon.socket, F_OK), -1);
	daemon_fini(&f->daemon);
}

static void send_case(struct fixture *f, const struct malformed *m)
{
	unsigned char frame[VU_HEADER_SIZE + 64] = { 0 };
	struct vu_header h = { .request = m->code, .flags = m->flags, .size = m->size };
	int fds[2] = { f->fe->ram.region[0].fd, f->fe->ram.region[0].fd };

	memcpy(frame, &h, VU_HEADER_SIZE);
	assert_int_equal(vu_send_bytes(f->fe->sock, frame, VU_HEADER_SIZE + m->sent, fds, m->fds), 0);
}

static void try_case(const struct malformed *m)
{
	struct vu_reply reply;
	struct fixture f;

	begin(&f);
	send_case(&f, m);
	if (m->noted) {
		assert_int_equal(vu_receive(f.fe->sock, &reply, SETTLE_MS), 0);
		assert_true(reply.u64 != 0);
		assert_true(daemon_logged(&f.daemon, "graftfsd: warn: vhost-user: "));
	} else if (!m->leave && !vu_closed(f.fe->sock, SETTLE_MS)) {
		fail_msg("%s: the connection stays", m->name);
	}
	fixture_disconnect(&f);
	assert_int_equal(daemon_wait(&f.daemon, SETTLE_MS), 0);
	if (!m->noted && !daemon_logged(&f.daemon, "graftfsd: error: vhost-user: connection closed: "))
		fail_msg("%s: the log has no reason", m->name);
	end(&f);
}

static void test_malformed(void **state)
{
	const char *sanitizers = getenv("GRAFT_SANITIZE");
	/* With sanitizers a daemon takes long to start: some of the cases there, others each time. */
	size_t step = sanitizers && *sanitizers ? fixture_count(6, 1) : 1;

	(void)state;
	for (size_t i = (size_t)getpid() % step; i < sizeof(cases) / sizeof(cases[0]); i += step)
		try_case(&cases[i]);
}

/* One that neither gets an answer nor is refused would wait for ever. */
static void test_second_client(void **state)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct fixture f;

	(void)state;
	begin(&f);
	strcpy(addr.sun_path, f.daemon.socket);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), -1);
	assert_int_equal(errno, ECONNREFUSED);
	close(fd);
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_second_client),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
