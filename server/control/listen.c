/* SPDX-License-Identifier: Apache-2.0 */
/* The socket of the API. */
#include "server/control/listen.h"

#include "lib/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 512
#define INHERITED_FIRST 3 /* SD_LISTEN_FDS_START of sd_listen_fds(3) */
#define INHERITED_MAX 1024
#define INHERITED_NAME "api"

/* Number of descriptors that were handed to this very process. */
static int inherited_count(void)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");

	if (!pid || !fds || strtol(pid, NULL, 10) != getpid())
		return 0;
	long n = strtol(fds, NULL, 10);
	return n < 0 || n > INHERITED_MAX ? 0 : (int)n;
}

static bool inherited_named(int index)
{
	const char *names = getenv("LISTEN_FDNAMES");

	for (int i = 0; names && i < index; i++) {
		names = strchr(names, ':');
		names = names ? names + 1 : NULL;
	}
	return names && strcspn(names, ":") == strlen(INHERITED_NAME) &&
	       !strncmp(names, INHERITED_NAME, strlen(INHERITED_NAME));
}

static bool bound_to(int fd, const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNSPEC };
	socklen_t len = sizeof(addr);

	if (!path || getsockname(fd, (struct sockaddr *)&addr, &len) < 0 || addr.sun_family != AF_UNIX)
		return false;
	size_t room = len > offsetof(struct sockaddr_un, sun_path) ? len - offsetof(struct sockaddr_un, sun_path) : 0;
	return strnlen(addr.sun_path, room) == strlen(path) && !memcmp(addr.sun_path, path, strlen(path));
}

static int option(int fd, int name)
{
	socklen_t len = sizeof(int);
	int value = -1;

	return getsockopt(fd, SOL_SOCKET, name, &value, &len) < 0 ? -1 : value;
}

static int adopt(struct api_listener *l, int fd, struct graft_error *err)
{
	if (option(fd, SO_DOMAIN) != AF_UNIX || option(fd, SO_TYPE) != SOCK_STREAM || option(fd, SO_ACCEPTCONN) != 1)
		return error_set(err, EINVAL,
				 "inherited descriptor %d is for the API, but not a listening unix stream socket", fd);
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		return error_set(err, errno, "inherited descriptor %d: %s", fd, strerror(errno));
	l->fd = fd;
	return 0;
}

/*
 * Does no process hold the socket at this address? A datagram socket cannot connect to a stream socket that lives
 * (EPROTOTYPE), and is told so without the other side seeing a connection; to a dead one nobody can (ECONNREFUSED).
 */
static bool is_stale(const struct sockaddr_un *addr)
{
	auto_close int probe = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return probe >= 0 && connect(probe, (const struct sockaddr *)addr, sizeof(*addr)) < 0 && errno == ECONNREFUSED;
}

static int clear_path(const struct sockaddr_un *addr, struct graft_error *err)
{
	const char *path = addr->sun_path;
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : error_set(err, errno, "%s: %s", path, strerror(errno));
	if (!S_ISSOCK(st.st_mode))
		return error_set(err, EEXIST, "%s exists and is not a socket: remove it or choose another path", path);
	if (!is_stale(addr))
		return error_set(err, EADDRINUSE, "%s is in use by a running process", path);
	if (unlink(path) < 0 && errno != ENOENT)
		return error_set(err, errno, "cannot remove the stale socket %s: %s", path, strerror(errno));
	return 0;
}

/* What is needed to remove the socket from where its path leads nowhere (a sandbox). */
static int hold_folder(struct api_listener *l, const char *path, struct graft_error *err)
{
	const char *slash = strrchr(path, '/');
	auto_free char *folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");

	l->name = strdup(slash ? slash + 1 : path);
	if (!folder || !l->name)
		return error_set(err, ENOMEM, "out of memory");
	l->dir = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return l->dir < 0 ? error_set(err, errno, "cannot listen on %s: %s: %s", path, folder, strerror(errno)) : 0;
}

static int bind_path(struct api_listener *l, const struct sockaddr_un *addr, struct graft_error *err)
{
	struct stat st;

	l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* Linux makes the file with the socket's own mode, less the umask: so it is never open to others, not even for
	 * a moment. */
	if (l->fd < 0 || fchmod(l->fd, 0600) < 0)
		return error_set(err, errno, "cannot make a socket: %s", strerror(errno));
	if (bind(l->fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0)
		return error_set(err, errno, "cannot listen on %s: %s", addr->sun_path, strerror(errno));
	if (fstatat(l->dir, l->name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		l->dev = st.st_dev;
		l->ino = st.st_ino;
	}
	/* A umask that takes the owner's bits away. */
	if (fchmodat(AT_FDCWD, addr->sun_path, 0600, AT_SYMLINK_NOFOLLOW) < 0 && errno != EOPNOTSUPP)
		return error_set(err, errno, "%s: %s", addr->sun_path, strerror(errno));
	if (listen(l->fd, BACKLOG) < 0)
		return error_set(err, errno, "cannot listen on %s: %s", addr->sun_path, strerror(errno));
	return 0;
}

static int open_path(struct api_listener *l, const char *path, struct graft_error *err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(addr.sun_path))
		return error_set(err, ENAMETOOLONG, "socket path of %zu bytes, at most %zu are possible: %s",
				 strlen(path), sizeof(addr.sun_path) - 1, path);
	strcpy(addr.sun_path, path);
	int res = clear_path(&addr, err);
	if (!res)
		res = hold_folder(l, path, err);
	return res ? res : bind_path(l, &addr, err);
}

int api_listener_open(struct api_listener *l, const char *path, struct graft_error *err)
{
	int n = inherited_count(), res = 0;

	memset(l, 0, sizeof(*l));
	l->fd = l->dir = -1;
	for (int i = 0; i < n; i++)
		if (inherited_named(i) || bound_to(INHERITED_FIRST + i, path))
			return adopt(l, INHERITED_FIRST + i, err);
	if (path)
		res = open_path(l, path, err);
	if (res < 0)
		api_listener_close(l);
	return res;
}

void api_listener_close(struct api_listener *l)
{
	struct stat st;

	if (l->name && l->ino && fstatat(l->dir, l->name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_dev == l->dev &&
	    st.st_ino == l->ino)
		unlinkat(l->dir, l->name, 0);
	free(l->name);
	l->name = NULL;
	cleanup_close(&l->dir);
	cleanup_close(&l->fd);
	l->fd = l->dir = -1;
}
