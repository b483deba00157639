/* SPDX-License-Identifier: Apache-2.0 */
/* The packets between the daemon and the service outside. */
#include "server/sandbox/outside_wire.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* What a question of each kind carries. */
static const struct {
	bool path;
	uint32_t fds;
} shapes[OUTSIDE_KINDS] = {
	[OUTSIDE_OPEN] = { .path = true },
	[OUTSIDE_FUSE_CLONE] = { .fds = 1 },
	[OUTSIDE_BACKING_OPEN] = { .fds = 2 },
	[OUTSIDE_BACKING_CLOSE] = { .fds = 1 },
};

/* Head and text of a packet, whichever way it goes. */
static int unpack(const void *bytes, size_t len, struct outside_packet *p)
{
	if (len < sizeof(p->head))
		return -EINVAL;
	memcpy(&p->head, bytes, sizeof(p->head));
	if (p->head.length > OUTSIDE_TEXT_MAX || p->head.length != len - sizeof(p->head))
		return -EINVAL;
	memcpy(p->text, (const char *)bytes + sizeof(p->head), p->head.length);
	p->text[p->head.length] = '\0';
	return strlen(p->text) == p->head.length ? 0 : -EINVAL;
}

int outside_question(const void *bytes, size_t len, uint32_t nfds, struct outside_packet *p)
{
	int res = unpack(bytes, len, p);

	if (res || p->head.kind >= OUTSIDE_KINDS || nfds != shapes[p->head.kind].fds)
		return -EINVAL;
	if (!shapes[p->head.kind].path)
		return p->head.length ? -EINVAL : 0;
	return p->text[0] == '/' && p->head.length < PATH_MAX ? 0 : -EINVAL;
}

int outside_reply(const void *bytes, size_t len, uint32_t nfds, struct outside_packet *p)
{
	(void)nfds;
	return unpack(bytes, len, p);
}

/* More descriptors than there is room for are closed by the kernel, which says so by MSG_CTRUNC. */
static void take_fds(struct msghdr *msg, struct outside_packet *p)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(msg);

	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
		return;
	p->nfds = (uint32_t)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
	memcpy(p->fds, CMSG_DATA(c), p->nfds * sizeof(int));
}

int outside_receive(int sock, int (*check)(const void *, size_t, uint32_t, struct outside_packet *),
		    struct outside_packet *p)
{
	union {
		char bytes[CMSG_SPACE(OUTSIDE_FDS * sizeof(int))];
		struct cmsghdr align;
	} control;
	char bytes[sizeof(p->head) + OUTSIDE_TEXT_MAX];
	struct iovec iov = { .iov_base = bytes, .iov_len = sizeof(bytes) };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control.bytes)
	};
	ssize_t n;

	p->nfds = 0;
	for (int i = 0; i < OUTSIDE_FDS; i++)
		p->fds[i] = -1;
	do {
		n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	take_fds(&msg, p);
	if (n == 0 && p->nfds == 0)
		return -EPIPE;
	if (!(msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) && check(bytes, (size_t)n, p->nfds, p) == 0)
		return 0;
	outside_packet_drop(p);
	return -EBADMSG;
}

int outside_send(int sock, const struct outside_head *head, const char *text, const int *fds, uint32_t nfds)
{
	union {
		char bytes[CMSG_SPACE(OUTSIDE_FDS * sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec iov[] = { { .iov_base = (void *)head, .iov_len = sizeof(*head) },
			       { .iov_base = (void *)text, .iov_len = head->length } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = head->length ? 2 : 1 };
	ssize_t n;

	if (nfds > 0) {
		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, nfds * sizeof(int));
	}
	do {
		n = sendmsg(sock, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

void outside_packet_drop(struct outside_packet *p)
{
	for (uint32_t i = 0; i < p->nfds; i++)
		close(p->fds[i]);
	for (uint32_t i = 0; i < OUTSIDE_FDS; i++)
		p->fds[i] = -1;
	p->nfds = 0;
}
