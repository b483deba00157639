/* SPDX-License-Identifier: Apache-2.0 */
/* Starts graftfsd as a session of its own. READY=1 comes over a socket that its environment names (sd_notify(3)). */
#include "mount/daemon.h"

#include "lib/cleanup.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#define LINE_MAX_BYTES 900

enum { NOTIFY, ERRORS, SIGNALS, CHILD, NFDS };

/* A start that goes on. */
struct start {
	pid_t pid;
	int fds[NFDS];
	char name[sizeof(((struct sockaddr_un *)0)->sun_path) + 1]; /* for NOTIFY_SOCKET */
	char line[LINE_MAX_BYTES]; /* the present or last line of its stderr */
	size_t len;
	bool line_ended;
};

/* The kernel chooses an abstract name; who sends is checked, for anybody may. */
static int open_notify(struct start *s)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	socklen_t len = sizeof(at);
	int on = 1;

	s->fds[NOTIFY] = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->fds[NOTIFY] < 0 || setsockopt(s->fds[NOTIFY], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0 ||
	    bind(s->fds[NOTIFY], (struct sockaddr *)&at, sizeof(at.sun_family)) < 0 ||
	    getsockname(s->fds[NOTIFY], (struct sockaddr *)&at, &len) < 0)
		return -errno;
	size_t bytes = len - offsetof(struct sockaddr_un, sun_path);
	memcpy(s->name, at.sun_path, bytes);
	s->name[0] = '@';
	s->name[bytes] = 0;
	return 0;
}

static int open_signals(struct start *s)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	s->fds[SIGNALS] = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return s->fds[SIGNALS] < 0 ? -errno : 0;
}

/* In the child. Never returns. */
static void become_daemon(const struct start *s, char *const argv[], int errors)
{
	sigset_t none;
	int null = open("/dev/null", O_RDWR);

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (setsid() >= 0 && chdir("/") == 0 && null >= 0 && dup2(null, 0) >= 0 && dup2(null, 1) >= 0 &&
	    dup2(errors, 2) >= 0 && setenv("NOTIFY_SOCKET", s->name, 1) == 0) {
		umask(022);
		syscall(SYS_close_range, 3U, ~0U, 0U);
		execv(argv[0], argv);
	}
	dprintf(2, "%s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

static int spawn(struct start *s, char *const argv[])
{
	int errors[2];

	if (pipe2(errors, O_CLOEXEC) < 0)
		return -errno;
	s->fds[ERRORS] = errors[0];
	fcntl(errors[0], F_SETFL, O_NONBLOCK);
	s->pid = fork();
	if (s->pid == 0)
		become_daemon(s, argv, errors[1]);
	int code = s->pid < 0 ? errno : 0;
	close(errors[1]);
	if (code)
		return -code;
	s->fds[CHILD] = (int)syscall(SYS_pidfd_open, s->pid, 0);
	return s->fds[CHILD] < 0 ? -errno : 0;
}

/* True: READY=1 came from the child. */
static bool take_notice(const struct start *s)
{
	char text[256], control[CMSG_SPACE(sizeof(struct ucred))] __attribute__((aligned(8)));
	struct iovec iov = { .iov_base = text, .iov_len = sizeof(text) - 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(s->fds[NOTIFY], &msg, MSG_CMSG_CLOEXEC);
	struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&msg) : NULL;
	struct ucred who;

	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_CREDENTIALS ||
	    c->cmsg_len != CMSG_LEN(sizeof(who)))
		return false;
	memcpy(&who, CMSG_DATA(c), sizeof(who));
	text[n] = 0;
	/* A line of its own, first or behind others. */
	const char *at = strstr(text, "READY=1");
	return who.pid == s->pid && at && (at == text || at[-1] == '\n');
}

/* Keeps the last line. */
static void take_errors(struct start *s)
{
	char bytes[512];
	ssize_t n;

	while ((n = read(s->fds[ERRORS], bytes, sizeof(bytes))) > 0) {
		for (ssize_t i = 0; i < n; i++) {
			if (s->line_ended) {
				s->len = 0;
				s->line_ended = false;
			}
			if (bytes[i] == '\n')
				s->line_ended = true;
			else if (s->len < sizeof(s->line) - 1)
				s->line[s->len++] = bytes[i];
			s->line[s->len] = 0;
		}
	}
	/* At its end it would be ready without end. */
	if (n == 0) {
		close(s->fds[ERRORS]);
		s->fds[ERRORS] = -1;
	}
}

/* Until it serves: 0. -errno with err otherwise. */
static int wait_ready(struct start *s, struct graft_error *err)
{
	for (;;) {
		struct pollfd p[NFDS];

		for (int i = 0; i < NFDS; i++)
			p[i] = (struct pollfd){ .fd = s->fds[i], .events = POLLIN };
		if (poll(p, NFDS, -1) < 0 && errno != EINTR)
			return error_set(err, errno, "waiting for graftfsd: %s", strerror(errno));
		if (p[ERRORS].revents)
			take_errors(s);
		if (p[NOTIFY].revents && take_notice(s))
			return 0;
		if (p[SIGNALS].revents)
			return error_set(err, EINTR, "interrupted");
		if (!p[CHILD].revents)
			continue;
		if (s->fds[ERRORS] >= 0)
			take_errors(s);
		return error_set(err, ECHILD, "%s", s->len ? s->line : "graftfsd ended without a word");
	}
}

pid_t mount_daemon_start(char *const argv[], struct graft_error *err)
{
	struct start s = { .pid = -1, .fds = { -1, -1, -1, -1 } };
	int res = open_notify(&s);

	if (!res)
		res = open_signals(&s);
	if (!res)
		res = spawn(&s, argv);
	res = res ? error_set(err, -res, "cannot start %s: %s", argv[0], strerror(-res)) : wait_ready(&s, err);
	if (res && s.pid > 0) {
		kill(s.pid, SIGTERM);
		waitpid(s.pid, NULL, 0);
	}
	for (int i = 0; i < NFDS; i++)
		cleanup_close(&s.fds[i]);
	return res ? res : s.pid;
}
