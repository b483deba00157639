/* SPDX-License-Identifier: Apache-2.0 */
/* One queue of the device: a thread that alone owns its ring, and the commands the control thread gives it. */
#ifndef GRAFT_TRANSPORT_VHOST_USER_QUEUE_H
#define GRAFT_TRANSPORT_VHOST_USER_QUEUE_H

#include "transport/queue_poll.h"
#include "transport/transport.h"
#include "transport/vring.h"

#include <stdbool.h>
#include <stdint.h>

#define VHOST_USER_QUEUE_BATCH 32     /* chains served before other work is looked at */
#define VHOST_USER_QUEUE_ASK 8        /* chains given back before the driver's wish for an interrupt is read again */
#define VHOST_USER_QUEUE_INFLIGHT 256 /* requests that may be ASYNC at once; less than REQUEST_POOL_MAX */

/* What all queues share. The queue takes references of its own on mem and log; log_fd stays open until the next set. */
struct vhost_user_queue_env {
	struct guest_memory *mem; /* or NULL */
	struct dirty_log *log;    /* NULL: nothing is logged */
	int log_fd;               /* signalled after marking, or -1 */
	void *conn;               /* for client->serve */
};

enum vhost_user_queue_fd { VHOST_USER_KICK, VHOST_USER_CALL, VHOST_USER_ERR };

/* How a queue is made; what is pointed to is borrowed for its life. */
struct vhost_user_queue_config {
	const struct transport_client *client;
	const char *object; /* for the log */
	struct queue_crowd *crowd;
	uint32_t index;   /* 0: hiprio, which never polls */
	uint32_t poll_us; /* as in struct vhost_user_config */
	int32_t cpu;      /* the only processor of its thread; -1: any */
};

/* Makes a queue and begins its thread. NULL with err. */
struct vhost_user_queue *vhost_user_queue_new(const struct vhost_user_queue_config *config, struct graft_error *err);
/* Once, before anything else is asked of the queue: waits until the thread runs. After an error the queue can only be freed. */
int vhost_user_queue_await(struct vhost_user_queue *q, struct graft_error *err);
/* Stops the thread; the ring must be stopped. NULL is fine. */
void vhost_user_queue_free(struct vhost_user_queue *q);

/*
 * Commands: called by the control thread only. Each runs on the queue's thread between two batches, and returns when it
 * is done there; what is queued in the ring is looked at again after each.
 */

/* A ring that runs goes on in the new memory; where it is not mapped there, it rests until it is. */
void vhost_user_queue_set_env(struct vhost_user_queue *q, const struct vhost_user_queue_env *env);
/* Takes fd; -1: none. KICK without one: the ring is polled. -errno: fd cannot be waited for (and is closed). */
int vhost_user_queue_set_fd(struct vhost_user_queue *q, enum vhost_user_queue_fd which, int fd);
void vhost_user_queue_set_enabled(struct vhost_user_queue *q, bool enabled);
/* As vring_init; the ring runs then, and is served while enabled. */
int vhost_user_queue_start(struct vhost_user_queue *q, const struct vring_config *config, struct graft_error *err);
/* Other addresses for a ring that runs, as vring_remap. */
int vhost_user_queue_move(struct vhost_user_queue *q, const struct vring_addresses *addr, struct graft_error *err);
/* Takes no more chains. Returns the number of requests in flight. */
uint32_t vhost_user_queue_halt(struct vhost_user_queue *q);
/* Waits until nothing is in flight in a halted queue. False: not within timeout_ms. */
bool vhost_user_queue_wait(struct vhost_user_queue *q, int timeout_ms);
/* Stops a halted ring with nothing in flight and returns its position. Nothing of the guest's is touched after. */
uint32_t vhost_user_queue_stop(struct vhost_user_queue *q);

#endif
