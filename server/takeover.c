/* SPDX-License-Identifier: Apache-2.0 */
/* Whether this process begins with a mount that another made. */
#include "server/takeover.h"

#include "lib/cleanup.h"
#include "lib/log.h"
#include "lib/unix_name.h"
#include "transport/fuse_dev_mount.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

/* A datagram socket is refused with another error by a stream socket that lives, which sees nothing of it. */
static bool is_left_over(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	const char *name = unix_name(path);
	struct stat st;

	if (!name || stat(path, &st) < 0 || !S_ISSOCK(st.st_mode))
		return false;
	strcpy(addr.sun_path, name);
	auto_close int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return fd >= 0 && connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0 && errno == ECONNREFUSED;
}

static bool waits(const struct config *c, const struct transport_config *t)
{
	if (t->kind != GRAFT_DEV_FUSE || t->takeover == CONFIG_TAKEOVER_NO)
		return false;
	if (t->takeover == CONFIG_TAKEOVER_YES)
		return true;
	if (!c->server.api_socket || !is_left_over(c->server.api_socket) || !fuse_dev_mount_there(t->mountpoint))
		return false;
	log_warn(t->name,
		 "%s is mounted and nobody answers at %s: the process before has crashed, so this one waits to take "
		 "over",
		 t->mountpoint, c->server.api_socket);
	return true;
}

bool takeover_waits(const struct config *c)
{
	for (uint32_t i = 0; i < c->ntransports; i++) {
		if (waits(c, &c->transports[i]))
			return true;
	}
	return false;
}
