/* SPDX-License-Identifier: Apache-2.0 */
/* A vhost-user front end for a virtio-fs device: connection, negotiation, memory, rings, dirty log. */
#ifndef GRAFT_TESTS_VRING_FRONTEND_H
#define GRAFT_TESTS_VRING_FRONTEND_H

#include "tests/vring/guest_ram.h"
#include "tests/vring/ring.h"
#include "tests/vring/vu_message.h"

#include <stdbool.h>
#include <stdint.h>

#define FRONTEND_MAX_RINGS 66 /* hiprio, and at most 65 to ask for one too many */
#define FRONTEND_HIPRIO 0     /* index of the hiprio queue; requests start at 1 */
#define FRONTEND_PAGE 4096    /* of the dirty log */

#define FRONTEND_ALL UINT64_MAX

/* What to negotiate; everything is cut down to what the daemon offers. */
struct frontend_config {
	const char *socket;
	uint64_t features; /* virtio features; VERSION_1 and PROTOCOL_FEATURES are added */
	uint64_t protocol; /* vhost-user protocol features */
	unsigned queues;   /* request queues, 0 for 1 */
	uint16_t ring_size; /* 0 for 128 */
	const struct ram_spec *layout; /* NULL: two regions with a hole between them */
	unsigned nlayout;
	bool log; /* set up the dirty log before the rings start (needs LOG_ALL and LOG_SHMFD) */
};

/* A connection. Messages are for one thread; each ring may have a thread of its own. */
struct frontend {
	int sock;
	uint64_t offered, features;
	uint64_t protocol_offered, protocol;
	struct ram ram;
	struct ring ring[FRONTEND_MAX_RINGS];
	unsigned nrings;
	bool running[FRONTEND_MAX_RINGS];
	unsigned char *log; /* dirty bitmap, or NULL */
	uint64_t log_size;  /* bytes */
	int log_fd;
};

/* The whole way up: connect, negotiate, memory, rings. 0 or -errno and *fe is NULL. */
int frontend_open(struct frontend **fe, const struct frontend_config *config);
/* Closes the socket and frees all, whatever state it is in; NULL is fine. */
void frontend_close(struct frontend *fe);

/* The same step by step. connect only makes the connection and the guest's memory. */
int frontend_connect(struct frontend **fe, const struct frontend_config *config);
int frontend_negotiate(struct frontend *fe, const struct frontend_config *config);
/* Tells of every region: by SET_MEM_TABLE, or one by one where CONFIGURE_MEM_SLOTS was negotiated. */
int frontend_send_memory(struct frontend *fe);
/* Makes the driver side of ring 0 .. queues. */
int frontend_make_rings(struct frontend *fe, const struct frontend_config *config);
/* NUM, BASE, ADDR, ERR, CALL, KICK, ENABLE: where the driver stands, or at a base that leaves some requests to come. */
int frontend_start_ring(struct frontend *fe, unsigned index);
int frontend_start_ring_at(struct frontend *fe, unsigned index, uint32_t base);
/* ENABLE 0 and GET_VRING_BASE; *base (may be NULL) is what the daemon says. */
int frontend_stop_ring(struct frontend *fe, unsigned index, uint32_t *base);
/* Stops a broken ring, clears it and starts it again. */
int frontend_recover_ring(struct frontend *fe, unsigned index);

/* A message without a reply of its own: acknowledged where REPLY_ACK was negotiated, else just sent. */
int frontend_order(struct frontend *fe, uint32_t request, const void *payload, uint32_t size, const int *fds,
		   unsigned nfds);
int frontend_order_u64(struct frontend *fe, uint32_t request, uint64_t value);
int frontend_order_state(struct frontend *fe, uint32_t request, uint32_t index, uint32_t num);
/* SET_VRING_KICK, CALL or ERR; fd -1 sends the flag for none. */
int frontend_order_fd(struct frontend *fe, uint32_t request, unsigned index, int fd);
int frontend_send_addr(struct frontend *fe, unsigned index);
/* SET_MEM_TABLE with the first n regions, whatever was negotiated; send_table: with all there are now. */
int frontend_send_regions(struct frontend *fe, unsigned n);
int frontend_send_table(struct frontend *fe);
/* ADD_MEM_REG and REM_MEM_REG for region index of fe->ram. */
int frontend_add_region(struct frontend *fe, unsigned index);
int frontend_remove_region(struct frontend *fe, unsigned index);
/* A message that asks for a u64. */
int frontend_ask_u64(struct frontend *fe, uint32_t request, uint64_t *value);
struct vu_region frontend_region(const struct frontend *fe, unsigned index);

/* True if the page of a guest address is marked in the dirty log. */
bool frontend_dirty(const struct frontend *fe, uint64_t gpa);
void frontend_clear_log(struct frontend *fe);

#endif
