/* SPDX-License-Identifier: Apache-2.0 */
/* What is opened from outside: nothing beside it can be reached from the descriptor, and what is mounted below it later is seen. */
#include "outside_rig.h"

#include "lib/cleanup.h"
#include "lib/log.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include <cmocka.h>

#define NOBODY 65534

static char last_line[512];

static void keep_line(void *user, int level, const char *line)
{
	(void)user;
	(void)level;
	snprintf(last_line, sizeof(last_line), "%s", line);
}

/* The folder: rig.dir/share with a directory, a mount (share/m) and a file; rig.dir/secret beside it. */
static int tree_setup(void **state)
{
	rig_setup(state);
	assert_int_equal(mount("rig", rig.dir, "tmpfs", 0, "mode=755"), 0);
	assert_int_equal(mount(NULL, rig.dir, NULL, MS_SHARED, NULL), 0);
	rig_mkdir("share");
	rig_mkdir("share/sub");
	rig_mkdir("share/sub/deep");
	rig_mkdir("share/m");
	rig_mkdir("share/later");
	rig_write("share/file", "hello");
	rig_write("secret", "not for you");
	assert_int_equal(mount("below", rig_path("share/m"), "tmpfs", 0, "mode=755"), 0);
	rig_mkdir("share/m/inner");
	last_line[0] = '\0';
	log_set_sink(keep_line, NULL);
	return 0;
}

static int tree_teardown(void **state)
{
	log_set_sink(NULL, NULL);
	umount2(rig.dir, MNT_DETACH);
	return rig_teardown(state);
}

static bool same(int fd, const struct stat *st)
{
	struct stat now;

	return fstat(fd, &now) == 0 && now.st_dev == st->st_dev && now.st_ino == st->st_ino;
}

/* The share through the service; *st as the host sees it. */
static int open_share(int *tree, struct stat *st)
{
	int fd = rig_open("share", O_RDONLY | O_DIRECTORY, tree);

	assert_true(fd >= 0);
	assert_int_equal(stat(rig_path("share"), st), 0);
	assert_true(same(fd, st));
	return fd;
}

/* ---- climbing ---- */

static const char *const climbs[] = {
	"..", "../..", "../../../../../..", "sub/../..", "sub/deep/../../..", "m/../..", "m/inner/../../..", "../../..//..", "./../.",
};

/* All that goes up from fd ends at the share's root. */
static void check_no_way_up(int fd, const struct stat *root)
{
	for (size_t i = 0; i < sizeof(climbs) / sizeof(climbs[0]); i++) {
		char path[96];
		auto_close int up = openat(fd, climbs[i], O_PATH | O_CLOEXEC);
		snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", fd, climbs[i]);
		auto_close int proc = open(path, O_PATH | O_CLOEXEC);

		assert_true(same(up, root));
		assert_true(same(proc, root));
		snprintf(path, sizeof(path), "%s/secret", climbs[i]);
		assert_int_equal(openat(fd, path, O_RDONLY | O_CLOEXEC), -1);
		assert_int_equal(errno, ENOENT);
	}
}

static void test_no_way_up(void **state)
{
	struct stat root, above;
	int tree;

	(void)state;
	rig_start();
	auto_close int fd = open_share(&tree, &root);
	assert_true(tree >= 0);
	check_no_way_up(fd, &root);
	auto_close int path_fd = openat(fd, ".", O_PATH | O_CLOEXEC), copy = dup(fd);
	check_no_way_up(path_fd, &root);
	check_no_way_up(copy, &root);
	auto_close int mount_fd = openat(fd, "m", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_close int up = openat(mount_fd, "../..", O_PATH | O_CLOEXEC);
	assert_true(same(up, &root));
	/* By the working directory, and in a chroot: the walker's root is somewhere else again. */
	auto_close int here = open(".", O_PATH | O_CLOEXEC);
	assert_int_equal(fchdir(fd), 0);
	auto_close int from_cwd = open("../..", O_PATH | O_CLOEXEC);
	assert_true(same(from_cwd, &root));
	assert_int_equal(fchdir(here), 0);
	/* Also once nothing keeps the tree: its mounts stand alone then. */
	close(tree);
	auto_close int after = openat(fd, "../..", O_PATH | O_CLOEXEC);
	assert_true(same(after, &root));
	/* A descriptor of the host's own mount does climb: the test would see it. */
	auto_close int plain = open(rig_path("share"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_close int out = openat(plain, "..", O_PATH | O_CLOEXEC);
	assert_int_equal(stat(rig.dir, &above), 0);
	assert_true(same(out, &above));
	rig_stop();
}

/* The host moves a directory out of the share while it is held. */
static void test_moved_out(void **state)
{
	struct stat root;
	int tree;

	(void)state;
	rig_start();
	auto_close int fd = open_share(&tree, &root);
	auto_close int held = openat(fd, "sub/deep", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(held >= 0);
	assert_int_equal(rename(rig_path("share/sub"), rig_path("sub")), 0);
	assert_int_equal(openat(held, "../secret", O_RDONLY | O_CLOEXEC), -1);
	assert_int_equal(openat(held, "../../secret", O_RDONLY | O_CLOEXEC), -1);
	assert_int_equal(errno, ENOENT);
	close(tree);
	rig_stop();
}

/* Two directories, one inside the other: from neither there is a way to the other but the one that was given. */
static void test_two(void **state)
{
	struct stat root, inner;
	int tree, tree2;

	(void)state;
	rig_start();
	close(open_share(&tree, &root));
	auto_close int fd2 = rig_open("share/sub", O_RDONLY | O_DIRECTORY, &tree2);
	auto_close int up = openat(fd2, "../..", O_PATH | O_CLOEXEC);
	assert_int_equal(stat(rig_path("share/sub"), &inner), 0);
	assert_true(same(up, &inner));
	close(tree);
	close(tree2);
	rig_stop();
}

/* A file's descriptor leads nowhere, and cannot be opened for more than it was. */
static void test_file(void **state)
{
	static const int flags[] = { O_RDONLY, O_PATH };
	char path[64];

	(void)state;
	rig_start();
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		auto_close int fd = rig_open("share/file", flags[i], NULL);
		assert_true(fd >= 0);
		assert_int_equal(openat(fd, "..", O_PATH | O_CLOEXEC), -1);
		assert_int_equal(errno, ENOTDIR);
		snprintf(path, sizeof(path), "/proc/self/fd/%d/..", fd);
		assert_int_equal(open(path, O_PATH | O_CLOEXEC), -1);
		assert_int_equal(errno, ENOTDIR);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		assert_int_equal(open(path, O_WRONLY | O_CLOEXEC), -1);
		assert_int_equal(errno, EROFS);
		assert_int_equal(truncate(path, 0), -1);
		assert_int_equal(errno, EROFS);
		auto_close int again = open(path, O_RDONLY | O_CLOEXEC);
		assert_true(again >= 0);
	}
	auto_close int writing = rig_open("share/file", O_RDWR, NULL);
	assert_int_equal(write(writing, "H", 1), 1);
	rig_stop();
}

static void test_devices(void **state)
{
	char path[64];
	int tree;

	(void)state;
	assert_int_equal(mknod(rig_path("disk"), S_IFBLK | 0600, makedev(7, 0)), 0);
	rig_start();
	auto_close int fd = rig_open("share", O_RDONLY | O_DIRECTORY, &tree);
	/* Who may make a device in the share cannot open it. */
	assert_int_equal(mknodat(fd, "null", S_IFCHR | 0666, makedev(1, 3)), 0);
	assert_int_equal(openat(fd, "null", O_RDONLY | O_CLOEXEC), -1);
	assert_int_equal(errno, EACCES);
	auto_close int null = open(rig_path("share/null"), O_RDONLY | O_CLOEXEC);
	assert_true(null >= 0);
	/* One that is asked for by name is opened, if this machine has it, once. */
	auto_close int disk = rig_open("disk", O_RDONLY | O_NONBLOCK, NULL);
	if (disk >= 0) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", disk);
		assert_int_equal(open(path, O_RDONLY | O_CLOEXEC), -1);
		assert_int_equal(errno, EACCES);
	} else {
		assert_true(disk == -ENXIO || disk == -EPERM || disk == -ENOENT);
	}
	close(tree);
	rig_stop();
}

/* ---- mounts below ---- */

static bool lists(int tree, const char *point)
{
	char text[4096], want[64];
	ssize_t n = pread(tree, text, sizeof(text) - 1, 0);

	assert_true(n > 0);
	text[n] = '\0';
	assert_in_range(snprintf(want, sizeof(want), " %s ", point), 2, sizeof(want) - 1);
	return strstr(text, want);
}

static void test_later_mounts(void **state)
{
	struct stat root, mounted, seen;
	int tree;

	(void)state;
	rig_start();
	auto_close int fd = open_share(&tree, &root);
	assert_true(lists(tree, "/"));
	assert_true(lists(tree, "/m"));
	assert_false(lists(tree, rig.dir));
	assert_int_equal(mount("late", rig_path("share/later"), "tmpfs", 0, NULL), 0);
	assert_int_equal(stat(rig_path("share/later"), &mounted), 0);
	assert_int_equal(fstatat(fd, "later", &seen, 0), 0);
	assert_int_equal(seen.st_dev, mounted.st_dev);
	assert_true(lists(tree, "/later"));
	assert_int_equal(umount(rig_path("share/later")), 0);
	assert_int_equal(fstatat(fd, "later", &seen, 0), 0);
	assert_int_equal(seen.st_dev, root.st_dev);
	/* Nothing of this is held: the host can take away what it mounted. */
	assert_int_equal(umount(rig_path("share/m")), 0);
	assert_false(lists(tree, "/m"));
	assert_true(outside_tree_hears(tree));
	close(tree);
	assert_string_equal(last_line, "");
	rig_stop();
}

/* Without what keeps the tree, nothing is mounted below the directory any more. */
static void test_tree_ends(void **state)
{
	struct stat root, seen;
	int tree;

	(void)state;
	rig_start();
	auto_close int fd = open_share(&tree, &root);
	assert_int_equal(fstatat(fd, "m", &seen, 0), 0);
	assert_int_not_equal(seen.st_dev, root.st_dev);
	close(tree);
	/* The service's child may still be on its way out of the namespace. */
	for (int i = 0; i < 500 && seen.st_dev != root.st_dev; i++) {
		poll(NULL, 0, 10);
		assert_int_equal(fstatat(fd, "m", &seen, 0), 0);
	}
	assert_int_equal(seen.st_dev, root.st_dev);
	assert_int_equal(faccessat(fd, "file", R_OK, 0), 0);
	rig_stop();
}

static void test_private(void **state)
{
	struct stat root;
	int tree;

	(void)state;
	assert_int_equal(mount(NULL, rig.dir, NULL, MS_PRIVATE, NULL), 0);
	rig_start();
	close(open_share(&tree, &root));
	assert_false(outside_tree_hears(tree));
	close(tree);
	rig_stop();
}

static void test_host_root(void **state)
{
	struct stat root;
	struct graft_error err = { 0 };
	int tree;

	(void)state;
	rig_start();
	auto_close int fd = outside_open(rig.o, "/", O_RDONLY | O_DIRECTORY, &tree, &err);
	assert_true(fd >= 0 && tree >= 0);
	assert_int_equal(stat("/", &root), 0);
	auto_close int up = openat(fd, "..", O_PATH | O_CLOEXEC);
	assert_true(same(up, &root));
	close(tree);
	rig_stop();
}

/* In a chroot there is no root to be replaced. */
static void test_chroot(void **state)
{
	struct stat root, seen;
	struct graft_error err = { 0 };
	int tree;

	(void)state;
	rig_mkdir("jail");
	rig_mkdir("jail/proc");
	rig_mkdir("jail/share");
	rig_mkdir("jail/share/sub");
	rig_mkdir("jail/share/sub/deep");
	rig_mkdir("jail/share/m");
	assert_int_equal(mount("proc", rig_path("jail/proc"), "proc", 0, NULL), 0);
	assert_int_equal(mount("below", rig_path("jail/share/m"), "tmpfs", 0, "mode=755"), 0);
	rig_mkdir("jail/share/m/inner");
	rig.root = rig_path("jail");
	rig_start();
	int fd = outside_open(rig.o, "/share", O_RDONLY | O_DIRECTORY, &tree, &err);
	assert_true(fd >= 0 && tree >= 0);
	assert_int_equal(stat(rig_path("jail/share"), &root), 0);
	check_no_way_up(fd, &root);
	assert_false(outside_tree_hears(tree));
	assert_int_equal(fstatat(fd, "m", &seen, 0), 0);
	assert_int_not_equal(seen.st_dev, root.st_dev);
	auto_close int file = outside_open(rig.o, "/proc/version", O_RDONLY, &tree, &err);
	assert_true(file >= 0);
	close(fd);
	rig_stop();
}

/* ---- with fewer rights ---- */

/* May make no mounts, and nobody says where it might. */
static void test_plain(void **state)
{
	struct stat root;
	int tree;

	(void)state;
	rig.uid = NOBODY;
	rig_start();
	close(open_share(&tree, &root));
	assert_int_equal(tree, -1);
	assert_non_null(strstr(last_line, "without a mount of its own"));
	auto_close int file = rig_open("share/file", O_RDONLY, NULL);
	assert_true(file >= 0);
	assert_int_equal(rig_open("share/file", O_RDWR, NULL), -EACCES);
	rig_stop();
}

/* A process of nobody's in a user namespace of its own, which waits. Its descriptor, or -1. */
static int make_userns(pid_t *pid)
{
	char path[64], byte;
	int up[2];

	assert_int_equal(pipe2(up, O_CLOEXEC), 0);
	*pid = fork();
	if (*pid == 0) {
		bool made = setresgid(NOBODY, NOBODY, NOBODY) == 0 && setresuid(NOBODY, NOBODY, NOBODY) == 0 &&
			    unshare(CLONE_NEWUSER) == 0;
		if (write(up[1], made ? "y" : "n", 1) == 1)
			pause();
		_exit(1);
	}
	close(up[1]);
	bool made = read(up[0], &byte, 1) == 1 && byte == 'y';
	close(up[0]);
	snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)*pid);
	return made ? open(path, O_RDONLY | O_CLOEXEC) : -1;
}

static void test_user_namespace(void **state)
{
	struct stat root, mounted, seen;
	int tree;
	pid_t pid;

	(void)state;
	rig.userns = make_userns(&pid);
	if (rig.userns >= 0) {
		rig.uid = NOBODY;
		rig_start();
		auto_close int fd = open_share(&tree, &root);
		assert_true(tree >= 0);
		check_no_way_up(fd, &root);
		assert_int_equal(mount("late", rig_path("share/later"), "tmpfs", 0, NULL), 0);
		assert_int_equal(stat(rig_path("share/later"), &mounted), 0);
		assert_int_equal(fstatat(fd, "later", &seen, 0), 0);
		assert_int_equal(seen.st_dev, mounted.st_dev);
		assert_int_equal(rig_open("secret", O_RDWR, NULL), -EACCES);
		auto_close int file = rig_open("share/file", O_RDONLY, NULL);
		assert_true(file >= 0);
		close(tree);
		rig_stop();
		close(rig.userns);
	} else {
		puts("SKIP of one: an ordinary user may make no user namespace here");
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_no_way_up, tree_setup, tree_teardown),
		cmocka_unit_test_setup_teardown(test_moved_out, tree_setup, tree_teardown),
		cmocka_unit_test_setup_teardown(test_two, tree_setup, tree_teardown),
		cmocka_unit_test_setup_teardown(test_file, tree_setup, tree_teardown),
		cmocka_unit_test_setup_teardown(test_devices, tree_setup, tree_teardown),
		cmocka_unit_test_setup_teardown(test_later_mounts, tree_setup, tree_teardown),
		cmocka_unit_test_setup_teardown(test_tree_ends, tree_setup, tree_teardown),
		cmocka_unit_test_setup_teardown(test_private, tree_setup, tree_teardown),
		cmocka_unit_test_setup_teardown(test_host_root, tree_setup, tree_teardown),
		cmocka_unit_test_setup_teardown(test_chroot, tree_setup, tree_teardown),
		cmocka_unit_test_setup_teardown(test_plain, tree_setup, tree_teardown),
		cmocka_unit_test_setup_teardown(test_user_namespace, tree_setup, tree_teardown),
	};

	if (!rig_root_possible())
		return 77;
	return cmocka_run_group_tests_name("outside_tree", tests, NULL, NULL);
}
