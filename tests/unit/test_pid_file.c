/* SPDX-License-Identifier: Apache-2.0 */
/* The pid file: what is written, who holds it, what is not taken, and how it goes. */
#include "server/pid_file.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[32], path[64], other[64];

static int setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/graft-pid-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/x.pid", dir);
	snprintf(other, sizeof(other), "%s/other", dir);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(path);
	unlink(other);
	return rmdir(dir);
}

static struct pid_file take(void)
{
	struct pid_file p;
	struct graft_error err = { 0 };

	if (pid_file_open(&p, path, &err) != 0)
		fail_msg("%s", err.text);
	return p;
}

static void refuse(const char *at, int code, const char *text)
{
	struct pid_file p;
	struct graft_error err = { 0 };

	assert_int_equal(pid_file_open(&p, at, &err), -code);
	if (!strstr(err.text, text) || !strstr(err.text, at))
		fail_msg("\"%s\" does not say \"%s\" and where", err.text, text);
	assert_int_equal(p.fd, -1);
	assert_int_equal(p.at.dir, -1);
	pid_file_close(&p);
}

static void put(const char *at, const char *text)
{
	FILE *f = fopen(at, "w");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

/* The file holds this process's pid and a line end, and nothing else. */
static void expect_own_pid(void)
{
	char text[64] = "", want[32];
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_true(read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	snprintf(want, sizeof(want), "%d\n", (int)getpid());
	assert_string_equal(text, want);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void test_written_and_removed(void **state)
{
	(void)state;
	mode_t mask = umask(0);
	struct pid_file p = take();
	assert_int_equal(umask(mask), 0);
	expect_own_pid();
	pid_file_close(&p);
	assert_int_equal(access(path, F_OK), -1);
	pid_file_close(&p);
	/* A stale one, longer and open to all, is taken. */
	put(path, "123456789012\nand more\n");
	assert_int_equal(chmod(path, 0666), 0);
	p = take();
	expect_own_pid();
	pid_file_close(&p);
	assert_int_equal(access(path, F_OK), -1);
}

static void test_held(void **state)
{
	char text[64];

	(void)state;
	struct pid_file p = take();
	snprintf(text, sizeof(text), "another process holds it, pid %d; it serves already", (int)getpid());
	refuse(path, EAGAIN, text);
	expect_own_pid();
	/* Whoever holds it may have written anything. */
	put(path, "12x\n");
	refuse(path, EAGAIN, "another process holds it, pid 12; it");
	put(path, "\033[2J");
	refuse(path, EAGAIN, "another process holds it");
	/* A copy of the lock that goes leaves it where it is. */
	struct pid_file copy = p;
	copy.fd = dup(p.fd);
	copy.at.dir = dup(p.at.dir);
	pid_file_leave(&copy);
	refuse(path, EAGAIN, "another process holds it");
	pid_file_close(&p);
	p = take();
	pid_file_close(&p);
}

/* The holder is killed: the file stays, and is no hindrance. */
static void test_killed(void **state)
{
	int ready[2], status;
	char byte;

	(void)state;
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct pid_file p;
		if (pid_file_open(&p, path, NULL) != 0 || write(ready[1], "", 1) != 1)
			_exit(1);
		pause();
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	refuse(path, EAGAIN, "another process holds it, pid ");
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(access(path, F_OK), 0);
	struct pid_file p = take();
	expect_own_pid();
	pid_file_close(&p);
	close(ready[0]);
	close(ready[1]);
}

static void test_not_ours(void **state)
{
	(void)state;
	/* Somebody removed it, and another has one there now. */
	struct pid_file p = take();
	assert_int_equal(unlink(path), 0);
	struct pid_file q = take();
	pid_file_close(&p);
	expect_own_pid();
	refuse(path, EAGAIN, "another process holds it");
	pid_file_close(&q);
	assert_int_equal(access(path, F_OK), -1);
}

static void test_refused(void **state)
{
	char below[96];

	(void)state;
	put(other, "keep\n");
	assert_int_equal(symlink("other", path), 0);
	refuse(path, ELOOP, "Too many levels");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	refuse(path, EINVAL, "no regular file");
	assert_int_equal(unlink(path), 0);
	refuse(dir, EISDIR, "Is a directory");
	snprintf(below, sizeof(below), "%s/none/x.pid", dir);
	refuse(below, ENOENT, "No such file");
	refuse("/", EINVAL, "not the name of a file");
	assert_int_equal(access(other, F_OK), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_written_and_removed), T(test_held), T(test_killed), T(test_not_ours), T(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
