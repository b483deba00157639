/* SPDX-License-Identifier: Apache-2.0 */
/* nydusd's start, exit, sendfd and takeover, with supervisors that behave and others that do not. */
#include "control_rig.h"

#include "server/control/upgrade/crc64.h"
#include "server/control/upgrade/nydus_state.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define SENDFD "/api/v1/daemon/fuse/sendfd"
#define TAKEOVER "/api/v1/daemon/fuse/takeover"
#define START "/api/v1/daemon/start"
#define EXIT "/api/v1/daemon/exit"
#define ROOM 65536

/* A supervisor for one operation. */
struct supervisor {
	char path[128];
	int listener;
	pthread_t thread;
	unsigned char bytes[ROOM];
	size_t len;
	int nfds; /* received; or to be given */
};

static struct supervisor sup;

static void listen_there(const struct rig *r)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	snprintf(sup.path, sizeof(sup.path), "%s/sup", r->dir);
	unlink(sup.path);
	strcpy(addr.sun_path, sup.path);
	sup.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(sup.listener, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(sup.listener, 4), 0);
}

/* Nobody comes where the daemon fails before. */
static int accept_one(void)
{
	struct pollfd p = { .fd = sup.listener, .events = POLLIN };

	return poll(&p, 1, 5000) == 1 ? accept(sup.listener, NULL, NULL) : -1;
}

static void *receive_main(void *arg)
{
	union {
		char bytes[CMSG_SPACE(16 * sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec iov = { sup.bytes, ROOM };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control)
	};
	int fd = accept_one();
	ssize_t n = recvmsg(fd, &msg, 0);

	(void)arg;
	sup.nfds = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
		for (size_t i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
			int one;

			memcpy(&one, CMSG_DATA(c) + i * sizeof(one), sizeof(one));
			close(one);
			sup.nfds++;
		}
	}
	sup.len = n > 0 ? (size_t)n : 0;
	while ((n = read(fd, sup.bytes + sup.len, ROOM - sup.len)) > 0)
		sup.len += (size_t)n;
	close(fd);
	return NULL;
}

static void *give_main(void *arg)
{
	union {
		char bytes[CMSG_SPACE(4 * sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec iov = { sup.bytes, sup.len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	int fd = accept_one(), null = open("/dev/null", O_RDWR | O_CLOEXEC);

	(void)arg;
	if (sup.nfds) {
		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE((size_t)sup.nfds * sizeof(int));
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN((size_t)sup.nfds * sizeof(int));
		for (int i = 0; i < sup.nfds; i++)
			memcpy(CMSG_DATA(c) + (size_t)i * sizeof(int), &null, sizeof(null));
	}
	sendmsg(fd, &msg, MSG_NOSIGNAL);
	close(null);
	close(fd);
	return NULL;
}

/* The request, while a supervisor does its part. */
static struct reply *call_with(const struct rig *r, const char *target, void *(*part)(void *))
{
	assert_int_equal(pthread_create(&sup.thread, NULL, part, NULL), 0);
	struct reply *reply = call(r, "PUT", target, NULL);
	pthread_join(sup.thread, NULL);
	return reply;
}

static void expect_reply(struct reply *reply, int status, const char *text)
{
	assert_int_equal(reply->status, status);
	if (text) {
		const char *message = json_string_value(json_object_get(reply->json, "message"));

		assert_non_null(message);
		if (!strstr(message, text))
			fail_msg("%s: not in: %s", text, message);
		assert_null(strchr(message, '\n'));
	}
	reply_free(reply);
}

static void expect_state(const struct rig *r, const char *state)
{
	struct reply *reply = call(r, "GET", "/api/v1/daemon", NULL);

	assert_int_equal(reply->status, 200);
	assert_string_equal(json_string_value(json_object_get(reply->json, "state")), state);
	assert_string_equal(json_string_value(json_object_get(reply->json, "supervisor")), sup.path);
	reply_free(reply);
}

static int set_up(void **state, bool init, bool waits)
{
	fake_fuse(true, init, waits);
	int res = rig_setup(state);
	if (res)
		return res;
	fake_fuse(true, init, waits); /* the rig began anew */
	listen_there(*state);
	fake_config()->server.supervisor = sup.path;
	return 0;
}

static int set_up_running(void **state)
{
	return set_up(state, true, false);
}

static int set_up_waiting(void **state)
{
	return set_up(state, false, true);
}

static int tear_down(void **state)
{
	close(sup.listener);
	unlink(sup.path);
	fake_config()->server.supervisor = NULL;
	fake_fuse(false, false, false);
	return rig_teardown(state);
}

#define MOUNT_BODY                                                                                                     \
	"{\"fs_type\":\"rafs\",\"source\":\"/boot\",\"config\":\"{\\\"a\\\":1}\",\"prefetch_files\":[\"/x\"]}"

static void make_mounts(const struct rig *r)
{
	expect_reply(call(r, "POST", "/api/v1/mount?mountpoint=/img", MOUNT_BODY), 204, NULL);
	expect_reply(call(r, "POST", "/api/v1/mount?mountpoint=/pt",
			  "{\"fs_type\":\"passthrough_fs\",\"source\":\"/srv\",\"config\":\"\"}"),
		     204, NULL);
}

static void the_state_is_sent(void **state)
{
	const struct rig *r = *state;
	struct nydus_state s;

	make_mounts(r);
	expect_reply(call_with(r, SENDFD, receive_main), 204, NULL);
	assert_int_equal(sup.nfds, 1);
	assert_int_equal(nydus_state_decode(&s, sup.bytes, sup.len, NULL), 0);
	assert_int_equal(s.nmounts, 2);
	assert_string_equal(s.mounts[0].mountpoint, "/img");
	assert_string_equal(s.mounts[0].config, "{\"a\":1}");
	assert_string_equal(s.mounts[0].prefetch[0], "/x");
	assert_int_equal(s.mounts[0].fs_type, NYDUS_RAFS);
	assert_int_equal(s.mounts[0].index, 1);
	assert_int_equal(s.mounts[1].fs_type, NYDUS_PASSTHROUGH);
	assert_int_equal(s.mounts[1].index, 2);
	assert_int_equal(s.conn_id, 42);
	assert_true(s.in_flags == UINT64_C(0x8053fffffb));
	assert_int_equal(s.next_ino, 3);
	assert_int_equal(s.ndirs, 1);
	assert_null(nydus_state_unfit(&s, sup.len));
	nydus_state_fini(&s);
	expect_state(r, "RUNNING");
}

static void what_was_sent_is_taken(void **state)
{
	const struct rig *r = *state;
	void *other = NULL;

	make_mounts(r);
	expect_reply(call_with(r, SENDFD, receive_main), 204, NULL);
	tear_down(state);
	assert_int_equal(set_up_waiting(&other), 0);
	*state = other;
	r = other;
	expect_state(r, "INIT");
	/* Mounts are taken meanwhile, and go. */
	expect_reply(call(r, "POST", "/api/v1/mount?mountpoint=/img", MOUNT_BODY), 204, NULL);
	expect_reply(call(r, "PUT", START, NULL), 400, "Configure(DaemonAbnormal(UnexpectedEvent(\"Start\")))");
	sup.nfds = 1;
	expect_reply(call_with(r, TAKEOVER, give_main), 204, NULL);
	expect_state(r, "READY");
	assert_int_equal(fake_nmounts(), 2);
	assert_string_equal(fake_key("/img", "source", 0), "/boot");
	assert_string_equal(fake_key("/img", "config", 0), "{\"a\":1}");
	assert_string_equal(fake_key("/img", "prefetch-files", 0), "/x");
	assert_string_equal(fake_key("/pt", "source", 0), "/srv");
	struct fake_connection c = fake_connection();
	assert_int_equal(c.takes, 1);
	assert_int_equal(c.dev, 42);
	assert_int_equal(c.enabled, 0x12c5f829);
	assert_int_equal(c.nplaces, 1);
	assert_int_equal(c.last_place, 2);
	expect_reply(call(r, "PUT", TAKEOVER, NULL), 400, "Upgrade(DaemonAbnormal(UnexpectedEvent(\"Takeover\")))");
	expect_reply(call(r, "PUT", START, NULL), 204, NULL);
	expect_state(r, "RUNNING");
	assert_int_equal(fake_connection().begins, 1);
	expect_reply(call(r, "PUT", EXIT, NULL), 204, NULL);
	assert_int_equal(fake_connection().leaves, 1);
}

static void the_peers_state_is_taken(void **state)
{
	const struct rig *r = *state;
	FILE *f = fopen(NYDUS_STATES "/three", "re");

	assert_non_null(f);
	sup.len = fread(sup.bytes, 1, ROOM, f);
	fclose(f);
	sup.nfds = 1;
	expect_reply(call_with(r, TAKEOVER, give_main), 204, NULL);
	assert_int_equal(fake_nmounts(), 3);
	assert_string_equal(fake_key("/img6", "source", 0), "/srv/nydus/v6.boot");
	assert_string_equal(fake_key("/pt", "type", 0), "passthrough");
	assert_int_equal(fake_connection().enabled, 0x12c5f829);
	assert_int_equal(fake_connection().nplaces, 5);
	assert_int_equal(fake_connection().last_place, 6);
}

/* Each is refused in one line, and then a good one is taken. */
static void hostile_supervisors(void **state)
{
	const struct rig *r = *state;
	unsigned char good[ROOM];
	FILE *f = fopen(NYDUS_STATES "/one", "re");

	assert_non_null(f);
	size_t len = fread(good, 1, ROOM, f);
	fclose(f);
	memcpy(sup.bytes, good, len);
	sup.len = len;
	sup.nfds = 0;
	expect_reply(call_with(r, TAKEOVER, give_main), 500, "gave no descriptor");
	sup.nfds = 2;
	expect_reply(call_with(r, TAKEOVER, give_main), 500, "gave several descriptors");
	sup.nfds = 1;
	sup.len = len / 2;
	expect_reply(call_with(r, TAKEOVER, give_main), 500, "not complete");
	sup.len = 1;
	expect_reply(call_with(r, TAKEOVER, give_main), 500, "cut short");
	sup.len = 0;
	expect_reply(call_with(r, TAKEOVER, give_main), 500, "");
	sup.len = len;
	sup.bytes[len - 1] ^= 1;
	expect_reply(call_with(r, TAKEOVER, give_main), 500, "checksum");
	sup.bytes[len - 1] ^= 1;
	sup.bytes[2] = sup.bytes[3] = 0xaa;
	uint64_t crc = crc64_jones(sup.bytes, len - 8);
	memcpy(sup.bytes + len - 8, &crc, 8);
	expect_reply(call_with(r, TAKEOVER, give_main), 500, "architecture");
	expect_state(r, "INIT");
	memcpy(sup.bytes, good, len);
	fake_break("/img6");
	expect_reply(call_with(r, TAKEOVER, give_main), 500,
		     "Upgrade(DaemonAbnormal(UpgradeManager(\"taking over /img6");
	assert_int_equal(fake_nmounts(), 0);
	fake_break(NULL);
	expect_state(r, "INIT");
	expect_reply(call_with(r, TAKEOVER, give_main), 204, NULL);
	expect_state(r, "READY");
}

static void nobody_listens(void **state)
{
	const struct rig *r = *state;

	unlink(sup.path);
	expect_reply(call(r, "PUT", SENDFD, NULL), 500,
		     "Upgrade(DaemonAbnormal(UpgradeManager(\"StorageBackendError(CreateUnixStream(Os { code: 2, kind: "
		     "NotFound, "
		     "message: \\\"No such file or directory\\\" }))\")))");
	expect_state(r, "RUNNING");
}

static void before_init(void **state)
{
	const struct rig *r = *state;

	fake_fuse(true, false, false);
	expect_reply(call(r, "PUT", SENDFD, NULL), 503, "Upgrade(DaemonAbnormal(NotReady))");
	fake_fuse(false, false, false);
	expect_reply(call(r, "PUT", SENDFD, NULL), 501, "Upgrade(DaemonAbnormal(Unsupported))");
	fake_config()->server.supervisor = NULL;
	expect_reply(call(r, "PUT", SENDFD, NULL), 500, "no supervisor");
}

static void in_init(void **state)
{
	const struct rig *r = *state;

	expect_reply(call(r, "PUT", SENDFD, NULL), 503, "NotReady");
	expect_reply(call(r, "PUT", EXIT, NULL), 400, "Configure(DaemonAbnormal(UnexpectedEvent(\"Exit\")))");
	expect_reply(call(r, "PUT", TAKEOVER, "{}"), 400, "BadRequest");
	assert_int_equal(fake_stops(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_state_is_sent, set_up_running, tear_down),
		cmocka_unit_test_setup_teardown(what_was_sent_is_taken, set_up_running, tear_down),
		cmocka_unit_test_setup_teardown(the_peers_state_is_taken, set_up_waiting, tear_down),
		cmocka_unit_test_setup_teardown(hostile_supervisors, set_up_waiting, tear_down),
		cmocka_unit_test_setup_teardown(nobody_listens, set_up_running, tear_down),
		cmocka_unit_test_setup_teardown(before_init, set_up_running, tear_down),
		cmocka_unit_test_setup_teardown(in_init, set_up_waiting, tear_down),
	};

	return cmocka_run_group_tests_name("upgrade", tests, NULL, NULL);
}
