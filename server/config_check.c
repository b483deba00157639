/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration: what concerns several keys or sections at once, and what this release does not have. */
#include "server/config_internal.h"

#include <errno.h>
#include <string.h>

static int check_listener(const struct transport_config *t, struct graft_error *err)
{
	if (t->socket && t->fd >= 0)
		return error_set(err, EINVAL, "%s: fd = %d: socket is given as well; keep one of them",
				 options_where(t->options, "fd"), t->fd);
	if (!t->socket && t->fd < 0)
		return error_set(err, EINVAL, "%s: [transport %s]: key 'socket' is missing (or 'fd')", t->where,
				 t->name);
	if (t->socket && strlen(t->socket) > CONFIG_SOCKET_MAX)
		return error_set(err, EINVAL, "%s: socket = %.120s: longer than the %d bytes of a socket's path",
				 options_where(t->options, "socket"), t->socket, CONFIG_SOCKET_MAX);
	if (t->tag && strlen(t->tag) > CONFIG_TAG_MAX)
		return error_set(err, EINVAL, "%s: tag = %.100s: longer than %d bytes",
				 options_where(t->options, "tag"), t->tag, CONFIG_TAG_MAX);
	return 0;
}

static int check_pair(const struct transport_config *a, const struct transport_config *b, struct graft_error *err)
{
	if (a->socket && b->socket && strcmp(a->socket, b->socket) == 0)
		return error_set(err, EINVAL, "%s: socket = %s: [transport %s] at %s listens there",
				 options_where(b->options, "socket"), b->socket, a->name, a->where);
	if (a->fd >= 0 && a->fd == b->fd)
		return error_set(err, EINVAL, "%s: fd = %d: [transport %s] at %s listens there",
				 options_where(b->options, "fd"), b->fd, a->name, a->where);
	return 0;
}

static int check_transports(const struct config *c, struct graft_error *err)
{
	for (uint32_t i = 0; i < c->ntransports; i++) {
		int res = check_listener(&c->transports[i], err);
		for (uint32_t k = 0; res == 0 && k < i; k++)
			res = check_pair(&c->transports[k], &c->transports[i], err);
		if (res != 0)
			return res;
	}
	return 0;
}

/* Absolute, and no part is empty, "." or ".."; "/" is normal. */
static bool path_normal(const char *path)
{
	if (strcmp(path, "/") == 0)
		return true;
	while (*path == '/') {
		size_t len = strcspn(++path, "/");
		if (len == 0 || (len == 1 && path[0] == '.') || (len == 2 && path[0] == '.' && path[1] == '.'))
			return false;
		path += len;
	}
	return *path == '\0';
}

static int check_mounts(const struct config *c, struct graft_error *err)
{
	for (uint32_t i = 0; i < c->nmounts; i++) {
		const struct mount_config *m = &c->mounts[i];
		const char *where = options_where(m->options, "at");
		if (!path_normal(m->at))
			return error_set(err, EINVAL, "%s: at = %.100s: must have no empty, '.' or '..' part", where,
					 m->at);
		for (uint32_t k = 0; k < i; k++)
			if (strcmp(c->mounts[k].at, m->at) == 0)
				return error_set(err, EINVAL, "%s: at = %.100s: [mount %s] at %s is mounted there",
						 where, m->at, c->mounts[k].name, c->mounts[k].where);
	}
	return 0;
}

int config_check(const struct config *c, struct graft_error *err)
{
	if (c->ntransports == 0)
		return error_set(err, EINVAL, "%s: section [transport vhost-user] is missing", c->file);
	if (c->nmounts == 0)
		return error_set(err, EINVAL, "%s: section [mount NAME] is missing", c->file);
	int res = check_transports(c, err);
	return res == 0 ? check_mounts(c, err) : res;
}

static int check_none(const struct server_config *server, const char *key, const char *value, struct graft_error *err)
{
	const char *where = options_where(server->options, key);
	if (strcmp(value, "none") == 0)
		return 0;
	if (where)
		return error_set(err, EINVAL, "%s: %s = %s: not in this release; write %s = none", where, key, value,
				 key);
	return error_set(err, EINVAL, "%s: [server]: %s = %s is the default and not in this release; write %s = none",
			 server->where, key, value, key);
}

int config_check_release(const struct config *c, struct graft_error *err)
{
	int res = check_none(&c->server, "sandbox", config_sandboxes[c->server.sandbox], err);
	if (res == 0)
		res = check_none(&c->server, "seccomp", config_seccomps[c->server.seccomp], err);
	if (res != 0)
		return res;
	if (c->nmounts > 1)
		return error_set(err, EINVAL, "%s: [mount %s]: this release has one mount only; [mount %s] is at %s",
				 c->mounts[1].where, c->mounts[1].name, c->mounts[0].name, c->mounts[0].where);
	if (strcmp(c->mounts[0].at, "/") != 0)
		return error_set(err, EINVAL, "%s: at = %.100s: this release mounts at / only",
				 options_where(c->mounts[0].options, "at"), c->mounts[0].at);
	return 0;
}
