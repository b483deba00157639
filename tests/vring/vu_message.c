/* SPDX-License-Identifier: Apache-2.0 */
/* The front end's side of the vhost-user socket. */
#include "tests/vring/vu_message.h"

#include "tests/vring/clock.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define REPLY_TIMEOUT_MS 30000 /* generous: the daemon may run under a sanitizer on a busy machine */

int vu_connect(const char *path, int timeout_ms)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int64_t deadline = clock_ms() + timeout_ms;

	if (strlen(path) >= sizeof(sa.sun_path))
		return -ENAMETOOLONG;
	strcpy(sa.sun_path, path);
	for (;;) {
		int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (sock < 0)
			return -errno;
		if (connect(sock, (struct sockaddr *)&sa, sizeof(sa)) == 0)
			return sock;
		int res = -errno;
		close(sock);
		if ((res != -ENOENT && res != -ECONNREFUSED) || clock_ms() >= deadline)
			return res;
		usleep(5000);
	}
}

int vu_send_bytes(int sock, const void *bytes, size_t len, const int *fds, unsigned nfds)
{
	char control[CMSG_SPACE(sizeof(int) * 253)] __attribute__((aligned(8))) = {0};
	const char *at = bytes;

	if (nfds > 253)
		return -EINVAL;
	while (len) {
		struct iovec iov = {.iov_base = (void *)(uintptr_t)at, .iov_len = len};
		struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

		if (nfds) {
			msg.msg_control = control;
			msg.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
			struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
			cmsg->cmsg_level = SOL_SOCKET;
			cmsg->cmsg_type = SCM_RIGHTS;
			cmsg->cmsg_len = CMSG_LEN(sizeof(int) * nfds);
			memcpy(CMSG_DATA(cmsg), fds, sizeof(int) * nfds);
		}
		ssize_t n = sendmsg(sock, &msg, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		nfds = 0;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

int vu_send(int sock, uint32_t request, uint32_t flags, const void *payload, uint32_t size, const int *fds,
	    unsigned nfds)
{
	unsigned char frame[VU_HEADER_SIZE + VU_MAX_PAYLOAD];
	struct vu_header header = {.request = request, .flags = VU_VERSION | flags, .size = size};

	if (size > VU_MAX_PAYLOAD)
		return -EMSGSIZE;
	memcpy(frame, &header, sizeof(header));
	if (size)
		memcpy(frame + VU_HEADER_SIZE, payload, size);
	return vu_send_bytes(sock, frame, VU_HEADER_SIZE + size, fds, nfds);
}

static int receive_bytes(int sock, void *to, size_t len, int64_t deadline)
{
	char *at = to;

	while (len) {
		struct pollfd p = {.fd = sock, .events = POLLIN};
		int64_t left = deadline - clock_ms();

		if (left < 0 || poll(&p, 1, (int)left) == 0)
			return -ETIMEDOUT;
		ssize_t n = recv(sock, at, len, 0);
		if (n == 0)
			return -EPIPE;
		if (n < 0 && errno != EINTR)
			return errno == ECONNRESET ? -EPIPE : -errno;
		if (n > 0) {
			at += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

int vu_receive(int sock, struct vu_reply *reply, int timeout_ms)
{
	int64_t deadline = clock_ms() + timeout_ms;

	memset(reply, 0, sizeof(*reply));
	int res = receive_bytes(sock, &reply->header, VU_HEADER_SIZE, deadline);
	if (res < 0)
		return res;
	if (reply->header.flags != (VU_VERSION | VU_REPLY) || reply->header.size > VU_MAX_PAYLOAD)
		return -EBADMSG;
	return receive_bytes(sock, reply->bytes, reply->header.size, deadline);
}

int vu_ask(int sock, uint32_t request, const void *payload, uint32_t size, const int *fds, unsigned nfds,
	   struct vu_reply *reply)
{
	int res = vu_send(sock, request, 0, payload, size, fds, nfds);

	/* A daemon that refuses closes at once: what it said before still waits to be read. */
	if (res < 0 && res != -EPIPE)
		return res;
	res = vu_receive(sock, reply, REPLY_TIMEOUT_MS);
	if (res < 0)
		return res;
	return reply->header.request == request ? 0 : -EBADMSG;
}

int vu_order(int sock, uint32_t request, const void *payload, uint32_t size, const int *fds, unsigned nfds)
{
	struct vu_reply reply;
	int res = vu_send(sock, request, VU_NEED_REPLY, payload, size, fds, nfds);

	if (res < 0 && res != -EPIPE)
		return res;
	res = vu_receive(sock, &reply, REPLY_TIMEOUT_MS);
	if (res < 0)
		return res;
	if (reply.header.request != request || reply.header.size != sizeof(reply.u64))
		return -EBADMSG;
	return reply.u64 ? -EREMOTEIO : 0;
}

bool vu_closed(int sock, int timeout_ms)
{
	int64_t deadline = clock_ms() + timeout_ms;
	char waste[256];

	for (;;) {
		int res = receive_bytes(sock, waste, 1, deadline);
		if (res == -EPIPE)
			return true;
		if (res < 0)
			return false;
	}
}
