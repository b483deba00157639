/* SPDX-License-Identifier: Apache-2.0 */
/* What each message of the front end does to the device. */
#include "transport/vhost_user_device.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#define PROTOCOL_BIT(name) (1ULL << VHOST_USER_PROTOCOL_##name)
/* What a ring's layout and meaning depend on. */
#define RING_FEATURES (VIRTIO_F_RING_PACKED | VIRTIO_F_EVENT_IDX | VIRTIO_F_INDIRECT_DESC)

typedef int message_handler(struct vhost_user_device *d, struct vhost_user_message *msg, struct graft_error *err);

static int reply_u64(struct vhost_user_message *msg, uint64_t value)
{
	msg->u64 = value;
	return sizeof(msg->u64);
}

static uint64_t offered_protocol_features(const struct vhost_user_device *d)
{
	return PROTOCOL_BIT(MQ) | PROTOCOL_BIT(LOG_SHMFD) | PROTOCOL_BIT(REPLY_ACK) | PROTOCOL_BIT(BACKEND_REQ) |
	       PROTOCOL_BIT(BACKEND_SEND_FD) | PROTOCOL_BIT(RESET_DEVICE) | PROTOCOL_BIT(CONFIGURE_MEM_SLOTS) |
	       (d->has_tag ? PROTOCOL_BIT(CONFIG) : 0);
}

static int find_ring(const struct vhost_user_device *d, uint64_t index, struct graft_error *err)
{
	return index < d->nrings ? 0 : error_set(err, EINVAL, "there is no queue %" PRIu64, index);
}

/* ---- features ---- */

static int get_features(struct vhost_user_device *d, struct vhost_user_message *msg, struct graft_error *err)
{
	(void)d;
	(void)err;
	return reply_u64(msg, VHOST_USER_FEATURES);
}

static int set_features(struct vhost_user_device *d, struct vhost_user_message *msg, struct graft_error *err)
{
	uint64_t changed = d->features ^ msg->u64, extra = msg->u64 & ~VHOST_USER_FEATURES;
	uint32_t i;

	if (extra)
		return error_set(err, EINVAL, "features 0x%" PRIx64 " were not offered", extra);
	if (d->has_features && changed & RING_FEATURES) {
		vhost_user_device_stop_rings(d, 0, d->nrings);
		/* A position in a ring of the other kind means nothing. */
		for (i = 0; changed & VIRTIO_F_RING_PACKED && i < d->nrings; i++)
			d->rings[i].has_base = false;
	}
	d->features = msg->u64;
	d->has_features = true;
	for (i = 0; !(d->features & VIRTIO_F_PROTOCOL_FEATURES) && i < d->nrings; i++)
		vhost_user_device_enable(d, i, true);
	vhost_user_device_share(d);
	return vhost_user_device_start_rings(d, err);
}

static int get_protocol_features(struct vhost_user_device *d, struct vhost_user_message *msg, struct graft_error *err)
{
	(void)err;
	return reply_u64(msg, offered_protocol_features(d));
}

static int set_protocol_features(struct vhost_user_device *d, struct vhost_user_message *msg, struct graft_error *err)
{
	uint64_t extra = msg->u64 & ~offered_protocol_features(d);

	if (extra)
		return error_set(err, EINVAL, "protocol features 0x%" PRIx64 " were not offered", extra);
	d->protocol_features = msg->u64;
	return 0;
}

static int set_owner(struct vhost_user_device *d, struct vhost_user_message *msg, struct graft_error *err)
{
	(void)d;
	(void)msg;
	(void)err;
	return 0;
}

/* Deprecated; only features are forgotten, rings that run go on. */
static int reset_owner(struct vhost_user_device *d, struct vhost_user_message *msg, struct graft_error *err)
{
	(void)msg;
	(void)err;
	d->features = 0;
	d->has_features = false;
	vhost_user_device_share(d);
	return 0;
}

static int reset_device(struct vhost_user_device *d, struct vhost_user_message *msg, struct graft_error *err)
{
	(void)msg;
	(void)err;
	vhost_user_device_stop_rings(d, 0, d->nrings);
	vhost_user_device_forget_rings(d);
	vhost_user_device_share(d);
	d->client->reset(d->conn);
	return 0;
}

static int get_queue_num(struct vhost_user_device *d, struct vhost_user_message *msg, struct graft_error *err)
{
	(void)err;
	return reply_u64(msg, d->nrings);
}

/* ---- memory ---- */

/* Takes mem, which may be NULL with err set. */
static int use_memory(struct vhost_user_device *d, struct guest_memory *mem, struct graft_error *err)
{
	if (!mem)
		return -err->code;
	if (d->log && !dirty_log_covers(d->log, guest_memory_end(mem)))
		log_limited(&d->limit, GRAFT_LOG_WARN, d->transport->name,
			    "the dirty log does not cover the new memory");
	guest_memory_put(d->mem);
	d->mem = mem;
	vhost_user_device_share(d);
	return vhost_user_device_start_rings(d, err);
}

static int set_mem_table(struct vhost_user_device *d, struct vhost_user_message *msg, struct graft_error *err)
{
	return use_memory(d, guest_memory_new(msg->memory.regions, msg->fds, msg->memory.count, err), err);
}

static int add_mem_reg(struct vhost_user_device *d, struct vhost_user_message *msg, struct graft_error *err)
{
	return use_memory(d, guest_memory_add(d->mem, &msg->slot.region, msg->fds[0], err), err);
}

static int rem_mem_reg(struct vhost_user_device *d, struct vhost_user_message *msg, struct graft_error *err)
{
	return use_memory(d, guest_memory_remove(d->mem, &msg->slot.region, err), err);
}

static int get_max_mem_slots(struct vhost_user_device *d, struct vhost_user_message *msg, struct graft_error *err)
{
	(void)d;
	(void)err;
	return reply_u64(msg, GUEST_MEMORY_MAX_REGIONS);
}

/* ---- dirty log ---- */

static int set_log_base(struct vhost_user_device *d, struct vhost_user_message *msg, struct graft_error *err)
{
	struct dirty_log *log = dirty_log_new(msg->fds[0], msg->log.size, msg->log.offset, err);

	if (!log)
		return -err->code;
	if (d->mem && !dirty_log_covers(log, guest_memory_end(d->mem))) {
		dirty_log_put(log);
		return error_set(err, EINVAL, "a dirty log of %" PRIu64 " bytes does not cover the guest's memory",
				 msg->log.size);
	}
	dirty_log_put(d->log);
	d->log = log;
	vhost_user_device_share(d);
	return sizeof(msg->log);
}

static int set_log_fd(struct vhost_user_device *d, struct vhost_user_message *msg, struct graft_error *err)
{
	int old = d->log_fd;

	(void)err;
	d->log_fd = vhost_user_message_take_fd(msg, 0);
	vhost_user_device_share(d);
	if (old >= 0)
		close(old);
	return 0;
}

/* ---- rings ---- */

static int set_vring_num(struct vhost_user_device *d, struct vhost_user_message *msg, struct graft_error *err)
{
	uint32_t i = msg->state.index, size = msg->state.num;
	bool split = d->has_features && !(d->features & VIRTIO_F_RING_PACKED);
	int rc = find_ring(d, i, err);

	if (rc < 0)
		return rc;
	if (size == 0 || size > VRING_MAX_SIZE || (split && size & (size - 1)))
		return error_set(err, EINVAL, "queue %u: a size of %u", i, size);
	if (size != d->rings[i].size)
		vhost_user_device_stop_rings(d, i, 1);
	d->rings[i].size = size;
	return vhost_user_device_start_rings(d, err);
}

static int set_vring_addr(struct vhost_user_device *d, struct vhost_user_message *msg, struct graft_error *err)
{
	bool packed = d->features & VIRTIO_F_RING_PACKED;
	struct device_ring *ring;
	int rc = find_ring(d, msg->addr.index, err);

	if (rc < 0)
		return rc;
	if (msg->addr.desc % 16 || msg->addr.used % 4 || msg->addr.avail % (packed ? 4 : 2))
		return error_set(err, EINVAL, "queue %u: addresses are not aligned", msg->addr.index);
	ring = &d->rings[msg->addr.index];
	ring->addr = (struct vring_addresses){
		.desc = msg->addr.desc,
		.used = msg->addr.used,
		.avail = msg->addr.avail,
		.log = msg->addr.log,
		.logged = msg->addr.flags & VHOST_USER_VRING_ADDR_LOG,
	};
	ring->has_addr = true;
	/* A migration turns logging on for rings that run. */
	if (ring->running)
		return vhost_user_queue_move(ring->queue, &ring->addr, err);
	return vhost_user_device_start_rings(d, err);
}

static int set_vring_base(struct vhost_user_device *d, struct vhost_user_message *msg, struct graft_error *err)
{
	struct device_ring *ring;
	int rc = find_ring(d, msg->state.index, err);

	if (rc < 0)
		return rc;
	ring = &d->rings[msg->state.index];
	vhost_user_device_stop_rings(d, msg->state.index, 1);
	ring->base = msg->state.num;
	ring->has_base = true;
	return vhost_user_device_start_rings(d, err);
}

static int get_vring_base(struct vhost_user_device *d, struct vhost_user_message *msg, struct graft_error *err)
{
	struct device_ring *ring;
	int rc = find_ring(d, msg->state.index, err);

	if (rc < 0)
		return rc;
	ring = &d->rings[msg->state.index];
	vhost_user_device_stop_rings(d, msg->state.index, 1);
	vhost_user_queue_set_fd(ring->queue, VHOST_USER_KICK, -1);
	ring->kicked = false;
	msg->state.num = ring->base;
	if (!ring->has_base && d->features & VIRTIO_F_RING_PACKED)
		msg->state.num = VRING_PACKED_FRESH_BASE;
	return sizeof(msg->state);
}

static int set_vring_fd(struct vhost_user_device *d, struct vhost_user_message *msg, enum vhost_user_queue_fd which,
			struct graft_error *err)
{
	uint32_t i = (uint32_t)msg->u64 & VHOST_USER_VRING_INDEX;
	int rc = find_ring(d, i, err);

	if (rc < 0)
		return rc;
	rc = vhost_user_queue_set_fd(d->rings[i].queue, which, vhost_user_message_take_fd(msg, 0));
	if (rc < 0)
		return error_set(err, -rc, "queue %u: cannot wait for the descriptor: %s", i, strerror(-rc));
	return 0;
}

static int set_vring_kick(struct vhost_user_device *d, struct vhost_user_message *msg, struct graft_error *err)
{
	int rc = set_vring_fd(d, msg, VHOST_USER_KICK, err);

	if (rc < 0)
		return rc;
	d->rings[msg->u64 & VHOST_USER_VRING_INDEX].kicked = true;
	return vhost_user_device_start_rings(d, err);
}

static int set_vring_call(struct vhost_user_device *d, struct vhost_user_message *msg, struct graft_error *err)
{
	return set_vring_fd(d, msg, VHOST_USER_CALL, err);
}

static int set_vring_err(struct vhost_user_device *d, struct vhost_user_message *msg, struct graft_error *err)
{
	return set_vring_fd(d, msg, VHOST_USER_ERR, err);
}

static int set_vring_enable(struct vhost_user_device *d, struct vhost_user_message *msg, struct graft_error *err)
{
	int rc = find_ring(d, msg->state.index, err);

	if (rc < 0)
		return rc;
	if (d->has_features && !(d->features & VIRTIO_F_PROTOCOL_FEATURES))
		return error_set(err, EINVAL, "protocol features were not acknowledged");
	vhost_user_device_enable(d, msg->state.index, msg->state.num);
	return 0;
}

/* ---- the rest ---- */

static int set_backend_req_fd(struct vhost_user_device *d, struct vhost_user_message *msg, struct graft_error *err)
{
	(void)err;
	/* Kept open, since the front end watches the other end; nothing is sent on it. */
	if (d->backend_fd >= 0)
		close(d->backend_fd);
	d->backend_fd = vhost_user_message_take_fd(msg, 0);
	return 0;
}

static int get_config(struct vhost_user_device *d, struct vhost_user_message *msg, struct graft_error *err)
{
	uint32_t from = msg->config.offset, len = msg->config.size;

	(void)err;
	memset(msg->config.data, 0, len);
	if (from < sizeof(d->config))
		memcpy(msg->config.data, d->config + from,
		       len < sizeof(d->config) - from ? len : sizeof(d->config) - from);
	return (int)(VHOST_USER_CONFIG_HEADER + len);
}

/* All fields are read-only for the driver (virtio 1.2, 5.11.4); a write is ignored. */
static int set_config(struct vhost_user_device *d, struct vhost_user_message *msg, struct graft_error *err)
{
	(void)d;
	(void)msg;
	(void)err;
	return 0;
}

/* Each returns 0, the bytes of its reply, or -errno. */
static message_handler *const handlers[VHOST_USER_REQUEST_END] = {
	[VHOST_USER_GET_FEATURES] = get_features,
	[VHOST_USER_SET_FEATURES] = set_features,
	[VHOST_USER_SET_OWNER] = set_owner,
	[VHOST_USER_RESET_OWNER] = reset_owner,
	[VHOST_USER_SET_MEM_TABLE] = set_mem_table,
	[VHOST_USER_SET_LOG_BASE] = set_log_base,
	[VHOST_USER_SET_LOG_FD] = set_log_fd,
	[VHOST_USER_SET_VRING_NUM] = set_vring_num,
	[VHOST_USER_SET_VRING_ADDR] = set_vring_addr,
	[VHOST_USER_SET_VRING_BASE] = set_vring_base,
	[VHOST_USER_GET_VRING_BASE] = get_vring_base,
	[VHOST_USER_SET_VRING_KICK] = set_vring_kick,
	[VHOST_USER_SET_VRING_CALL] = set_vring_call,
	[VHOST_USER_SET_VRING_ERR] = set_vring_err,
	[VHOST_USER_GET_PROTOCOL_FEATURES] = get_protocol_features,
	[VHOST_USER_SET_PROTOCOL_FEATURES] = set_protocol_features,
	[VHOST_USER_GET_QUEUE_NUM] = get_queue_num,
	[VHOST_USER_SET_VRING_ENABLE] = set_vring_enable,
	[VHOST_USER_SET_BACKEND_REQ_FD] = set_backend_req_fd,
	[VHOST_USER_GET_CONFIG] = get_config,
	[VHOST_USER_SET_CONFIG] = set_config,
	[VHOST_USER_RESET_DEVICE] = reset_device,
	[VHOST_USER_GET_MAX_MEM_SLOTS] = get_max_mem_slots,
	[VHOST_USER_ADD_MEM_REG] = add_mem_reg,
	[VHOST_USER_REM_MEM_REG] = rem_mem_reg,
};

int vhost_user_device_handle(struct vhost_user_device *d, struct vhost_user_message *msg, uint32_t *size,
			     struct graft_error *err)
{
	int rc = handlers[msg->header.request](d, msg, err);

	if (rc <= 0)
		return rc;
	*size = (uint32_t)rc;
	return 1;
}
