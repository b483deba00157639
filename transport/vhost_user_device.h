/* SPDX-License-Identifier: Apache-2.0 */
/* The virtio-fs device behind one vhost-user connection: its rings, memory and negotiated features. */
#ifndef GRAFT_TRANSPORT_VHOST_USER_DEVICE_H
#define GRAFT_TRANSPORT_VHOST_USER_DEVICE_H

#include "lib/log.h"
#include "transport/vhost_user.h"
#include "transport/vhost_user_message.h"
#include "transport/vhost_user_queue.h"

#define VHOST_USER_MAX_RINGS (VHOST_USER_MAX_REQUEST_QUEUES + 1)

/* Device features offered (virtio 1.2 section 6, vhost-user specification). */
#define VIRTIO_F_LOG_ALL (1ULL << 26)
#define VIRTIO_F_INDIRECT_DESC (1ULL << 28)
#define VIRTIO_F_EVENT_IDX (1ULL << 29)
#define VIRTIO_F_PROTOCOL_FEATURES (1ULL << 30)
#define VIRTIO_F_VERSION_1 (1ULL << 32)
#define VIRTIO_F_RING_PACKED (1ULL << 34)
#define VHOST_USER_FEATURES                                                                            \
	(VIRTIO_F_LOG_ALL | VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX | VIRTIO_F_PROTOCOL_FEATURES | \
	 VIRTIO_F_VERSION_1 | VIRTIO_F_RING_PACKED)

/*
 * A ring as the front end has described it so far. It runs once everything is there: features, size, addresses that lie
 * in memory, and a kick; in whatever order they come.
 */
struct device_ring {
	struct vhost_user_queue *queue;
	uint32_t size, base;
	struct vring_addresses addr;
	bool has_base, has_addr;
	bool kicked;  /* SET_VRING_KICK came since the last stop */
	bool running; /* the queue has it */
	bool enabled;
};

/* Owned by the control thread. */
struct vhost_user_device {
	/* constant */
	const struct transport_client *client;
	struct transport *transport;
	bool has_tag;
	uint8_t config[VHOST_USER_TAG_MAX + 4]; /* struct virtio_fs_config: tag, le32 num_request_queues */
	uint32_t nrings;
	struct cpu_list cpus;
	uint32_t poll_us;
	struct queue_crowd *crowd, own_crowd; /* crowd: own_crowd, or that of several transports */

	/* of the present connection */
	void *conn;
	uint64_t features, protocol_features;
	bool has_features; /* SET_FEATURES came */
	struct guest_memory *mem;
	struct dirty_log *log;
	int log_fd, backend_fd;
	struct device_ring rings[VHOST_USER_MAX_RINGS];
	struct log_limit limit;
};

/* Copies what it needs of config. NULL with err. */
struct vhost_user_device *vhost_user_device_new(const struct vhost_user_config *config, struct transport *transport,
						struct graft_error *err);
/* Starts the queues' threads. 0 or -errno with err. */
int vhost_user_device_start(struct vhost_user_device *d, struct graft_error *err);
void vhost_user_device_free(struct vhost_user_device *d);
/* Serves a connection (non-blocking socket, the caller's) to its end, then forgets all of it. -ECANCELED: stop was
 * signalled; else 0. */
int vhost_user_device_serve(struct vhost_user_device *d, int sock, int stop);

/* For the messages: */

/* Handles a checked message. 0, or with an answer of its own: 1 and *size bytes of payload in msg; -errno with err. */
int vhost_user_device_handle(struct vhost_user_device *d, struct vhost_user_message *msg, uint32_t *size,
			     struct graft_error *err);
/* Gives all queues the present memory, log and connection. */
void vhost_user_device_share(struct vhost_user_device *d);
/* Starts what can be started. -EINVAL with err: a ring was described wrongly. */
int vhost_user_device_start_rings(struct vhost_user_device *d, struct graft_error *err);
/* Stops n rings from the first on: ends what is in flight and keeps their positions. They may be started again. */
void vhost_user_device_stop_rings(struct vhost_user_device *d, uint32_t first, uint32_t n);
void vhost_user_device_enable(struct vhost_user_device *d, uint32_t i, bool enabled);
/* As at the beginning of a connection, but for memory, log, call and err descriptors. All rings must be stopped. */
void vhost_user_device_forget_rings(struct vhost_user_device *d);

#endif
