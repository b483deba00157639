/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of a vhost-user front end: framing and checks. */
#include "transport/vhost_user_message.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define NO_FEATURE (-1)
#define PAYLOAD(member) sizeof(((struct vhost_user_message *)0)->member)

/* What a message must look like. A row without a name is not known here. */
struct message_rule {
	const char *name;
	uint16_t min, max; /* bytes of payload */
	uint8_t min_fds, max_fds;
	int8_t feature; /* protocol feature it needs, or NO_FEATURE */
	bool replies;
};

static const struct message_rule rules[VHOST_USER_REQUEST_END] = {
	[VHOST_USER_GET_FEATURES] = { "GET_FEATURES", 0, 0, 0, 0, NO_FEATURE, true },
	[VHOST_USER_SET_FEATURES] = { "SET_FEATURES", 8, 8, 0, 0, NO_FEATURE, false },
	[VHOST_USER_SET_OWNER] = { "SET_OWNER", 0, 0, 0, 0, NO_FEATURE, false },
	[VHOST_USER_RESET_OWNER] = { "RESET_OWNER", 0, 0, 0, 0, NO_FEATURE, false },
	[VHOST_USER_SET_MEM_TABLE] = { "SET_MEM_TABLE", 40, PAYLOAD(memory), 1, VHOST_USER_MAX_FDS, NO_FEATURE, false },
	[VHOST_USER_SET_LOG_BASE] = { "SET_LOG_BASE", 16, 16, 1, 1, VHOST_USER_PROTOCOL_LOG_SHMFD, true },
	[VHOST_USER_SET_LOG_FD] = { "SET_LOG_FD", 0, 8, 1, 1, NO_FEATURE, false },
	[VHOST_USER_SET_VRING_NUM] = { "SET_VRING_NUM", 8, 8, 0, 0, NO_FEATURE, false },
	[VHOST_USER_SET_VRING_ADDR] = { "SET_VRING_ADDR", 40, 40, 0, 0, NO_FEATURE, false },
	[VHOST_USER_SET_VRING_BASE] = { "SET_VRING_BASE", 8, 8, 0, 0, NO_FEATURE, false },
	[VHOST_USER_GET_VRING_BASE] = { "GET_VRING_BASE", 8, 8, 0, 0, NO_FEATURE, true },
	[VHOST_USER_SET_VRING_KICK] = { "SET_VRING_KICK", 8, 8, 0, 1, NO_FEATURE, false },
	[VHOST_USER_SET_VRING_CALL] = { "SET_VRING_CALL", 8, 8, 0, 1, NO_FEATURE, false },
	[VHOST_USER_SET_VRING_ERR] = { "SET_VRING_ERR", 8, 8, 0, 1, NO_FEATURE, false },
	[VHOST_USER_GET_PROTOCOL_FEATURES] = { "GET_PROTOCOL_FEATURES", 0, 0, 0, 0, NO_FEATURE, true },
	[VHOST_USER_SET_PROTOCOL_FEATURES] = { "SET_PROTOCOL_FEATURES", 8, 8, 0, 0, NO_FEATURE, false },
	[VHOST_USER_GET_QUEUE_NUM] = { "GET_QUEUE_NUM", 0, 0, 0, 0, VHOST_USER_PROTOCOL_MQ, true },
	[VHOST_USER_SET_VRING_ENABLE] = { "SET_VRING_ENABLE", 8, 8, 0, 0, NO_FEATURE, false },
	[VHOST_USER_SET_BACKEND_REQ_FD] = { "SET_BACKEND_REQ_FD", 0, 8, 1, 1, VHOST_USER_PROTOCOL_BACKEND_REQ, false },
	[VHOST_USER_GET_CONFIG] = { "GET_CONFIG", VHOST_USER_CONFIG_HEADER + 1, VHOST_USER_MAX_PAYLOAD, 0, 0,
				    VHOST_USER_PROTOCOL_CONFIG, true },
	[VHOST_USER_SET_CONFIG] = { "SET_CONFIG", VHOST_USER_CONFIG_HEADER + 1, VHOST_USER_MAX_PAYLOAD, 0, 0,
				    VHOST_USER_PROTOCOL_CONFIG, false },
	[VHOST_USER_RESET_DEVICE] = { "RESET_DEVICE", 0, 0, 0, 0, VHOST_USER_PROTOCOL_RESET_DEVICE, false },
	[VHOST_USER_GET_MAX_MEM_SLOTS] = { "GET_MAX_MEM_SLOTS", 0, 0, 0, 0, VHOST_USER_PROTOCOL_CONFIGURE_MEM_SLOTS,
					   true },
	[VHOST_USER_ADD_MEM_REG] = { "ADD_MEM_REG", 40, 40, 1, 1, VHOST_USER_PROTOCOL_CONFIGURE_MEM_SLOTS, false },
	[VHOST_USER_REM_MEM_REG] = { "REM_MEM_REG", 40, 40, 0, 1, VHOST_USER_PROTOCOL_CONFIGURE_MEM_SLOTS, false },
};

static const struct message_rule *rule_of(uint32_t request)
{
	return request < VHOST_USER_REQUEST_END && rules[request].name ? &rules[request] : NULL;
}

const char *vhost_user_message_name(uint32_t request)
{
	const struct message_rule *rule = rule_of(request);

	return rule ? rule->name : "message";
}

bool vhost_user_message_replies(uint32_t request)
{
	const struct message_rule *rule = rule_of(request);

	return rule && rule->replies;
}

/* Waits until the socket is ready for events. 0, -ECANCELED, -errno. */
static int wait_ready(int sock, int stop, short events)
{
	struct pollfd fds[2] = { { .fd = sock, .events = events }, { .fd = stop, .events = POLLIN } };

	while (poll(fds, 2, -1) < 0)
		if (errno != EINTR)
			return -errno;
	return fds[1].revents ? -ECANCELED : 0;
}

static bool would_block(void)
{
	return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

/* Keeps the descriptors that came along; closes what is one too many, so that none leaks. False: some were lost. */
static bool collect_fds(struct msghdr *hdr, struct vhost_user_message *msg)
{
	struct cmsghdr *c;

	for (c = CMSG_FIRSTHDR(hdr); c; c = CMSG_NXTHDR(hdr, c)) {
		uint32_t i, n = (uint32_t)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (msg->nfds < VHOST_USER_MAX_FDS)
				msg->fds[msg->nfds++] = fd;
			else
				close(fd);
		}
	}
	return !(hdr->msg_flags & MSG_CTRUNC);
}

/* The first bytes of a header, with the descriptors: those come with the first byte only. Bytes read, 0, -errno. */
static ssize_t read_first(int sock, struct vhost_user_message *msg, struct graft_error *err)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * VHOST_USER_MAX_FDS)];
	} control;
	struct iovec iov = { &msg->header, sizeof(msg->header) };
	struct msghdr hdr = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control.bytes)
	};
	ssize_t n = recvmsg(sock, &hdr, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);

	if (n < 0 && errno == ECONNRESET)
		return 0;
	if (n < 0)
		return would_block() ? -EAGAIN : error_set(err, errno, "cannot read a message: %s", strerror(errno));
	if (!collect_fds(&hdr, msg))
		return error_set(err, EPROTO,
				 "a message with more than %d descriptors, or more than this process can hold",
				 VHOST_USER_MAX_FDS);
	return n;
}

/* Exactly len bytes. recv() drops descriptors that come here. */
static int read_rest(int sock, int stop, void *to, size_t len, struct graft_error *err)
{
	uint8_t *at = to;

	while (len) {
		ssize_t n = recv(sock, at, len, MSG_DONTWAIT);
		int rc = n < 0 && would_block() ? wait_ready(sock, stop, POLLIN) : 0;

		if (rc < 0)
			return rc == -ECANCELED ? rc
						: error_set(err, -rc, "cannot wait for a message: %s", strerror(-rc));
		if (n < 0 && would_block())
			continue;
		if (n < 0)
			return error_set(err, errno, "cannot read a message: %s", strerror(errno));
		if (n == 0)
			return error_set(err, EPROTO, "the connection ended within a message");
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

static int check_header(const struct vhost_user_header *header, struct graft_error *err)
{
	const char *name = vhost_user_message_name(header->request);

	if ((header->flags & VHOST_USER_VERSION_MASK) != VHOST_USER_VERSION || header->flags & VHOST_USER_REPLY ||
	    header->flags & ~(uint32_t)(VHOST_USER_VERSION_MASK | VHOST_USER_REPLY | VHOST_USER_NEED_REPLY))
		return error_set(err, EPROTO, "%s %u with flags 0x%x", name, header->request, header->flags);
	if (header->size > VHOST_USER_MAX_PAYLOAD)
		return error_set(err, EPROTO, "%s %u of %u bytes", name, header->request, header->size);
	return 0;
}

int vhost_user_message_read(int sock, int stop, struct vhost_user_message *msg, struct graft_error *err)
{
	ssize_t n;
	int rc;

	msg->nfds = 0;
	do {
		rc = wait_ready(sock, stop, POLLIN);
		if (rc < 0)
			return rc == -ECANCELED ? rc
						: error_set(err, -rc, "cannot wait for a message: %s", strerror(-rc));
		n = read_first(sock, msg, err);
	} while (n == -EAGAIN);
	if (n <= 0)
		return (int)n;
	rc = read_rest(sock, stop, (uint8_t *)&msg->header + n, sizeof(msg->header) - (size_t)n, err);
	if (rc == 0)
		rc = check_header(&msg->header, err);
	if (rc == 0)
		rc = read_rest(sock, stop, msg->bytes, msg->header.size, err);
	return rc < 0 ? rc : 1;
}

/* What the sizes alone do not say. */
static int check_content(const struct vhost_user_message *msg, struct graft_error *err)
{
	bool good = true;

	switch (msg->header.request) {
	case VHOST_USER_SET_MEM_TABLE:
		good = msg->memory.count == msg->nfds &&
		       msg->header.size == offsetof(struct vhost_user_message, memory.regions) -
						   offsetof(struct vhost_user_message, bytes) +
						   (uint64_t)msg->memory.count * sizeof(msg->memory.regions[0]);
		break;
	case VHOST_USER_SET_VRING_KICK:
	case VHOST_USER_SET_VRING_CALL:
	case VHOST_USER_SET_VRING_ERR:
		good = !(msg->u64 & ~(uint64_t)(VHOST_USER_VRING_INDEX | VHOST_USER_VRING_NO_FD)) &&
		       msg->nfds == (msg->u64 & VHOST_USER_VRING_NO_FD ? 0 : 1);
		break;
	case VHOST_USER_SET_VRING_ADDR:
		good = !(msg->addr.flags & ~VHOST_USER_VRING_ADDR_LOG);
		break;
	case VHOST_USER_SET_VRING_ENABLE:
		good = msg->state.num <= 1;
		break;
	case VHOST_USER_GET_CONFIG:
	case VHOST_USER_SET_CONFIG:
		good = msg->config.size == msg->header.size - VHOST_USER_CONFIG_HEADER &&
		       msg->config.offset <= VHOST_USER_MAX_CONFIG - msg->config.size;
		break;
	default:
		break;
	}
	return good ? 0
		    : error_set(err, EPROTO, "%s with a malformed payload",
				vhost_user_message_name(msg->header.request));
}

int vhost_user_message_check(const struct vhost_user_message *msg, uint64_t protocol_features, struct graft_error *err)
{
	const struct message_rule *rule = rule_of(msg->header.request);

	if (!rule)
		return error_set(err, EPROTO, "message %u is not supported", msg->header.request);
	if (msg->header.size < rule->min || msg->header.size > rule->max)
		return error_set(err, EPROTO, "%s of %u bytes", rule->name, msg->header.size);
	if (msg->nfds < rule->min_fds || msg->nfds > rule->max_fds)
		return error_set(err, EPROTO, "%s with %u descriptors", rule->name, msg->nfds);
	if (rule->feature != NO_FEATURE && !(protocol_features >> rule->feature & 1))
		return error_set(err, EPROTO, "%s without its protocol feature (bit %d)", rule->name, rule->feature);
	return check_content(msg, err);
}

int vhost_user_message_reply(int sock, int stop, struct vhost_user_message *msg, uint32_t size, struct graft_error *err)
{
	uint8_t frame[sizeof(msg->header) + VHOST_USER_MAX_PAYLOAD];
	size_t len = sizeof(msg->header) + size, sent = 0;

	msg->header.flags = VHOST_USER_VERSION | VHOST_USER_REPLY;
	msg->header.size = size;
	memcpy(frame, &msg->header, sizeof(msg->header));
	memcpy(frame + sizeof(msg->header), msg->bytes, size);
	while (sent < len) {
		ssize_t n = send(sock, frame + sent, len - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
		int rc = 0;

		if (n >= 0)
			sent += (size_t)n;
		else
			rc = would_block() ? wait_ready(sock, stop, POLLOUT) : -errno;
		if (rc < 0)
			return rc == -ECANCELED ? rc : error_set(err, -rc, "cannot send a reply: %s", strerror(-rc));
	}
	return 0;
}

int vhost_user_message_take_fd(struct vhost_user_message *msg, uint32_t i)
{
	int fd;

	if (i >= msg->nfds)
		return -1;
	fd = msg->fds[i];
	msg->fds[i] = -1;
	return fd;
}

void vhost_user_message_close(struct vhost_user_message *msg)
{
	uint32_t i;

	for (i = 0; i < msg->nfds; i++)
		if (msg->fds[i] >= 0)
			close(msg->fds[i]);
	msg->nfds = 0;
}
