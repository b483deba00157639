/* SPDX-License-Identifier: Apache-2.0 */
/* sd_notify(3): one datagram to a Unix socket, of a path or, after '@', an abstract one. */
#include "server/sd_notify.h"

#include "lib/cleanup.h"

#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

int sd_notify_open(int *fd)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to = { .sun_family = AF_UNIX };

	*fd = -1;
	if (!path || !*path)
		return 0;
	size_t len = strlen(path);
	if (len >= sizeof(to.sun_path) || (*path != '/' && *path != '@'))
		return -EINVAL;
	memcpy(to.sun_path, path, len);
	if (*path == '@')
		to.sun_path[0] = 0;
	auto_close int made = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (made < 0)
		return -errno;
	socklen_t to_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	if (connect(made, (struct sockaddr *)&to, to_len) < 0)
		return -errno;
	*fd = steal_fd(&made);
	return 0;
}

int sd_notify_send_to(int fd, const char *state)
{
	return fd >= 0 && send(fd, state, strlen(state), MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int sd_notify_send(const char *state)
{
	auto_close int fd = -1;
	int res = sd_notify_open(&fd);

	return res ? res : sd_notify_send_to(fd, state);
}
