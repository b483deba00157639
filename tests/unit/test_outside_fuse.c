/* SPDX-License-Identifier: Apache-2.0 */
/* Mounts of /dev/fuse made outside: by a daemon that has no mounts of the host, and what is left when it dies. */
#include "outside_rig.h"

#include "transport/fuse_dev.h"
#include "transport/fuse_dev_backing.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fuse.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static const struct fuse_dev_config unused; /* the parent has its own */

static int fuse_setup(void **state)
{
	rig_setup(state);
	rig_mkdir("mnt");
	rig.transports[0].kind = GRAFT_DEV_FUSE;
	rig.transports[0].name = "fuse";
	rig.transports[0].mountpoint = strdup(rig_path("mnt"));
	rig.config.ntransports = 1;
	return 0;
}

static int fuse_teardown(void **state)
{
	umount2(rig.transports[0].mountpoint, MNT_FORCE | MNT_DETACH);
	free((void *)rig.transports[0].mountpoint);
	return rig_teardown(state);
}

/* How often the mount point stands in this process's list of mounts. */
static int mounts(void)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char line[1024];
	int n = 0;

	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		n += strstr(line, rig.transports[0].mountpoint) && strstr(line, " - fuse.graftfs rig ");
	fclose(f);
	return n;
}

static bool wait_for_mounts(int want)
{
	for (int i = 0; i < 500 && mounts() != want; i++)
		poll(NULL, 0, 10);
	return mounts() == want;
}

/* As the transport does it. A descriptor of /dev/fuse. */
static int mount_it(struct outside_fuse *f)
{
	struct graft_error err = { 0 };
	char dir[PATH_MAX];

	if (outside_fuse_ops.look(f, &unused, dir, &err))
		fail_msg("%s", err.text);
	assert_string_equal(dir, rig.transports[0].mountpoint);
	int fd = outside_fuse_ops.mount(f, &err);
	if (fd < 0)
		fail_msg("%s", err.text);
	return fd;
}

static void test_life(void **state)
{
	struct outside_fuse f = { .transport = 0 };
	struct graft_error err = { 0 };
	char dir[PATH_MAX];

	(void)state;
	rig_start();
	f.outside = rig.o;
	int dev = mount_it(&f);
	assert_int_equal(mounts(), 1);
	assert_true(outside_fuse_ops.stands(&f));
	int copy = outside_fuse_ops.clone(&f, dev);
	assert_true(copy >= 0);
	/* One mount, once. */
	assert_int_equal(outside_fuse_ops.look(&f, &unused, dir, &err), -EEXIST);
	assert_int_equal(outside_fuse_ops.mount(&f, &err), -EEXIST);
	/* No connection yet that has backing files; and no device that has none at all. */
	assert_int_equal(outside_fuse_ops.backing_able(&f), fuse_dev_backing_able());
	assert_true(outside_fuse_ops.backing_open(&f, dev, copy) < 0);
	assert_int_equal(outside_fuse_ops.detach(&f, true), 0);
	assert_false(outside_fuse_ops.stands(&f));
	assert_int_equal(mounts(), 0);
	close(copy);
	close(dev);
	/* Anew, and aborted: by number only once. */
	dev = mount_it(&f);
	int res = outside_fuse_ops.abort(&f);
	assert_true(res == 0 || res == -ENOENT); /* without fusectl */
	assert_int_equal(outside_fuse_ops.abort(&f), -ENOTCONN);
	close(dev);
	assert_int_equal(outside_fuse_ops.detach(&f, false), 0);
	rig_stop();
	assert_int_equal(mounts(), 0);
}

static void test_covered(void **state)
{
	struct outside_fuse f = { .transport = 0 };
	struct graft_error err = { 0 };
	char dir[PATH_MAX];

	(void)state;
	assert_int_equal(mount("other", rig.transports[0].mountpoint, "tmpfs", 0, NULL), 0);
	rig_start();
	f.outside = rig.o;
	assert_int_equal(outside_fuse_ops.look(&f, &unused, dir, &err), -EBUSY);
	assert_non_null(strstr(err.text, "a file system of type tmpfs is mounted there already"));
	assert_int_equal(outside_fuse_ops.mount(&f, &err), -EINVAL);
	rig_stop();
}

/* A daemon that sees nothing of the host, killed while it serves: who waits for it is let go, and the mount is gone. */
static void test_killed(void **state)
{
	struct stat st;
	int ready[2], status;
	char byte;

	(void)state;
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	rig_start();
	pid_t daemon = fork();
	if (daemon == 0) {
		struct outside_fuse f = { .outside = rig.o, .transport = 0 };

		if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		    mount("empty", "/tmp", "tmpfs", 0, NULL) < 0 || chroot("/tmp") < 0 || chdir("/") < 0)
			_exit(1);
		if (mount_it(&f) < 0 || write(ready[1], "", 1) != 1)
			_exit(2);
		pause();
		_exit(3);
	}
	/* This process's end would keep the service's other end. */
	outside_free(rig.o);
	rig.o = NULL;
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	assert_int_equal(mounts(), 1);
	pid_t waits = fork();
	if (waits == 0)
		_exit(stat(rig.transports[0].mountpoint, &st) < 0 && errno == ECONNABORTED ? 0 : errno);
	poll(NULL, 0, 50);
	kill(daemon, SIGKILL);
	assert_int_equal(waitpid(daemon, NULL, 0), daemon);
	assert_int_equal(waitpid(waits, NULL, 0), waits);
	assert_int_equal(waitpid(rig.service, &status, 0), rig.service);
	rig.service = 0;
	assert_int_equal(status, 0);
	assert_true(wait_for_mounts(0));
}

/* A daemon that does not answer its kernel: umount waits for nobody, and the service answers meanwhile. */
static void test_deaf(void **state)
{
	struct outside_fuse f = { .transport = 0 };
	struct graft_error err = { 0 };
	int tree;

	(void)state;
	rig_start();
	f.outside = rig.o;
	int dev = mount_it(&f);
	outside_fuse_ops.sync(&f); /* given up after its time */
	int fd = outside_open(rig.o, rig.dir, O_RDONLY | O_DIRECTORY, &tree, &err);
	assert_true(fd >= 0);
	close(fd);
	close(tree);
	assert_int_equal(outside_fuse_ops.detach(&f, true), 0);
	assert_int_equal(mounts(), 0);
	close(dev);
	rig_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_life, fuse_setup, fuse_teardown),
		cmocka_unit_test_setup_teardown(test_covered, fuse_setup, fuse_teardown),
		cmocka_unit_test_setup_teardown(test_killed, fuse_setup, fuse_teardown),
		cmocka_unit_test_setup_teardown(test_deaf, fuse_setup, fuse_teardown),
	};

	if (!rig_root_possible())
		return 77;
	if (access("/dev/fuse", R_OK | W_OK) < 0) {
		puts("SKIP: needs /dev/fuse");
		return 77;
	}
	return cmocka_run_group_tests_name("outside_fuse", tests, NULL, NULL);
}
