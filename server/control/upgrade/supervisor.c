/* SPDX-License-Identifier: Apache-2.0 */
/* The supervisor's protocol. Nothing waits longer than the time of one operation, whatever the supervisor does. */
#include "server/control/upgrade/supervisor.h"

#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/unix_name.h"
#include "server/control/upgrade/nydus_state.h"

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#define FDS_MAX 16
#define FIRST_ROOM 32768 /* bytes */
#define MS UINT64_C(1000000)

static uint64_t end_of_time(void)
{
	return clock_ns(CLOCK_MONOTONIC) + SUPERVISOR_MS * MS;
}

/* 0, or -ETIMEDOUT. */
static int wait_for(int sock, short events, uint64_t end)
{
	for (;;) {
		uint64_t now = clock_ns(CLOCK_MONOTONIC);
		struct pollfd p = { .fd = sock, .events = events };
		int n = now < end ? poll(&p, 1, (int)((end - now) / MS) + 1) : 0;

		if (n > 0)
			return 0;
		if (n == 0)
			return -ETIMEDOUT;
		if (errno != EINTR)
			return -errno;
	}
}

/* Connecting to a Unix socket waits only where too many wait there already, and then it is refused (EAGAIN). */
static int open_connection(const char *path, const char **step, struct graft_error *err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	const char *name = unix_name(path);
	auto_close int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	*step = "CreateUnixStream";
	if (sock < 0)
		return error_set(err, errno, "making a socket: %s", strerror(errno));
	if (!name)
		return error_set(err, ENAMETOOLONG, "supervisor %s: too long for a socket's path", path);
	strcpy(addr.sun_path, name);
	if (connect(sock, (const struct sockaddr *)&addr, sizeof(addr)) < 0)
		return error_set(err, errno, "supervisor %s: %s", path, strerror(errno));
	return steal_fd(&sock);
}

/* ---- sending ---- */

union control {
	char bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
	struct cmsghdr align;
};

/* The first bytes with the descriptor. */
static ssize_t send_first(int sock, int fd, const void *bytes, size_t len)
{
	union control control = { 0 };
	struct iovec iov = { (void *)(uintptr_t)bytes, len };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = CMSG_SPACE(sizeof(fd))
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	return sendmsg(sock, &msg, MSG_NOSIGNAL);
}

static int send_all(int sock, int fd, const unsigned char *bytes, size_t len)
{
	uint64_t end = end_of_time();
	size_t sent = 0;

	while (sent < len) {
		ssize_t n =
			sent ? send(sock, bytes + sent, len - sent, MSG_NOSIGNAL) : send_first(sock, fd, bytes, len);

		if (n >= 0) {
			sent += (size_t)n;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return -errno;
		int res = wait_for(sock, POLLOUT, end);
		if (res)
			return res;
	}
	return 0;
}

int supervisor_send(const char *path, int fd, const void *bytes, size_t len, const char **step, struct graft_error *err)
{
	auto_close int sock = open_connection(path, step, err);

	if (sock < 0)
		return sock;
	*step = "SendFd";
	int res = send_all(sock, fd, bytes, len);
	return res ? error_set(err, -res, "supervisor %s: sending the state: %s", path, strerror(-res)) : 0;
}

/* ---- receiving ---- */

struct inbox {
	unsigned char *bytes;
	size_t len, room;
	int fd; /* the first that came, or -1 */
	unsigned int nfds;
};

static void take_fds(struct inbox *in, struct msghdr *msg)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
			if (in->nfds++)
				close(fd);
			else
				in->fd = fd;
		}
	}
	/* Some did not fit: then there were several. */
	if (msg->msg_flags & MSG_CTRUNC)
		in->nfds++;
}

static int make_room(struct inbox *in)
{
	size_t room = in->room ? in->room * 2 : FIRST_ROOM;

	if (in->len < in->room)
		return 0;
	if (in->room > NYDUS_STATE_MAX)
		return -E2BIG;
	void *bytes = realloc(in->bytes, room);
	if (!bytes)
		return -ENOMEM;
	in->bytes = bytes;
	in->room = room;
	return 0;
}

/* Bytes, 0 at the end, or -errno. */
static ssize_t receive_some(int sock, struct inbox *in)
{
	union control control = { 0 };
	struct iovec iov = { in->bytes + in->len, in->room - in->len };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control.bytes)
	};
	ssize_t n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);

	if (n < 0)
		return -errno;
	take_fds(in, &msg);
	return n;
}

static int receive_all(int sock, struct inbox *in)
{
	uint64_t end = end_of_time();

	for (;;) {
		int res = make_room(in);
		if (res)
			return res;
		ssize_t n = receive_some(sock, in);
		if (n == 0)
			return 0;
		if (n > 0)
			in->len += (size_t)n;
		else if (n == -EAGAIN)
			res = wait_for(sock, POLLIN, end);
		else if (n != -EINTR)
			res = (int)n;
		if (res)
			return res;
	}
}

static int check_fds(const struct inbox *in, const char *path, const char **step, struct graft_error *err)
{
	*step = "NoEnoughFds";
	if (!in->nfds)
		return error_set(err, EINVAL, "supervisor %s: gave no descriptor", path);
	if (in->nfds > 1)
		return error_set(err, EINVAL, "supervisor %s: gave several descriptors, one is right", path);
	return 0;
}

int supervisor_receive(const char *path, int *fd, unsigned char **bytes, size_t *len, const char **step,
		       struct graft_error *err)
{
	struct inbox in = { .fd = -1 };
	auto_close int sock = open_connection(path, step, err);

	if (sock < 0)
		return sock;
	*step = "RecvFd";
	int res = receive_all(sock, &in);
	if (res)
		error_set(err, -res, "supervisor %s: receiving the state: %s", path, strerror(-res));
	else
		res = check_fds(&in, path, step, err);
	if (res) {
		free(in.bytes);
		cleanup_close(&in.fd);
		return res;
	}
	*fd = in.fd;
	*bytes = in.bytes;
	*len = in.len;
	return 0;
}
