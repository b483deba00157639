/* SPDX-License-Identifier: Apache-2.0 */
/* A vhost-user front end: connection, negotiation, memory, rings, dirty log. */
#include "tests/vring/frontend.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define CONNECT_TIMEOUT_MS 30000

#define FEATURE_VERSION_1 (1ULL << VIRTIO_F_VERSION_1)
#define FEATURE_EVENT_IDX (1ULL << VIRTIO_RING_F_EVENT_IDX)
#define FEATURE_INDIRECT (1ULL << VIRTIO_RING_F_INDIRECT_DESC)
#define FEATURE_PACKED (1ULL << VIRTIO_F_RING_PACKED)

/* As a machine with memory on both sides of the PCI hole, and small enough that a sanitizer does not mind. */
static const struct ram_spec default_layout[] = {
	{.gpa = 0x100000, .size = 16 << 20, .offset = 0x100000},
	{.gpa = 4ULL << 30, .size = 128 << 20},
};

static int map_log(struct frontend *fe)
{
	uint64_t end = 0;

	for (unsigned i = 0; i < fe->ram.n; i++) {
		uint64_t e = fe->ram.region[i].spec.gpa + fe->ram.region[i].spec.size;
		end = e > end ? e : end;
	}
	fe->log_size = (end / FRONTEND_PAGE / 8 + FRONTEND_PAGE) & ~(uint64_t)(FRONTEND_PAGE - 1);
	fe->log_fd = memfd_create("dirty-log", MFD_CLOEXEC);
	if (fe->log_fd < 0 || ftruncate(fe->log_fd, (off_t)fe->log_size) < 0)
		return -errno;
	void *map = mmap(NULL, fe->log_size, PROT_READ | PROT_WRITE, MAP_SHARED, fe->log_fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	fe->log = map;
	return 0;
}

static int send_log(struct frontend *fe)
{
	struct vu_reply reply;
	struct vu_log log = {.size = fe->log_size};

	return vu_ask(fe->sock, VU_SET_LOG_BASE, &log, sizeof(log), &fe->log_fd, 1, &reply);
}

int frontend_connect(struct frontend **out, const struct frontend_config *config)
{
	const struct ram_spec *layout = config->layout ? config->layout : default_layout;
	unsigned n = config->layout ? config->nlayout : sizeof(default_layout) / sizeof(default_layout[0]);
	struct frontend *fe = calloc(1, sizeof(*fe));

	*out = NULL;
	if (!fe)
		return -ENOMEM;
	fe->log_fd = -1;
	fe->sock = vu_connect(config->socket, CONNECT_TIMEOUT_MS);
	int res = fe->sock < 0 ? fe->sock : ram_init(&fe->ram, layout, n);
	if (res == 0 && config->log)
		res = map_log(fe);
	if (res < 0) {
		frontend_close(fe);
		return res;
	}
	*out = fe;
	return 0;
}

void frontend_close(struct frontend *fe)
{
	if (!fe)
		return;
	if (fe->sock >= 0)
		close(fe->sock);
	for (unsigned i = 0; i < fe->nrings; i++)
		ring_fini(&fe->ring[i]);
	if (fe->log)
		munmap(fe->log, fe->log_size);
	if (fe->log_fd >= 0)
		close(fe->log_fd);
	ram_fini(&fe->ram);
	free(fe);
}

int frontend_order(struct frontend *fe, uint32_t request, const void *payload, uint32_t size, const int *fds,
		   unsigned nfds)
{
	if (fe->protocol & VU_PROTOCOL_REPLY_ACK)
		return vu_order(fe->sock, request, payload, size, fds, nfds);
	return vu_send(fe->sock, request, 0, payload, size, fds, nfds);
}

int frontend_order_u64(struct frontend *fe, uint32_t request, uint64_t value)
{
	return frontend_order(fe, request, &value, sizeof(value), NULL, 0);
}

int frontend_order_state(struct frontend *fe, uint32_t request, uint32_t index, uint32_t num)
{
	struct vu_state state = {.index = index, .num = num};

	return frontend_order(fe, request, &state, sizeof(state), NULL, 0);
}

int frontend_order_fd(struct frontend *fe, uint32_t request, unsigned index, int fd)
{
	uint64_t value = index | (fd < 0 ? VU_NO_FD : 0);

	return frontend_order(fe, request, &value, sizeof(value), &fd, fd < 0 ? 0 : 1);
}

int frontend_ask_u64(struct frontend *fe, uint32_t request, uint64_t *value)
{
	struct vu_reply reply;
	int res = vu_ask(fe->sock, request, NULL, 0, NULL, 0, &reply);

	if (res < 0)
		return res;
	if (reply.header.size != sizeof(reply.u64))
		return -EBADMSG;
	*value = reply.u64;
	return 0;
}

int frontend_negotiate(struct frontend *fe, const struct frontend_config *config)
{
	int res = frontend_ask_u64(fe, VU_GET_FEATURES, &fe->offered);

	if (res == 0)
		res = frontend_ask_u64(fe, VU_GET_PROTOCOL_FEATURES, &fe->protocol_offered);
	if (res < 0)
		return res;
	fe->features = fe->offered & (config->features | FEATURE_VERSION_1 | VU_FEATURE_PROTOCOL);
	/* The first order goes without an acknowledgement: it is the one that negotiates them. */
	uint64_t protocol = fe->protocol_offered & config->protocol;
	res = vu_send(fe->sock, VU_SET_PROTOCOL_FEATURES, 0, &protocol, sizeof(protocol), NULL, 0);
	if (res < 0)
		return res;
	fe->protocol = protocol;
	res = frontend_order(fe, VU_SET_OWNER, NULL, 0, NULL, 0);
	return res < 0 ? res : frontend_order_u64(fe, VU_SET_FEATURES, fe->features);
}

struct vu_region frontend_region(const struct frontend *fe, unsigned index)
{
	const struct ram_spec *s = &fe->ram.region[index].spec;

	return (struct vu_region){.gpa = s->gpa,
				  .size = s->size,
				  .user = (uintptr_t)ram_ptr(&fe->ram, s->gpa),
				  .offset = s->offset};
}

int frontend_send_table(struct frontend *fe)
{
	return frontend_send_regions(fe, fe->ram.n);
}

int frontend_send_regions(struct frontend *fe, unsigned n)
{
	struct vu_mem_table table = {.n = n};
	int fds[RAM_MAX_REGIONS];

	for (unsigned i = 0; i < n; i++) {
		table.region[i] = frontend_region(fe, i);
		fds[i] = fe->ram.region[i].fd;
	}
	return frontend_order(fe, VU_SET_MEM_TABLE, &table, (uint32_t)(8 + sizeof(struct vu_region) * table.n), fds,
			      table.n);
}

int frontend_add_region(struct frontend *fe, unsigned index)
{
	struct vu_mem_reg reg = {.region = frontend_region(fe, index)};

	return frontend_order(fe, VU_ADD_MEM_REG, &reg, sizeof(reg), &fe->ram.region[index].fd, 1);
}

int frontend_remove_region(struct frontend *fe, unsigned index)
{
	struct vu_mem_reg reg = {.region = frontend_region(fe, index)};

	return frontend_order(fe, VU_REM_MEM_REG, &reg, sizeof(reg), NULL, 0);
}

int frontend_send_memory(struct frontend *fe)
{
	if (!(fe->protocol & VU_PROTOCOL_MEM_SLOTS))
		return frontend_send_table(fe);
	for (unsigned i = 0; i < fe->ram.n; i++) {
		int res = frontend_add_region(fe, i);
		if (res < 0)
			return res;
	}
	return 0;
}

int frontend_make_rings(struct frontend *fe, const struct frontend_config *config)
{
	unsigned n = 1 + (config->queues ? config->queues : 1);
	uint16_t size = config->ring_size ? config->ring_size : 128;
	enum ring_kind kind = fe->features & FEATURE_PACKED ? RING_PACKED : RING_SPLIT;

	if (n > FRONTEND_MAX_RINGS)
		return -EINVAL;
	for (fe->nrings = 0; fe->nrings < n; fe->nrings++) {
		int res = ring_init(&fe->ring[fe->nrings], &fe->ram, kind, size, fe->features & FEATURE_EVENT_IDX,
				    fe->features & FEATURE_INDIRECT);
		if (res < 0)
			return res;
	}
	return 0;
}

int frontend_send_addr(struct frontend *fe, unsigned index)
{
	const struct ring *r = &fe->ring[index];
	struct vu_addr addr = {.index = index,
			       .flags = fe->log ? 1 : 0,
			       .desc = (uintptr_t)ram_ptr(&fe->ram, r->desc),
			       .avail = (uintptr_t)ram_ptr(&fe->ram, r->driver),
			       .used = (uintptr_t)ram_ptr(&fe->ram, r->device),
			       .log = fe->log ? r->device : 0};

	return frontend_order(fe, VU_SET_VRING_ADDR, &addr, sizeof(addr), NULL, 0);
}

int frontend_start_ring(struct frontend *fe, unsigned index)
{
	return frontend_start_ring_at(fe, index, ring_base(&fe->ring[index]));
}

int frontend_start_ring_at(struct frontend *fe, unsigned index, uint32_t base)
{
	struct ring *r = &fe->ring[index];
	int res = frontend_order_state(fe, VU_SET_VRING_NUM, index, r->size);

	if (res == 0)
		res = frontend_order_state(fe, VU_SET_VRING_BASE, index, base);
	if (res == 0)
		res = frontend_send_addr(fe, index);
	if (res == 0)
		res = frontend_order_fd(fe, VU_SET_VRING_ERR, index, r->err);
	if (res == 0)
		res = frontend_order_fd(fe, VU_SET_VRING_CALL, index, r->call);
	if (res == 0)
		res = frontend_order_fd(fe, VU_SET_VRING_KICK, index, r->kick);
	if (res == 0)
		res = frontend_order_state(fe, VU_SET_VRING_ENABLE, index, 1);
	if (res == 0)
		fe->running[index] = true;
	return res;
}

int frontend_stop_ring(struct frontend *fe, unsigned index, uint32_t *base)
{
	struct vu_state state = {.index = index};
	struct vu_reply reply;
	int res = frontend_order_state(fe, VU_SET_VRING_ENABLE, index, 0);

	if (res == 0)
		res = vu_ask(fe->sock, VU_GET_VRING_BASE, &state, sizeof(state), NULL, 0, &reply);
	if (res < 0)
		return res;
	fe->running[index] = false;
	if (base)
		*base = reply.state.num;
	return reply.header.size == sizeof(state) && reply.state.index == index ? 0 : -EBADMSG;
}

int frontend_recover_ring(struct frontend *fe, unsigned index)
{
	int res = frontend_stop_ring(fe, index, NULL);

	if (res < 0)
		return res;
	ring_clear(&fe->ring[index]);
	return frontend_start_ring(fe, index);
}

int frontend_open(struct frontend **out, const struct frontend_config *config)
{
	struct frontend *fe;
	int res = frontend_connect(&fe, config);

	*out = NULL;
	if (res < 0)
		return res;
	res = frontend_negotiate(fe, config);
	if (res == 0)
		res = frontend_send_memory(fe);
	if (res == 0)
		res = frontend_make_rings(fe, config);
	if (res == 0 && config->log)
		res = send_log(fe);
	for (unsigned i = 0; res == 0 && i < fe->nrings; i++)
		res = frontend_start_ring(fe, i);
	if (res < 0) {
		frontend_close(fe);
		return res;
	}
	*out = fe;
	return 0;
}

bool frontend_dirty(const struct frontend *fe, uint64_t gpa)
{
	uint64_t page = gpa / FRONTEND_PAGE;

	return __atomic_load_n(&fe->log[page / 8], __ATOMIC_ACQUIRE) >> (page % 8) & 1;
}

void frontend_clear_log(struct frontend *fe)
{
	for (uint64_t i = 0; i < fe->log_size; i++)
		__atomic_store_n(&fe->log[i], 0, __ATOMIC_RELAXED);
}
