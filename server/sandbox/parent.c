/* SPDX-License-Identifier: Apache-2.0 */
/* The parent outside: one loop over signals, the daemon's notes, its requests, and its end. */
#include "server/sandbox/parent.h"

#include "lib/cleanup.h"
#include "lib/log.h"
#include "lib/resident.h"
#include "server/sandbox/line.h"
#include "server/sandbox/userns.h"
#include "server/sd_notify.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static int wait_for(pid_t pid)
{
	int status = W_EXITCODE(1, 0);

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

/*
 * A socket that listens is the daemon's: with a second descriptor of it here, clients would wait for a daemon that has
 * closed its own. The numbers stay taken, for who owns them will close them; a socket manager may have given one as low
 * as 0.
 */
static void leave_listeners(const struct parent *p)
{
	DIR *dir = opendir("/proc/self/fd");
	const struct dirent *e;

	while (dir && (e = readdir(dir))) {
		int fd = atoi(e->d_name), listens = 0;
		socklen_t len = sizeof(listens);

		if (*e->d_name != '.' && getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) == 0 && listens)
			dup3(p->signals, fd, O_CLOEXEC);
	}
	if (dir)
		closedir(dir);
}

/* The maps of the child's user namespace, which nobody but its parent may write. */
static void give_maps(struct parent *p)
{
	struct note answer = { .kind = NOTE_GO };
	struct graft_error err = { 0 };
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)p->child);
	int userns = open(path, O_RDONLY | O_CLOEXEC);
	if (userns < 0)
		error_set(&err, errno, "%s: %s", path, strerror(errno));
	else
		userns_write_maps(p->child, &p->config->server, &err);
	if (err.code) {
		answer = (struct note){ .kind = NOTE_FAILED, .code = err.code };
		memcpy(answer.text, err.text, sizeof(answer.text));
	} else {
		/* Open as long as this process lives: the service uses it. */
		outside_service_userns(p->service, steal_fd(&userns));
	}
	cleanup_close(&userns);
	line_send(p->line, &answer);
}

/* The daemon is known. Who forked it ends now, so that the daemon is this process's own child. */
static void take_daemon(struct parent *p, pid_t pid)
{
	const struct note go = { .kind = NOTE_GO };

	p->daemon = pid;
	if (pid != p->child)
		wait_for(p->child);
	line_send(p->line, &go);
}

/* Nothing else: a daemon that was taken over must not name another main process, say, to the manager. */
static void tell_manager(const struct parent *p, const char *state)
{
	if (strcmp(state, "READY=1") != 0 && strcmp(state, "STOPPING=1") != 0)
		return;
	int res = sd_notify_send_to(p->manager, state);

	if (res)
		log_warn(NULL, "NOTIFY_SOCKET: %s", strerror(-res));
}

/* The daemon is ready, and no start waits for this process any more; or the daemon ends. */
static void pass_state(const struct parent *p, const char *state)
{
	tell_manager(p, state);
	resident_drop_code();
}

static void take_note(struct parent *p)
{
	struct note note;
	int res = line_receive(p->line, &note);

	if (res == -EPIPE) {
		/* What ended the line is seen by its end. */
		cleanup_close(&p->line);
		p->line = -1;
		return;
	}
	if (res)
		return;
	if (note.kind == NOTE_MAPS && !p->daemon)
		give_maps(p);
	else if (note.kind == NOTE_DAEMON && !p->daemon)
		take_daemon(p, note.pid);
	else if (note.kind == NOTE_STATE)
		pass_state(p, note.text);
}

static void pass_signal(const struct parent *p, pid_t to)
{
	struct signalfd_siginfo info;

	if (read(p->signals, &info, sizeof(info)) != sizeof(info))
		return;
	/* The daemon opens its own again. Where the signal is for the end, a log that is opened anew does no harm. */
	if (info.ssi_signo == SIGHUP)
		log_reopen();
	kill(to, (int)info.ssi_signo);
}

/* Helpers of the service that have ended. The daemon stays for who waits for it. */
static void take_helpers(const struct parent *p, int ends)
{
	struct signalfd_siginfo info;

	if (read(ends, &info, sizeof(info)) < 0)
		return;
	for (;;) {
		siginfo_t one = { .si_pid = 0 };

		if (waitid(P_ALL, 0, &one, WEXITED | WNOHANG | WNOWAIT) < 0 || one.si_pid == 0 ||
		    one.si_pid == p->daemon || one.si_pid == p->child)
			return;
		waitpid(one.si_pid, NULL, WNOHANG);
	}
}

/* A signalfd of ends of children. */
static int hear_ends(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* Until the process pid has ended; the child: or until the daemon is known. Signals wait for the daemon. */
static void attend(struct parent *p, pid_t pid)
{
	auto_close int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	auto_close int ends = hear_ends();
	bool first = !p->daemon;

	if (pidfd < 0) {
		/* It would wait for answers that nobody gives. */
		log_err(NULL, "pidfd_open: %s; a sandbox needs Linux 5.3, and a container that allows this call", strerror(errno));
		kill(pid, SIGKILL);
	}
	while (pidfd >= 0) {
		struct pollfd fds[] = { { .fd = pidfd, .events = POLLIN },
					{ .fd = p->line, .events = POLLIN },
					{ .fd = p->requests, .events = POLLIN },
					{ .fd = first ? -1 : p->signals, .events = POLLIN },
					{ .fd = ends, .events = POLLIN } };

		if (poll(fds, 5, -1) < 0)
			continue;
		if (fds[4].revents)
			take_helpers(p, ends);
		if (fds[3].revents)
			pass_signal(p, pid);
		if (fds[2].revents && outside_answer(p->service, p->requests) < 0) {
			close(p->requests);
			p->requests = -1;
		}
		if (fds[1].revents)
			take_note(p);
		if (fds[0].revents || (first && p->daemon))
			return;
	}
}

int parent_run(struct parent *p)
{
	leave_listeners(p);
	if (p->config->server.log_rotation)
		log_follow(); /* the daemon puts the files away */
	attend(p, p->child);
	if (p->daemon)
		attend(p, p->daemon);
	int status = wait_for(p->daemon ? p->daemon : p->child);
	cleanup_close(&p->requests);
	cleanup_close(&p->line);
	outside_service_free(p->service);
	return status;
}
