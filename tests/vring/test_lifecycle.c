/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon's life: its socket, front ends that come and go, its end. */
#include "tests/vring/fixture.h"

#include "tests/vring/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define STOP_MS 5000 /* an orderly end takes less */
#define WAIT_MS 60000

/* Each test has a daemon of its own. */
static void up(struct fixture *f, const struct daemon_config *config)
{
	memset(f, 0, sizeof(*f));
	f->config = *config;
	assert_int_equal(daemon_init(&f->daemon, config), 0);
}

static void down(struct fixture *f)
{
	fixture_disconnect(f);
	if (daemon_alive(&f->daemon))
		assert_int_equal(daemon_stop(&f->daemon, WAIT_MS), 0);
	assert_false(daemon_reported(&f->daemon));
	daemon_fini(&f->daemon);
}

static void serve_once(struct fixture *f)
{
	fixture_mount(f, FIXTURE_FEATURES);
	fixture_check_alive(f);
	fixture_disconnect(f);
}

static void test_socket_mode(void **state)
{
	struct daemon_config c = {.queues = 1};
	struct fixture f;
	struct stat st;

	(void)state;
	up(&f, &c);
	assert_int_equal(daemon_start(&f.daemon), 0);
	assert_int_equal(stat(f.daemon.socket, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 0777, 0700);
	serve_once(&f);
	down(&f);
}

static void test_stale_socket(void **state)
{
	struct daemon_config c = {.queues = 1};
	struct fixture f;

	(void)state;
	up(&f, &c);
	assert_int_equal(daemon_start(&f.daemon), 0);
	kill(f.daemon.pid, SIGKILL);
	assert_int_equal(daemon_wait(&f.daemon, WAIT_MS), 256 + SIGKILL);
	assert_int_equal(access(f.daemon.socket, F_OK), 0);
	assert_int_equal(daemon_start(&f.daemon), 0);
	serve_once(&f);
	down(&f);
}

static void test_live_socket(void **state)
{
	struct daemon_config c = {.queues = 1};
	struct fixture f, second;

	(void)state;
	up(&f, &c);
	assert_int_equal(daemon_start(&f.daemon), 0);
	fixture_mount(&f, FIXTURE_FEATURES);
	up(&second, &c);
	strcpy(second.daemon.socket, f.daemon.socket);
	assert_int_equal(daemon_spawn(&second.daemon), 0);
	assert_int_equal(daemon_wait(&second.daemon, WAIT_MS), 1);
	assert_true(daemon_logged(&second.daemon, f.daemon.socket)); /* says which */
	daemon_fini(&second.daemon);
	fixture_check_alive(&f);
	fixture_disconnect(&f);
	serve_once(&f);
	down(&f);
}

static void test_no_socket(void **state)
{
	struct daemon_config c = {.queues = 1};
	struct fixture f;
	struct stat st;

	(void)state;
	up(&f, &c);
	int fd = open(f.daemon.socket, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "precious", 8), 8);
	close(fd);
	assert_int_equal(daemon_spawn(&f.daemon), 0);
	assert_int_equal(daemon_wait(&f.daemon, WAIT_MS), 1);
	assert_int_equal(stat(f.daemon.socket, &st), 0);
	assert_true(S_ISREG(st.st_mode) && st.st_size == 8);
	assert_true(daemon_logged(&f.daemon, f.daemon.socket));

	unlink(f.daemon.socket);
	assert_int_equal(mkdir(f.daemon.socket, 0700), 0);
	assert_int_equal(daemon_spawn(&f.daemon), 0);
	assert_int_equal(daemon_wait(&f.daemon, WAIT_MS), 1);
	assert_int_equal(rmdir(f.daemon.socket), 0);
	down(&f);
}

static void test_inherited_socket(void **state)
{
	struct daemon_config c = {.queues = 1};
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	struct fixture f;

	(void)state;
	c.listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(c.listen_fd > 0);
	if (c.listen_fd == 3) { /* dup2 onto itself would keep it close-on-exec */
		c.listen_fd = fcntl(3, F_DUPFD_CLOEXEC, 10);
		close(3);
	}
	up(&f, &c);
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%.100s", f.daemon.socket);
	assert_int_equal(bind(c.listen_fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(c.listen_fd, 5), 0);
	assert_int_equal(daemon_start(&f.daemon), 0);
	serve_once(&f);
	serve_once(&f);
	close(c.listen_fd);
	down(&f);
}

static void test_reconnect(void **state)
{
	struct daemon_config c = {.queues = 2};
	struct fixture f;

	(void)state;
	up(&f, &c);
	assert_int_equal(daemon_start(&f.daemon), 0);
	serve_once(&f);
	serve_once(&f);
	unsigned fds = daemon_fds(&f.daemon);
	for (unsigned i = 0; i < 20; i++) {
		uint64_t features = fixture_modes[i % FIXTURE_MODES].features;
		struct fuse_entry_out e;
		uint64_t fh;

		fixture_mount(&f, features);
		/* Leaves with a file open, sometimes with requests under way. */
		assert_int_equal(fuse_create(&f.client, FUSE_ROOT_ID, "file", O_RDWR, 0644, &e, &fh), 0);
		struct fuse_read_in in = {.fh = fh, .size = 4096};
		struct fuse_op op = {.opcode = FUSE_READ,
				     .node = e.nodeid,
				     .arg = {{.bytes = &in, .len = sizeof(in)}},
				     .nargs = 1,
				     .data_out = 4096};
		if (i & 1) {
			assert_int_equal(fuse_submit(&f.client, f.client.slot, &op), 0);
			ring_kick(f.client.ring);
		}
		fixture_disconnect(&f);
	}
	serve_once(&f);
	/* The last session may still be going: give it a moment, then nothing may have been left behind. */
	for (int64_t end = clock_ms() + WAIT_MS; daemon_fds(&f.daemon) > fds && clock_ms() < end;)
		usleep(10000);
	assert_true(daemon_fds(&f.daemon) <= fds);
	down(&f);
}

/* A front end that connects while another is served does the first one no harm and gets its turn. */
static void test_second_frontend(void **state)
{
	struct daemon_config c = {.queues = 1};
	struct fixture f;
	uint64_t features;
	struct frontend second = {.log_fd = -1};

	(void)state;
	up(&f, &c);
	assert_int_equal(daemon_start(&f.daemon), 0);
	fixture_mount(&f, FIXTURE_FEATURES);
	second.sock = vu_connect(f.daemon.socket, WAIT_MS);
	assert_true(second.sock >= 0);
	assert_int_equal(vu_send(second.sock, VU_GET_FEATURES, 0, NULL, 0, NULL, 0), 0);
	for (unsigned i = 0; i < 10; i++)
		fixture_check_alive(&f);
	fixture_disconnect(&f);
	struct vu_reply reply;
	int res = vu_receive(second.sock, &reply, WAIT_MS);
	assert_true(res == 0 || res == -EPIPE); /* served now, or was sent away */
	if (res == 0)
		assert_int_equal(frontend_ask_u64(&second, VU_GET_FEATURES, &features), 0);
	close(second.sock);
	serve_once(&f);
	down(&f);
}

static void test_once(void **state)
{
	struct daemon_config c = {.queues = 1, .once = true};
	struct fixture f;

	(void)state;
	up(&f, &c);
	assert_int_equal(daemon_start(&f.daemon), 0);
	serve_once(&f);
	assert_int_equal(daemon_wait(&f.daemon, WAIT_MS), 0);
	down(&f);
}

static void test_sigterm(void **state)
{
	static const int signals[] = {SIGTERM, SIGINT};
	struct daemon_config c = {.queues = 2};
	struct fixture f;

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		up(&f, &c);
		assert_int_equal(daemon_start(&f.daemon), 0);
		if (i >= 2) {
			fixture_mount(&f, fixture_modes[i == 2 ? 3 : 7].features);
			fixture_check_alive(&f);
		}
		kill(f.daemon.pid, signals[i % 2]);
		assert_int_equal(daemon_wait(&f.daemon, STOP_MS), 0);
		fixture_disconnect(&f);
		down(&f);
	}
}

/* SIGTERM in the middle of a full ring. */
static void test_sigterm_busy(void **state)
{
	struct daemon_config c = {.queues = 1};
	struct fixture f;
	struct fuse_entry_out e;
	uint64_t fh;

	(void)state;
	up(&f, &c);
	assert_int_equal(daemon_start(&f.daemon), 0);
	fixture_connect(&f, FIXTURE_FEATURES);
	fixture_start_client(&f, 16);
	assert_int_equal(fuse_create(&f.client, FUSE_ROOT_ID, "file", O_RDWR, 0644, &e, &fh), 0);
	for (unsigned i = 0; i < 16; i++) {
		struct fuse_write_in in = {.fh = fh, .size = 1 << 20};
		struct fuse_op op = {.opcode = FUSE_WRITE,
				     .node = e.nodeid,
				     .arg = {{.bytes = &in, .len = sizeof(in)}},
				     .nargs = 1,
				     .data_in = 1 << 20,
				     .reply_len = sizeof(struct fuse_write_out)};
		assert_int_equal(fuse_submit(&f.client, &f.client.slot[i], &op), 0);
	}
	ring_kick(f.client.ring);
	kill(f.daemon.pid, SIGTERM);
	assert_int_equal(daemon_wait(&f.daemon, STOP_MS), 0);
	down(&f);
}

/* Starts with a share that cannot be served: status 1 and a line that names it. */
static void refuse_share(const char *source)
{
	struct daemon_config c = {.queues = 1, .source = source};
	struct fixture f;

	up(&f, &c);
	assert_int_equal(daemon_spawn(&f.daemon), 0);
	assert_int_equal(daemon_wait(&f.daemon, WAIT_MS), 1);
	assert_true(daemon_logged(&f.daemon, source));
	down(&f);
}

static void test_bad_share(void **state)
{
	struct daemon_config c = {.queues = 1};
	struct fixture f;
	char path[DAEMON_PATH + 16];

	(void)state;
	refuse_share("/nonexistent/share");
	refuse_share("/dev/null");
	/* A symlink to a directory is resolved. */
	up(&f, &c);
	snprintf(path, sizeof(path), "%s/link", f.daemon.base);
	assert_int_equal(symlink(f.daemon.share, path), 0);
	f.daemon.config.source = path;
	assert_int_equal(daemon_start(&f.daemon), 0);
	serve_once(&f);
	down(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_socket_mode),	cmocka_unit_test(test_stale_socket),
		cmocka_unit_test(test_live_socket),	cmocka_unit_test(test_no_socket),
		cmocka_unit_test(test_inherited_socket), cmocka_unit_test(test_reconnect),
		cmocka_unit_test(test_second_frontend), cmocka_unit_test(test_once),
		cmocka_unit_test(test_sigterm),		cmocka_unit_test(test_sigterm_busy),
		cmocka_unit_test(test_bad_share),
	};

	signal(SIGPIPE, SIG_IGN);
	setvbuf(stdout, NULL, _IOLBF, 0); /* a test that hangs is killed: its log must say where it was */
	if (getenv("GRAFT_TEST_FILTER"))
		cmocka_set_test_filter(getenv("GRAFT_TEST_FILTER"));
	return cmocka_run_group_tests_name("vring/lifecycle", tests, NULL, NULL);
}
