/* SPDX-License-Identifier: Apache-2.0 */
/* fusermount3(1): it sends the descriptor over a socket that the environment names (libfuse, util/fusermount.c). */
#include "transport/fuse_dev_helper.h"

#include "lib/cleanup.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define PROGRAM "fusermount3"
#define COMM_ENV "_FUSE_COMMFD="
#define COMM_FD 3 /* in the child */

extern char **environ;

/* environ with COMM_ENV in front. NULL when out of memory; one free() drops it. */
static char **child_environ(void)
{
	static char comm[] = COMM_ENV "3";
	size_t n = 0;

	while (environ && environ[n])
		n++;
	char **env = calloc(n + 2, sizeof(*env));
	if (!env)
		return NULL;
	size_t used = 0;
	env[used++] = comm;
	for (size_t i = 0; i < n; i++) {
		if (strncmp(environ[i], COMM_ENV, sizeof(COMM_ENV) - 1) != 0)
			env[used++] = environ[i];
	}
	return env;
}

/* Threads of ours block every signal; the child should not. */
static int set_signals(posix_spawnattr_t *attr)
{
	sigset_t none, all;

	sigemptyset(&none);
	sigfillset(&all);
	int code = posix_spawnattr_setsigmask(attr, &none);
	if (!code)
		code = posix_spawnattr_setsigdefault(attr, &all);
	if (!code)
		code = posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	return code;
}

/* comm: the child's end of the socket, or -1. Sets *pid. 0 or -errno. */
static int spawn(pid_t *pid, char *const argv[], int comm)
{
	auto_free char **env = child_environ();
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;

	if (!env)
		return -ENOMEM;
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attr);
	int code = set_signals(&attr);
	/* Also takes close-on-exec away, even where comm is COMM_FD already. */
	if (!code && comm >= 0)
		code = posix_spawn_file_actions_adddup2(&actions, comm, COMM_FD);
	if (!code)
		code = posix_spawnp(pid, PROGRAM, &actions, &attr, argv, env);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	return -code;
}

/* 0, -EPERM when the child failed, or -errno. */
static int wait_for(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EPERM;
}

/* A descriptor; -EPERM when the other side closed without sending one. */
static int receive_fd(int sock)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	char byte;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control.bytes,
			      .msg_controllen = sizeof(control.bytes) };
	ssize_t n;
	int fd;

	do {
		n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS || c->cmsg_len != CMSG_LEN(sizeof(fd)))
		return -EPERM;
	memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

int fuse_dev_helper_mount(const char *dir, const char *options, struct graft_error *err)
{
	char *argv[] = { (char *)PROGRAM, (char *)"-o", (char *)options, (char *)"--", (char *)dir, NULL };
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return error_set(err, errno, "cannot make a socket for " PROGRAM ": %s", strerror(errno));
	auto_close int ours = pair[0];
	int res = spawn(&pid, argv, pair[1]);
	close(pair[1]);
	if (res)
		return error_set(err, -res, "cannot run " PROGRAM ": %s", strerror(-res));
	int fd = receive_fd(ours);
	res = wait_for(pid);
	if (fd >= 0 && !res)
		return fd;
	cleanup_close(&fd);
	res = fd < 0 ? fd : res;
	return error_set(err, -res, PROGRAM " could not mount %s, what it says stands above", dir);
}

int fuse_dev_helper_umount(const char *dir)
{
	char *argv[] = { (char *)PROGRAM, (char *)"-u", (char *)"-q", (char *)"-z", (char *)"--", (char *)dir, NULL };
	pid_t pid;
	int res = spawn(&pid, argv, -1);

	return res ? res : wait_for(pid);
}
