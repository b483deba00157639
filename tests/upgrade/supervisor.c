/* SPDX-License-Identifier: Apache-2.0 */
/* A supervisor of daemons. */
#include "tests/upgrade/supervisor.h"

#include "tests/upgrade/daemon.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define ROOM (1 << 20)
#define WAIT_MS 10000

union control {
	char bytes[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

void supervisor_open(struct supervisor *s, const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	*s = (struct supervisor){ .fd = -1, .bytes = malloc(ROOM) };
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	s->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (!s->bytes || s->listener < 0 || bind(s->listener, (struct sockaddr *)&addr, sizeof(addr)) ||
	    listen(s->listener, 4))
		die("supervisor %s: %s", path, strerror(errno));
}

void supervisor_close(struct supervisor *s)
{
	close(s->listener);
	if (s->fd >= 0)
		close(s->fd);
	free(s->bytes);
}

static int accept_one(const struct supervisor *s)
{
	struct pollfd p = { .fd = s->listener, .events = POLLIN };

	return poll(&p, 1, WAIT_MS) == 1 ? accept4(s->listener, NULL, NULL, SOCK_CLOEXEC) : -1;
}

static void *take_main(void *arg)
{
	struct supervisor *s = arg;
	union control control = { 0 };
	struct iovec iov = { s->bytes, ROOM };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control)
	};
	int fd = accept_one(s);
	ssize_t n = fd < 0 ? 0 : recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
	struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&msg) : NULL;

	if (!c)
		die("the daemon sent no descriptor");
	if (s->fd >= 0)
		close(s->fd);
	memcpy(&s->fd, CMSG_DATA(c), sizeof(s->fd));
	for (s->len = 0; n > 0; n = read(fd, s->bytes + s->len, ROOM - s->len))
		s->len += (size_t)n;
	close(fd);
	return NULL;
}

static void *give_main(void *arg)
{
	struct supervisor *s = arg;
	union control control = { 0 };
	struct iovec iov = { s->bytes, s->len };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control)
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	int fd = accept_one(s);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(s->fd));
	memcpy(CMSG_DATA(c), &s->fd, sizeof(s->fd));
	if (fd < 0 || sendmsg(fd, &msg, MSG_NOSIGNAL) != (ssize_t)s->len)
		die("the daemon did not take the state");
	close(fd);
	return NULL;
}

static void begin(struct supervisor *s, void *(*part)(void *))
{
	if (pthread_create(&s->thread, NULL, part, s))
		die("no thread");
}

void supervisor_take(struct supervisor *s)
{
	begin(s, take_main);
}

void supervisor_give(struct supervisor *s)
{
	begin(s, give_main);
}

void supervisor_wait(struct supervisor *s)
{
	pthread_join(s->thread, NULL);
}
