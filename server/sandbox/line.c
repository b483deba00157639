/* SPDX-License-Identifier: Apache-2.0 */
/* The line between the parent outside and the daemon. */
#include "server/sandbox/line.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

int line_pair(int ends[2], struct graft_error *err)
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0)
		return 0;
	return error_set(err, errno, "making sockets for the sandbox: %s", strerror(errno));
}

int line_send(int end, const struct note *note)
{
	ssize_t n;

	do {
		n = send(end, note, sizeof(*note), MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

int line_receive(int end, struct note *note)
{
	ssize_t n;

	do {
		n = recv(end, note, sizeof(*note), MSG_TRUNC);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	if (n == 0)
		return -EPIPE;
	note->text[sizeof(note->text) - 1] = '\0';
	return n == sizeof(*note) ? 0 : -EPROTO;
}

bool line_alive(int end)
{
	struct pollfd p = { .fd = end };

	return poll(&p, 1, 0) == 0;
}
