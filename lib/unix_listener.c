/* SPDX-License-Identifier: Apache-2.0 */
/* A listening unix stream socket. */
#include "lib/unix_listener.h"

#include "lib/cleanup.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

/*
 * Does no process hold the socket at this address? A datagram socket cannot connect to a stream socket that lives
 * (EPROTOTYPE), and is told so without the other side seeing a connection; to a dead one nobody can (ECONNREFUSED).
 */
static bool is_stale(const struct sockaddr_un *addr)
{
	auto_close int probe = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return probe >= 0 && connect(probe, (const struct sockaddr *)addr, sizeof(*addr)) < 0 && errno == ECONNREFUSED;
}

static int in_use(const struct sockaddr_un *addr, struct graft_error *err)
{
	return error_set(err, EADDRINUSE, "%s is in use by a running process", addr->sun_path);
}

/*
 * Removes a socket that was stale. Another process may be about to do the same, and what is at the path by now may be
 * the one it listens on: so the file is taken aside, looked at again, and put back where it lives.
 */
static int remove_stale(const struct held_path *at, const struct sockaddr_un *addr, struct graft_error *err)
{
	struct sockaddr_un aside = { .sun_family = AF_UNIX };
	char name[32];

	snprintf(name, sizeof(name), ".stale-%d", (int)getpid());
	snprintf(aside.sun_path, sizeof(aside.sun_path), "/proc/self/fd/%d/%s", at->dir, name);
	if (renameat(at->dir, at->name, at->dir, name) < 0)
		return errno == ENOENT ? 0
				       : error_set(err, errno, "cannot remove the stale socket %s: %s", addr->sun_path,
						   strerror(errno));
	if (!is_stale(&aside)) {
		renameat2(at->dir, name, at->dir, at->name, RENAME_NOREPLACE);
		return in_use(addr, err);
	}
	unlinkat(at->dir, name, 0);
	return 0;
}

/* Makes room at the path, or says why not. */
static int clear_path(const struct held_path *at, const struct sockaddr_un *addr, struct graft_error *err)
{
	struct stat st;

	if (fstatat(at->dir, at->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : error_set(err, errno, "%s: %s", addr->sun_path, strerror(errno));
	if (!S_ISSOCK(st.st_mode))
		return error_set(err, EEXIST, "%s exists and is not a socket: remove it or choose another path",
				 addr->sun_path);
	if (!is_stale(addr))
		return in_use(addr, err);
	return remove_stale(at, addr, err);
}

static int bind_at(struct unix_listener *l, const struct sockaddr_un *meant, const struct unix_listener_config *config,
		   struct graft_error *err)
{
	const struct sockaddr_un *addr = meant;
	struct sockaddr_un aside = { .sun_family = AF_UNIX };
	const char *name = l->hidden[0] ? l->hidden : l->at.name;
	struct stat st;

	l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (l->fd < 0)
		return error_set(err, errno, "cannot make a socket: %s", strerror(errno));
	if (l->hidden[0]) {
		snprintf(aside.sun_path, sizeof(aside.sun_path), "/proc/self/fd/%d/%.63s", l->at.dir, l->hidden);
		unlinkat(l->at.dir, name, 0); /* of a process that had this number, and was killed */
		addr = &aside;
	}
	/* The file must never be open to others, not even until a chmod. */
	mode_t mask = umask(~config->mode & 0777);
	int code = bind(l->fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0 ? errno : 0;
	umask(mask);
	if (code)
		return error_set(err, code, "cannot listen on %s: %s", meant->sun_path, strerror(code));
	if (fstatat(l->at.dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		held_path_mark(&l->at, &st);
	/* Nobody can connect before the group is right: that is what listen allows. */
	if (config->group != UNIX_ANY_GROUP &&
	    fchownat(l->at.dir, name, (uid_t)-1, config->group, AT_SYMLINK_NOFOLLOW) < 0)
		return error_set(err, errno, "cannot give %s to group %u: %s", meant->sun_path, (unsigned)config->group,
				 strerror(errno));
	if (listen(l->fd, config->backlog) < 0)
		return error_set(err, errno, "cannot listen on %s: %s", meant->sun_path, strerror(errno));
	return 0;
}

static int hold_path(struct held_path *at, const char *path, struct graft_error *err)
{
	int res = held_path_open(at, path, "socket", err);

	return res && res != -EINVAL ? error_wrap(err, "cannot listen on %s", path) : res;
}

int unix_listener_open(struct unix_listener *l, const char *path, const struct unix_listener_config *config,
		       struct graft_error *err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	*l = (struct unix_listener)UNIX_LISTENER_NONE;
	strcpy(addr.sun_path, path);
	int res = hold_path(&l->at, path, err);
	if (!res && config->hidden)
		snprintf(l->hidden, sizeof(l->hidden), ".%.40s-%d", l->at.name, (int)getpid());
	if (!res)
		res = clear_path(&l->at, &addr, err);
	if (!res)
		res = bind_at(l, &addr, config, err);
	if (res)
		unix_listener_close(l);
	return res;
}

int unix_listener_show(struct unix_listener *l, struct graft_error *err)
{
	struct stat st;

	if (!l->hidden[0])
		return 0;
	if (fstatat(l->at.dir, l->at.name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return error_set(err, EADDRINUSE, "%s is in use by another process by now", l->at.name);
	if (renameat(l->at.dir, l->hidden, l->at.dir, l->at.name) < 0)
		return error_set(err, errno, "cannot listen on %s: %s", l->at.name, strerror(errno));
	l->hidden[0] = '\0';
	return 0;
}

void unix_listener_shut(struct unix_listener *l)
{
	cleanup_close(&l->fd);
	l->fd = -1;
}

void unix_listener_leave(struct unix_listener *l)
{
	unix_listener_shut(l);
	held_path_leave(&l->at);
	l->hidden[0] = '\0';
}

void unix_listener_close(struct unix_listener *l)
{
	if (l->hidden[0])
		unlinkat(l->at.dir, l->hidden, 0);
	held_path_remove(&l->at);
	unix_listener_leave(l);
}

int unix_socket_option(int fd, int name)
{
	socklen_t len = sizeof(int);
	int value = -1;

	return getsockopt(fd, SOL_SOCKET, name, &value, &len) < 0 ? -1 : value;
}
