/* SPDX-License-Identifier: Apache-2.0 */
/* graftfsd: puts the parts together, waits for signals, takes the parts apart again. */
#include "lib/log.h"
#include "server/cli.h"
#include "server/doors.h"
#include "server/limits.h"
#include "server/sd_notify.h"

#include "lib/cleanup.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>

/* Blocked before any thread starts, so that only the signal descriptor sees them. fd or -errno with err. */
static int block_signals(struct graft_error *err)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? error_set(err, errno, "making a signalfd: %s", strerror(errno)) : fd;
}

/* True when the signal asks for the end. */
static bool take_signal(int fd, struct server *server)
{
	struct signalfd_siginfo info;

	if (read(fd, &info, sizeof(info)) != sizeof(info))
		return false;
	switch (info.ssi_signo) {
	case SIGUSR1:
		metrics_log(server->metrics);
		return false;
	case SIGHUP:
		log_info(NULL, "SIGHUP: the log goes to stderr, there is nothing to reopen");
		return false;
	default:
		return true;
	}
}

/* Serves until a signal or the end of every transport. */
static void wait_for_end(int signals, int ended, struct server *server)
{
	struct pollfd fds[] = { { .fd = signals, .events = POLLIN }, { .fd = ended, .events = POLLIN } };

	for (;;) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return;
		if (fds[1].revents)
			return;
		if (fds[0].revents && take_signal(signals, server))
			return;
	}
}

static void say_ready(void)
{
	/* Whatever the log level: scripts wait for this line. */
	fputs("graftfsd: ready\n", stderr);
	int res = sd_notify_send("READY=1");
	if (res)
		log_warn(NULL, "NOTIFY_SOCKET: %s", strerror(-res));
}

/* Everything stands when this returns 0; *server and *doors are the caller's either way. */
static int bring_up(const struct config *config, struct server **server, struct doors **doors, struct graft_error *err)
{
	uint64_t nofile;
	int res = limits_nofile(config->server.rlimit_nofile, &nofile, err);

	if (res)
		return res;
	*server = server_new((uint32_t)config->server.workers, nofile, err);
	if (!*server)
		return -err->code;
	for (uint32_t i = 0; i < config->nmounts && !res; i++)
		res = server_mount(*server, &config->mounts[i], err);
	if (res)
		return res;
	*doors = doors_new(config, *server, err);
	if (!*doors)
		return -err->code;
	res = server_start(*server, err);
	return res ? res : doors_start(*doors, err);
}

static int run(const struct config *config, struct graft_error *err)
{
	struct server *server = NULL;
	struct doors *doors = NULL;
	auto_close int signals = block_signals(err);
	int res = signals < 0 ? signals : bring_up(config, &server, &doors, err);

	if (!res) {
		say_ready();
		wait_for_end(signals, doors_ended_fd(doors), server);
		sd_notify_send("STOPPING=1");
	}
	int fault = doors_free(doors);
	server_free(server);
	if (res || !fault)
		return res;
	return error_set(err, -fault, "a transport ended for a fault: %s", strerror(-fault));
}

int main(int argc, char **argv)
{
	struct plugin_registry *registry = NULL;
	struct config *config = NULL;
	struct graft_error err = { 0 };
	struct cli cli = { 0 };

	int status = cli_parse(argc, argv, &cli);
	if (status == CLI_GO_ON)
		status = cli_config(&cli, &config, &registry);
	if (status != CLI_GO_ON)
		return status;
	log_set_level((int)config->server.log_level);
	status = run(config, &err) ? 1 : 0;
	if (status)
		fprintf(stderr, "graftfsd: %s: %s\n", cli.config_path, err.text);
	config_free(config);
	plugin_registry_free(registry);
	return status;
}
