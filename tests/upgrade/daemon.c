/* SPDX-License-Identifier: Apache-2.0 */
/* The daemons of a test. */
#include "tests/upgrade/daemon.h"

#include "tests/mounts/api.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WAIT_MS 30000

char folder[64];

void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("FAILED: ", stderr);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	/* Else threads of this process could wait for ever for a descriptor that it holds itself. */
	char path[96];
	snprintf(path, sizeof(path), "%s/mnt", folder);
	umount2(path, MNT_FORCE);
	_exit(1);
}

static void write_config(const char *path, const struct daemon *d, bool waits)
{
	FILE *f = fopen(path, "we");

	if (!f)
		die("%s: %s", path, strerror(errno));
	fprintf(f,
		"[server]\ninstance = upgrade\napi-socket = %s\nsupervisor = %s/sup\nsandbox = none\nseccomp = "
		"%s\nlandlock = no\n"
		"log-level = warn\nplugins = nydus-rafs passthrough\nnode-ids = nydusd\n"
		"[transport fuse]\nmountpoint = %s/mnt\ntakeover = %s\nfailover = resend\nread-only = true\n",
		d->api, folder, getenv("GRAFT_SANITIZE") && getenv("GRAFT_SANITIZE")[0] ? "none" : "kill", folder,
		waits ? "yes" : "auto");
	fclose(f);
}

static _Noreturn void run_graftfs(const struct daemon *d, unsigned int number, bool waits)
{
	char config[96];

	snprintf(config, sizeof(config), "%s/%u.ini", folder, number);
	write_config(config, d, waits);
	execl(getenv("GRAFTFSD"), "graftfsd", "-c", config, (char *)NULL);
	_exit(127);
}

static _Noreturn void run_nydusd(const struct daemon *d, bool waits)
{
	char supervisor[96], mountpoint[96];

	snprintf(supervisor, sizeof(supervisor), "%s/sup", folder);
	snprintf(mountpoint, sizeof(mountpoint), "%s/mnt", folder);
	execl(getenv("GRAFT_NYDUSD"), "nydusd", "fuse", "--id", "upgrade", "--supervisor", supervisor, "--apisock",
	      d->api, "--mountpoint", mountpoint, "--fuse-threads", "2", "--rlimit-nofile", "0", "--log-level", "error",
	      "--failover-policy", "resend", waits ? "--upgrade" : (char *)NULL, (char *)NULL);
	_exit(127);
}

void daemon_start(struct daemon *d, const char *kind, unsigned int number, bool waits)
{
	snprintf(d->api, sizeof(d->api), "%s/api%u", folder, number);
	d->pid = fork();
	if (d->pid < 0)
		die("fork: %s", strerror(errno));
	if (d->pid == 0)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (d->pid == 0 && strcmp(kind, "nydusd") == 0)
		run_nydusd(d, waits);
	if (d->pid == 0)
		run_graftfs(d, number, waits);
}

void daemon_wait_state(const struct daemon *d, const char *state)
{
	const struct timespec pause = { .tv_nsec = 5000000 };
	char want[64];

	snprintf(want, sizeof(want), "\"state\":\"%s\"", state);
	for (int ms = 0; ms < WAIT_MS; ms += 5) {
		struct api a;
		bool there = !api_open(&a, d->api) && api_call(&a, "GET", "/api/v1/daemon", NULL) == 200 &&
			     strstr(a.body, want);

		api_close(&a);
		if (there)
			return;
		nanosleep(&pause, NULL);
	}
	die("%s: not in state %s", d->api, state);
}

void daemon_tell(const struct daemon *d, const char *method, const char *target, const char *body)
{
	struct api a;
	int status = api_open(&a, d->api) ? -1 : api_call(&a, method, target, body);

	if (status != 204)
		die("%s %s: %d %s", method, target, status, a.body ? a.body : "");
	api_close(&a);
}

void daemon_end(struct daemon *d, int signal)
{
	int status = 0;

	if (signal)
		kill(d->pid, signal);
	if (waitpid(d->pid, &status, 0) != d->pid)
		die("waitpid: %s", strerror(errno));
	if (signal != SIGKILL && (!WIFEXITED(status) || WEXITSTATUS(status) != 0))
		die("a daemon ended with status 0x%x", (unsigned int)status);
	d->pid = 0;
}
