/* SPDX-License-Identifier: Apache-2.0 */
/* The limit of open files: each case in a process of its own, since only root could put it back. */
#include "server/limits.h"

#include "lib/log.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#define NOBODY 65534
#define SKIPPED 77

/* What a child found; it ends with 0 where all was as it should be. */
#define CHECK(cond)                                                              \
	do {                                                                     \
		if (!(cond)) {                                                   \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond); \
			_exit(1);                                                \
		}                                                                \
	} while (0)

static void in_child(void (*fn)(void))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		fn();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED)
		skip();
	assert_int_equal(status, 0);
}

static struct rlimit now(void)
{
	struct rlimit limit;

	CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	return limit;
}

static void set(uint64_t soft, uint64_t hard)
{
	const struct rlimit limit = { soft, hard };

	if (setrlimit(RLIMIT_NOFILE, &limit))
		_exit(SKIPPED);
}

static void become_nobody(void)
{
	if (geteuid() == 0)
		CHECK(setgid(NOBODY) == 0 && setuid(NOBODY) == 0);
}

static void given(void)
{
	struct graft_error err = { 0 };
	uint64_t got;

	set(300, 400);
	CHECK(limits_nofile(200, &got, &err) == 0 && got == 200);
	CHECK(now().rlim_cur == 200 && now().rlim_max == 200);
	CHECK(limits_nofile(UINT64_C(1) << 40, &got, &err) == -EINVAL);
	CHECK(strstr(err.text, "It cannot be increased above "));
	CHECK(now().rlim_cur == 200);
}

static void given_too_much_for_a_user(void)
{
	struct graft_error err = { 0 };
	uint64_t got;

	set(300, 400);
	become_nobody();
	CHECK(limits_nofile(401, &got, &err) == -EPERM);
	CHECK(strstr(err.text, "RLIMIT_NOFILE to 401: "));
	CHECK(now().rlim_cur == 300 && now().rlim_max == 400);
}

static void unset_of_a_user(void)
{
	struct graft_error err = { 0 };
	uint64_t got;

	set(300, 400);
	become_nobody();
	CHECK(limits_nofile(0, &got, &err) == 0 && got == 400);
	CHECK(now().rlim_cur == 400 && now().rlim_max == 400);
}

static void unset(void)
{
	struct graft_error err = { 0 };
	uint64_t got;

	set(300, LIMITS_FILES_ENOUGH + 10);
	CHECK(limits_nofile(0, &got, &err) == 0 && got == LIMITS_FILES_ENOUGH);
	CHECK(now().rlim_cur == LIMITS_FILES_ENOUGH && now().rlim_max == LIMITS_FILES_ENOUGH);
}

static void unset_but_enough(void)
{
	struct graft_error err = { 0 };
	uint64_t got;

	set(LIMITS_FILES_ENOUGH + 5, LIMITS_FILES_ENOUGH + 10);
	CHECK(limits_nofile(0, &got, &err) == 0 && got == LIMITS_FILES_ENOUGH + 5);
	CHECK(now().rlim_max == LIMITS_FILES_ENOUGH + 10);
}

static struct transport_config door = { .kind = GRAFT_VHOST_USER, .queues = 1 };
static struct config config = { .server = { .workers = 4 }, .transports = &door, .ntransports = 1, .nmounts = 1 };

static void too_small(void)
{
	struct graft_error err = { 0 };
	uint32_t left, least = limits_own_files(&config) + LIMITS_FILES_LEAST;
	char text[100];

	set(1000, 1000);
	config.server.rlimit_nofile = least - 1;
	CHECK(limits_files(&config, &left, &err) == -EMFILE);
	snprintf(text, sizeof(text), "Maximum number of file descriptors too small: Limit is %u, must be at least %u",
		 least - 1, least);
	CHECK(!strcmp(err.text, text));
	CHECK(now().rlim_cur == 1000);
	config.server.rlimit_nofile = least;
	CHECK(limits_files(&config, &left, &err) == 0 && left == LIMITS_FILES_LEAST);
	CHECK(now().rlim_cur == least);
}

/* Nothing was asked for, and the hard limit is too low. */
static void too_small_unset(void)
{
	struct graft_error err = { 0 };
	uint32_t left;

	set(30, 30);
	become_nobody();
	config.server.rlimit_nofile = 0;
	CHECK(limits_files(&config, &left, &err) == -EMFILE);
	CHECK(strstr(err.text, "Limit is 30, must be at least "));
}

static void test_children(void **state)
{
	in_child(*state);
}

/* More queues, readers, threads and mounts need more. */
static void test_own(void **state)
{
	struct transport_config doors[] = { door, { .kind = GRAFT_DEV_FUSE, .threads = 2 } };
	struct config c = config;
	uint32_t was = limits_own_files(&c);

	(void)state;
	c.transports = doors;
	c.ntransports = 2;
	assert_true(limits_own_files(&c) >= was + 2);
	was = limits_own_files(&c);
	doors[0].queues = 64;
	assert_true(limits_own_files(&c) >= was + 63 * 5);
	was = limits_own_files(&c);
	c.nmounts = 100;
	assert_true(limits_own_files(&c) >= was + 99);
	was = limits_own_files(&c);
	c.server.workers = 104;
	assert_int_equal(limits_own_files(&c), was + 100);
	c.server.workers = 0;
	assert_true(limits_own_files(&c) >= was);
}

#define CHILD(fn) { #fn, test_children, NULL, NULL, (void *)(fn) }

int main(void)
{
	const struct CMUnitTest tests[] = {
		CHILD(given),		CHILD(given_too_much_for_a_user), CHILD(unset_of_a_user), CHILD(unset),
		CHILD(unset_but_enough), CHILD(too_small),		  CHILD(too_small_unset), cmocka_unit_test(test_own),
	};

	return cmocka_run_group_tests_name("server/limits", tests, NULL, NULL);
}
