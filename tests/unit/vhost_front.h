/* SPDX-License-Identifier: Apache-2.0 */
/* A small vhost-user front end and a client of the transport, for the unit test of transport/vhost_user. */
#ifndef GRAFT_TESTS_UNIT_VHOST_FRONT_H
#define GRAFT_TESTS_UNIT_VHOST_FRONT_H

#include "transport/vhost_user_device.h"

#include "vring_driver.h"

#include <pthread.h>
#include <stdatomic.h>

#define FRONT_RINGS 3
#define FRONT_MEMORY (4U << 20)
#define FRONT_SIZE 64 /* of each ring */
#define FRONT_TIMEOUT_MS 20000

/* The client: answers each request with its own bytes; one that begins with 'A' waits until client_release or cancel.
 */
struct fake_client {
	struct transport_client ops; /* first */
	_Atomic uint32_t connects, disconnects, resets, cancels, served, inits, finis, ended;
	_Atomic bool refuse;
	_Atomic bool cancel_ends; /* cancel completes what waits */
	pthread_mutex_t lock;
	struct transport_request *waiting[2 * VHOST_USER_QUEUE_INFLIGHT]; /* protected by lock */
	_Atomic uint32_t nwaiting;
};

void fake_client_init(struct fake_client *c);
/* Ends what waits, from the calling thread. Returns how many it was. */
uint32_t fake_client_release(struct fake_client *c);
/* Waits until *value is at least n; false after the time limit. */
bool wait_for(_Atomic uint32_t *value, uint32_t n);

struct front {
	int sock;
	uint64_t protocol_features;
	struct driver_memory memory;
	struct driver rings[FRONT_RINGS];
	int kick[FRONT_RINGS], call[FRONT_RINGS], err[FRONT_RINGS];
};

/* Connects; memory and eventfds are new. False: nobody listens. */
bool front_connect(struct front *f, const char *path);
void front_close(struct front *f);

void front_send(struct front *f, uint32_t request, uint32_t flags, const void *payload, uint32_t size, const int *fds,
		uint32_t nfds);
/* Receives a reply; its payload's size, or -1 when the connection was closed. */
int front_receive(struct front *f, struct vhost_user_message *msg);
/* Sends with need_reply; 0 or 1 as acknowledged, -1 when closed. */
int front_ack(struct front *f, uint32_t request, const void *payload, uint32_t size, const int *fds, uint32_t nfds);
/* Sends; the reply's u64. UINT64_MAX when closed. */
uint64_t front_ask(struct front *f, uint32_t request, const void *payload, uint32_t size);
int front_ack_u64(struct front *f, uint32_t request, uint64_t value);
int front_ack_state(struct front *f, uint32_t request, uint32_t index, uint32_t num);
/* SET_VRING_KICK, CALL, ERR; fd -1: none. */
int front_ack_fd(struct front *f, uint32_t request, uint32_t index, int fd);
int front_memory(struct front *f);
int front_addr(struct front *f, uint32_t index, bool logged, uint64_t log);
/* Bits of the position; UINT32_MAX when closed. */
uint32_t front_base(struct front *f, uint32_t index);

/* Features, protocol features, owner, memory. */
void front_negotiate(struct front *f, uint64_t features);
/* A fresh ring of the negotiated kind, with its descriptors; not enabled. */
void front_ring(struct front *f, uint32_t index, uint64_t features);
/* All of the above for all rings, enabled. */
void front_start(struct front *f, uint64_t features);

/* Puts a request into a ring: text in, 64 bytes room for the answer at slot. Kicks if the device wants it (or always).
 */
int front_request(struct front *f, uint32_t index, uint32_t slot, const char *text);
void front_kick(struct front *f, uint32_t index);
/* Waits for a used chain, by its interrupt. False after the time limit. */
bool front_used(struct front *f, uint32_t index, uint32_t *id, uint32_t *len);
/* A request and its answer, checked. */
bool front_echo(struct front *f, uint32_t index, const char *text);
const char *front_answer(struct front *f, uint32_t slot);

#endif
