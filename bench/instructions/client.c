/* SPDX-License-Identifier: Apache-2.0 */
/* A server in this process and its one client. */
#include "bench/instructions/client.h"

#include "server/config.h"
#include "server/fuse/conn.h"
#include "server/fuse/serve.h"
#include "server/server.h"
#include "tests/unit/vring_driver.h"
#include "transport/queue.h"
#include "transport/transport.h"

#include <graftfs/fuse.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RING_SIZE 128 /* as QEMU makes it */
#define MEMORY (4u << 20)
#define PARTS (4 + 2 * CLIENT_DATA_MAX / CLIENT_PAGE)
/* What the guests' kernels offer. */
#define INIT_FLAGS                                                                                                     \
	(FUSE_ASYNC_READ | FUSE_ATOMIC_O_TRUNC | FUSE_EXPORT_SUPPORT | FUSE_BIG_WRITES | FUSE_AUTO_INVAL_DATA |        \
	 FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO | FUSE_ASYNC_DIO | FUSE_PARALLEL_DIROPS | FUSE_HANDLE_KILLPRIV |  \
	 FUSE_MAX_PAGES | FUSE_CACHE_SYMLINKS | FUSE_SUBMOUNTS | FUSE_HANDLE_KILLPRIV_V2 | FUSE_INIT_EXT)

/* Offsets in guest memory. No part touches the next, as in a guest. */
enum client_place {
	HEAD = DRIVER_DATA,
	ARGUMENT = HEAD + 2 * CLIENT_PAGE,
	REPLY_HEAD = ARGUMENT + 2 * CLIENT_PAGE,
	REPLY = REPLY_HEAD + 2 * CLIENT_PAGE,
	DATA_IN = REPLY + 2 * CLIENT_PAGE,
	DATA_OUT = DATA_IN + 2 * CLIENT_DATA_MAX
};

struct client {
	struct transport_queue queue; /* first: found again by request.queue */
	struct plugin_registry *registry;
	struct config *config;
	struct server *server;
	struct fuse_door door;
	struct transport transport;
	void *conn;
	struct driver_memory memory;
	struct guest_memory *mapped;
	struct driver driver[CLIENT_WAYS];
	struct vring ring[CLIENT_WAYS];
	enum client_way way;
	uint64_t unique;
	struct driver_buf buf[PARTS]; /* the present request's parts: nin, then nout */
	uint32_t nin, nout;
	struct transport_request request;
	bool pinned;
	sem_t completed;
	struct vring_chain chain;
	struct iovec iov[2 * TRANSPORT_MAX_IOV];
};

__attribute__((noreturn, format(printf, 1, 2))) static void die(const char *fmt, ...)
{
	va_list ap;

	fputs("graft-instructions: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

/* ---- the transport's part ---- */

static void pin(struct transport_request *t)
{
	((struct client *)t->queue)->pinned = true;
}

static void complete(struct transport_request *t, uint64_t used)
{
	t->used = used;
	sem_post(&((struct client *)t->queue)->completed);
}

static const struct transport_queue_ops queue_ops = { .pin = pin, .complete = complete };
static const struct transport_ops transport_ops = { .kind = GRAFT_VHOST_USER };

/* What a queue's thread does for a request that it serves inline. */
static void turn_of_ring(struct client *c, struct vring *ring)
{
	struct transport_request *t = &c->request;

	if (vring_pop(ring, c->iov, &c->chain) != VRING_CHAIN)
		die("the ring is %s", ring->fault ? ring->fault : "empty");
	t->in = c->iov;
	t->nin = c->chain.nin;
	t->in_len = c->chain.in_len;
	t->out = c->iov + c->chain.nin;
	t->nout = c->chain.nout;
	t->out_len = c->chain.out_len;
	t->used = 0;
	if (fuse_client.serve(c->conn, t))
		sem_wait(&c->completed);
	vring_push(ring, &c->chain, (uint32_t)t->used);
	vring_publish(ring);
}

static void turn(struct client *c)
{
	if (c->way != CLIENT_DIRECT)
		turn_of_ring(c, &c->ring[c->way]);
	else if (fuse_client.serve(c->conn, &c->request))
		sem_wait(&c->completed);
}

/* callgrind counts in here. The empty statement keeps the call from being made a jump. */
void client_counted(struct client *c);
__attribute__((noinline)) void client_counted(struct client *c)
{
	turn(c);
	__asm__ volatile("");
}

/* ---- requests ---- */

static void add_part(struct client *c, uint32_t at, uint32_t len, bool writable)
{
	if (!len)
		return;
	c->buf[c->nin + c->nout] = (struct driver_buf){ DRIVER_GPA + at, len, writable };
	*(writable ? &c->nout : &c->nin) += 1;
}

/* The last page first, so that no two lie side by side: a guest's rarely do. */
static void add_pages(struct client *c, uint32_t at, uint32_t len, bool writable)
{
	if (len > CLIENT_DATA_MAX)
		die("%u bytes are more than a request has here", len);
	for (uint32_t done = 0; done < len; done += CLIENT_PAGE) {
		uint32_t left = len - done;

		add_part(c, at + (len - done - 1) / CLIENT_PAGE * CLIENT_PAGE, left < CLIENT_PAGE ? left : CLIENT_PAGE,
			 writable);
	}
}

static void lay_out(struct client *c, const struct client_call *call)
{
	uint32_t argument = call->in_len + call->tail_len;
	struct fuse_in_header h = {
		.len = (uint32_t)sizeof(h) + argument + call->data_in,
		.opcode = call->opcode,
		.unique = c->unique += 2,
		.nodeid = call->node,
		.uid = getuid(),
		.gid = getgid(),
		.pid = 1,
	};

	memcpy(c->memory.base + HEAD, &h, sizeof(h));
	if (call->in_len)
		memcpy(c->memory.base + ARGUMENT, call->in, call->in_len);
	if (call->tail_len)
		memcpy(c->memory.base + ARGUMENT + call->in_len, call->tail, call->tail_len);
	c->nin = c->nout = 0;
	add_part(c, HEAD, sizeof(h), false);
	add_part(c, ARGUMENT, argument, false);
	add_pages(c, DATA_IN, call->data_in, false);
	if (call->no_reply)
		return;
	add_part(c, REPLY_HEAD, sizeof(struct fuse_out_header), true);
	add_part(c, REPLY, call->reply_len, true);
	add_pages(c, DATA_OUT, call->data_out, true);
}

/* The lists that a ring would make of the parts. */
static void hand_over_direct(struct client *c)
{
	struct transport_request *t = &c->request;

	t->in = c->iov;
	t->out = c->iov + c->nin;
	t->nin = c->nin;
	t->nout = c->nout;
	t->in_len = t->out_len = t->used = 0;
	for (uint32_t i = 0; i < c->nin + c->nout; i++) {
		c->iov[i].iov_base = c->memory.base + (c->buf[i].gpa - DRIVER_GPA);
		c->iov[i].iov_len = c->buf[i].len;
		*(i < c->nin ? &t->in_len : &t->out_len) += c->buf[i].len;
	}
}

static void hand_over(struct client *c)
{
	if (c->way == CLIENT_DIRECT)
		hand_over_direct(c);
	else if (driver_add(&c->driver[c->way], c->buf, c->nin + c->nout, true) < 0)
		die("the ring is full");
}

/* The driver has the chain back, and of as many bytes as the server wrote. */
static void take_back(struct client *c)
{
	uint32_t id, len;

	if (c->way == CLIENT_DIRECT)
		return;
	if (!driver_used(&c->driver[c->way], &id, &len) || len != c->request.used)
		die("the chain did not come back");
}

int client_call(struct client *c, const struct client_call *call, bool counted)
{
	struct fuse_out_header h;

	c->pinned = false;
	lay_out(c, call);
	hand_over(c);
	if (counted)
		client_counted(c);
	else
		turn(c);
	take_back(c);
	if (counted && c->pinned)
		die("opcode %u went to a worker, so not all that it took was counted", call->opcode);
	if (call->no_reply)
		return 0;
	memcpy(&h, c->memory.base + REPLY_HEAD, sizeof(h));
	if (c->request.used != h.len || h.len < sizeof(h) || h.unique != c->unique)
		die("opcode %u: a wrong reply", call->opcode);
	return h.error;
}

void client_must(struct client *c, const struct client_call *call, bool counted)
{
	int res = client_call(c, call, counted);

	if (res)
		die("opcode %u: %s", call->opcode, strerror(-res));
}

const void *client_reply(const struct client *c)
{
	return c->memory.base + REPLY;
}

uint32_t client_reply_bytes(const struct client *c)
{
	return (uint32_t)(c->request.used - sizeof(struct fuse_out_header));
}

void client_data(const struct client *c, void *to)
{
	unsigned char *at = to;

	for (uint32_t i = c->nin; i < c->nin + c->nout; i++) {
		if (c->buf[i].gpa < DRIVER_GPA + DATA_OUT)
			continue;
		memcpy(at, c->memory.base + (c->buf[i].gpa - DRIVER_GPA), c->buf[i].len);
		at += c->buf[i].len;
	}
}

/* ---- life ---- */

static void start_server(struct client *c, const char *ini)
{
	struct graft_error err = { 0 };
	int res = 0;

	c->config = config_read_ini(ini, NULL, &c->registry, &err);
	if (!c->config)
		die("%s", err.text);
	c->server = server_new(1, 1024, &err);
	if (!c->server)
		die("%s", err.text);
	for (uint32_t i = 0; i < c->config->nmounts && !res; i++)
		res = server_mount(c->server, &c->config->mounts[i], &err);
	c->server->fixed = true;
	if (res || server_start(c->server, &err))
		die("%s", err.text);
}

static void connect_client(struct client *c)
{
	c->door = (struct fuse_door){ .server = c->server, .name = "bench", .keys = c->config->transports[0].flag };
	c->transport = (struct transport){ .ops = &transport_ops, .client = &fuse_client, .user = &c->door };
	c->conn = fuse_client.connect(&c->door, &c->transport);
	c->request.priv = aligned_alloc(64, (fuse_client.request_size + 63) & ~(size_t)63);
	if (!c->conn || !c->request.priv)
		die("no memory");
	fuse_client.request_init(c->request.priv);
	c->queue.ops = &queue_ops;
	c->request.queue = &c->queue;
	sem_init(&c->completed, 0, 0);
}

static void make_ring(struct client *c, enum client_way way, uint32_t at)
{
	struct driver *d = &c->driver[way];
	bool packed = way == CLIENT_PACKED;
	struct graft_error err = { 0 };

	driver_init(d, &c->memory, at, RING_SIZE, packed, true);
	const struct vring_config config = {
		.addr = driver_addresses(d),
		.size = RING_SIZE,
		.base = packed ? VRING_PACKED_FRESH_BASE : 0,
		.packed = packed,
		.event_idx = true,
		.indirect = true,
	};
	if (vring_init(&c->ring[way], &config, c->mapped, &err))
		die("%s", err.text);
}

static void send_init(struct client *c)
{
	const struct fuse_init_in in = {
		.major = FUSE_KERNEL_VERSION,
		.minor = FUSE_KERNEL_MINOR_VERSION,
		.max_readahead = 128u << 10,
		.flags = (uint32_t)INIT_FLAGS,
		.flags2 = (uint32_t)((uint64_t)INIT_FLAGS >> 32),
	};
	const struct client_call call = {
		.opcode = FUSE_INIT, .in = &in, .in_len = sizeof(in), .reply_len = sizeof(struct fuse_init_out)
	};

	client_must(c, &call, false);
}

struct client *client_open(const char *ini)
{
	struct client *c = calloc(1, sizeof(*c));

	if (!c)
		die("no memory");
	umask(0); /* as all threads that serve */
	start_server(c, ini);
	connect_client(c);
	driver_memory_init(&c->memory, MEMORY);
	c->mapped = driver_memory_map(&c->memory);
	if (!c->mapped)
		die("no guest memory");
	make_ring(c, CLIENT_SPLIT, 0);
	make_ring(c, CLIENT_PACKED, DRIVER_RING_BYTES);
	send_init(c);
	return c;
}

void client_close(struct client *c)
{
	fuse_client.disconnect(c->conn);
	fuse_client.request_fini(c->request.priv);
	free(c->request.priv);
	server_free(c->server);
	config_free(c->config);
	plugin_registry_free(c->registry);
	guest_memory_put(c->mapped);
	driver_memory_fini(&c->memory);
	sem_destroy(&c->completed);
	free(c);
}

void client_use(struct client *c, enum client_way way)
{
	c->way = way;
}
