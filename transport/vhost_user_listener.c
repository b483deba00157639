/* SPDX-License-Identifier: Apache-2.0 */
/* The socket a front end connects to. */
#include "transport/vhost_user_listener.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define BACKLOG 16 /* further front ends wait here until the present one has left */

int vhost_user_listener_open(struct vhost_user_listener *l, const char *path, gid_t group, struct graft_error *err)
{
	const struct unix_listener_config config = {
		.mode = group == UNIX_ANY_GROUP ? 0700 : 0770,
		.group = group,
		.backlog = BACKLOG,
	};
	const char *name = unix_name(path);

	*l = (struct vhost_user_listener)VHOST_USER_LISTENER_NONE;
	if (!name)
		return error_set(err, ENAMETOOLONG, "socket path of %zu bytes, at most %d are possible: %s",
				 strlen(path), UNIX_NAME_MAX - 1, path);
	strcpy(l->where, name);
	return unix_listener_open(&l->socket, name, &config, err);
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
	if (unix_socket_option(fd, SO_DOMAIN) != AF_UNIX || unix_socket_option(fd, SO_TYPE) != SOCK_STREAM)
		return error_set(err, EINVAL, "descriptor %d is not a unix stream socket", fd);
	if (unix_socket_option(fd, SO_ACCEPTCONN) != 1)
		return error_set(err, EINVAL, "descriptor %d is a socket that does not listen", fd);
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		return error_set(err, errno, "descriptor %d: %s", fd, strerror(errno));
	l->socket.fd = fd;
	return 0;
}

int vhost_user_listener_accept(struct vhost_user_listener *l)
{
	int sock = accept4(l->socket.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	return sock < 0 ? -errno : sock;
}
