/* SPDX-License-Identifier: Apache-2.0 */
/* The service outside in a process of its own. */
#include "outside_rig.h"

#include "lib/cleanup.h"

#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

struct outside_rig rig;

bool rig_root_possible(void)
{
	if (geteuid() == 0 && unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0)
		return true;
	puts("SKIP: needs root and CAP_SYS_ADMIN");
	return false;
}

int rig_setup(void **state)
{
	(void)state;
	rig = (struct outside_rig){ .sock = -1, .userns = -1 };
	strcpy(rig.dir, "/tmp/graft-outside-XXXXXX");
	assert_non_null(mkdtemp(rig.dir));
	assert_int_equal(chmod(rig.dir, 0755), 0);
	rig.config.server.instance = "rig";
	rig.config.transports = rig.transports;
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

int rig_teardown(void **state)
{
	(void)state;
	outside_free(rig.o);
	if (rig.service > 0) {
		kill(rig.service, SIGCONT);
		kill(rig.service, SIGKILL);
		waitpid(rig.service, NULL, 0);
	}
	nftw(rig.dir, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
	return 0;
}

static void serve(int fd)
{
	struct graft_error err = { 0 };
	struct pollfd p = { .fd = fd, .events = POLLIN };

	if (rig.root && (chroot(rig.root) < 0 || chdir("/") < 0))
		_exit(4);
	if (rig.uid && (setresgid(rig.uid, rig.uid, rig.uid) < 0 || setresuid(rig.uid, rig.uid, rig.uid) < 0))
		_exit(2);
	struct outside_service *s = outside_service_new(&rig.config, &err);
	if (!s)
		_exit(3);
	outside_service_userns(s, rig.userns);
	while (poll(&p, 1, -1) >= 0 && outside_answer(s, fd) == 0)
		;
	close(fd);
	outside_service_free(s);
	_exit(0);
}

void rig_start(void)
{
	struct graft_error err = { 0 };
	int fds[2];

	assert_int_equal(outside_pair(fds, &err), 0);
	rig.service = fork();
	assert_true(rig.service >= 0);
	if (rig.service == 0) {
		close(fds[1]);
		serve(fds[0]);
	}
	close(fds[0]);
	rig.sock = fds[1];
	rig.o = outside_new(fds[1], &err);
	assert_non_null(rig.o);
}

void rig_stop(void)
{
	int status;

	outside_free(rig.o);
	rig.o = NULL;
	assert_int_equal(waitpid(rig.service, &status, 0), rig.service);
	rig.service = 0;
	assert_int_equal(status, 0);
}

const char *rig_path(const char *name)
{
	static char paths[2][sizeof(rig.dir) + 300];
	static int at;
	char *path = paths[at ^= 1];

	snprintf(path, sizeof(paths[0]), "%s/%s", rig.dir, name);
	return path;
}

void rig_write(const char *name, const char *text)
{
	int fd = open(rig_path(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

void rig_mkdir(const char *name)
{
	assert_int_equal(mkdir(rig_path(name), 0755), 0);
}

int rig_open(const char *name, int flags, int *tree)
{
	struct graft_error err = { 0 };
	int none, fd = outside_open(rig.o, rig_path(name), flags, tree ? tree : &none, &err);

	if (fd < 0)
		assert_int_equal(err.code, -fd);
	if (!tree)
		assert_int_equal(none, -1);
	return fd;
}
