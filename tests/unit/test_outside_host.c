/* SPDX-License-Identifier: Apache-2.0 */
/* host->open in a process that sees nothing of the host: a share of the passthrough plugin, mounted and umounted at run time. */
#include "outside_rig.h"
#include "server_rig.h"

#include "plugins/passthrough/mount_fds.h"
#include "server/config_internal.h"
#include "server/mount.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

extern const struct graft_plugin graft_plugin_v1; /* passthrough's */

static struct plugin plugin;
static struct rig *server;
static struct rig_request *request;

static int lookup(uint64_t parent, const char *name, struct fuse_entry_out *e)
{
	int res = rig_call(server, request, FUSE_LOOKUP, parent, NULL, 0, name, strlen(name) + 1);

	if (!res)
		memcpy(e, rig_data(request), sizeof(*e));
	return res;
}

static int open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static int set_up(void **state)
{
	struct graft_error err = { 0 };

	(void)state;
	server = rig_new(NULL, 0);
	server->server->outside = rig.o;
	if (mounts_add(server->server, rig_share(&plugin, rig_path("share")), &err))
		fail_msg("%s", err.text);
	assert_int_equal(rig_init(server, 0), 0);
	request = rig_request_new();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	rig_request_free(request);
	rig_free(server);
	return 0;
}

static void test_share(void **state)
{
	struct fuse_entry_out e, below;

	(void)state;
	assert_int_equal(open("/etc", O_PATH | O_CLOEXEC), -1);
	assert_int_equal(lookup(1, "file", &e), 0);
	assert_int_equal(e.attr.size, 5);
	assert_int_equal(lookup(1, "m", &e), 0);
	assert_int_equal(lookup(e.nodeid, "inner", &below), 0);
	assert_int_equal(lookup(1, "secret", &e), -ENOENT);
	assert_int_equal(lookup(1, "nothing", &e), -ENOENT);
}

/* Nothing is left of a mount that was umounted, neither a descriptor nor what it had mounted. */
static void test_umount(void **state)
{
	int before = open_fds();
	struct graft_error err = { 0 };

	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(mounts_remove(server->server, "/", false, &err), 0);
		for (int ms = 0; ms < 5000 && open_fds() >= before; ms += 10)
			poll(NULL, 0, 10);
		assert_true(open_fds() <= before - 5); /* source, root, /proc/self/fd, its list of mounts, and what keeps them */
		if (mounts_add(server->server, rig_share(&plugin, rig_path("share")), &err))
			fail_msg("%s", err.text);
		assert_int_equal(open_fds(), before);
	}
	struct mount_config *none = rig_share(&plugin, rig_path("none"));
	assert_int_equal(mounts_replace(server->server, none, &err), -ENOENT);
	assert_non_null(strstr(err.text, "none does not exist"));
	assert_int_equal(open_fds(), before);
}

/* What handles need: a descriptor on a mount below, found through the list of the share's own namespace. */
static void test_mounts_below(void **state)
{
	struct mount_fds_probe probe = { .type = S_IFIFO };
	struct graft_error err = { 0 };
	struct statx stx;
	struct fhandle h;
	int tree;

	(void)state;
	int root = outside_open(rig.o, rig_path("share"), O_RDONLY | O_DIRECTORY, &tree, &err);
	assert_true(root >= 0 && tree >= 0);
	int fds = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(fds >= 0);
	assert_int_equal(statx(root, "", AT_EMPTY_PATH, STATX_MNT_ID, &stx), 0);
	probe.fd = openat(root, "m/pipe", O_PATH | O_CLOEXEC);
	assert_true(probe.fd >= 0);
	assert_int_equal(fhandle_of(probe.fd, "", &h, &probe.mount), 0);
	probe.h = &h;
	assert_true(probe.mount != stx.stx_mnt_id);
	struct mount_fds *m = mount_fds_new(stx.stx_mnt_id, root, fds, tree);
	assert_non_null(m);
	assert_int_equal(mount_fds_get(m, &probe), 0);
	int again = fhandle_open(mount_fds_fd(m, probe.mount), &h);
	assert_true(again >= 0);
	close(again);
	mount_fds_put(m, probe.mount);
	mount_fds_free(m);
	close(probe.fd);
	close(fds);
	close(tree);
	close(root);
}

/* Mounts that come with the configuration are made first; then the service gives nothing more. */
static void test_sealed(void **state)
{
	struct graft_error err = { 0 };
	int tree;

	(void)state;
	rig_start();
	struct server *s = server_new(1, 1000, &err);
	assert_non_null(s);
	s->outside = rig.o;
	struct mount_config *m = rig_share(&plugin, rig_path("share"));
	assert_int_equal(server_mount(s, m, &err), 0);
	assert_int_equal(server_start(s, &err), 0);
	assert_int_equal(outside_open(rig.o, rig_path("share"), O_RDONLY | O_DIRECTORY, &tree, &err), -EPERM);
	struct mount_config *more = rig_share(&plugin, rig_path("share"));
	assert_int_equal(mounts_replace(s, more, &err), -EPERM);
	server_free(s);
	config_mount_free(m);
	rig_stop();
}

/* An empty root, but for this process's descriptors. */
static void hide_host(void)
{
	assert_int_equal(unshare(CLONE_NEWNS), 0);
	assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL), 0);
	assert_int_equal(mount("empty", "/mnt", "tmpfs", 0, "mode=755"), 0);
	assert_int_equal(mkdir("/mnt/proc", 0755), 0);
	assert_int_equal(mount("proc", "/mnt/proc", "proc", 0, NULL), 0);
	assert_int_equal(chdir("/mnt"), 0);
	assert_int_equal(syscall(SYS_pivot_root, ".", "."), 0);
	assert_int_equal(umount2(".", MNT_DETACH), 0);
	assert_int_equal(chdir("/"), 0);
}

static int run(void **state)
{
	(void)state;
	rig_start();
	hide_host();
	return 0;
}

static int stop(void **state)
{
	(void)state;
	rig_stop();
	return 0;
}

static int run_inside(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_share, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_umount, set_up, tear_down),
		cmocka_unit_test(test_mounts_below),
	};

	return cmocka_run_group_tests_name("outside_host", tests, run, stop);
}

int main(void)
{
	const struct CMUnitTest outer[] = { cmocka_unit_test(test_sealed) };
	int status = 1;

	if (!rig_root_possible())
		return 77;
	plugin = (struct plugin){ .path = "test", .desc = graft_plugin_v1 };
	rig_setup(NULL);
	rig.config.server.api_socket = "/run/api";
	mount("rig", rig.dir, "tmpfs", 0, "mode=755");
	rig_mkdir("share");
	rig_mkdir("share/m");
	rig_write("share/file", "hello");
	rig_write("secret", "no");
	mount("below", rig_path("share/m"), "tmpfs", 0, "mode=755");
	rig_mkdir("share/m/inner");
	mkfifo(rig_path("share/m/pipe"), 0644);
	pid_t pid = fork();
	if (pid == 0)
		exit(run_inside());
	waitpid(pid, &status, 0);
	rig.config.server.api_socket = NULL;
	int failed = cmocka_run_group_tests_name("outside_host", outer, NULL, NULL);
	umount2(rig.dir, MNT_DETACH);
	rig_teardown(NULL);
	return failed || !WIFEXITED(status) ? 1 : WEXITSTATUS(status);
}
