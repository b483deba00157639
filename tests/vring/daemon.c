/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon under test as a child process. */
#include "tests/vring/daemon.h"

#include "tests/vring/clock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define START_TIMEOUT_MS 60000
#define STOP_TIMEOUT_MS 60000

bool daemon_is_peer(const struct daemon *d)
{
	const char *program = d->config.program, *slash = strrchr(program, '/');

	return strncmp(slash ? slash + 1 : program, "virtiofsd", 9) == 0;
}

int daemon_init(struct daemon *d, const struct daemon_config *config)
{
	const char *tmp = getenv("TMPDIR");

	memset(d, 0, sizeof(*d));
	d->config = *config;
	if (!d->config.program)
		d->config.program = getenv("GRAFTFSD");
	if (!d->config.program) {
		fprintf(stderr, "GRAFTFSD must name the daemon to test\n");
		return -ENOENT;
	}
	snprintf(d->base, sizeof(d->base) - 16, "%s/graft-vring-XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(d->base))
		return -errno;
	snprintf(d->share, sizeof(d->share), "%.200s/share", d->base);
	snprintf(d->socket, sizeof(d->socket), "%.200s/socket", d->base);
	snprintf(d->ini, sizeof(d->ini), "%.200s/ini", d->base);
	snprintf(d->log, sizeof(d->log), "%.200s/log", d->base);
	if (mkdir(d->share, 0755) < 0)
		return -errno;
	uid_t user = d->config.user;
	return user && (chown(d->base, user, user) < 0 || chown(d->share, user, user) < 0) ? -errno : 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)at;
	if (type == FTW_DP)
		rmdir(path);
	else
		unlink(path);
	return 0;
}

static int remove_below(const char *path, const struct stat *st, int type, struct FTW *at)
{
	return at->level ? remove_one(path, st, type, at) : 0;
}

void daemon_remove_tree(const char *path, bool self)
{
	nftw(path, self ? remove_one : remove_below, 16, FTW_DEPTH | FTW_PHYS);
}

void daemon_fini(struct daemon *d)
{
	if (d->pid)
		daemon_stop(d, STOP_TIMEOUT_MS);
	if (d->base[0])
		daemon_remove_tree(d->base, true);
	d->base[0] = 0;
}

static int write_ini(const struct daemon *d)
{
	const struct daemon_config *c = &d->config;
	FILE *f = fopen(d->ini, "we");

	if (!f)
		return -errno;
	fprintf(f, "[server]\nsandbox = %s\nseccomp = none\n", c->sandbox ? c->sandbox : "none");
	if (c->rlimit_nofile)
		fprintf(f, "rlimit-nofile = %llu\n", (unsigned long long)c->rlimit_nofile);
	if (c->server_keys)
		fprintf(f, "%s\n", c->server_keys);
	fprintf(f, "[transport vhost-user]\n");
	if (c->listen_fd)
		fprintf(f, "fd = 3\n");
	else
		fprintf(f, "socket = %s\n", d->socket);
	if (c->tag)
		fprintf(f, "tag = %s\n", c->tag);
	if (c->queues)
		fprintf(f, "queues = %u\n", c->queues);
	if (c->once)
		fprintf(f, "once = true\n");
	if (c->transport_keys)
		fprintf(f, "%s\n", c->transport_keys);
	fprintf(f, "[mount m]\nat = /\ntype = passthrough\nsource = %s\n", c->source ? c->source : d->share);
	if (c->xattrmap)
		fprintf(f, "xattr = true\nlayers = xattrmap\nxattrmap.map = %s\n", c->xattrmap);
	if (c->mount_keys)
		fprintf(f, "%s\n", c->mount_keys);
	return fclose(f) ? -EIO : 0;
}

static void exec_peer(const struct daemon *d, const char *program)
{
	const char *argv[64] = {program, "--socket-path", d->socket,    "--shared-dir", d->share, "--sandbox",
				"none",  "--seccomp",     "none",       "--cache",      "auto",   "--xattr"};
	unsigned n = 12;

	if (d->config.xattrmap) {
		argv[n++] = "--xattrmap";
		argv[n++] = d->config.xattrmap;
	}
	if (d->config.tag) {
		argv[n++] = "--tag";
		argv[n++] = d->config.tag;
	}
	for (unsigned i = 0; d->config.peer_options && d->config.peer_options[i] && n < 63; i++)
		argv[n++] = d->config.peer_options[i];
	execv(program, (char *const *)argv);
}

static int become(uid_t user)
{
	return setgroups(0, NULL) < 0 || setgid(user) < 0 || setuid(user) < 0 ? -errno : 0;
}

/* A sandbox has no /proc, which the leak checker wants. */
static void leave_leaks(void)
{
	const char *options = getenv("ASAN_OPTIONS");
	char more[1024];

	snprintf(more, sizeof(more), "%s:detect_leaks=0", options ? options : "");
	setenv("ASAN_OPTIONS", more, 1);
}

static void exec_daemon(const struct daemon *d)
{
	const char *program = d->config.program;
	int log = open(d->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

	if (log < 0 || dup2(log, STDERR_FILENO) < 0 || dup2(log, STDOUT_FILENO) < 0)
		_exit(126);
	if (d->config.user && become(d->config.user) < 0)
		_exit(126);
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* after the change of user, which clears it */
	if (d->config.listen_fd && dup2(d->config.listen_fd, 3) < 0)
		_exit(126);
	if (d->config.file_size_limit) {
		struct rlimit limit = {.rlim_cur = d->config.file_size_limit, .rlim_max = d->config.file_size_limit};
		signal(SIGXFSZ, SIG_IGN);
		setrlimit(RLIMIT_FSIZE, &limit);
	}
	if (d->config.sandbox && strcmp(d->config.sandbox, "none") != 0)
		leave_leaks();
	if (daemon_is_peer(d))
		exec_peer(d, program);
	else
		execl(program, program, "--config", d->ini, (char *)NULL);
	_exit(127);
}

int daemon_spawn(struct daemon *d)
{
	int res = write_ini(d);

	if (res < 0)
		return res;
	pid_t pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		exec_daemon(d);
	d->pid = pid;
	return 0;
}

static char *read_log(const struct daemon *d)
{
	FILE *f = fopen(d->log, "re");
	char *text = NULL;
	size_t size = 0;

	if (!f)
		return NULL;
	if (getdelim(&text, &size, 0, f) < 0) {
		free(text);
		text = NULL;
	}
	fclose(f);
	return text;
}

bool daemon_logged(const struct daemon *d, const char *text)
{
	char *log = read_log(d);
	bool found = log && strstr(log, text);

	free(log);
	return found;
}

int daemon_start(struct daemon *d)
{
	int64_t deadline = clock_ms() + START_TIMEOUT_MS;

	unlink(d->log); /* an earlier run's "ready" does not count */
	int res = daemon_spawn(d);
	if (res < 0)
		return res;
	while (!daemon_logged(d, daemon_is_peer(d) ? "Waiting for vhost-user socket" : "graftfsd: ready")) {
		if (!daemon_alive(d)) {
			daemon_show_log(d);
			return -ECHILD;
		}
		if (clock_ms() > deadline)
			return -ETIMEDOUT;
		usleep(2000);
	}
	return 0;
}

/* Takes the status if the process has ended. */
static bool reap(struct daemon *d)
{
	if (d->pid && waitpid(d->pid, &d->status, WNOHANG) == d->pid)
		d->pid = 0;
	return d->pid == 0;
}

int daemon_wait(struct daemon *d, int timeout_ms)
{
	int64_t deadline = clock_ms() + timeout_ms;

	while (!reap(d)) {
		if (clock_ms() > deadline)
			return -ETIMEDOUT;
		usleep(2000);
	}
	return WIFSIGNALED(d->status) ? 256 + WTERMSIG(d->status) : WEXITSTATUS(d->status);
}

int daemon_stop(struct daemon *d, int timeout_ms)
{
	if (d->pid)
		kill(d->pid, SIGTERM);
	int res = daemon_wait(d, timeout_ms);
	if (res == -ETIMEDOUT) {
		kill(d->pid, SIGKILL);
		daemon_wait(d, STOP_TIMEOUT_MS);
	}
	return res;
}

bool daemon_alive(struct daemon *d)
{
	return !reap(d);
}

unsigned daemon_fds(const struct daemon *d)
{
	char path[64];
	unsigned n = 0;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)d->pid);
	DIR *dir = opendir(path);
	while (dir && readdir(dir))
		n++;
	if (dir)
		closedir(dir);
	return n;
}

uint64_t daemon_cpu_ns(const struct daemon *d)
{
	struct timespec ts;
	clockid_t id;

	if (!d->pid || clock_getcpuclockid(d->pid, &id) || clock_gettime(id, &ts))
		return 0;
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

bool daemon_reported(const struct daemon *d)
{
	static const char *const words[] = {"ERROR: AddressSanitizer", "ERROR: LeakSanitizer",
					    "WARNING: ThreadSanitizer", "FATAL: ThreadSanitizer", "runtime error:",
					    "SUMMARY: "};

	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (daemon_logged(d, words[i])) {
			daemon_show_log(d);
			return true;
		}
	}
	return false;
}

void daemon_show_log(const struct daemon *d)
{
	char *log = read_log(d);

	fprintf(stderr, "--- log of %s\n%s---\n", d->config.program, log ? log : "");
	free(log);
}
