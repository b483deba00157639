/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration: what concerns several keys or sections at once, and what this release does not have. */
#include "server/config_internal.h"

#include "lib/cleanup.h"
#include "lib/unix_name.h"
#include "server/sandbox/modcaps.h"

#include <string.h>

static int check_socket(const struct options *o, const char *key, const char *path, bool fits, struct graft_error *err)
{
	if (fits)
		return 0;
	return error_set(err, EINVAL, "%s: %s = %.120s: longer than the %d bytes of a socket's path",
			 options_where(o, key), key, path, UNIX_NAME_MAX - 1);
}

static int check_listener(const struct transport_config *t, struct graft_error *err)
{
	if (t->socket && t->fd >= 0)
		return error_set(err, EINVAL, "%s: fd = %d: socket is given as well; keep one of them",
				 options_where(t->options, "fd"), t->fd);
	if (!t->socket && t->fd < 0)
		return error_set(err, EINVAL, "%s: [transport %s]: key 'socket' is missing (or 'fd')", t->where,
				 t->name);
	if (t->socket_group && !t->socket)
		return error_set(err, EINVAL, "%s: socket-group = %.100s: an inherited descriptor has no group to set",
				 options_where(t->options, "socket-group"), t->socket_group);
	if (t->tag && strlen(t->tag) > CONFIG_TAG_MAX)
		return error_set(err, EINVAL, "%s: tag = %.100s: longer than %d bytes",
				 options_where(t->options, "tag"), t->tag, CONFIG_TAG_MAX);
	if (cpu_list_check(&t->cpus, err) < 0)
		return error_wrap(err, "%s: queue-cpus", options_where(t->options, "queue-cpus"));
	return t->socket ? check_socket(t->options, "socket", t->socket, unix_name(t->socket) != NULL, err) : 0;
}

/* Less would refuse a client's ordinary requests. */
static int check_limits(const struct transport_config *t, struct graft_error *err)
{
	if (!t->limits.memory || t->limits.memory >= GUEST_MEMORY_LEAST)
		return 0;
	return error_set(err, EINVAL, "%s: max-memory = %llu: must be 0 or at least %uM",
			 options_where(t->options, "max-memory"), (unsigned long long)t->limits.memory,
			 GUEST_MEMORY_LEAST >> 20);
}

/* What mount(2) takes, and fusermount3 makes of its options: letters, digits, '-' and '_'. */
static int check_shown(const struct transport_config *t, struct graft_error *err)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
	const char *type = t->mount_type, *source = t->mount_source;
	bool good = !type || strcmp(type, "fuse") == 0 ||
		    (strncmp(type, "fuse.", 5) == 0 && type[5] && type[5 + strspn(type + 5, letters)] == '\0' &&
		     strlen(type) < CONFIG_NAME_MAX);

	if (!good)
		return error_set(err, EINVAL, "%s: mount-type = %.100s: must be fuse, or fuse. and a word",
				 options_where(t->options, "mount-type"), type);
	if (source && !config_name_good(source))
		return error_set(err, EINVAL, "%s: mount-source = %.100s: must be [A-Za-z0-9][A-Za-z0-9_.-]*, at most %d bytes",
				 options_where(t->options, "mount-source"), source, CONFIG_NAME_MAX);
	return 0;
}

static int check_transport(const struct config *c, const struct transport_config *t, struct graft_error *err)
{
	int res = t->kind == GRAFT_VHOST_USER ? check_listener(t, err) : 0;
	if (res == 0)
		res = check_limits(t, err);
	if (res == 0)
		res = check_shown(t, err);
	if (res != 0)
		return res;
	const char *fault = t->mountpoint ? config_path_fault(t->mountpoint) : NULL;
	if (fault)
		return error_set(err, EINVAL, "%s: mountpoint = %.100s: %s", options_where(t->options, "mountpoint"),
				 t->mountpoint, fault);
	if (t->socket && c->server.api_socket && strcmp(t->socket, c->server.api_socket) == 0)
		return error_set(err, EINVAL, "%s: socket = %s: api-socket at %s listens there",
				 options_where(t->options, "socket"), t->socket,
				 options_where(c->server.options, "api-socket"));
	return 0;
}

/* Whether inner is outer or a path below it; both are normal. */
static bool path_within(const char *inner, const char *outer)
{
	size_t len = strcmp(outer, "/") == 0 ? 0 : strlen(outer);
	return strncmp(inner, outer, len) == 0 && (inner[len] == '/' || inner[len] == '\0');
}

static int check_pair(const struct transport_config *a, const struct transport_config *b, struct graft_error *err)
{
	if (a->socket && b->socket && strcmp(a->socket, b->socket) == 0)
		return error_set(err, EINVAL, "%s: socket = %s: [transport %s] at %s listens there",
				 options_where(b->options, "socket"), b->socket, a->name, a->where);
	if (a->fd >= 0 && a->fd == b->fd)
		return error_set(err, EINVAL, "%s: fd = %d: [transport %s] at %s listens there",
				 options_where(b->options, "fd"), b->fd, a->name, a->where);
	if (!a->mountpoint || !b->mountpoint)
		return 0;
	const char *where = options_where(b->options, "mountpoint");
	if (strcmp(a->mountpoint, b->mountpoint) == 0)
		return error_set(err, EINVAL, "%s: mountpoint = %.100s: [transport %s] at %s is mounted there", where,
				 b->mountpoint, a->name, a->where);
	/* The kernel would ask the outer one for the directory of the inner one, at start and at every umount. */
	if (path_within(a->mountpoint, b->mountpoint) || path_within(b->mountpoint, a->mountpoint))
		return error_set(err, EINVAL,
				 "%s: mountpoint = %.100s: one lies below the other: [transport %s] at %s has %.100s",
				 where, b->mountpoint, a->name, a->where, a->mountpoint);
	return 0;
}

/* A mount that is given away or taken over is one that this process can see, and its supervisor's socket too. */
static int check_handover(const struct config *c, const struct transport_config *t, struct graft_error *err)
{
	bool takes = t->takeover != CONFIG_TAKEOVER_NO;

	if (t->kind != GRAFT_DEV_FUSE || (!takes && !c->server.supervisor))
		return 0;
	const char *where = takes ? options_where(t->options, "takeover") : options_where(c->server.options, "supervisor");
	const char *key = takes ? "takeover" : "supervisor";

	if (c->server.sandbox != CONFIG_SANDBOX_NONE)
		return error_set(err, EINVAL, "%s: %s: only with sandbox = none, in which the host's paths are to be seen", where, key);
	if (!c->server.api_socket)
		return error_set(err, EINVAL, "%s: %s: needs api-socket, by which it is told when", where, key);
	for (uint32_t i = 0; i < c->ntransports; i++) {
		if (&c->transports[i] != t && c->transports[i].kind == GRAFT_DEV_FUSE)
			return error_set(err, EINVAL, "%s: %s: there may be only one [transport fuse] then", where, key);
	}
	return 0;
}

static int check_transports(const struct config *c, struct graft_error *err)
{
	if (c->ntransports > CONFIG_TRANSPORTS_MAX)
		return error_set(err, EINVAL, "%s: more than %d transports", c->transports[CONFIG_TRANSPORTS_MAX].where,
				 CONFIG_TRANSPORTS_MAX);
	for (uint32_t i = 0; i < c->ntransports; i++) {
		int res = check_transport(c, &c->transports[i], err);
		if (res == 0)
			res = check_handover(c, &c->transports[i], err);
		for (uint32_t k = 0; res == 0 && k < i; k++)
			res = check_pair(&c->transports[k], &c->transports[i], err);
		if (res != 0)
			return res;
	}
	return 0;
}

/* By path, then in the order of the file. */
static int compare_mounts(const void *a, const void *b)
{
	const struct mount_config *x = *(const struct mount_config *const *)a;
	const struct mount_config *y = *(const struct mount_config *const *)b;
	int order = strcmp(x->at, y->at);
	return order != 0 ? order : (x > y) - (x < y);
}

/* No two mounts at one path. There may be thousands, so they are sorted. */
static int check_mounts(const struct config *c, struct graft_error *err)
{
	auto_free const struct mount_config **sorted = calloc((size_t)c->nmounts + 1, sizeof(*sorted));
	if (!sorted)
		return config_no_memory(err);
	for (uint32_t i = 0; i < c->nmounts; i++)
		sorted[i] = &c->mounts[i];
	qsort(sorted, c->nmounts, sizeof(*sorted), compare_mounts);
	for (uint32_t i = 1; i < c->nmounts; i++) {
		const struct mount_config *a = sorted[i - 1], *b = sorted[i];
		if (strcmp(a->at, b->at) == 0)
			return error_set(err, EINVAL, "%s: at = %.100s: [mount %s] at %s is mounted there",
					 options_where(b->options, "at"), b->at, a->name, a->where);
	}
	return 0;
}

static int check_id_map(const struct server_config *server, const char *key, const struct config_id_map *map,
			struct graft_error *err)
{
	if (!map->n || server->sandbox == CONFIG_SANDBOX_NAMESPACE)
		return 0;
	return error_set(err, EINVAL, "%s: %s: only sandbox = namespace has ids of its own", options_where(server->options, key),
			 key);
}

static int check_server(const struct server_config *server, struct graft_error *err)
{
	const char *api = server->api_socket;
	struct caps_change change;

	if (caps_parse(server->modcaps, &change, err))
		return error_wrap(err, "%s: modcaps = %.100s", options_where(server->options, "modcaps"), server->modcaps);
	if (server->syslog && server->log_file)
		return error_set(err, EINVAL, "%s: syslog = true: log-file is given as well; keep one of them",
				 options_where(server->options, "syslog"));
	if (server->log_rotation && !server->log_file)
		return error_set(err, EINVAL, "%s: log-rotation-size: only with log-file",
				 options_where(server->options, "log-rotation-size"));
	int res = check_id_map(server, "uid-map", &server->uid_map, err);
	if (res == 0)
		res = check_id_map(server, "gid-map", &server->gid_map, err);
	if (res != 0)
		return res;
	return api ? check_socket(server->options, "api-socket", api, unix_name(api) != NULL, err) : 0;
}

int config_check(const struct config *c, struct graft_error *err)
{
	if (c->server.api_only && (c->ntransports || !c->server.api_socket))
		return error_set(err, EINVAL, "%s: api-only: only with api-socket, and without a transport",
				 options_where(c->server.options, "api-only"));
	if (c->ntransports == 0 && !c->server.api_only)
		return error_set(err, EINVAL, "%s: section [transport vhost-user] or [transport fuse] is missing",
				 c->file);
	if (c->nmounts == 0 && !c->server.api_socket && !c->server.state_dir)
		return error_set(err, EINVAL,
				 "%s: section [mount NAME] is missing; only with api-socket or state-dir may there be "
				 "none",
				 c->file);
	int res = check_server(&c->server, err);
	if (res == 0)
		res = check_transports(c, err);
	return res == 0 ? check_mounts(c, err) : res;
}
