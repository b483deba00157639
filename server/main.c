/* SPDX-License-Identifier: Apache-2.0 */
/* graftfsd: puts the parts together, waits for the end, takes the parts apart again. */
#include "lib/cleanup.h"
#include "lib/log.h"
#include "lib/log_rotate.h"
#include "lib/resident.h"
#include "server/cli.h"
#include "server/control_host.h"
#include "server/control_loader.h"
#include "server/limits.h"
#include "server/pid_file.h"
#include "server/plugin_dump.h"
#include "server/sandbox/caps.h"
#include "server/sandbox/landlock.h"
#include "server/sandbox/sandbox.h"
#include "server/sandbox/seccomp.h"
#include "server/sd_notify.h"
#include "server/takeover.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

/* In the order in which they come to stand; what is NULL does not. */
struct parts {
	const struct cli *cli;
	const struct config *config;
	struct plugin_registry *registry;
	struct pid_file pid_file; /* written by the process that was started, whoever serves */
	struct life *life;
	int notify_fd, notify_res; /* of sd_notify_open */
	struct control_library library; /* only with an API socket or a state folder */
	struct control_server control_server;
	struct control_host control_host;
	struct control *control;
	struct server *server;
	struct doors *doors;
	bool waits; /* for a connection of /dev/fuse and its mounts, which another process has */
	struct landlock landlock;
	struct sandbox sandbox;
};

/* Takes the instance's lock and looks at its state, before anything else is touched. */
static int open_control(struct parts *p, struct graft_error *err)
{
	if (!p->config->server.api_socket && !p->config->server.state_dir)
		return 0;
	int res = control_library_open(&p->library, err);
	if (res)
		return res;
	p->control_server = (struct control_server){
		.config = p->config,
		.registry = p->registry,
		.life = p->life,
		.waits = p->waits,
		.handover = PTHREAD_MUTEX_INITIALIZER,
	};
	control_host_init(&p->control_host, &p->control_server);
	return p->library.module->open(&p->control_host, &p->control, err);
}

/* No plugin is loaded any more. */
static int make_server(struct parts *p, struct graft_error *err)
{
	uint32_t fds;
	int res = limits_files(p->config, &fds, err);

	if (res)
		return res;
	p->server = server_new((uint32_t)p->config->server.workers, fds, err);
	if (!p->server)
		return -err->code;
	plugin_registry_seal(p->registry);
	p->server->registry = p->registry;
	p->server->confined = p->landlock.ruleset >= 0;
	p->control_server.server = p->server;
	return 0;
}

static int make_doors(struct parts *p, struct graft_error *err)
{
	p->doors = doors_new(p->config, p->server, err);
	if (p->doors && p->waits)
		doors_wait(p->doors);
	p->control_server.doors = p->doors;
	return p->doors ? 0 : -err->code;
}

static int open_log(const struct server_config *c, struct graft_error *err)
{
	struct graft_error why = { 0 };

	if (c->syslog && log_open_syslog(_PATH_LOG, &why))
		log_warn(NULL, "%s; messages go to standard error", why.text);
	if (c->log_file && c->log_rotation)
		return log_open_rotating(c->log_file, c->log_rotation << 20, err);
	return c->log_file ? log_open(c->log_file, err) : 0;
}

/*
 * Whatever has a path on the host is open and bound when this has returned 0, and there is no thread: what comes then works where
 * those paths lead nowhere.
 */
static int open_all(struct parts *p, struct graft_error *err)
{
	const char *pid_file = p->config->server.pid_file;

	p->waits = takeover_waits(p->config);
	p->notify_res = sd_notify_open(&p->notify_fd);
	p->life = life_new(p->cli->door, err);
	if (!p->life)
		return -err->code;
	int res = open_control(p, err);
	if (!res)
		res = open_log(&p->config->server, err);
	if (!res)
		res = cli_check(p->cli, err);
	if (!res && pid_file)
		res = pid_file_open(&p->pid_file, pid_file, err);
	if (!res)
		landlock_prepare(&p->landlock, p->config);
	if (!res)
		res = make_server(p, err);
	return res ? res : make_doors(p, err);
}

/* Copies of what is the parent's: the pid file's lock ends with it, and the service manager listens to nobody else. */
static void leave_outside(void *arg)
{
	struct parts *p = arg;

	pid_file_leave(&p->pid_file);
	cleanup_close(&p->notify_fd);
	p->notify_fd = -1;
}

/*
 * What is loaded, made or bound before stays; what comes later comes with few rights and few system calls. No thread runs yet. From
 * here on this is the daemon; the process that was started may be another, and has the pid file.
 */
static int confine(struct parts *p, struct graft_error *err)
{
	const struct sandbox_outer outer = {
		.signals = life_signals(p->life),
		.manager = p->notify_fd,
		.leave = leave_outside,
		.arg = p,
	};

	if (p->config->server.sandbox != CONFIG_SANDBOX_NONE || p->config->server.seccomp != CONFIG_SECCOMP_NONE)
		plugin_registry_before_sandbox(p->registry);
	int res = sandbox_enter(&p->sandbox, p->config, &outer, err);
	if (res == SANDBOX_PARENT)
		return res;
	p->server->outside = p->sandbox.outside;
	p->server->own_fds = p->sandbox.own_fds;
	if (!res)
		res = caps_apply(p->config, p->registry, p->sandbox.outside, err);
	if (!res)
		landlock_apply(&p->landlock); /* its calls are on no list */
	return res ? res : seccomp_apply(p->config, p->registry, p->sandbox.outside, err);
}

/* The mounts of the file. */
static int make_mounts(struct parts *p, struct graft_error *err)
{
	int res = life_start(p->life, err);

	if (!res)
		res = log_rotate_start(err);
	life_watch(p->life, p->server);
	watch_starting(p->server->watch, true);
	if (p->config->server.node_ids == CONFIG_NODE_IDS_NYDUSD)
		p->server->node_bits = SERVER_NODE_BITS_NYDUSD;
	for (uint32_t i = 0; i < p->config->nmounts && !res && !p->waits; i++)
		res = server_mount(p->server, &p->config->mounts[i], err);
	return res;
}

/* Clients find every mount: those made at run time are back before a door opens. */
static int start(struct parts *p, struct graft_error *err)
{
	p->server->fixed = !p->control;
	int res = server_start(p->server, err);

	watch_starting(p->server->watch, false);
	if (!res && p->control)
		res = p->library.module->restore(p->control, err);
	if (!res)
		res = doors_start(p->doors, err);
	if (!res && p->control)
		res = p->library.module->start(p->control, err);
	return res;
}

/* Everything stands when this returns 0; what stands is the caller's either way. SANDBOX_PARENT: the daemon was another, and ended. */
static int bring_up(struct parts *p, struct graft_error *err)
{
	int res = open_all(p, err);

	if (!res)
		res = confine(p, err);
	if (!res)
		res = make_mounts(p, err);
	if (!res)
		res = doors_look(p->doors, p->config, p->server, err);
	return res ? res : start(p, err);
}

/* 0, or -errno if a transport ended for a fault. */
static int take_down(struct parts *p)
{
	landlock_drop(&p->landlock);
	if (!p->life)
		return 0;
	/* The transports are asked first, which takes no time: no new requests come while the API's last calls end. */
	life_ending(p->life, "calls of the API still run");
	doors_stop(p->doors);
	if (p->control)
		p->library.module->stop(p->control);
	life_ending(p->life, "requests of a transport still run");
	pthread_mutex_lock(&p->control_server.handover);
	p->control_server.doors = NULL;
	pthread_mutex_unlock(&p->control_server.handover);
	int fault = doors_free(p->doors);
	life_ending(p->life, "a mount is still being ended");
	life_watch(p->life, NULL);
	server_free(p->server);
	if (p->control)
		p->library.module->close(p->control);
	control_library_close(&p->library);
	sandbox_leave(&p->sandbox);
	pid_file_close(&p->pid_file);
	log_rotate_stop();
	life_free(p->life);
	cleanup_close(&p->notify_fd);
	return fault;
}

/* It listens to the process that it started. */
static int tell_manager(const struct parts *p, const char *state)
{
	return p->sandbox.line >= 0 ? sandbox_notify(&p->sandbox, state) : sd_notify_send_to(p->notify_fd, state);
}

static void say_ready(const struct parts *p)
{
	const char *ready = p->cli->door->ready;

	/* Whatever the log level, and wherever the log goes: scripts wait for this line. */
	if (ready)
		fprintf(stderr, "%s\n", ready);
	int res = p->notify_res ? p->notify_res : tell_manager(p, "READY=1");
	if (res)
		log_warn(NULL, "NOTIFY_SOCKET: %s", strerror(-res));
}

/* The parent's end. A daemon that was killed has left its sockets. */
static _Noreturn void end_outside(struct parts *p)
{
	int status = p->sandbox.status;

	if (p->sandbox.killed) {
		log_err(NULL, "the daemon was killed by signal %d", 256 - status);
		take_down(p);
	}
	pid_file_close(&p->pid_file);
	_exit(status);
}

/* The exit status. */
static int run(struct parts *p)
{
	const char *file = p->cli->config_path;
	struct graft_error err = { 0 };
	int res = bring_up(p, &err);

	if (res == SANDBOX_PARENT)
		end_outside(p);
	if (!res) {
		say_ready(p);
		resident_drop_code();
		life_wait(p->life, doors_ended_fd(p->doors));
		tell_manager(p, "STOPPING=1");
	}
	int status = life_status(p->life);
	int fault = take_down(p);
	if (!res && fault)
		res = error_set(&err, -fault, "a transport ended for a fault: %s", strerror(-fault));
	if (res)
		log_fatal("%s%s%s", file ? file : "", file ? ": " : "", err.text);
	return res ? 1 : status;
}

/*
 * Nothing is allocated on the way of a request, so one arena for each thread would speed nothing up; but each keeps what mounts that
 * came and went have left in it.
 */
static void bound_arenas(void)
{
	mallopt(M_ARENA_MAX, 2);
}

int main(int argc, char **argv)
{
	struct plugin_registry *registry = NULL;
	struct config *config = NULL;
	struct cli cli = { 0 };

	bound_arenas();
	int status = cli_parse(argc, argv, &cli);
	if (status == CLI_GO_ON && cli.mode == CLI_DUMP_PLUGIN)
		return plugin_dump_main(cli.plugin);
	if (status == CLI_GO_ON)
		status = cli_config(&cli, &config, &registry);
	if (status == CLI_GO_ON)
		status = cli_detach(&cli);
	if (status != CLI_GO_ON) {
		config_free(config);
		plugin_registry_free(registry);
		cli_fini(&cli);
		return status;
	}
	log_set_form(cli.door->log_form, cli.door->name);
	log_set_level(door_log_level(cli.door, config->server.log_level));
	struct parts p = { .cli = &cli,
			   .config = config,
			   .registry = registry,
			   .pid_file = PID_FILE_NONE,
			   .landlock = LANDLOCK_NONE,
			   .sandbox = SANDBOX_NONE };
	status = run(&p);
	config_free(config);
	plugin_registry_free(registry);
	cli_fini(&cli);
	return status;
}
