/* SPDX-License-Identifier: Apache-2.0 */
/* The small services, the counters, the life of a mount's members, transfers, and readiness. */
#include "lib/log.h"
#include "server/fuse/conn.h"
#include "server/host.h"
#include "server/io.h"
#include "server/sd_notify.h"
#include "server/server.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#undef fail /* also the name of a service */

static char lines[1 << 16];

static void sink(void *user, int level, const char *line)
{
	(void)user;
	(void)level;
	if (strlen(lines) + strlen(line) + 2 < sizeof(lines))
		strcat(strcat(lines, line), "\n");
}

/* Plugins "one" and "two"; where the test wants it, a step of "two" fails. */
struct graft_inst {
	const char *name;
};

static char life[1024];
static const char *fail_at;
static bool fail_silently;
static struct graft_slot *slot_one;
static uint64_t counter = 17;
static struct graft_inst inst_one = { "one" }, inst_two = { "two" };

static int step(const char *what, const char *who, struct graft_error *err)
{
	snprintf(life + strlen(life), sizeof(life) - strlen(life), "%s%s %s", life[0] ? ", " : "", what, who);
	if (!fail_at || strcmp(fail_at, what) || strcmp(who, "two"))
		return 0;
	return fail_silently ? -EACCES : host_services.fail(err, EACCES, "no %s today", what);
}

static int create_one(const struct graft_host *host, struct graft_slot *slot, const void *settings,
		      struct graft_inst **inst, struct graft_error *err)
{
	struct graft_error open_err = { 0 };

	(void)settings;
	slot_one = slot;
	*inst = &inst_one;
	assert_int_equal(host->metric(slot, "things", "count", &counter), 0);
	assert_int_equal(host->metric(slot, "things", "count", &counter), -EEXIST);
	int fd = host->open(slot, "/", O_PATH | O_DIRECTORY, &open_err);
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	close(fd);
	assert_int_equal(host->open(slot, "/nowhere/at/all", O_RDONLY, &open_err), -ENOENT);
	assert_string_equal(open_err.text, "/nowhere/at/all: No such file or directory");
	return step("create", "one", err);
}

static int create_two(const struct graft_host *host, struct graft_slot *slot, const void *settings,
		      struct graft_inst **inst, struct graft_error *err)
{
	(void)host;
	(void)slot;
	(void)settings;
	*inst = &inst_two;
	return step("create", "two", err);
}

static int start(struct graft_inst *inst, struct graft_error *err)
{
	return step("start", inst->name, err);
}

static int open_session(struct graft_inst *inst, const struct graft_session *s, void **state)
{
	(void)s;
	*state = inst;
	return step("open", inst->name, &(struct graft_error){ 0 });
}

static void close_session(struct graft_inst *inst, void *state)
{
	assert_ptr_equal(state, inst);
	step("close", inst->name, NULL);
}

static void quiesce(struct graft_inst *inst)
{
	step("quiesce", inst->name, NULL);
}

static void destroy(struct graft_inst *inst)
{
	step("destroy", inst->name, NULL);
}

/* "two", outermost, knows what "both" is as well, but not what "one" is. */
static int ask(struct graft_inst *inst, const char *what, const char *in, graft_ask_put *put, void *arg)
{
	if (!strcmp(what, "wrong"))
		return 1;
	if (strcmp(what, "both") != 0 && strcmp(what, inst->name) != 0)
		return -EOPNOTSUPP;
	put(arg, inst->name, strlen(inst->name));
	put(arg, " ", 1);
	put(arg, in ? in : "", in ? strlen(in) : 0);
	return strcmp(in ? in : "", "full") != 0 ? 0 : -ENOSPC;
}

#define PLUGIN(of_name, of_kind, make)                                                                                 \
	{                                                                                                              \
		.desc = {                                                                                              \
			.size = sizeof(struct graft_plugin),                                                           \
			.name = of_name,                                                                               \
			.kind = of_kind,                                                                               \
			.threads = GRAFT_PARALLEL,                                                                     \
			.create = make,                                                                                \
			.start = start,                                                                                \
			.session_open = open_session,                                                                  \
			.session_close = close_session,                                                                \
			.quiesce = quiesce,                                                                            \
			.ask = ask,                                                                                    \
			.destroy = destroy                                                                             \
		}                                                                                                      \
	}

static const struct plugin one = PLUGIN("one", GRAFT_BACKEND, create_one), two = PLUGIN("two", GRAFT_LAYER, create_two);
static struct member_config members[2] = { { .name = "two", .plugin = &two }, { .name = "web", .plugin = &one } };
static const struct mount_config config = { .name = "web", .at = "/", .members = members, .nmembers = 2 };

static struct server *server;

static int set_up(void **state)
{
	struct graft_error err = { 0 };

	(void)state;
	life[0] = lines[0] = 0;
	fail_at = NULL;
	fail_silently = false;
	server = server_new(2, 1024, &err);
	assert_non_null(server);
	log_set_sink(sink, NULL);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	server_free(server);
	log_set_sink(NULL, NULL);
	return 0;
}

/* A client comes and leaves; nothing else changes mounts meanwhile. */
static int one_session(void)
{
	static const struct transport_ops ops = { .kind = GRAFT_VHOST_USER };
	struct transport transport = { .ops = &ops };
	struct fuse_door door = { .server = server, .name = "door" };
	struct graft_session pub = { .size = sizeof(pub) };
	struct fuse_conn *c = conn_new(&door, &transport);

	assert_non_null(c);
	int res = mount_table_join(&server->mounts, c, &pub);
	conn_free(c);
	return res;
}

static void test_life(void **state)
{
	struct graft_error err = { 0 };

	(void)state;
	assert_int_equal(server_mount(server, &config, &err), 0);
	assert_int_equal(server_start(server, &err), 0);
	assert_int_equal(one_session(), 0);
	server_free(server);
	server = NULL;
	assert_string_equal(life,
			    "create one, create two, start one, start two, open one, open two, close two, close one, "
			    "quiesce two, quiesce one, destroy two, destroy one");
}

static void note(void *arg, const char *bytes, size_t len)
{
	strncat(arg, bytes, len);
}

static void test_ask(void **state)
{
	static const struct {
		const char *at, *what, *in;
		int res;
		const char *said;
	} cases[] = {
		{ "/", "both", "in", 0, "two in" },          { "/", "one", NULL, 0, "one " },
		{ "/", "none", NULL, -EOPNOTSUPP, "" },      { "/x", "one", NULL, -ENOENT, "" },
		{ "/", "one", "full", -ENOSPC, "one full" }, { "/", "wrong", NULL, -EIO, "" },
	};
	struct graft_error err = { 0 };

	(void)state;
	assert_int_equal(server_mount(server, &config, &err), 0);
	assert_int_equal(server_start(server, &err), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char said[64] = "";

		assert_int_equal(mounts_ask(server, cases[i].at, cases[i].what, cases[i].in, note, said), cases[i].res);
		assert_string_equal(said, cases[i].said);
	}
	assert_int_equal(mounts_remove(server, "/", false, &err), 0);
	assert_int_equal(mounts_ask(server, "/", "one", NULL, note, NULL), -ENOENT);
}

static void test_create_fails(void **state)
{
	struct graft_error err = { 0 };

	(void)state;
	fail_at = "create";
	assert_int_equal(server_mount(server, &config, &err), -EACCES);
	assert_string_equal(err.text, "[mount web]: plugin two: no create today");
	assert_string_equal(life, "create one, create two, destroy one");
	err = (struct graft_error){ 0 };
	fail_silently = true;
	assert_int_equal(server_mount(server, &config, &err), -EACCES);
	assert_string_equal(err.text, "[mount web]: plugin two: plugin failed without saying why");
	assert_int_equal(server->instances, 0);
	/* Its counters went with it. */
	metrics_log(server->metrics);
	assert_string_equal(lines, "");
}

static void test_start_fails(void **state)
{
	struct graft_error err = { 0 };

	(void)state;
	fail_at = "start";
	assert_int_equal(server_mount(server, &config, &err), 0);
	assert_int_equal(server_start(server, &err), -EACCES);
	assert_string_equal(err.text, "[mount web]: starting plugin two: no start today");
	server_free(server);
	server = NULL;
	assert_string_equal(life,
			    "create one, create two, start one, start two, quiesce one, destroy two, destroy one");
}

static void test_session_fails(void **state)
{
	struct graft_error err = { 0 };

	(void)state;
	fail_at = "open";
	assert_int_equal(server_mount(server, &config, &err), 0);
	assert_int_equal(server_start(server, &err), 0);
	assert_int_equal(one_session(), -EACCES);
	assert_non_null(strstr(life, "open one, open two, close one"));
}

static void test_same_place(void **state)
{
	struct graft_error err = { 0 };

	(void)state;
	assert_int_equal(server_mount(server, &config, &err), 0);
	struct member_config other_members[2] = { members[0], members[1] };
	struct mount_config other = { .name = "other", .at = "/", .members = other_members, .nmembers = 2 };
	assert_int_equal(server_mount(server, &other, &err), -EEXIST);
	assert_string_equal(err.text, "[mount other]: / is taken by mount web");
}

static void test_services(void **state)
{
	struct graft_error err = { 0 };

	(void)state;
	assert_int_equal(server_mount(server, &config, &err), 0);
	/* 1024 descriptors, less 128 and one for each of 2 threads, for two instances. */
	assert_int_equal(host_services.fd_limit(slot_one), 1024 / 2);
	assert_int_equal(host_services.open(slot_one, "/", O_RDONLY, &err), -EPERM);
	assert_int_equal(host_services.invalidate(slot_one, 1, NULL), -ENOTSUP);
	host_services.log(slot_one, GRAFT_LOG_INFO, "number %d", 5);
	assert_non_null(strstr(lines, "web: number 5\n"));
	lines[0] = 0;
	/* What a guest can provoke is limited. */
	for (int i = 0; i < 1000; i++)
		host_services.log(slot_one, GRAFT_LOG_WARN, "again");
	assert_true(strlen(lines) < 1000);
}

static void test_metrics(void **state)
{
	struct graft_error err = { 0 };
	struct op_sum sum;

	(void)state;
	assert_int_equal(server_mount(server, &config, &err), 0);
	/* Of a mount, and of none. */
	op_stats_count(server->mounts.first->stats, 0, FUSE_READ, false, 1);
	op_stats_count(server->stats, 0, FUSE_READ, true, 1);
	server_log_counters(server);
	assert_non_null(strstr(lines, "metric: web.things = 17 count\n"));
	assert_non_null(strstr(lines, "metric: op.READ.requests = 2 count\n"));
	assert_non_null(strstr(lines, "metric: op.READ.errors = 1 count\n"));
	server_op(server, FUSE_READ, &sum);
	assert_int_equal(sum.count, 2);
	assert_int_equal(sum.errors, 1);
	metrics_remove(server->metrics, slot_one);
	lines[0] = 0;
	metrics_log(server->metrics);
	assert_null(strstr(lines, "things"));
}

/* Transfers of more elements than a short call goes on with, and through a pipe that gives little at a time. */
static void test_io(void **state)
{
	static unsigned char from[300 * 7], to[300 * 7];
	struct iovec iov[300];
	char path[] = "/tmp/graft-test-XXXXXX";
	int fd = mkstemp(path);

	(void)state;
	unlink(path);
	for (size_t i = 0; i < sizeof(from); i++)
		from[i] = (unsigned char)(i * 31);
	for (int i = 0; i < 300; i++)
		iov[i] = (struct iovec){ from + i * 7, 7 };
	struct graft_io io = { .kind = GRAFT_IO_WRITE, .fd = fd, .off = 10, .iov = iov, .niov = 300 };
	assert_int_equal(io_transfer(&io, 0), sizeof(from));
	for (int i = 0; i < 300; i++)
		iov[i].iov_base = to + i * 7;
	io.kind = GRAFT_IO_READ;
	assert_int_equal(io_transfer(&io, 0), sizeof(to));
	assert_memory_equal(from, to, sizeof(to));
	io.off = 1000;
	assert_int_equal(io_transfer(&io, 0), sizeof(to) - 990);
	io.off = 1 << 20;
	assert_int_equal(io_transfer(&io, 0), 0);
	io.kind = GRAFT_IO_FSYNC;
	assert_int_equal(io_transfer(&io, 0), 0);
	io.kind = GRAFT_IO_FDATASYNC;
	assert_int_equal(io_transfer(&io, 0), 0);
	io.kind = 99;
	assert_int_equal(io_transfer(&io, 0), -EINVAL);
	io.kind = GRAFT_IO_READ;
	io.niov = 1025;
	assert_int_equal(io_transfer(&io, 0), -EINVAL);
	io.niov = 300;
	io.fd = -1;
	assert_int_equal(io_transfer(&io, 0), -EBADF);
	close(fd);
}

/* A file that a size limit cuts: the first part is told, not the error. */
static void test_io_short(void **state)
{
	struct rlimit old, small;
	char path[] = "/tmp/graft-test-XXXXXX";
	int fd = mkstemp(path);
	unsigned char bytes[8] = "abcdefg";
	struct iovec iov[2] = { { bytes, 4 }, { bytes + 4, 4 } };
	struct graft_io io = { .kind = GRAFT_IO_WRITE, .fd = fd, .off = 4090, .iov = iov, .niov = 2 };

	(void)state;
	unlink(path);
	getrlimit(RLIMIT_FSIZE, &old);
	small = old;
	small.rlim_cur = 4096;
	void (*kept)(int) = signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_int_equal(io_transfer(&io, 0), 6);
	io.off = 4096;
	assert_int_equal(io_transfer(&io, 0), -EFBIG);
	setrlimit(RLIMIT_FSIZE, &old);
	signal(SIGXFSZ, kept);
	close(fd);
}

static void check_notify(const char *name, socklen_t name_len, const char *env)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	char got[64] = "";

	memcpy(at.sun_path, name, name_len);
	assert_int_equal(bind(fd, (void *)&at, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + name_len)), 0);
	setenv("NOTIFY_SOCKET", env, 1);
	assert_int_equal(sd_notify_send("READY=1"), 0);
	assert_int_equal(recv(fd, got, sizeof(got) - 1, MSG_DONTWAIT), 7);
	assert_string_equal(got, "READY=1");
	close(fd);
}

static void test_notify(void **state)
{
	char path[64], env[64], too_long[200];

	(void)state;
	snprintf(path, sizeof(path), "/tmp/graft-notify-%d", getpid());
	check_notify(path, (socklen_t)strlen(path) + 1, path);
	unlink(path);
	assert_int_equal(sd_notify_send("READY=1"), -ENOENT);
	snprintf(env, sizeof(env), "@graft-notify-%d", getpid());
	memcpy(path, env, sizeof(env));
	path[0] = 0;
	check_notify(path, (socklen_t)strlen(env), env);
	memset(too_long, 'x', sizeof(too_long));
	too_long[0] = '/';
	too_long[199] = 0;
	setenv("NOTIFY_SOCKET", too_long, 1);
	assert_int_equal(sd_notify_send("READY=1"), -EINVAL);
	setenv("NOTIFY_SOCKET", "vsock:2:1", 1);
	assert_int_equal(sd_notify_send("READY=1"), -EINVAL);
	unsetenv("NOTIFY_SOCKET");
	assert_int_equal(sd_notify_send("READY=1"), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_life, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_ask, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_create_fails, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_start_fails, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_session_fails, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_same_place, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_services, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_metrics, set_up, tear_down),
		cmocka_unit_test(test_io),
		cmocka_unit_test(test_io_short),
		cmocka_unit_test(test_notify),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
