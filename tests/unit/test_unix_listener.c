/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of lib/unix_listener: a socket whose file gets its name later. What it has with its name: test_vhost_user_listener.c. */
#include "lib/unix_listener.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

static const struct unix_listener_config hidden = { .mode = 0600, .group = UNIX_ANY_GROUP, .backlog = 4, .hidden = true };
static char folder[] = "/tmp/graftfs-listener.XXXXXX", path[64];

static int set_up(void **state)
{
	(void)state;
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/api", folder);
	return 0;
}

/* The folder is empty again. */
static int remove_folder(void **state)
{
	(void)state;
	return rmdir(folder);
}

static int connect_to(const char *at)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(addr.sun_path, at);
	int res = connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ? -errno : 0;
	close(fd);
	return res;
}

static void test_shown(void **state)
{
	struct unix_listener l;
	struct graft_error err = { 0 };
	struct stat st;

	(void)state;
	assert_int_equal(unix_listener_open(&l, path, &hidden, &err), 0);
	assert_int_equal(connect_to(path), -ENOENT);
	assert_int_equal(unix_listener_show(&l, &err), 0);
	assert_int_equal(connect_to(path), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(unix_listener_show(&l, &err), 0);
	unix_listener_close(&l);
	assert_int_equal(connect_to(path), -ENOENT);
}

static void test_never_shown(void **state)
{
	struct unix_listener l;
	struct graft_error err = { 0 };

	(void)state;
	assert_int_equal(unix_listener_open(&l, path, &hidden, &err), 0);
	unix_listener_close(&l);
	unix_listener_close(&l);
	assert_int_equal(access(path, F_OK), -1);
}

/* A stale socket goes at once; what came since is another's. */
static void test_others(void **state)
{
	static const struct unix_listener_config plain = { .mode = 0600, .group = UNIX_ANY_GROUP, .backlog = 4 };
	struct unix_listener l, other;
	struct graft_error err = { 0 };

	(void)state;
	assert_int_equal(unix_listener_open(&other, path, &plain, &err), 0);
	assert_int_equal(unix_listener_open(&l, path, &hidden, &err), -EADDRINUSE);
	unix_listener_leave(&other);
	assert_int_equal(connect_to(path), -ECONNREFUSED);
	assert_int_equal(unix_listener_open(&l, path, &hidden, &err), 0);
	assert_int_equal(connect_to(path), -ENOENT);
	assert_int_equal(unix_listener_open(&other, path, &plain, &err), 0);
	assert_int_equal(unix_listener_show(&l, &err), -EADDRINUSE);
	unix_listener_close(&l);
	assert_int_equal(connect_to(path), 0);
	unix_listener_close(&other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shown),
		cmocka_unit_test(test_never_shown),
		cmocka_unit_test(test_others),
	};

	return cmocka_run_group_tests(tests, set_up, remove_folder);
}
