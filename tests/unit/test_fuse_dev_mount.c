/* SPDX-License-Identifier: Apache-2.0 */
/* Unit test of mount points: what may be mounted on, dead mounts, mounting as a user. Runs itself as others. */
#include "fuse_dev_world.h"

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
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define NOBODY 65534

static const struct transport_client nobody_calls = { .request_size = 8 };

static void check_refused(const char *mountpoint, int code, const char *text)
{
	struct fuse_dev_config config = world_config();
	struct graft_error err = { 0 };

	config.mountpoint = mountpoint;
	assert_null(fuse_dev_new(&config, &nobody_calls, NULL, &err));
	assert_int_equal(err.code, code);
	if (!strstr(err.text, text))
		fail_msg("'%s' does not hold '%s'", err.text, text);
	assert_non_null(strstr(err.text, mountpoint));
}

static void test_bad_mount_points(void **state)
{
	char file[64], link[64], text[128];
	char longer[PATH_MAX + 8] = "/";

	(void)state;
	check_refused("/nowhere/at/all", ENOENT, "No such file or directory");
	snprintf(file, sizeof(file), "%s/file", w.dir);
	close(open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	check_refused(file, ENOTDIR, "not a directory");
	snprintf(link, sizeof(link), "%s/link", w.dir);
	assert_int_equal(symlink("missing", link), 0);
	check_refused(link, ENOENT, "No such file or directory");
	memset(longer + 1, 'x', sizeof(longer) - 2);
	struct fuse_dev_config config = world_config();
	struct graft_error err = { 0 };
	config.mountpoint = longer;
	assert_null(fuse_dev_new(&config, &nobody_calls, NULL, &err));
	assert_int_equal(err.code, ENAMETOOLONG);
	config = world_config();
	memset(text, 'y', sizeof(text));
	snprintf(text + 100, 28, "%027d", 0);
	config.source = text;
	struct transport *t = fuse_dev_new(&config, &nobody_calls, NULL, &err);
	assert_non_null(t);
	t->ops->free(t);
	char source[200] = "";
	memset(source, 'y', 128);
	config.source = source;
	assert_null(fuse_dev_new(&config, &nobody_calls, NULL, &err));
	assert_int_equal(err.code, EINVAL);
	config = world_config();
	char type[80] = "";
	memset(type, 't', 64);
	config.type = type;
	assert_null(fuse_dev_new(&config, &nobody_calls, NULL, &err));
	assert_int_equal(err.code, EINVAL);
	config = world_config();
	config.threads = FUSE_DEV_MAX_THREADS + 1;
	assert_null(fuse_dev_new(&config, &nobody_calls, NULL, &err));
	assert_int_equal(err.code, EINVAL);
	unlink(file);
	unlink(link);
}

static void test_symlink(void **state)
{
	char link[64];
	struct transport_info info;

	(void)state;
	snprintf(link, sizeof(link), "%s-link", w.dir);
	assert_int_equal(symlink(w.dir, link), 0);
	struct fuse_dev_config config = world_config();
	config.mountpoint = link;
	struct transport *t = fuse_dev_new(&config, &nobody_calls, NULL, &(struct graft_error){ 0 });
	assert_non_null(t);
	t->ops->describe(t, &info);
	assert_string_equal(info.where, w.dir);
	assert_int_equal(info.clients, 0);
	t->ops->free(t);
	unlink(link);
}

static void test_mounted_already(void **state)
{
	(void)state;
	assert_int_equal(mount("none", w.dir, "tmpfs", 0, NULL), 0);
	check_refused(w.dir, EBUSY, "a file system of type tmpfs is mounted there already");
	assert_int_equal(umount(w.dir), 0);
	check_refused("/", EBUSY, "is mounted there already");
	/* Another of ours that lives. */
	world_start(2);
	check_refused(w.dir, EBUSY, "another graftfsd (world) serves it already");
	assert_int_equal(world_stop(), 0);
}

/* One that does not answer lives, as far as can be known. */
static void test_silent(void **state)
{
	(void)state;
	atomic_store(&w.defer_all, true);
	world_start(2);
	world_wait_parked(1);
	check_refused(w.dir, EBUSY, "another graftfsd (world) serves it already");
	assert_int_equal(world_mounts(NULL), 1);
	assert_int_equal(world_stop(), 0);
}

/* Both looked before either mounted. */
static void test_two_at_once(void **state)
{
	struct fuse_dev_config config = world_config();
	struct graft_error err = { 0 };
	struct stat st;

	(void)state;
	struct transport *second = fuse_dev_new(&config, &nobody_calls, NULL, &err);
	assert_non_null(second);
	world_start(2);
	assert_int_equal(second->ops->start(second, &err), -EBUSY);
	assert_non_null(strstr(err.text, "something else was mounted"));
	assert_int_equal(second->ops->join(second), 0);
	second->ops->free(second);
	assert_int_equal(world_mounts(NULL), 1);
	assert_int_equal(stat(world_path("hello"), &st), 0);
	assert_int_equal(world_stop(), 0);
}

/* A mount whose daemon is gone. */
static void mount_dead(const char *type)
{
	char options[128];
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", fd);
	assert_int_equal(mount("gone", w.dir, type, MS_NOSUID | MS_NODEV, options), 0);
	close(fd);
}

static void test_dead(void **state)
{
	struct stat st;

	(void)state;
	for (int i = 0; i < 3; i++)
		mount_dead(FUSE_DEV_FSTYPE);
	assert_int_equal(stat(w.dir, &st), -1);
	assert_int_equal(errno, ENOTCONN);
	assert_int_equal(world_mounts(NULL), 3);
	world_start(2);
	assert_int_equal(world_mounts(NULL), 1);
	assert_int_equal(stat(world_path("hello"), &st), 0);
	assert_int_equal(world_stop(), 0);
	assert_int_equal(world_mounts(NULL), 0);
	/* Not ours: left alone. */
	mount_dead("fuse.other");
	check_refused(w.dir, EBUSY, "a file system of type fuse.other is mounted there already");
	assert_int_equal(world_mounts(NULL), 1);
	assert_int_equal(umount2(w.dir, MNT_DETACH), 0);
	/* A living one of another kind below a dead one of ours. */
	assert_int_equal(mount("none", w.dir, "tmpfs", 0, NULL), 0);
	mount_dead(FUSE_DEV_FSTYPE);
	check_refused(w.dir, EBUSY, "a file system of type tmpfs is mounted there already");
	assert_int_equal(world_mounts(NULL), 1);
	assert_int_equal(umount(w.dir), 0);
}

/* The type that all FUSE file systems may have: only the source tells whose a dead mount is. */
static void test_plain_type(void **state)
{
	struct fuse_dev_config config = world_config();
	struct graft_error err = { 0 };
	char line[512];

	(void)state;
	config.type = "fuse";
	config.source = "gone";
	mount_dead("fuse");
	world_make(&config);
	assert_int_equal(world_mounts(NULL), 0);
	assert_int_equal(w.t->ops->start(w.t, &err), 0);
	assert_int_equal(world_mounts(line), 1);
	assert_non_null(strstr(line, " - fuse gone rw,"));
	assert_int_equal(world_stop(), 0);
	assert_int_equal(world_mounts(NULL), 0);
	/* Another's. */
	config.source = "other";
	mount_dead("fuse");
	assert_null(fuse_dev_new(&config, &nobody_calls, NULL, &err));
	assert_int_equal(err.code, EBUSY);
	assert_int_equal(umount2(w.dir, MNT_DETACH), 0);
}

/* ---- other processes: this program again, serving w.dir ---- */

/* Its stdout says a line once it serves. */
static pid_t run_self(const char *mode, uid_t uid, int *out)
{
	int pipes[2];

	fflush(stdout);
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	pid_t pid = fork();
	if (pid == 0) {
		dup2(pipes[1], 1);
		if (uid && (setgid(uid) < 0 || setuid(uid) < 0))
			_exit(99);
		execl("/proc/self/exe", "test", mode, w.dir, (char *)NULL);
		_exit(98);
	}
	close(pipes[1]);
	*out = pipes[0];
	return pid;
}

static int serve(const char *mode, const char *dir)
{
	char text[32] = "";
	FILE *f;

	prctl(PR_SET_PDEATHSIG, SIGKILL); /* where the test fails */
	snprintf(w.dir, sizeof(w.dir), "%s", dir);
	world_start(2);
	f = fopen(world_path("hello"), "re");
	if (!f || !fgets(text, sizeof(text), f))
		return 1;
	fclose(f);
	fputs(text, stdout);
	fflush(stdout);
	if (strcmp(mode, "forever") == 0)
		pause();
	int mounts = world_mounts(NULL);
	if (mounts != 1 || world_stop() || world_mounts(NULL) != 0)
		return 2;
	return 0;
}

static void check_serves(int out)
{
	char text[64] = "";

	assert_true(read(out, text, sizeof(text) - 1) > 0);
	assert_string_equal(text, WORLD_TEXT);
	close(out);
}

static void test_killed(void **state)
{
	int out, status;

	(void)state;
	for (int i = 0; i < 3; i++) {
		pid_t pid = run_self("forever", 0, &out);
		check_serves(out);
		check_refused(w.dir, EBUSY, "another graftfsd");
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(world_mounts(NULL), 1);
	}
	world_start(1);
	assert_int_equal(world_mounts(NULL), 1);
	assert_int_equal(world_stop(), 0);
}

/* fusermount3 opens /dev/fuse with the user's rights: where only root may, another node stands in for it. */
static bool open_to_users(void)
{
	struct stat st;
	char node[64];

	if (stat("/usr/bin/fusermount3", &st) < 0 || !(st.st_mode & S_ISUID) || stat("/dev/fuse", &st) < 0)
		return false;
	if ((st.st_mode & 0666) == 0666)
		return true;
	snprintf(node, sizeof(node), "%s-node", w.dir);
	if (mknod(node, S_IFCHR | 0600, st.st_rdev) < 0)
		return false;
	bool done = chmod(node, 0666) == 0 && mount(node, "/dev/fuse", NULL, MS_BIND, NULL) == 0;
	unlink(node);
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (fd >= 0)
		close(fd);
	return done && fd >= 0;
}

/* Without the right to mount, fusermount3 does it. */
static void test_as_user(void **state)
{
	int out, status;

	(void)state;
	if (!open_to_users()) {
		puts("SKIP: no fusermount3 with setuid, or no /dev/fuse for users");
		skip();
	}
	assert_int_equal(chown(w.dir, NOBODY, NOBODY), 0);
	pid_t pid = run_self("once", NOBODY, &out);
	check_serves(out);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(world_mounts(NULL), 0);
	/* A dead one of that user is replaced, too. */
	pid = run_self("forever", NOBODY, &out);
	check_serves(out);
	char line[512];
	assert_int_equal(world_mounts(line), 1);
	assert_non_null(strstr(line, "rw,nosuid,nodev,"));
	assert_non_null(strstr(line, " - fuse.graftfs world rw,user_id=65534,group_id=65534,default_permissions"));
	assert_null(strstr(line, "allow_other"));
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	pid = run_self("once", NOBODY, &out);
	check_serves(out);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_int_equal(world_mounts(NULL), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_bad_mount_points, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_symlink, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_mounted_already, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_silent, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_two_at_once, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_dead, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_plain_type, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_killed, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_as_user, world_setup, world_teardown),
	};

	if (argc == 3)
		return serve(argv[1], argv[2]);
	if (!world_possible())
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
