/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of a vhost-user front end: framing, the table of what is known, and the checks before a handler sees one. */
#ifndef GRAFT_TRANSPORT_VHOST_USER_MESSAGE_H
#define GRAFT_TRANSPORT_VHOST_USER_MESSAGE_H

#include "lib/error.h"
#include "transport/guest_memory.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VHOST_USER_MAX_PAYLOAD 4096 /* bytes */
#define VHOST_USER_MAX_FDS 32       /* of one message, and regions of one SET_MEM_TABLE */
#define VHOST_USER_CONFIG_HEADER 12 /* bytes before the data of GET_CONFIG and SET_CONFIG */
#define VHOST_USER_MAX_CONFIG 4096  /* highest end of an access to the configuration space */

enum vhost_user_flags {
	VHOST_USER_VERSION = 1, /* bits 0 and 1 */
	VHOST_USER_VERSION_MASK = 3,
	VHOST_USER_REPLY = 1 << 2,
	VHOST_USER_NEED_REPLY = 1 << 3
};

enum vhost_user_request {
	VHOST_USER_GET_FEATURES = 1,
	VHOST_USER_SET_FEATURES = 2,
	VHOST_USER_SET_OWNER = 3,
	VHOST_USER_RESET_OWNER = 4,
	VHOST_USER_SET_MEM_TABLE = 5,
	VHOST_USER_SET_LOG_BASE = 6,
	VHOST_USER_SET_LOG_FD = 7,
	VHOST_USER_SET_VRING_NUM = 8,
	VHOST_USER_SET_VRING_ADDR = 9,
	VHOST_USER_SET_VRING_BASE = 10,
	VHOST_USER_GET_VRING_BASE = 11,
	VHOST_USER_SET_VRING_KICK = 12,
	VHOST_USER_SET_VRING_CALL = 13,
	VHOST_USER_SET_VRING_ERR = 14,
	VHOST_USER_GET_PROTOCOL_FEATURES = 15,
	VHOST_USER_SET_PROTOCOL_FEATURES = 16,
	VHOST_USER_GET_QUEUE_NUM = 17,
	VHOST_USER_SET_VRING_ENABLE = 18,
	VHOST_USER_SET_BACKEND_REQ_FD = 21,
	VHOST_USER_GET_CONFIG = 24,
	VHOST_USER_SET_CONFIG = 25,
	VHOST_USER_RESET_DEVICE = 34,
	VHOST_USER_GET_MAX_MEM_SLOTS = 36,
	VHOST_USER_ADD_MEM_REG = 37,
	VHOST_USER_REM_MEM_REG = 38,
	VHOST_USER_REQUEST_END
};

/* Protocol features, by bit. */
enum vhost_user_protocol_feature {
	VHOST_USER_PROTOCOL_MQ = 0,
	VHOST_USER_PROTOCOL_LOG_SHMFD = 1,
	VHOST_USER_PROTOCOL_REPLY_ACK = 3,
	VHOST_USER_PROTOCOL_BACKEND_REQ = 5,
	VHOST_USER_PROTOCOL_CONFIG = 9,
	VHOST_USER_PROTOCOL_BACKEND_SEND_FD = 10,
	VHOST_USER_PROTOCOL_RESET_DEVICE = 13,
	VHOST_USER_PROTOCOL_CONFIGURE_MEM_SLOTS = 15
};

/* u64 of SET_VRING_KICK, CALL and ERR. */
#define VHOST_USER_VRING_INDEX 0xffU
#define VHOST_USER_VRING_NO_FD 0x100U
#define VHOST_USER_VRING_ADDR_LOG 1U /* flags of SET_VRING_ADDR */

struct vhost_user_header {
	uint32_t request, flags, size;
};

struct vhost_user_message {
	struct vhost_user_header header;
	union {
		uint64_t u64;
		struct {
			uint32_t index, num;
		} state;
		struct {
			uint32_t index, flags;
			uint64_t desc, used, avail, log;
		} addr;
		struct {
			uint32_t count, padding;
			struct guest_region_info regions[VHOST_USER_MAX_FDS];
		} memory;
		struct {
			uint64_t padding;
			struct guest_region_info region;
		} slot;
		struct {
			uint64_t size, offset;
		} log;
		struct {
			uint32_t offset, size, flags;
			uint8_t data[VHOST_USER_MAX_PAYLOAD - VHOST_USER_CONFIG_HEADER];
		} config;
		uint8_t bytes[VHOST_USER_MAX_PAYLOAD];
	};
	int fds[VHOST_USER_MAX_FDS]; /* owned; -1 where taken */
	uint32_t nfds;
};

/*
 * Reads one message from a non-blocking socket, waiting for it; stop is an eventfd that ends the wait. 1: a message,
 * framed well (it may hold descriptors: always call vhost_user_message_close after). 0: the peer closed between two
 * messages. -ECANCELED: stop. Other -errno with err.
 */
int vhost_user_message_read(int sock, int stop, struct vhost_user_message *msg, struct graft_error *err);
/* Checks it against the table: known, sizes, descriptors, negotiated. 0 or -EPROTO with err. */
int vhost_user_message_check(const struct vhost_user_message *msg, uint64_t protocol_features, struct graft_error *err);
/* Sends msg's payload of size bytes as the reply to it. 0, -ECANCELED, or -errno with err. */
int vhost_user_message_reply(int sock, int stop, struct vhost_user_message *msg, uint32_t size,
			     struct graft_error *err);
/* Takes the message's descriptor i; -1 if it has none. */
int vhost_user_message_take_fd(struct vhost_user_message *msg, uint32_t i);
/* Closes what was not taken. */
void vhost_user_message_close(struct vhost_user_message *msg);

/* For the log: the name of a message, or "message". */
const char *vhost_user_message_name(uint32_t request);
/* Does the message have an answer of its own, which leaves no room for an acknowledgement? */
bool vhost_user_message_replies(uint32_t request);

#endif
