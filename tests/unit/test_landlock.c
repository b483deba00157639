/* SPDX-License-Identifier: Apache-2.0 */
/* Landlock: what a process of such a configuration can still do with files, each case in a process of its own. */
#include "server/sandbox/landlock.h"

#include "lib/log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/landlock.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#define NOBODY 65534
#define SKIPPED 77

#define CHECK(cond)                                                                          \
	do {                                                                                 \
		if (!(cond)) {                                                               \
			fprintf(stderr, "%s:%d: %s (errno %d)\n", __FILE__, __LINE__, #cond, errno); \
			_exit(1);                                                            \
		}                                                                            \
	} while (0)

static char base[256];

static const char *path(const char *below)
{
	static char paths[8][512];
	static unsigned int turn;
	char *p = paths[turn++ % 8];

	snprintf(p, sizeof(paths[0]), "%s/%s", base, below);
	return p;
}

static void put(const char *below, const char *text)
{
	int fd = open(path(below), O_WRONLY | O_CREAT | O_TRUNC, 0666);

	assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	fchmod(fd, 0666);
	close(fd);
}

static int kernel_abi(void)
{
	return (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
}

/* ---- a configuration of one mount ---- */

static struct {
	const char *path;
	uint32_t access;
	int result;
} told[2];

static int reach(const void *settings, graft_reach_add *add, void *arg)
{
	(void)settings;
	for (int i = 0; i < 2; i++)
		if (told[i].path)
			add(arg, told[i].path, told[i].access);
	return told[0].result;
}

static struct plugin plugin = { .desc = { .name = "test", .reach = reach } };
static struct member_config member = { .name = "test", .plugin = &plugin };
static struct mount_config mount_config = { .name = "m", .members = &member, .nmembers = 1 };
static struct transport_config door = { .kind = GRAFT_VHOST_USER };
static struct config config = {
	.transports = &door, .ntransports = 1, .mounts = &mount_config, .nmounts = 1
};

/* Below "share" all, below "images" reading, "log/x" is the log, "run/x" a socket. */
static void lock_up(void)
{
	struct landlock l;

	told[0].path = strdup(path("share"));
	told[0].access = GRAFT_REACH_READ | GRAFT_REACH_WRITE;
	told[1].path = strdup(path("images"));
	told[1].access = GRAFT_REACH_READ;
	config.server.log_file = strdup(path("log/x"));
	door.socket = strdup(path("run/x"));
	landlock_prepare(&l, &config);
	CHECK(l.ruleset >= 0);
	CHECK(landlock_apply(&l) && l.ruleset < 0);
	CHECK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
}

static bool refused(int res)
{
	return res < 0 && errno == EACCES;
}

static bool opens(const char *name, int flags)
{
	int fd = open(name, flags, 0600);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* ---- what a process can do ---- */

static void inside(void)
{
	struct stat st;

	lock_up();
	CHECK(opens(path("share/file"), O_RDWR));
	CHECK(opens(path("share/new"), O_RDWR | O_CREAT | O_EXCL));
	CHECK(opens(path("share"), O_RDONLY | O_DIRECTORY));
	CHECK(truncate(path("share/file"), 3) == 0 && stat(path("share/file"), &st) == 0 && st.st_size == 3);
	CHECK(opens(path("share/file"), O_WRONLY | O_TRUNC));
	CHECK(mkdir(path("share/dir"), 0755) == 0 && mkdir(path("share/dir2"), 0755) == 0);
	CHECK(symlink("anywhere", path("share/link")) == 0 && mkfifo(path("share/fifo"), 0600) == 0);
	CHECK(rename(path("share/new"), path("share/dir/new")) == 0);
	CHECK(rename(path("share/dir/new"), path("share/dir2/new")) == 0);
	CHECK(link(path("share/dir2/new"), path("share/dir/more")) == 0);
	CHECK(renameat2(AT_FDCWD, path("share/dir"), AT_FDCWD, path("share/dir2"), RENAME_EXCHANGE) == 0);
	CHECK(unlink(path("share/dir/new")) == 0 && unlink(path("share/dir2/more")) == 0);
	CHECK(rmdir(path("share/dir")) == 0 && unlink(path("share/fifo")) == 0);
	CHECK(chmod(path("share/file"), 0640) == 0 && unlink(path("share/link")) == 0);
	int fd = open(path("share"), O_TMPFILE | O_RDWR, 0600);
	CHECK(fd >= 0 || errno == EOPNOTSUPP);
	char name[64];
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	CHECK(fd < 0 || linkat(AT_FDCWD, name, AT_FDCWD, path("share/linked"), AT_SYMLINK_FOLLOW) == 0);
}

static void outside(void)
{
	lock_up();
	CHECK(refused(open(path("other/file"), O_RDONLY)));
	CHECK(refused(open(path("other"), O_RDONLY | O_DIRECTORY)));
	CHECK(refused(open(path("other/new"), O_RDWR | O_CREAT, 0600)));
	CHECK(refused(open(path("share/../other/file"), O_RDONLY)));
	CHECK(refused(open(path("share/out"), O_RDONLY))); /* a symbolic link */
	CHECK(refused(open("/etc/passwd", O_RDONLY)) && refused(open("/sys/kernel", O_RDONLY)));
	CHECK(refused(mkdir(path("other/dir"), 0755)) && refused(unlink(path("other/file"))));
	CHECK(refused(symlink("x", path("other/link"))));
	CHECK(rename(path("share/file"), path("other/stolen")) < 0 && (errno == EXDEV || errno == EACCES));
	CHECK(link(path("other/file"), path("share/stolen")) < 0 && (errno == EXDEV || errno == EACCES));
	/* A file that is reached in another way is still judged by its path. */
	int fd = open(path("other/file"), O_PATH);
	char name[64];
	CHECK(fd >= 0);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	CHECK(refused(open(name, O_RDONLY)));
}

static void only_read(void)
{
	lock_up();
	CHECK(opens(path("images/file"), O_RDONLY));
	CHECK(refused(open(path("images/file"), O_RDWR)));
	CHECK(kernel_abi() < 3 || refused(truncate(path("images/file"), 0)));
	CHECK(refused(unlink(path("images/file"))) && refused(mkdir(path("images/dir"), 0755)));
}

/* The server's own files. */
static void own_files(void)
{
	lock_up();
	CHECK(rename(path("log/x"), path("log/x.1")) < 0); /* whoever turns the log is another process */
	CHECK(opens(path("log/x"), O_WRONLY | O_APPEND));
	CHECK(opens(path("log/y"), O_WRONLY | O_APPEND | O_CREAT));
	CHECK(refused(open(path("log/x"), O_RDONLY)));
	CHECK(unlink(path("run/x")) == 0);
	CHECK(refused(open(path("run/y"), O_WRONLY | O_CREAT, 0600)));
}

/* As the passthrough backend reaches its nodes: O_PATH descriptors, opened anew by /proc/self/fd, what was removed too. */
static void by_descriptor(void)
{
	int before = open(path("share/file"), O_PATH), proc, fd;
	char name[32];

	CHECK(before >= 0);
	lock_up();
	proc = open("/proc/self/fd", O_PATH | O_DIRECTORY);
	CHECK(proc >= 0);
	snprintf(name, sizeof(name), "%d", before);
	fd = openat(proc, name, O_RDWR);
	CHECK(fd >= 0 && ftruncate(fd, 1) == 0);
	CHECK(unlink(path("share/file")) == 0);
	CHECK((fd = openat(proc, name, O_RDWR | O_TRUNC)) >= 0);
	CHECK(mkdir(path("share/gone"), 0755) == 0);
	fd = open(path("share/gone"), O_PATH | O_DIRECTORY);
	CHECK(fd >= 0 && rmdir(path("share/gone")) == 0);
	snprintf(name, sizeof(name), "%d", fd);
	CHECK((fd = openat(proc, name, O_RDONLY | O_DIRECTORY)) >= 0);
}

/* File systems mounted below a path belong to it, also what comes later by propagation; the process itself cannot mount. */
static void mounts_below(void)
{
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		_exit(SKIPPED);
	if (mkdir(path("share/mnt"), 0755) || mount("tmpfs", path("share/mnt"), "tmpfs", 0, NULL))
		_exit(SKIPPED);
	lock_up();
	CHECK(opens(path("share/mnt/new"), O_RDWR | O_CREAT));
	CHECK(mkdir(path("share/mnt/dir"), 0755) == 0);
	CHECK(rename(path("share/mnt/new"), path("share/mnt/dir/new")) == 0);
	CHECK(mount("tmpfs", path("share/mnt"), "tmpfs", 0, NULL) < 0 && errno == EPERM);
	CHECK(umount(path("share/mnt")) < 0 && errno == EPERM);
}

static void network(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) }, .sin_port = htons(9) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (kernel_abi() < 4 || fd < 0)
		_exit(SKIPPED);
	lock_up();
	CHECK(refused(connect(fd, (struct sockaddr *)&to, sizeof(to))));
	to.sin_port = 0;
	CHECK(refused(bind(fd, (struct sockaddr *)&to, sizeof(to))));
}

/* What opens by a file handle has no path to be judged by, which is why they go together with nothing here. */
static void by_handle(void)
{
	struct {
		struct file_handle h;
		unsigned char bytes[MAX_HANDLE_SZ];
	} handle = { .h.handle_bytes = MAX_HANDLE_SZ };
	int mount_id, dir = open(path("share"), O_RDONLY | O_DIRECTORY);
	struct landlock l;

	if (name_to_handle_at(AT_FDCWD, path("share/file"), &handle.h, &mount_id, 0))
		_exit(SKIPPED);
	int fd = open_by_handle_at(dir, &handle.h, O_RDONLY);
	if (fd < 0)
		_exit(SKIPPED);
	close(fd);
	told[0].result = -EOPNOTSUPP;
	landlock_prepare(&l, &config);
	CHECK(l.ruleset < 0 && !landlock_apply(&l));
	fd = open_by_handle_at(dir, &handle.h, O_RDONLY);
	CHECK(fd >= 0);
}

static bool nobody;

static void run(void (*fn)(void))
{
	int status;
	pid_t pid;

	if (kernel_abi() < 2) {
		print_message("SKIP: this kernel has no Landlock of ABI 2\n");
		skip();
	}
	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		if (nobody)
			CHECK(setgid(NOBODY) == 0 && setuid(NOBODY) == 0);
		fn();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED) {
		print_message("SKIP: not allowed here\n");
		skip();
	}
	assert_int_equal(status, 0);
}

static void test_root(void **state)
{
	run(*state);
}

static void test_nobody(void **state)
{
	if (geteuid() != 0) {
		print_message("SKIP: ran as an ordinary user anyway\n");
		skip();
	}
	nobody = true;
	run(*state);
	nobody = false;
}

/* ---- where it is not used ---- */

static bool prepared(void)
{
	struct landlock l;

	landlock_prepare(&l, &config);
	bool is = l.ruleset >= 0;
	landlock_drop(&l);
	return is;
}

static void test_obstacles(void **state)
{
	struct config whole = config;
	struct plugin mute = { .desc = { .name = "mute" } };

	(void)state;
	if (kernel_abi() < 2)
		skip();
	assert_true(prepared());
	config.server.landlock = CONFIG_LANDLOCK_NO;
	assert_false(prepared());
	config = whole;
	config.server.api_socket = "/run/api";
	assert_false(prepared());
	config = whole;
	config.server.state_dir = "/run/state";
	assert_false(prepared());
	config = whole;
	door.kind = GRAFT_DEV_FUSE;
	assert_false(prepared());
	door.kind = GRAFT_VHOST_USER;
	told[0].result = -EOPNOTSUPP;
	assert_false(prepared());
	told[0].result = 0;
	member.plugin = &mute;
	assert_false(prepared());
	member.plugin = &plugin;
	/* What cannot be opened for another reason than that it is not there. */
	told[0].path = "/dev/null/x";
	assert_false(prepared());
	told[0].path = "/nowhere";
	assert_true(prepared());
	told[0].path = NULL;
	assert_true(prepared());
}

static int remove_one(const char *name, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(name);
}

static int make_files(void **state)
{
	static const char *const folders[] = { "share", "images", "other", "log", "run" };
	const char *tmp = getenv("TMPDIR");

	(void)state;
	snprintf(base, sizeof(base), "%.200s/graft-landlock-XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(base) || chmod(base, 0777))
		return -1;
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		if (mkdir(path(folders[i]), 0777) || chmod(path(folders[i]), 0777))
			return -1;
	put("share/file", "share");
	put("images/file", "image");
	put("other/file", "other");
	put("log/x", "log");
	put("run/x", "");
	if (symlink(path("other/file"), path("share/out")) || (geteuid() == 0 && chown(path("share/file"), NOBODY, NOBODY)))
		return -1;
	memset(told, 0, sizeof(told));
	config.server.log_file = door.socket = NULL;
	return 0;
}

static int remove_files(void **state)
{
	(void)state;
	return nftw(base, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

#define TEST(who, fn) { #fn " as " #who, test_##who, make_files, remove_files, (void *)(fn) }
#define BOTH(fn) TEST(root, fn), TEST(nobody, fn)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(inside),	BOTH(outside),		BOTH(only_read),
		BOTH(own_files), BOTH(by_descriptor),	TEST(root, mounts_below),
		BOTH(network),	TEST(root, by_handle),	cmocka_unit_test_setup_teardown(test_obstacles, make_files, remove_files),
	};

	return cmocka_run_group_tests_name("server/landlock", tests, NULL, NULL);
}
