/* SPDX-License-Identifier: Apache-2.0 */
/* The virtio-fs device behind one vhost-user connection: life of a connection, starting and stopping of rings. */
#include "transport/vhost_user_device.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DRAIN_MS 100 /* between two calls of client->cancel while requests are in flight */

struct vhost_user_device *vhost_user_device_new(const struct vhost_user_config *config, struct transport *transport,
						struct graft_error *err)
{
	struct vhost_user_device *d = aligned_alloc(_Alignof(struct vhost_user_device), sizeof(*d));
	uint32_t queues = htole32(config->queues);

	if (!d) {
		error_set(err, ENOMEM, "out of memory");
		return NULL;
	}
	memset(d, 0, sizeof(*d));
	d->client = transport->client;
	d->transport = transport;
	d->nrings = config->queues + 1;
	d->has_tag = config->tag;
	d->cpus = config->cpus;
	d->poll_us = config->poll_us;
	queue_crowd_init(&d->own_crowd, cpu_count());
	d->crowd = config->crowd ? config->crowd : &d->own_crowd;
	d->log_fd = d->backend_fd = -1;
	if (config->tag)
		memcpy(d->config, config->tag, strnlen(config->tag, VHOST_USER_TAG_MAX));
	memcpy(d->config + VHOST_USER_TAG_MAX, &queues, sizeof(queues));
	return d;
}

int vhost_user_device_start(struct vhost_user_device *d, struct graft_error *err)
{
	uint32_t i;

	for (i = 0; i < d->nrings; i++) {
		struct vhost_user_queue_config config = {
			.client = d->client,
			.object = d->transport->name,
			.crowd = d->crowd,
			.index = i,
			.poll_us = d->poll_us,
			.cpu = i > 0 && d->cpus.n ? d->cpus.cpu[(i - 1) % d->cpus.n] : -1,
		};

		d->rings[i].queue = vhost_user_queue_new(&config, err);
		if (!d->rings[i].queue)
			return -err->code;
	}
	for (i = 0; i < d->nrings; i++)
		if (vhost_user_queue_await(d->rings[i].queue, err) < 0)
			return -err->code;
	return 0;
}

void vhost_user_device_free(struct vhost_user_device *d)
{
	uint32_t i;

	if (!d)
		return;
	for (i = 0; i < d->nrings; i++)
		vhost_user_queue_free(d->rings[i].queue);
	free(d);
}

void vhost_user_device_share(struct vhost_user_device *d)
{
	struct vhost_user_queue_env env = {
		.mem = d->mem,
		.log = d->features & VIRTIO_F_LOG_ALL ? d->log : NULL,
		.log_fd = d->log_fd,
		.conn = d->conn,
	};
	uint32_t i;

	for (i = 0; i < d->nrings; i++)
		vhost_user_queue_set_env(d->rings[i].queue, &env);
}

void vhost_user_device_enable(struct vhost_user_device *d, uint32_t i, bool enabled)
{
	d->rings[i].enabled = enabled;
	vhost_user_queue_set_enabled(d->rings[i].queue, enabled);
}

static int start_ring(struct vhost_user_device *d, uint32_t i, struct graft_error *err)
{
	struct device_ring *ring = &d->rings[i];
	struct vring_config config = {
		.addr = ring->addr,
		.size = ring->size,
		.packed = d->features & VIRTIO_F_RING_PACKED,
		.event_idx = d->features & VIRTIO_F_EVENT_IDX,
		.indirect = d->features & VIRTIO_F_INDIRECT_DESC,
	};
	int rc;

	if (ring->running || !ring->kicked || !ring->size || !ring->has_addr || !d->has_features || !d->mem)
		return 0;
	config.base = ring->base;
	if (!ring->has_base)
		config.base = config.packed ? VRING_PACKED_FRESH_BASE : 0;
	rc = vhost_user_queue_start(ring->queue, &config, err);
	if (rc == -EFAULT) {
		/* The memory may come with a later message. */
		log_dbg(d->transport->name, "queue %u waits: %s", i, err->text);
		return 0;
	}
	if (rc < 0) {
		ring->kicked = false;
		return error_wrap(err, "queue %u", i);
	}
	ring->running = true;
	log_dbg(d->transport->name, "queue %u runs: %s, %u descriptors", i, config.packed ? "packed" : "split",
		config.size);
	return 0;
}

int vhost_user_device_start_rings(struct vhost_user_device *d, struct graft_error *err)
{
	int rc = 0;
	uint32_t i;

	for (i = 0; i < d->nrings; i++) {
		struct graft_error mine = { 0 };

		if (start_ring(d, i, &mine) < 0 && rc == 0) {
			rc = -mine.code;
			*err = mine;
		}
	}
	return rc;
}

void vhost_user_device_stop_rings(struct vhost_user_device *d, uint32_t first, uint32_t n)
{
	uint32_t i, inflight = 0;

	for (i = first; i < first + n; i++)
		if (d->rings[i].running)
			inflight += vhost_user_queue_halt(d->rings[i].queue);
	if (inflight)
		d->client->cancel(d->conn);
	for (i = first; i < first + n; i++) {
		struct device_ring *ring = &d->rings[i];

		if (!ring->running)
			continue;
		/* A request may have become cancellable only after it was asked to end. */
		while (!vhost_user_queue_wait(ring->queue, DRAIN_MS))
			d->client->cancel(d->conn);
		ring->base = vhost_user_queue_stop(ring->queue);
		ring->has_base = true;
		ring->running = false;
	}
}

void vhost_user_device_forget_rings(struct vhost_user_device *d)
{
	uint32_t i;

	for (i = 0; i < d->nrings; i++) {
		struct device_ring *ring = &d->rings[i];

		vhost_user_queue_set_fd(ring->queue, VHOST_USER_KICK, -1);
		vhost_user_device_enable(d, i, false);
		*ring = (struct device_ring){ .queue = ring->queue };
	}
	d->features = 0;
	d->has_features = false;
}

/* Sends the answer a handled message asks for. result: of its handler. 0 or -errno: the connection is at its end. */
static int answer(struct vhost_user_device *d, struct vhost_user_message *msg, int sock, int stop, int result,
		  uint32_t size, struct graft_error *err)
{
	const char *name = vhost_user_message_name(msg->header.request);
	bool ack = msg->header.flags & VHOST_USER_NEED_REPLY &&
		   d->protocol_features >> VHOST_USER_PROTOCOL_REPLY_ACK & 1 &&
		   !vhost_user_message_replies(msg->header.request);

	if (result > 0)
		return vhost_user_message_reply(sock, stop, msg, size, err);
	if (result < 0 && !ack)
		return error_wrap(err, "%s", name);
	if (result < 0)
		log_limited(&d->limit, GRAFT_LOG_WARN, d->transport->name, "%s: %s", name, err->text);
	if (!ack)
		return 0;
	msg->u64 = result < 0;
	return vhost_user_message_reply(sock, stop, msg, sizeof(msg->u64), err);
}

/* One message. 1: go on; 0: the front end left; -errno with err. */
static int serve_message(struct vhost_user_device *d, int sock, int stop, struct graft_error *err)
{
	struct vhost_user_message msg;
	uint32_t size = 0;
	int rc = vhost_user_message_read(sock, stop, &msg, err);

	if (rc > 0) {
		rc = vhost_user_message_check(&msg, d->protocol_features, err);
		if (rc == 0) {
			rc = vhost_user_device_handle(d, &msg, &size, err);
			rc = answer(d, &msg, sock, stop, rc, size, err);
		}
		if (rc == 0)
			rc = 1;
	}
	vhost_user_message_close(&msg);
	return rc;
}

static void forget_connection(struct vhost_user_device *d)
{
	int log_fd = d->log_fd;
	uint32_t i;

	vhost_user_device_stop_rings(d, 0, d->nrings);
	vhost_user_device_forget_rings(d);
	for (i = 0; i < d->nrings; i++) {
		vhost_user_queue_set_fd(d->rings[i].queue, VHOST_USER_CALL, -1);
		vhost_user_queue_set_fd(d->rings[i].queue, VHOST_USER_ERR, -1);
	}
	d->client->disconnect(d->conn);
	guest_memory_put(d->mem);
	dirty_log_put(d->log);
	d->mem = NULL;
	d->log = NULL;
	d->conn = NULL;
	d->log_fd = -1;
	d->protocol_features = 0;
	vhost_user_device_share(d);
	if (log_fd >= 0)
		close(log_fd);
	if (d->backend_fd >= 0)
		close(d->backend_fd);
	d->backend_fd = -1;
}

int vhost_user_device_serve(struct vhost_user_device *d, int sock, int stop)
{
	struct graft_error err = { 0 };
	int rc;

	d->conn = d->client->connect(d->transport->user, d->transport);
	if (!d->conn) {
		log_limited(&d->limit, GRAFT_LOG_ERROR, d->transport->name, "the front end is refused");
		return 0;
	}
	do {
		rc = serve_message(d, sock, stop, &err);
	} while (rc > 0);
	if (rc < 0 && rc != -ECANCELED)
		log_limited(&d->limit, GRAFT_LOG_ERROR, d->transport->name, "connection closed: %s", err.text);
	forget_connection(d);
	return rc == -ECANCELED ? rc : 0;
}
