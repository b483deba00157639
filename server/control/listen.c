/* SPDX-License-Identifier: Apache-2.0 */
/* The socket of the API. */
#include "server/control/listen.h"

#include "lib/unix_name.h"

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

static int adopt(struct unix_listener *l, int fd, struct graft_error *err)
{
	if (unix_socket_option(fd, SO_DOMAIN) != AF_UNIX || unix_socket_option(fd, SO_TYPE) != SOCK_STREAM ||
	    unix_socket_option(fd, SO_ACCEPTCONN) != 1)
		return error_set(err, EINVAL,
				 "inherited descriptor %d is for the API, but not a listening unix stream socket", fd);
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		return error_set(err, errno, "inherited descriptor %d: %s", fd, strerror(errno));
	l->fd = fd;
	return 0;
}

static int open_path(struct unix_listener *l, const char *path, mode_t mode, struct graft_error *err)
{
	const struct unix_listener_config config = { .mode = mode, .group = UNIX_ANY_GROUP, .backlog = BACKLOG, .hidden = true };

	const char *name = unix_name(path);

	if (!name)
		return error_set(err, ENAMETOOLONG, "socket path of %zu bytes, at most %d are possible: %s",
				 strlen(path), UNIX_NAME_MAX - 1, path);
	return unix_listener_open(l, name, &config, err);
}

int api_listener_open(struct unix_listener *l, const char *path, mode_t mode, struct graft_error *err)
{
	int n = inherited_count();

	*l = (struct unix_listener)UNIX_LISTENER_NONE;
	for (int i = 0; i < n; i++)
		if (inherited_named(i) || bound_to(INHERITED_FIRST + i, path))
			return adopt(l, INHERITED_FIRST + i, err);
	return path ? open_path(l, path, mode, err) : 0;
}
