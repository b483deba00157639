/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entering the sandbox.
 *
 *   parent            stays as it was: signals, exit status, the service manager; opens and mounts for the daemon
 *     child           makes the namespaces, is given its maps of ids, forks, and ends
 *       daemon        the first process of the new pid namespace, the parent's child once there is no other in between
 *
 * Without a pid namespace (chroot) the child is the daemon. Whoever of them fails returns as the daemon would, says why
 * and ends, and the parent ends with its status. While the daemon runs, each of the two ends when the other has: by its
 * death signal, and by waiting for it.
 */
#include "server/sandbox/sandbox.h"

#include "lib/cleanup.h"
#include "lib/log.h"
#include "server/sandbox/chroot.h"
#include "server/sandbox/line.h"
#include "server/sandbox/parent.h"
#include "server/sandbox/root.h"
#include "server/sandbox/userns.h"

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

/* Mounts, processes, network, and System V memory and semaphores of its own. Not the host's name, nor its clock. */
#define SPACES (CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC)

/* What both sides need, until they know which they are. Each pair: [0] the parent's end, [1] the daemon's. */
struct entry {
	const struct config *config;
	struct sandbox *sandbox;
	int line[2], requests[2];
	bool user; /* a user namespace is needed */
};

/* ---- inside ---- */

/* This process ends with its parent. That it ended a moment ago is seen by the line. */
static void end_with_parent(const struct entry *e, int signal)
{
	prctl(PR_SET_PDEATHSIG, signal);
	if (!line_alive(e->line[1]))
		_exit(1);
}

/* Waits for the parent's word. */
static int await_go(const struct entry *e, struct graft_error *err)
{
	struct note note;
	int res = line_receive(e->line[1], &note);

	if (res)
		_exit(1); /* nobody is there any more */
	return note.kind == NOTE_GO ? 0 : error_set(err, note.code ? note.code : EPROTO, "%s", note.text);
}

/* In a namespace with one group no other can be dropped, and the kernel says so. */
static bool groups_are_fixed(void)
{
	auto_close int fd = open("/proc/self/setgroups", O_RDONLY | O_CLOEXEC);
	char text[8] = "";

	return fd >= 0 && read(fd, text, sizeof(text) - 1) > 0 && strncmp(text, "deny", 4) == 0;
}

static int drop_groups(struct graft_error *err)
{
	if (geteuid() != 0 || setgroups(0, NULL) == 0 || groups_are_fixed())
		return 0;
	return error_set(err, errno, "dropping supplementary groups: %s", strerror(errno));
}

static int make_spaces(const struct entry *e, struct graft_error *err)
{
	if (unshare(SPACES | (e->user ? CLONE_NEWUSER : 0)) == 0)
		return 0;
	int code = errno;
	return error_set(err, code, "making namespaces: %s%s", strerror(code),
			 code != EPERM && code != ENOSPC && code != EINVAL ? "" :
			 e->user ? "; this host may not allow them to ordinary users" :
				   "; without CAP_SYS_ADMIN there is sandbox = chroot");
}

/* In the child. */
static int take_ids(const struct entry *e, struct graft_error *err)
{
	const struct note maps = { .kind = NOTE_MAPS };

	if (!e->user)
		return 0;
	int res = line_send(e->line[1], &maps);
	if (res)
		return error_set(err, -res, "asking for id maps: %s", strerror(-res));
	res = await_go(e, err);
	return res ? res : userns_become_root(&e->config->server, err);
}

/* Tells the parent who the daemon is. In the child between, this is the last thing it does. */
static int tell_daemon(const struct entry *e, pid_t pid, struct graft_error *err)
{
	const struct note daemon = { .kind = NOTE_DAEMON, .pid = pid };
	int res = line_send(e->line[1], &daemon);

	return res ? error_set(err, -res, "telling the parent: %s", strerror(-res)) : 0;
}

/* Only the daemon returns from here with 0. */
static int fork_daemon(const struct entry *e, struct graft_error *err)
{
	pid_t pid = fork();

	if (pid < 0)
		return error_set(err, errno, "forking the daemon: %s", strerror(errno));
	if (pid == 0)
		return 0;
	_exit(tell_daemon(e, pid, err) ? 1 : 0);
}

/* As the daemon, once it is the parent's own child. */
static int become_daemon(const struct entry *e, struct graft_error *err)
{
	int res = await_go(e, err);

	/*
	 * The orderly end, as a signal from outside: blocked, so that the first process of a pid namespace gets it too.
	 */
	if (!res)
		end_with_parent(e, SIGTERM);
	return res;
}

static int enter_namespace(const struct entry *e, struct graft_error *err)
{
	int res = make_spaces(e, err);

	if (!res)
		res = take_ids(e, err);
	if (!res)
		res = drop_groups(err);
	if (!res)
		res = fork_daemon(e, err);
	if (!res)
		res = become_daemon(e, err);
	return res ? res : root_pivot(err);
}

/*
 * The same root as with namespace, where mounts can be made: it holds a plugin better than chroot(2) does. The network
 * and the processes stay the host's.
 */
static int enter_chroot(const struct entry *e, struct graft_error *err)
{
	char shared[PATH_MAX];
	int res = drop_groups(err);

	if (!res)
		res = tell_daemon(e, getpid(), err);
	if (!res)
		res = become_daemon(e, err);
	if (res)
		return res;
	if (unshare(CLONE_NEWNS) == 0)
		return root_pivot(err);
	chroot_shared(e->config, shared);
	return root_change(shared, &e->sandbox->own_fds, err);
}

/* Once; what no ordinary user's daemon can do, and would be asked for. */
static void say_limits(const struct entry *e)
{
	const struct server_config *c = &e->config->server;

	if (!e->user)
		return;
	log_info(NULL,
		 "an ordinary user's sandbox: no device nodes, no file handles (each node holds a descriptor), no trusted "
		 "attributes; files belong to %s and %s only",
		 c->uid_map.n ? "users of uid-map" : "this user", c->gid_map.n ? "groups of gid-map" : "this group");
}

static int enter(struct entry *e, struct graft_error *err)
{
	struct sandbox *s = e->sandbox;

	cleanup_close(&e->line[0]);
	cleanup_close(&e->requests[0]);
	s->line = e->line[1];
	end_with_parent(e, SIGKILL);
	int res = s->mode == CONFIG_SANDBOX_CHROOT ? enter_chroot(e, err) : enter_namespace(e, err);
	if (!res) {
		s->outside = outside_new(e->requests[1], err);
		res = s->outside ? 0 : -err->code;
	}
	if (!s->outside)
		close(e->requests[1]);
	if (!res)
		say_limits(e);
	return res;
}

/* ---- both ---- */

/* In the parent, the status of the daemon that waitpid gave: its own, 256 - N after signal N. */
static int end_as(struct sandbox *s, int wait_status)
{
	s->killed = WIFSIGNALED(wait_status);
	s->status = s->killed ? 256 - WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
	return SANDBOX_PARENT;
}

static int start(struct entry *e, const struct sandbox_outer *outer, struct graft_error *err)
{
	struct parent p = { .config = e->config,
			    .signals = outer->signals,
			    .manager = outer->manager,
			    .line = e->line[0],
			    .requests = e->requests[0] };

	p.service = outside_service_new(e->config, err);
	if (!p.service)
		return -err->code;
	/* So that the daemon, an orphan when the child between has ended, comes to this process. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	p.child = fork();
	if (p.child < 0) {
		error_set(err, errno, "forking: %s", strerror(errno));
		outside_service_free(p.service);
		return -err->code;
	}
	if (p.child == 0) {
		outer->leave(outer->arg);
		outside_service_leave(p.service);
		return enter(e, err);
	}
	close(e->line[1]);
	close(e->requests[1]);
	return end_as(e->sandbox, parent_run(&p));
}

static int check_user(const struct server_config *c, struct graft_error *err)
{
	bool root = geteuid() == 0;

	if (c->sandbox == CONFIG_SANDBOX_CHROOT && !root)
		return error_set(err, EPERM, "sandbox = chroot can only be used by root; write sandbox = namespace");
	if ((c->uid_map.n || c->gid_map.n) && root)
		return error_set(err, EPERM, "%s can only be used by an ordinary user",
				 c->uid_map.n ? "uid-map" : "gid-map");
	return 0;
}

int sandbox_enter(struct sandbox *s, const struct config *config, const struct sandbox_outer *outer,
		  struct graft_error *err)
{
	struct entry e = { .config = config, .sandbox = s, .line = { -1, -1 }, .requests = { -1, -1 } };

	*s = (struct sandbox)SANDBOX_NONE;
	s->mode = config->server.sandbox;
	if (s->mode == CONFIG_SANDBOX_NONE)
		return 0;
	e.user = s->mode == CONFIG_SANDBOX_NAMESPACE && geteuid() != 0;
	int res = check_user(&config->server, err);
	if (!res)
		res = line_pair(e.line, err);
	if (!res)
		res = outside_pair(e.requests, err);
	if (!res)
		res = start(&e, outer, err);
	return res < 0 ? error_wrap(err, "entering the sandbox") : res;
}

int sandbox_notify(const struct sandbox *s, const char *state)
{
	struct note note = { .kind = NOTE_STATE };

	snprintf(note.text, sizeof(note.text), "%s", state);
	return line_send(s->line, &note);
}

void sandbox_leave(struct sandbox *s)
{
	outside_free(s->outside);
	cleanup_close(&s->own_fds);
	cleanup_close(&s->line);
	*s = (struct sandbox)SANDBOX_NONE;
}
