/* SPDX-License-Identifier: Apache-2.0 */
/* The socket a front end connects to. */
#include "transport/vhost_user_listener.h"

#include "lib/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 16 /* further front ends wait here until the present one has left */

/* path fits a socket's name, and so its parts fit here. */
static int open_parent(struct vhost_user_listener *l, const char *path, struct graft_error *err)
{
	char parent[UNIX_NAME_MAX];
	const char *slash = strrchr(path, '/');
	size_t len = slash ? (size_t)(slash - path) : 0;

	strcpy(l->name, slash ? slash + 1 : path);
	if (!l->name[0] || !strcmp(l->name, ".") || !strcmp(l->name, ".."))
		return error_set(err, EINVAL, "%s is not the name of a socket", path);
	strcpy(parent, slash ? "/" : ".");
	if (len) {
		memcpy(parent, path, len);
		parent[len] = '\0';
	}
	l->dir = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (l->dir < 0)
		return error_set(err, errno, "cannot listen on %s: %s: %s", path, parent, strerror(errno));
	return 0;
}

/*
 * Does a process hold the socket at this address? A datagram socket cannot connect to a stream socket that lives
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
 * Removes a socket that was stale. Another process may be about to do the same, and what is at the path by now may be the
 * one it listens on: so the file is taken aside, looked at again, and put back where it lives.
 */
static int remove_stale(struct vhost_user_listener *l, const struct sockaddr_un *addr, struct graft_error *err)
{
	struct sockaddr_un aside = { .sun_family = AF_UNIX };
	char name[32];

	snprintf(name, sizeof(name), ".stale-%d", (int)getpid());
	snprintf(aside.sun_path, sizeof(aside.sun_path), "/proc/self/fd/%d/%s", l->dir, name);
	if (renameat(l->dir, l->name, l->dir, name) < 0)
		return errno == ENOENT ? 0 : error_set(err, errno, "cannot remove the stale socket %s: %s",
						       addr->sun_path, strerror(errno));
	if (!is_stale(&aside)) {
		renameat2(l->dir, name, l->dir, l->name, RENAME_NOREPLACE);
		return in_use(addr, err);
	}
	unlinkat(l->dir, name, 0);
	return 0;
}

/* Makes room at the path, or says why not. */
static int clear_path(struct vhost_user_listener *l, const struct sockaddr_un *addr, struct graft_error *err)
{
	struct stat st;

	if (fstatat(l->dir, l->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : error_set(err, errno, "%s: %s", addr->sun_path, strerror(errno));
	if (!S_ISSOCK(st.st_mode))
		return error_set(err, EEXIST, "%s exists and is not a socket: remove it or choose another path",
				 addr->sun_path);
	if (!is_stale(addr))
		return in_use(addr, err);
	return remove_stale(l, addr, err);
}

static int bind_socket(struct vhost_user_listener *l, const struct sockaddr_un *addr, gid_t group,
		       struct graft_error *err)
{
	struct stat st;
	mode_t mask;
	int rc;

	l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (l->fd < 0)
		return error_set(err, errno, "cannot make a socket: %s", strerror(errno));
	/* The file must never be open to others, not even until a chmod. */
	mask = umask(group == VHOST_USER_ANY_GROUP ? 077 : 007);
	rc = bind(l->fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0 ? errno : 0;
	umask(mask);
	if (rc)
		return error_set(err, rc, "cannot listen on %s: %s", addr->sun_path, strerror(rc));
	if (fstatat(l->dir, l->name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		l->dev = st.st_dev;
		l->ino = st.st_ino;
	}
	/* Nobody can connect before the group is right: that is what listen allows. */
	if (group != VHOST_USER_ANY_GROUP && fchownat(l->dir, l->name, (uid_t)-1, group, AT_SYMLINK_NOFOLLOW) < 0)
		return error_set(err, errno, "cannot give %s to group %u: %s", addr->sun_path, (unsigned)group,
				 strerror(errno));
	if (listen(l->fd, BACKLOG) < 0)
		return error_set(err, errno, "cannot listen on %s: %s", addr->sun_path, strerror(errno));
	return 0;
}

int vhost_user_listener_open(struct vhost_user_listener *l, const char *path, gid_t group, struct graft_error *err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	const char *name = unix_name(path);
	int rc;

	*l = (struct vhost_user_listener)VHOST_USER_LISTENER_NONE;
	if (!name)
		return error_set(err, ENAMETOOLONG, "socket path of %zu bytes, at most %d are possible: %s",
				 strlen(path), UNIX_NAME_MAX - 1, path);
	strcpy(addr.sun_path, name);
	strcpy(l->where, name);
	rc = open_parent(l, name, err);
	if (rc == 0)
		rc = clear_path(l, &addr, err);
	if (rc == 0)
		rc = bind_socket(l, &addr, group, err);
	if (rc < 0)
		vhost_user_listener_close(l);
	return rc;
}

static int option(int fd, int name)
{
	socklen_t len = sizeof(int);
	int value = -1;

	return getsockopt(fd, SOL_SOCKET, name, &value, &len) < 0 ? -1 : value;
}

int vhost_user_listener_adopt(struct vhost_user_listener *l, int fd, struct graft_error *err)
{
	struct stat st;

	*l = (struct vhost_user_listener)VHOST_USER_LISTENER_NONE;
	snprintf(l->where, sizeof(l->where), "descriptor %d", fd);
	/* One that we opened ourselves is closed on exec, and cannot have come through it. */
	int flags = fcntl(fd, F_GETFD);
	if (flags < 0 || flags & FD_CLOEXEC)
		return error_set(err, EBADF, "descriptor %d was not inherited", fd);
	if (fstat(fd, &st) < 0)
		return error_set(err, errno, "descriptor %d: %s", fd, strerror(errno));
	if (!S_ISSOCK(st.st_mode))
		return error_set(err, ENOTSOCK, "descriptor %d is not a socket", fd);
	if (option(fd, SO_DOMAIN) != AF_UNIX || option(fd, SO_TYPE) != SOCK_STREAM)
		return error_set(err, EINVAL, "descriptor %d is not a unix stream socket", fd);
	if (option(fd, SO_ACCEPTCONN) != 1)
		return error_set(err, EINVAL, "descriptor %d is a socket that does not listen", fd);
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		return error_set(err, errno, "descriptor %d: %s", fd, strerror(errno));
	l->fd = fd;
	return 0;
}

int vhost_user_listener_accept(struct vhost_user_listener *l)
{
	int sock = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	return sock < 0 ? -errno : sock;
}

void vhost_user_listener_shut(struct vhost_user_listener *l)
{
	cleanup_close(&l->fd);
	l->fd = -1;
}

void vhost_user_listener_leave(struct vhost_user_listener *l)
{
	vhost_user_listener_shut(l);
	cleanup_close(&l->dir);
	l->dir = -1;
}

/* By the directory's descriptor: it holds whatever the process's root has become. */
void vhost_user_listener_close(struct vhost_user_listener *l)
{
	struct stat st;

	if (l->dir >= 0 && l->ino && fstatat(l->dir, l->name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_dev == l->dev &&
	    st.st_ino == l->ino)
		unlinkat(l->dir, l->name, 0);
	vhost_user_listener_leave(l);
}
