/* SPDX-License-Identifier: Apache-2.0 */
/* A small vhost-user front end and a client of the transport, for tests. */
#include "vhost_front.h"

#include "lib/iov.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define SLOT_BYTES 0x1000U
#define PRIV_BYTES 200

/* ---- client ---- */

static struct fake_client *the_client; /* request_init has no other way to find it */

static void fake_init(void *priv)
{
	memset(priv, 0x5a, PRIV_BYTES);
	atomic_fetch_add(&the_client->inits, 1);
}

static void fake_fini(void *priv)
{
	(void)priv;
	atomic_fetch_add(&the_client->finis, 1);
}

static void *fake_connect(void *user, struct transport *t)
{
	struct fake_client *c = user;

	(void)t;
	if (atomic_load(&c->refuse))
		return NULL;
	atomic_fetch_add(&c->connects, 1);
	return c;
}

static void fake_disconnect(void *conn)
{
	struct fake_client *c = conn;

	if (atomic_load(&c->nwaiting))
		abort();
	atomic_fetch_add(&c->disconnects, 1);
}

static void fake_reset(void *conn)
{
	struct fake_client *c = conn;

	if (atomic_load(&c->nwaiting))
		abort();
	atomic_fetch_add(&c->resets, 1);
}

static uint64_t echo(struct transport_request *req)
{
	struct iov_cursor from = iov_cursor(req->in, req->nin), to = iov_cursor(req->out, req->nout);
	char bytes[64];
	size_t n = iov_read(&from, bytes, sizeof(bytes));

	if (((uint8_t *)req->priv)[PRIV_BYTES - 1] != 0x5a || (uintptr_t)req->priv % 64)
		abort();
	return iov_write(&to, bytes, n);
}

static bool fake_serve(void *conn, struct transport_request *req)
{
	struct fake_client *c = conn;
	struct iov_cursor from = iov_cursor(req->in, req->nin);
	char first = 0;

	iov_read(&from, &first, 1);
	atomic_fetch_add(&c->served, 1);
	if (first == 'N' || first == 'P') {
		/* Pinned, but then answered at once; and completed before serve has returned. */
		transport_request_pin(req);
		req->used = echo(req);
		if (first == 'N')
			return false;
		transport_complete(req, req->used);
		return true;
	}
	if (first != 'A') {
		req->used = echo(req);
		return false;
	}
	transport_request_pin(req);
	pthread_mutex_lock(&c->lock);
	c->waiting[atomic_load(&c->nwaiting)] = req;
	atomic_fetch_add(&c->nwaiting, 1);
	pthread_mutex_unlock(&c->lock);
	return true;
}

uint32_t fake_client_release(struct fake_client *c)
{
	struct transport_request *list[2 * VHOST_USER_QUEUE_INFLIGHT];
	uint32_t i, n;

	pthread_mutex_lock(&c->lock);
	n = atomic_load(&c->nwaiting);
	memcpy(list, c->waiting, n * sizeof(list[0]));
	atomic_store(&c->nwaiting, 0);
	pthread_mutex_unlock(&c->lock);
	for (i = 0; i < n; i++)
		transport_complete(list[i], echo(list[i]));
	return n;
}

static void fake_cancel(void *conn)
{
	struct fake_client *c = conn;

	if (atomic_load(&c->cancel_ends))
		fake_client_release(c);
	atomic_fetch_add(&c->cancels, 1);
}

void fake_client_init(struct fake_client *c)
{
	memset(c, 0, sizeof(*c));
	pthread_mutex_init(&c->lock, NULL);
	c->ops = (struct transport_client){ PRIV_BYTES,      fake_init,  fake_fini,  fake_connect,
					    fake_disconnect, fake_reset, fake_serve, fake_cancel };
	atomic_store(&c->cancel_ends, true);
	the_client = c;
}

bool wait_for(_Atomic uint32_t *value, uint32_t n)
{
	struct timespec ms = { 0, 1000000 };
	int i;

	for (i = 0; i < FRONT_TIMEOUT_MS && atomic_load(value) < n; i++)
		nanosleep(&ms, NULL);
	return atomic_load(value) >= n;
}

/* ---- messages ---- */

bool front_connect(struct front *f, const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	uint32_t i;

	memset(f, 0, sizeof(*f));
	strncpy(addr.sun_path, path, sizeof(addr.sun_path) - 1);
	f->sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(f->sock, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		close(f->sock);
		return false;
	}
	driver_memory_init(&f->memory, FRONT_MEMORY);
	for (i = 0; i < FRONT_RINGS; i++) {
		f->kick[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		f->call[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		f->err[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	}
	return true;
}

void front_close(struct front *f)
{
	uint32_t i;

	close(f->sock);
	for (i = 0; i < FRONT_RINGS; i++) {
		close(f->kick[i]);
		close(f->call[i]);
		close(f->err[i]);
	}
	driver_memory_fini(&f->memory);
}

void front_send(struct front *f, uint32_t request, uint32_t flags, const void *payload, uint32_t size, const int *fds,
		uint32_t nfds)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * VHOST_USER_MAX_FDS)];
	} control = { 0 };
	struct vhost_user_header header = { request, flags, size };
	struct iovec iov[2] = { { &header, sizeof(header) }, { (void *)(uintptr_t)payload, size } };
	struct msghdr hdr = { .msg_iov = iov, .msg_iovlen = 2 };

	if (nfds) {
		struct cmsghdr *c;

		hdr.msg_control = control.bytes;
		hdr.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
		c = CMSG_FIRSTHDR(&hdr);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * nfds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * nfds);
	}
	/* The other side may have closed already; the reply's absence shows it. */
	if (sendmsg(f->sock, &hdr, MSG_NOSIGNAL) < 0)
		return;
}

int front_receive(struct front *f, struct vhost_user_message *msg)
{
	struct pollfd p = { .fd = f->sock, .events = POLLIN };

	if (poll(&p, 1, FRONT_TIMEOUT_MS) != 1)
		abort();
	if (recv(f->sock, &msg->header, sizeof(msg->header), MSG_WAITALL) != sizeof(msg->header))
		return -1;
	if (msg->header.flags != (VHOST_USER_VERSION | VHOST_USER_REPLY) || msg->header.size > sizeof(msg->bytes))
		abort();
	if (msg->header.size && recv(f->sock, msg->bytes, msg->header.size, MSG_WAITALL) != (ssize_t)msg->header.size)
		return -1;
	return (int)msg->header.size;
}

int front_ack(struct front *f, uint32_t request, const void *payload, uint32_t size, const int *fds, uint32_t nfds)
{
	struct vhost_user_message msg;

	front_send(f, request, VHOST_USER_VERSION | VHOST_USER_NEED_REPLY, payload, size, fds, nfds);
	if (front_receive(f, &msg) != 8)
		return -1;
	if (msg.header.request != request)
		abort();
	return (int)msg.u64;
}

uint64_t front_ask(struct front *f, uint32_t request, const void *payload, uint32_t size)
{
	struct vhost_user_message msg;

	front_send(f, request, VHOST_USER_VERSION, payload, size, NULL, 0);
	return front_receive(f, &msg) < 0 ? UINT64_MAX : msg.u64;
}

int front_ack_u64(struct front *f, uint32_t request, uint64_t value)
{
	return front_ack(f, request, &value, sizeof(value), NULL, 0);
}

int front_ack_state(struct front *f, uint32_t request, uint32_t index, uint32_t num)
{
	const uint32_t payload[2] = { index, num };

	return front_ack(f, request, payload, sizeof(payload), NULL, 0);
}

int front_ack_fd(struct front *f, uint32_t request, uint32_t index, int fd)
{
	uint64_t value = index | (fd < 0 ? VHOST_USER_VRING_NO_FD : 0);

	return front_ack(f, request, &value, sizeof(value), &fd, fd < 0 ? 0 : 1);
}

int front_memory(struct front *f)
{
	struct vhost_user_message msg;

	msg.memory.count = 1;
	msg.memory.padding = 0;
	msg.memory.regions[0] = (struct guest_region_info){ DRIVER_GPA, FRONT_MEMORY, DRIVER_USER, 0 };
	return front_ack(f, VHOST_USER_SET_MEM_TABLE, msg.bytes, 40, &f->memory.fd, 1);
}

int front_addr(struct front *f, uint32_t index, bool logged, uint64_t log)
{
	struct vring_addresses addr = driver_addresses(&f->rings[index]);
	struct vhost_user_message msg;

	msg.addr.index = index;
	msg.addr.flags = logged ? VHOST_USER_VRING_ADDR_LOG : 0;
	msg.addr.desc = addr.desc;
	msg.addr.used = addr.used;
	msg.addr.avail = addr.avail;
	msg.addr.log = log;
	return front_ack(f, VHOST_USER_SET_VRING_ADDR, msg.bytes, 40, NULL, 0);
}

uint32_t front_base(struct front *f, uint32_t index)
{
	const uint32_t payload[2] = { index, 0 };
	uint64_t answer = front_ask(f, VHOST_USER_GET_VRING_BASE, payload, sizeof(payload));

	return (uint32_t)(answer >> 32);
}

void front_negotiate(struct front *f, uint64_t features)
{
	f->protocol_features = front_ask(f, VHOST_USER_GET_PROTOCOL_FEATURES, NULL, 0);
	/* The acknowledgement comes into force with this message. */
	if (front_ack_u64(f, VHOST_USER_SET_PROTOCOL_FEATURES, f->protocol_features) != 0 ||
	    front_ack(f, VHOST_USER_SET_OWNER, NULL, 0, NULL, 0) != 0 ||
	    front_ack_u64(f, VHOST_USER_SET_FEATURES, features) != 0 || front_memory(f) != 0)
		abort();
}

void front_ring(struct front *f, uint32_t i, uint64_t features)
{
	driver_init(&f->rings[i], &f->memory, i * DRIVER_RING_BYTES, FRONT_SIZE, features & VIRTIO_F_RING_PACKED,
		    features & VIRTIO_F_EVENT_IDX);
	driver_interrupts(&f->rings[i], true);
	if (front_ack_state(f, VHOST_USER_SET_VRING_NUM, i, FRONT_SIZE) != 0 ||
	    front_ack_state(f, VHOST_USER_SET_VRING_BASE, i,
			    features & VIRTIO_F_RING_PACKED ? VRING_PACKED_FRESH_BASE : 0) != 0 ||
	    front_addr(f, i, false, 0) != 0 || front_ack_fd(f, VHOST_USER_SET_VRING_KICK, i, f->kick[i]) != 0 ||
	    front_ack_fd(f, VHOST_USER_SET_VRING_CALL, i, f->call[i]) != 0 ||
	    front_ack_fd(f, VHOST_USER_SET_VRING_ERR, i, f->err[i]) != 0)
		abort();
}

void front_start(struct front *f, uint64_t features)
{
	uint32_t i;

	front_negotiate(f, features);
	for (i = 0; i < FRONT_RINGS; i++) {
		front_ring(f, i, features);
		if (features & VIRTIO_F_PROTOCOL_FEATURES && front_ack_state(f, VHOST_USER_SET_VRING_ENABLE, i, 1) != 0)
			abort();
	}
}

/* ---- requests ---- */

static uint32_t slot_offset(uint32_t slot)
{
	return DRIVER_DATA + slot * SLOT_BYTES;
}

int front_request(struct front *f, uint32_t index, uint32_t slot, const char *text)
{
	const struct driver_buf bufs[] = {
		{ DRIVER_GPA + slot_offset(slot), (uint32_t)strlen(text) + 1, false },
		{ DRIVER_GPA + slot_offset(slot) + SLOT_BYTES / 2, 64, true },
	};

	strcpy((char *)f->memory.base + slot_offset(slot), text);
	memset(f->memory.base + slot_offset(slot) + SLOT_BYTES / 2, 0, 64);
	return driver_add(&f->rings[index], bufs, 2, slot % 2);
}

void front_kick(struct front *f, uint32_t index)
{
	if (driver_kick(&f->rings[index]))
		eventfd_write(f->kick[index], 1);
}

bool front_used(struct front *f, uint32_t index, uint32_t *id, uint32_t *len)
{
	struct pollfd p = { .fd = f->call[index], .events = POLLIN };
	eventfd_t count;

	for (;;) {
		if (driver_used(&f->rings[index], id, len))
			return true;
		driver_interrupts(&f->rings[index], true);
		if (driver_used(&f->rings[index], id, len))
			return true;
		if (poll(&p, 1, FRONT_TIMEOUT_MS) != 1)
			return false;
		eventfd_read(f->call[index], &count);
	}
}

const char *front_answer(struct front *f, uint32_t slot)
{
	return (const char *)f->memory.base + slot_offset(slot) + SLOT_BYTES / 2;
}

bool front_echo(struct front *f, uint32_t index, const char *text)
{
	uint32_t id, len;
	int added = front_request(f, index, index, text);

	front_kick(f, index);
	return added >= 0 && front_used(f, index, &id, &len) && id == (uint32_t)added && len == strlen(text) + 1 &&
	       !strcmp(front_answer(f, index), text);
}
