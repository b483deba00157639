/* SPDX-License-Identifier: Apache-2.0 */
/* Backing files of /dev/fuse: the right to them, what is said where they cannot be, and the capabilities left alone. */
#include "transport/fuse_dev_backing.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

/* The thread's effective capabilities of the first 32, after those of drop were taken away. */
static uint32_t caps_without(uint32_t drop)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &head, data) != 0)
		return 0;
	data[0].effective &= ~drop;
	if (drop)
		syscall(SYS_capset, &head, data);
	return data[0].effective;
}

static void *without_admin(void *arg)
{
	(void)arg;
	caps_without(CAP_TO_MASK(CAP_SYS_ADMIN));
	return (void *)(intptr_t)fuse_dev_backing_able();
}

static void test_right(void **state)
{
	pthread_t thread;
	void *res;

	(void)state;
	assert_int_equal(fuse_dev_backing_able(), caps_without(0) & CAP_TO_MASK(CAP_SYS_ADMIN) ? 0 : -EPERM);
	assert_int_equal(pthread_create(&thread, NULL, without_admin, NULL), 0);
	pthread_join(thread, &res);
	assert_int_equal((intptr_t)res, -EPERM);
}

static void test_refused(void **state)
{
	uint32_t before = caps_without(0);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), dev = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	(void)state;
	assert_true(null >= 0);
	/* No /dev/fuse; and one without a connection, where an older kernel does not know the call at all. */
	assert_int_equal(fuse_dev_backing_open(null, null), -ENOTTY);
	assert_int_equal(fuse_dev_backing_open(-1, null), -EBADF);
	assert_int_equal(fuse_dev_backing_open_bare(null, null), -ENOTTY);
	assert_int_equal(caps_without(0), before);
	if (dev >= 0)
		assert_true(fuse_dev_backing_open(dev, null) < 0);
	fuse_dev_backing_close(null, 1);
	assert_int_equal(caps_without(0), before);
	close(null);
	if (dev >= 0)
		close(dev);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_right),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
