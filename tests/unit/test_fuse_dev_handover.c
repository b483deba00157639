/* SPDX-License-Identifier: Apache-2.0 */
/* Unit test of the /dev/fuse transport: a connection goes from one transport to another, and the mount stays. */
#include "fuse_dev_world.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cmocka.h>

static void start_shared(void)
{
	struct fuse_dev_config config = world_config();
	struct graft_error err = { 0 };

	config.shared = true;
	world_make(&config);
	if (w.t->ops->start(w.t, &err))
		fail_msg("%s", err.text);
}

/* A transport that waits for a connection; counters begin anew. */
static void make_adopter(void)
{
	struct fuse_dev_config config = world_config();

	config.shared = config.adopts = true;
	atomic_store(&w.connects, 0);
	atomic_store(&w.disconnects, 0);
	world_make(&config);
}

/* The transport lets go of the connection; a copy of the descriptor. */
static int leave(uint64_t *dev)
{
	int fd = fuse_dev_share(w.t, dev);

	assert_true(fd >= 0);
	fuse_dev_leave(w.t);
	assert_int_equal(w.t->ops->join(w.t), 0);
	assert_int_equal(atomic_load(&w.disconnects), 1);
	assert_int_equal(atomic_load(&w.ended), 0);
	uint64_t none;
	assert_int_equal(fuse_dev_share(w.t, &none), -ENOTCONN);
	w.t->ops->free(w.t);
	w.t = NULL;
	assert_int_equal(world_mounts(NULL), 1);
	return fd;
}

static void start_adopted(void)
{
	struct graft_error err = { 0 };

	if (w.t->ops->start(w.t, &err))
		fail_msg("%s", err.text);
}

static void check_read(int fd)
{
	char text[64];

	assert_int_equal(pread(fd, text, sizeof(text), 0), sizeof(WORLD_TEXT) - 1);
	assert_memory_equal(text, WORLD_TEXT, sizeof(WORLD_TEXT) - 1);
}

static int open_file(const char *name)
{
	int fd = open(world_path(name), O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static void test_goes_on(void **state)
{
	struct graft_error err = { 0 };
	struct stat st;
	uint64_t dev;

	(void)state;
	start_shared();
	int file = open_file("hello");
	check_read(file);
	assert_int_equal(fstat(file, &st), 0);
	int fd = leave(&dev);
	assert_int_equal(dev, (uint64_t)major(st.st_dev) << 20 | minor(st.st_dev));
	make_adopter();
	assert_int_equal(w.t->ops->start(w.t, &err), -ENOTCONN);
	assert_int_equal(fuse_dev_adopt(w.t, fd, dev, FUSE_DEV_DRAIN_NONE, &err), 0);
	start_adopted();
	check_read(file);
	int another = open_file("hello");
	check_read(another);
	close(another);
	close(file);
	assert_int_equal(atomic_load(&w.inits), 1);
	assert_int_equal(world_stop(), 0);
	assert_int_equal(world_mounts(NULL), 0);
}

static void *read_main(void *arg)
{
	check_read(*(int *)arg);
	return NULL;
}

/* Who asks while nobody serves waits. */
static void test_waits_meanwhile(void **state)
{
	struct graft_error err = { 0 };
	pthread_t thread;
	uint64_t dev;

	(void)state;
	start_shared();
	int file = open_file("hello");
	int fd = leave(&dev);
	assert_int_equal(pthread_create(&thread, NULL, read_main, &file), 0);
	usleep(50000);
	make_adopter();
	assert_int_equal(fuse_dev_adopt(w.t, fd, dev, FUSE_DEV_DRAIN_RESEND, &err), 0);
	start_adopted();
	pthread_join(thread, NULL);
	close(file);
	assert_int_equal(world_stop(), 0);
}

static bool kernel_resends(void)
{
	struct utsname u;
	int major_, minor_;

	return uname(&u) == 0 && sscanf(u.release, "%d.%d", &major_, &minor_) == 2 &&
	       (major_ > 6 || (major_ == 6 && minor_ >= 9));
}

/* A request that somebody took and never answered comes once more. */
static void test_resend(void **state)
{
	static char request[(1u << 20) + 8192];
	struct graft_error err = { 0 };
	pthread_t thread;
	uint64_t dev;

	(void)state;
	if (!kernel_resends())
		skip();
	start_shared();
	int file = open_file("hello");
	int fd = leave(&dev);
	assert_int_equal(pthread_create(&thread, NULL, read_main, &file), 0);
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
	assert_true(read(fd, request, sizeof(request)) > 0);
	make_adopter();
	assert_int_equal(fuse_dev_adopt(w.t, fd, dev, FUSE_DEV_DRAIN_RESEND, &err), 0);
	start_adopted();
	pthread_join(thread, NULL);
	close(file);
	assert_int_equal(world_stop(), 0);
}

/* What runs is answered, not cancelled. */
static void *release_main(void *arg)
{
	(void)arg;
	usleep(300000);
	world_release();
	return NULL;
}

static void *slow_main(void *arg)
{
	char byte;

	assert_int_equal(pread(*(int *)arg, &byte, 1, 0), 1);
	return NULL;
}

static void test_leaves_nothing_unanswered(void **state)
{
	struct graft_error err = { 0 };
	pthread_t reader, releaser;
	uint64_t dev;

	(void)state;
	start_shared();
	int file = open_file("slow");
	assert_int_equal(pthread_create(&reader, NULL, slow_main, &file), 0);
	world_wait_parked(1);
	assert_int_equal(pthread_create(&releaser, NULL, release_main, NULL), 0);
	int fd = leave(&dev);
	assert_int_equal(atomic_load(&w.cancels), 0);
	pthread_join(reader, NULL);
	pthread_join(releaser, NULL);
	make_adopter();
	assert_int_equal(fuse_dev_adopt(w.t, fd, dev, FUSE_DEV_DRAIN_NONE, &err), 0);
	start_adopted();
	close(file);
	assert_int_equal(world_stop(), 0);
}

/* Another process that shares the open file made it non-blocking. */
static void test_non_blocking(void **state)
{
	uint64_t dev;

	(void)state;
	start_shared();
	int file = open_file("hello");
	int fd = fuse_dev_share(w.t, &dev);
	assert_int_equal(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK), 0);
	for (int i = 0; i < 10; i++)
		check_read(file);
	close(file);
	close(fd);
	assert_int_equal(world_stop(), 0);
}

/* The one before is still there, and serves until it leaves. */
static void test_refuses_others(void **state)
{
	struct graft_error err = { 0 };

	(void)state;
	make_adopter();
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	assert_int_equal(fuse_dev_adopt(w.t, fd, 42, FUSE_DEV_DRAIN_NONE, &err), -EINVAL);
	assert_non_null(strstr(err.text, "not one of /dev/fuse"));
	close(fd);
	assert_int_equal(fuse_dev_adopt(w.t, fd, 42, FUSE_DEV_DRAIN_NONE, &err), -EINVAL);
	w.t->ops->free(w.t);
	w.t = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_goes_on, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_waits_meanwhile, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_resend, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_leaves_nothing_unanswered, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_non_blocking, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_refuses_others, world_setup, world_teardown),
	};

	if (!world_possible())
		return 77;
	return cmocka_run_group_tests_name("fuse_dev handover", tests, NULL, NULL);
}
