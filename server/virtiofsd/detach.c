/* SPDX-License-Identifier: Apache-2.0 */
/* --daemonize, by the same word that tells systemd: whoever sends READY=1 to NOTIFY_SOCKET, the sandbox's parent or the
 * server. */
#include "server/virtiofsd/detach.h"

#include "lib/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* An abstract socket of a name that the kernel makes up, which NOTIFY_SOCKET says to the child. -errno. */
static int open_notify(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	socklen_t len = sizeof(addr);
	char name[sizeof(addr.sun_path) + 1] = "@";
	auto_close int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr.sun_family)) < 0 ||
	    getsockname(fd, (struct sockaddr *)&addr, &len) < 0)
		return -errno;
	memcpy(name + 1, addr.sun_path + 1, len - offsetof(struct sockaddr_un, sun_path) - 1);
	if (setenv("NOTIFY_SOCKET", name, 1) < 0)
		return -errno;
	return steal_fd(&fd);
}

/* Passes on what there is of the child's standard error; false at its end. */
static bool relay(int from)
{
	char text[4096];
	ssize_t n = read(from, text, sizeof(text));

	if (n > 0 && write(STDERR_FILENO, text, (size_t)n) < 0)
		return true; /* nobody is left to tell */
	return n > 0 || (n < 0 && errno == EINTR);
}

static bool is_ready(int notify)
{
	static const char ready[] = "READY=1";
	char text[256];
	ssize_t n = recv(notify, text, sizeof(text), MSG_DONTWAIT);

	return n >= (ssize_t)strlen(ready) && memcmp(text, ready, strlen(ready)) == 0;
}

static int status_of(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return 1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* The process that was started, until it may go. */
static int wait_for(pid_t pid, int notify, int errors)
{
	struct pollfd fds[] = { { .fd = errors, .events = POLLIN }, { .fd = notify, .events = POLLIN } };

	for (;;) {
		if (poll(fds, 2, -1) < 0)
			continue;
		if (fds[0].revents && !relay(errors))
			return status_of(pid);
		if (!fds[0].revents && fds[1].revents && is_ready(notify))
			return 0;
	}
}

static int go(int errors)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	setsid();
	/* When the first process has gone, nobody reads the other end; messages go to the system's log then. */
	signal(SIGPIPE, SIG_IGN);
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	dup2(errors, STDERR_FILENO);
	if (null > STDERR_FILENO)
		close(null);
	return VFSD_DETACHED;
}

int vfsd_detach(struct graft_error *err)
{
	int errors[2] = { -1, -1 };
	auto_close int notify = open_notify();

	if (notify < 0 || pipe2(errors, O_CLOEXEC) < 0) {
		error_set(err, notify < 0 ? -notify : errno, "going into the background: %s",
			  strerror(notify < 0 ? -notify : errno));
		return 1;
	}
	auto_close int from = errors[0], to = errors[1];
	pid_t pid = fork();
	if (pid == 0)
		return go(to);
	if (pid < 0) {
		error_set(err, errno, "going into the background: %s", strerror(errno));
		return 1;
	}
	close(steal_fd(&to));
	return wait_for(pid, notify, from);
}
