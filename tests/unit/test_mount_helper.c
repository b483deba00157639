/* SPDX-License-Identifier: Apache-2.0 */
/* Unit test of mount.fuse.graftfs: its options, and starting a daemon, for which this program runs itself. */
#include "mount/daemon.h"
#include "mount/options.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- options ---- */

static void test_options(void **state)
{
	static const struct {
		const char *list;
		unsigned long flags;
	} good[] = {
		{ "", 0 },
		{ "rw", 0 },
		{ "ro", MS_RDONLY },
		{ "ro,rw", 0 },
		{ "noexec,nodev,nosuid", MS_NOEXEC },
		{ "user,noexec,exec", 0 },
		{ "noauto,nofail,_netdev,x-systemd.automount,user=me,comment=a b,defaults", 0 },
		{ ",,noatime,,nodiratime,", MS_NOATIME | MS_NODIRATIME },
		{ "relatime,strictatime", MS_STRICTATIME },
	};
	struct graft_error err = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct mount_options o = { 0 };

		assert_int_equal(mount_options_parse(&o, good[i].list, false, &err), 0);
		assert_int_equal(o.flags, good[i].flags);
	}
}

static void test_bad_options(void **state)
{
	static const char *const bad[] = { "suid", "rw,dev",  "sync", "remount,ro", "cache=always",
					   "roo",  "r", "rw ", "x" };
	struct graft_error err;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct mount_options o = { 0 };

		assert_int_equal(mount_options_parse(&o, bad[i], false, &err), -EINVAL);
		assert_int_equal(err.code, EINVAL);
		assert_non_null(strstr(err.text, "option '"));
		assert_null(strchr(err.text, '\n'));
	}
	struct mount_options o = { 0 };
	assert_int_equal(mount_options_parse(&o, "ro,cache=always", true, &err), 0);
	assert_int_equal(o.flags, MS_RDONLY);
	assert_int_equal(mount_options_parse(&o, "suid", true, &err), -EINVAL);
}

/* ---- the daemon that this program plays ---- */

static void notify(const char *text)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	const char *name = getenv("NOTIFY_SOCKET");
	size_t len = name ? strlen(name) : 0;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (len < 2 || len >= sizeof(to.sun_path) || name[0] != '@')
		_exit(90);
	memcpy(to.sun_path + 1, name + 1, len - 1);
	socklen_t to_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	if (sendto(fd, text, strlen(text), 0, (struct sockaddr *)&to, to_len) < 0)
		_exit(91);
}

static int play_daemon(const char *mode)
{
	char cwd[16] = "";

	if (getsid(0) != getpid() || !getcwd(cwd, sizeof(cwd)) || strcmp(cwd, "/") != 0)
		return 92;
	fputs("graftfsd: a first line\n", stderr);
	if (strcmp(mode, "ready") == 0) {
		notify("STATUS=soon");
		notify("STATUS=now\nREADY=1");
		pause();
	}
	if (strcmp(mode, "other") == 0) {
		/* Somebody else says it. */
		pid_t pid = fork();
		if (pid == 0) {
			notify("READY=1");
			_exit(0);
		}
		waitpid(pid, NULL, 0);
	}
	if (strcmp(mode, "much") == 0) {
		for (int i = 0; i < 20000; i++)
			fprintf(stderr, "line %d of many\n", i);
	}
	fprintf(stderr, "graftfsd: %s: it cannot be", mode);
	return 1;
}

static pid_t start(const char *mode, struct graft_error *err)
{
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *argv[] = { self, (char *)"--daemon", (char *)mode, NULL };

	assert_true(n > 0);
	self[n] = 0;
	return mount_daemon_start(argv, err);
}

static void test_ready(void **state)
{
	struct graft_error err = { 0 };
	int status;

	(void)state;
	pid_t pid = start("ready", &err);
	if (pid <= 0)
		fail_msg("%s", err.text);
	/* It lives on, as a session of its own. */
	assert_int_equal(getsid(pid), pid);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
}

static void test_not_ready(void **state)
{
	struct graft_error err = { 0 };

	(void)state;
	assert_int_equal(start("fails", &err), -ECHILD);
	assert_string_equal(err.text, "graftfsd: fails: it cannot be");
	assert_int_equal(start("other", &err), -ECHILD);
	assert_string_equal(err.text, "graftfsd: other: it cannot be");
	assert_int_equal(start("much", &err), -ECHILD);
	assert_string_equal(err.text, "graftfsd: much: it cannot be");
	char *argv[] = { (char *)"/nowhere/graftfsd", NULL };
	assert_int_equal(mount_daemon_start(argv, &err), -ECHILD);
	assert_string_equal(err.text, "/nowhere/graftfsd: No such file or directory");
	/* No child is left. */
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static void test_interrupted(void **state)
{
	struct graft_error err = { 0 };
	sigset_t set;

	(void)state;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGTERM);
	assert_int_equal(start("ready", &err), -EINTR);
	assert_string_equal(err.text, "interrupted");
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_options),	  cmocka_unit_test(test_bad_options), cmocka_unit_test(test_ready),
		cmocka_unit_test(test_not_ready), cmocka_unit_test(test_interrupted),
	};

	if (argc == 3)
		return play_daemon(argv[2]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
