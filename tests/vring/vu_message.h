/* SPDX-License-Identifier: Apache-2.0 */
/* The front end's side of the vhost-user socket: framing, descriptors, replies, and anything malformed on purpose. */
#ifndef GRAFT_TESTS_VRING_VU_MESSAGE_H
#define GRAFT_TESTS_VRING_VU_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VU_MAX_FDS 32
#define VU_MAX_PAYLOAD 4096
#define VU_HEADER_SIZE 12

/* Message codes (vhost-user specification, "Front-end message types"). */
enum vu_request {
	VU_GET_FEATURES = 1,
	VU_SET_FEATURES = 2,
	VU_SET_OWNER = 3,
	VU_RESET_OWNER = 4,
	VU_SET_MEM_TABLE = 5,
	VU_SET_LOG_BASE = 6,
	VU_SET_LOG_FD = 7,
	VU_SET_VRING_NUM = 8,
	VU_SET_VRING_ADDR = 9,
	VU_SET_VRING_BASE = 10,
	VU_GET_VRING_BASE = 11,
	VU_SET_VRING_KICK = 12,
	VU_SET_VRING_CALL = 13,
	VU_SET_VRING_ERR = 14,
	VU_GET_PROTOCOL_FEATURES = 15,
	VU_SET_PROTOCOL_FEATURES = 16,
	VU_GET_QUEUE_NUM = 17,
	VU_SET_VRING_ENABLE = 18,
	VU_SET_BACKEND_REQ_FD = 21,
	VU_GET_CONFIG = 24,
	VU_SET_CONFIG = 25,
	VU_RESET_DEVICE = 34,
	VU_GET_MAX_MEM_SLOTS = 36,
	VU_ADD_MEM_REG = 37,
	VU_REM_MEM_REG = 38
};

/* Header flags. */
#define VU_VERSION 1u
#define VU_REPLY 4u
#define VU_NEED_REPLY 8u

/* Protocol features, as masks. */
#define VU_PROTOCOL_MQ (1ULL << 0)
#define VU_PROTOCOL_LOG_SHMFD (1ULL << 1)
#define VU_PROTOCOL_REPLY_ACK (1ULL << 3)
#define VU_PROTOCOL_CONFIG (1ULL << 9)
#define VU_PROTOCOL_RESET_DEVICE (1ULL << 13)
#define VU_PROTOCOL_MEM_SLOTS (1ULL << 15)

#define VU_FEATURE_LOG_ALL (1ULL << 26)
#define VU_FEATURE_PROTOCOL (1ULL << 30)

#define VU_NO_FD 0x100u /* bit 8 of SET_VRING_KICK, CALL, ERR: no descriptor comes along */

struct vu_header {
	uint32_t request, flags, size; /* size: bytes of payload */
};

struct vu_state {
	uint32_t index, num;
};

struct vu_addr {
	uint32_t index, flags; /* flags bit 0: log writes to the used ring */
	uint64_t desc, used, avail, log;
};

struct vu_region {
	uint64_t gpa, size, user, offset;
};

struct vu_mem_table {
	uint32_t n, padding;
	struct vu_region region[VU_MAX_FDS];
};

struct vu_mem_reg {
	uint64_t padding;
	struct vu_region region;
};

struct vu_log {
	uint64_t size, offset;
};

struct vu_config {
	uint32_t offset, size, flags;
	unsigned char bytes[256];
};

struct vu_reply {
	struct vu_header header;
	union {
		uint64_t u64;
		struct vu_state state;
		struct vu_log log;
		struct vu_config config;
		unsigned char bytes[VU_MAX_PAYLOAD];
	};
};

/* Connects to a socket path, trying again while nobody listens, at most timeout_ms. A descriptor or -errno. */
int vu_connect(const char *path, int timeout_ms);
/* Any bytes, any descriptors. 0 or -errno; a broken connection gives -EPIPE or -ECONNRESET. */
int vu_send_bytes(int sock, const void *bytes, size_t len, const int *fds, unsigned nfds);
/* A well-formed frame; flags are added to the version. */
int vu_send(int sock, uint32_t request, uint32_t flags, const void *payload, uint32_t size, const int *fds,
	    unsigned nfds);
/* A reply. -ETIMEDOUT; -EPIPE when the daemon closed the connection; -EBADMSG for a frame that is no reply. */
int vu_receive(int sock, struct vu_reply *reply, int timeout_ms);
/* Sends a message that has a reply of its own and takes that. -EBADMSG if it answers another request. */
int vu_ask(int sock, uint32_t request, const void *payload, uint32_t size, const int *fds, unsigned nfds,
	   struct vu_reply *reply);
/* Sends a message with NEED_REPLY and takes the acknowledgement: 0, -EREMOTEIO if the daemon says it failed. */
int vu_order(int sock, uint32_t request, const void *payload, uint32_t size, const int *fds, unsigned nfds);
/* True once the daemon has closed the connection, which it gets timeout_ms for. Replies on the way are dropped. */
bool vu_closed(int sock, int timeout_ms);

#endif
