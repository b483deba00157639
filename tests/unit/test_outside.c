/* SPDX-License-Identifier: Apache-2.0 */
/* Unit test of the service outside and its client: questions, rules, hostile packets, the end of either side. Needs no rights. */
#include "outside_rig.h"

#include "lib/thread.h"
#include "server/sandbox/outside_wire.h"
#include "transport/fuse_dev.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define THREADS 4
#define ROUNDS 5

/* The linker puts this in front of the real one. */
static int kills;

int __real_kill(pid_t pid, int signal);
int __wrap_kill(pid_t pid, int signal);

int __wrap_kill(pid_t pid, int signal)
{
	kills++;
	return __real_kill(pid, signal);
}

/* ---- what is a question ---- */

static int question(uint32_t kind, const char *text, size_t length, uint32_t nfds)
{
	struct outside_packet p;
	struct outside_head head = { .kind = kind, .length = (uint32_t)length };
	char *bytes = malloc(sizeof(head) + length + 1);

	assert_non_null(bytes);
	memcpy(bytes, &head, sizeof(head));
	memcpy(bytes + sizeof(head), text, length);
	int res = outside_question(bytes, sizeof(head) + length, nfds, &p);
	free(bytes);
	if (!res)
		assert_memory_equal(p.text, text, length + 1);
	return res;
}

static void test_questions(void **state)
{
	char path[PATH_MAX + 2];
	struct outside_packet p;
	struct outside_head head = { .kind = OUTSIDE_SEAL };

	(void)state;
	memset(path, 'a', sizeof(path));
	path[0] = '/';
	path[PATH_MAX - 1] = '\0';
	assert_int_equal(question(OUTSIDE_OPEN, path, PATH_MAX - 1, 0), 0);
	path[PATH_MAX - 1] = 'a';
	path[PATH_MAX] = '\0';
	assert_int_equal(question(OUTSIDE_OPEN, path, PATH_MAX, 0), -EINVAL);
	assert_int_equal(question(OUTSIDE_OPEN, path, PATH_MAX + 1, 0), -EINVAL);
	assert_int_equal(question(OUTSIDE_OPEN, "/", 1, 0), 0);
	assert_int_equal(question(OUTSIDE_OPEN, "", 0, 0), -EINVAL);
	assert_int_equal(question(OUTSIDE_OPEN, "a/b", 3, 0), -EINVAL);
	assert_int_equal(question(OUTSIDE_OPEN, "/a\0b", 4, 0), -EINVAL);
	assert_int_equal(question(OUTSIDE_OPEN, "/a", 2, 1), -EINVAL);
	assert_int_equal(question(OUTSIDE_SEAL, "", 0, 0), 0);
	assert_int_equal(question(OUTSIDE_SEAL, "/", 1, 0), -EINVAL);
	assert_int_equal(question(OUTSIDE_KINDS, "", 0, 0), -EINVAL);
	assert_int_equal(question(UINT32_MAX, "", 0, 0), -EINVAL);
	assert_int_equal(question(OUTSIDE_BACKING_OPEN, "", 0, 2), 0);
	assert_int_equal(question(OUTSIDE_BACKING_OPEN, "", 0, 1), -EINVAL);
	assert_int_equal(question(OUTSIDE_FUSE_CLONE, "", 0, 0), -EINVAL);
	for (size_t len = 0; len < sizeof(head); len++)
		assert_int_equal(outside_question(&head, len, 0, &p), -EINVAL);
	assert_int_equal(outside_question(&head, sizeof(head), 0, &p), 0);
	head.length = UINT32_MAX;
	assert_int_equal(outside_question(&head, sizeof(head), 0, &p), -EINVAL);
	assert_int_equal(outside_reply(&head, sizeof(head), 0, &p), -EINVAL);
}

/* ---- opening ---- */

static void check_text(int fd, const char *text)
{
	char buf[64] = "";

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, buf, sizeof(buf) - 1, 0), strlen(text));
	assert_string_equal(buf, text);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	close(fd);
}

static void test_open(void **state)
{
	struct graft_error err = { 0 };
	char path[PATH_MAX + 2];
	struct stat st;
	int tree;

	(void)state;
	rig_write("file", "hello");
	rig_mkdir("dir");
	rig_write("dir/in", "inside");
	assert_int_equal(symlink("dir/in", rig_path("link")), 0);
	assert_int_equal(mkfifo(rig_path("fifo"), 0644), 0);
	rig_start();
	check_text(rig_open("file", O_RDONLY, NULL), "hello");
	check_text(rig_open("link", O_RDONLY | O_NONBLOCK, NULL), "inside");
	int fd = rig_open("file", O_RDWR | O_APPEND, NULL);
	assert_int_equal(write(fd, "!", 1), 1);
	check_text(fd, "hello!");
	fd = rig_open("dir", O_RDONLY | O_DIRECTORY, &tree);
	assert_true(fd >= 0);
	check_text(openat(fd, "in", O_RDONLY | O_CLOEXEC), "inside");
	close(fd);
	close(tree);

	assert_int_equal(rig_open("nothing", O_RDONLY, NULL), -ENOENT);
	assert_int_equal(rig_open("file/x", O_RDONLY, NULL), -ENOTDIR);
	assert_int_equal(rig_open("file", O_RDONLY | O_DIRECTORY, NULL), -ENOTDIR);
	assert_int_equal(rig_open("link", O_RDONLY | O_NOFOLLOW, NULL), -EACCES);
	assert_int_equal(rig_open("fifo", O_RDONLY, NULL), -EACCES);
	assert_int_equal(outside_open(rig.o, "/dev/null", O_RDWR, &tree, &err), -EACCES);
	assert_int_equal(outside_open(rig.o, "relative", O_RDONLY, &tree, &err), -EINVAL);
	assert_string_equal(err.text, "relative: Invalid argument");
	memset(path, '/', sizeof(path));
	path[PATH_MAX] = '\0';
	assert_int_equal(outside_open(rig.o, path, O_RDONLY, &tree, &err), -ENAMETOOLONG);
	/* What makes or cuts is nobody's to ask for. */
	assert_int_equal(rig_open("made", O_RDWR | O_CREAT, NULL), -EINVAL);
	assert_int_equal(stat(rig_path("made"), &st), -1);
	assert_int_equal(rig_open("file", O_RDWR | O_TRUNC, NULL), -EINVAL);
	assert_int_equal(rig_open(".", O_RDWR | O_TMPFILE, NULL), -EINVAL);
	check_text(rig_open("file", O_RDONLY, NULL), "hello!");
	rig_stop();
}

static void *open_many(void *arg)
{
	char name[8], text[8];

	for (int i = 0; i < ROUNDS; i++) {
		char path[128];
		int tree;

		snprintf(name, sizeof(name), "f%d", (int)(intptr_t)arg);
		snprintf(path, sizeof(path), "%s/%s", rig.dir, name);
		int fd = outside_open(rig.o, path, O_RDONLY, &tree, NULL);
		if (fd < 0 || read(fd, text, sizeof(text)) != 2 || memcmp(text, name, 2) != 0)
			return (void *)"wrong";
		close(fd);
	}
	return NULL;
}

static void test_threads(void **state)
{
	pthread_t threads[THREADS];
	void *wrong;

	(void)state;
	for (int i = 0; i < THREADS; i++) {
		char name[8];

		snprintf(name, sizeof(name), "f%d", i);
		rig_write(name, name);
	}
	rig_start();
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(thread_start(&threads[i], "asks", open_many, (void *)(intptr_t)i), 0);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], &wrong);
		assert_null(wrong);
	}
	rig_stop();
}

/* ---- rules ---- */

static void test_seal(void **state)
{
	struct graft_error err = { 0 };

	(void)state;
	rig_write("file", "hello");
	for (int run_time = 0; run_time < 3; run_time++) {
		rig.config.server.api_socket = run_time == 1 ? "/run/api" : NULL;
		rig.config.server.state_dir = run_time == 2 ? "/run/state" : NULL;
		rig_start();
		check_text(rig_open("file", O_RDONLY, NULL), "hello");
		assert_int_equal(outside_seal(rig.o, &err), 0);
		if (run_time)
			check_text(rig_open("file", O_RDONLY, NULL), "hello");
		else
			assert_int_equal(rig_open("file", O_RDONLY, NULL), -EPERM);
		assert_int_equal(outside_seal(rig.o, &err), 0);
		rig_stop();
	}
}

/* Mounts only where the configuration says, and only by a transport of /dev/fuse. */
static void test_no_such_mount(void **state)
{
	struct fuse_dev_config config = { .name = "x", .mountpoint = "/", .source = "x" };
	struct outside_fuse f = { .transport = 0 };
	struct graft_error err = { 0 };
	char dir[PATH_MAX];

	(void)state;
	rig.transports[0].kind = GRAFT_VHOST_USER;
	rig.transports[1].kind = GRAFT_DEV_FUSE;
	rig.transports[1].name = "fuse";
	rig.transports[1].mountpoint = rig_path("nothing");
	for (uint32_t n = 0; n <= 2; n++) {
		rig.config.ntransports = n;
		rig_start();
		f.outside = rig.o;
		for (f.transport = 0; f.transport < 4; f.transport++) {
			bool there = f.transport == 1 && n == 2;

			assert_int_equal(outside_fuse_ops.look(&f, &config, dir, &err), there ? -ENOENT : -EINVAL);
			assert_int_equal(outside_fuse_ops.mount(&f, &err), -EINVAL);
			assert_false(outside_fuse_ops.stands(&f));
			assert_int_equal(outside_fuse_ops.detach(&f, true), there ? 0 : -EINVAL);
			assert_int_equal(outside_fuse_ops.abort(&f), there ? -ENOTCONN : -EINVAL);
			/* The one descriptor at hand is not of /dev/fuse. */
			assert_int_equal(outside_fuse_ops.clone(&f, rig.sock), -EINVAL);
			assert_int_equal(outside_fuse_ops.backing_open(&f, rig.sock, rig.sock), -EINVAL);
			outside_fuse_ops.backing_close(&f, rig.sock, 1);
		}
		rig_stop();
	}
}

/* ---- hostile packets ---- */

static void send_raw(const void *bytes, size_t len, int nfds)
{
	char control[CMSG_SPACE(253 * sizeof(int))] = { 0 };
	struct iovec iov = { (void *)bytes, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (nfds > 0) {
		msg.msg_control = control;
		msg.msg_controllen = CMSG_SPACE((size_t)nfds * sizeof(int));
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN((size_t)nfds * sizeof(int));
		for (int i = 0; i < nfds; i++)
			memcpy(CMSG_DATA(c) + (size_t)i * sizeof(int), &rig.sock, sizeof(int));
	}
	assert_int_equal(sendmsg(rig.sock, &msg, MSG_NOSIGNAL), len);
}

static int service_fds(void)
{
	char path[64];
	int n = 0;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)rig.service);
	DIR *d = opendir(path);
	if (!d)
		return -1;
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void test_hostile(void **state)
{
	static const struct {
		size_t len;
		uint32_t kind, length;
		int nfds;
	} rows[] = {
		{ 1, OUTSIDE_SEAL, 0, 0 },        { 19, OUTSIDE_SEAL, 0, 0 },
		{ 21, OUTSIDE_SEAL, 0, 0 },       { 20, OUTSIDE_SEAL, 1, 0 },
		{ 20, OUTSIDE_SEAL, UINT32_MAX, 0 }, { 20, OUTSIDE_KINDS, 0, 0 },
		{ 20, UINT32_MAX, 0, 0 },         { 20, OUTSIDE_SEAL, 0, 1 },
		{ 20, OUTSIDE_SEAL, 0, 250 },     { 20, OUTSIDE_BACKING_OPEN, 0, 3 },
		{ 20, OUTSIDE_BACKING_OPEN, 0, 250 }, { 20, OUTSIDE_BACKING_OPEN, 0, 1 },
		{ 20, OUTSIDE_BACKING_OPEN, 0, 2 }, { 20 + PATH_MAX, OUTSIDE_OPEN, PATH_MAX, 0 },
		{ 20 + PATH_MAX + 1, OUTSIDE_OPEN, PATH_MAX + 1, 0 }, { 60000, OUTSIDE_OPEN, 59980, 0 },
		{ 20, OUTSIDE_OPEN, 0, 0 },       { 25, OUTSIDE_OPEN, 5, 2 },
	};
	char *bytes = malloc(60000);

	(void)state;
	assert_non_null(bytes);
	rig_write("file", "hello");
	rig_start();
	check_text(rig_open("file", O_RDONLY, NULL), "hello");
	int before = service_fds();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct outside_head head = { .kind = rows[i].kind, .length = rows[i].length };

		memset(bytes, '/', 60000);
		memcpy(bytes, &head, sizeof(head));
		send_raw(bytes, rows[i].len, rows[i].nfds);
		/* Still there, and answers the next question, not that one. */
		check_text(rig_open("file", O_RDONLY, NULL), "hello");
	}
	assert_int_equal(service_fds(), before);
	free(bytes);
	rig_stop();
}

/* More questions at a time than may be answered, by somebody who reads no answer. */
static void test_flood(void **state)
{
	struct outside_head head = { .kind = OUTSIDE_OPEN, .id = 7777 };
	char bytes[256];

	(void)state;
	rig_write("file", "hello");
	rig_start();
	head.length = (uint32_t)snprintf(bytes + sizeof(head), sizeof(bytes) - sizeof(head), "%s", rig_path("file"));
	memcpy(bytes, &head, sizeof(head));
	for (int i = 0; i < 100; i++)
		send_raw(bytes, sizeof(head) + head.length, 0);
	check_text(rig_open("file", O_RDONLY, NULL), "hello");
	rig_stop();
}

/* ---- the end of the other side ---- */

static void test_parent_dies(void **state)
{
	struct graft_error err = { 0 };
	int tree;

	(void)state;
	rig_start();
	kill(rig.service, SIGKILL);
	waitpid(rig.service, NULL, 0);
	rig.service = 0;
	assert_int_equal(outside_open(rig.o, "/", O_RDONLY, &tree, &err), -EPIPE);
	assert_int_equal(outside_seal(rig.o, &err), -EPIPE);
	assert_non_null(strstr(err.text, "parent process"));
}

/* A parent that hangs: waits are bounded, and what it answers later is not taken for another answer. */
/* The parent's loop may have waited for a child: its pid is nobody's to signal any more. */
static void test_gone_child(void **state)
{
	static const char path[] = "/";
	const struct outside_head head = { .id = 1, .kind = OUTSIDE_OPEN, .arg = O_PATH, .length = 1 };
	struct config config = { 0 };
	struct graft_error err = { 0 };
	struct outside_service *s = outside_service_new(&config, &err);
	int fds[2];

	(void)state;
	assert_non_null(s);
	assert_int_equal(outside_pair(fds, &err), 0);
	assert_int_equal(outside_send(fds[1], &head, path, NULL, 0), 0);
	assert_int_equal(outside_answer(s, fds[0]), 0);
	assert_true(waitpid(-1, NULL, 0) > 0);
	close(fds[0]);
	close(fds[1]);
	kills = 0;
	outside_service_free(s);
	assert_int_equal(kills, 0);
}

static void test_late_answer(void **state)
{
	struct outside_fuse f = { .transport = 0 };

	(void)state;
	rig.transports[0].kind = GRAFT_DEV_FUSE;
	rig.transports[0].mountpoint = rig.dir;
	rig.config.ntransports = 1;
	rig_write("file", "hello");
	rig_start();
	f.outside = rig.o;
	kill(rig.service, SIGSTOP);
	assert_int_equal(outside_fuse_ops.abort(&f), -ETIMEDOUT);
	kill(rig.service, SIGCONT);
	check_text(rig_open("file", O_RDONLY, NULL), "hello");
	assert_int_equal(outside_fuse_ops.abort(&f), -ENOTCONN);
	rig_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_questions),
		cmocka_unit_test_setup_teardown(test_open, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_threads, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_seal, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_no_such_mount, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_hostile, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_flood, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_parent_dies, rig_setup, rig_teardown),
		cmocka_unit_test(test_gone_child),
		cmocka_unit_test_setup_teardown(test_late_answer, rig_setup, rig_teardown),
	};

	return cmocka_run_group_tests_name("outside", tests, NULL, NULL);
}
