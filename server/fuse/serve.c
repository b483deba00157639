/* SPDX-License-Identifier: Apache-2.0 */
/* From a transport's request to its reply: decode, find the mount, run the stack, answer. */
#include "server/fuse/serve.h"

#include "server/blame.h"
#include "server/fuse/control.h"
#include "server/fuse/decode.h"
#include "server/fuse/forget.h"
#include "server/fuse/reply.h"
#include "server/fuse/resume.h"
#include "server/fuse/router.h"

#include "lib/clock.h"
#include "lib/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define ALLOC_MAX (1u << 20) /* bytes that plugins may take with one request */

static void request_init(void *priv)
{
	struct request *r = priv;

	memset(r, 0, offsetof(struct request, arena));
	arena_init(&r->arena);
	r->head.call = &r->call;
	r->head.bytes = sizeof(r->req);
	r->call.req = &r->req;
	r->call.root = r;
	r->call.frames = r->frames;
}

static void request_fini(void *priv)
{
	struct request *r = priv;

	if (r->conn)
		conn_detach(r);
	arena_reset(&r->arena);
}

static uint32_t counter_index(const struct request *r)
{
	return r->op ? r->header.opcode : 0;
}

static void trace(const struct request *r, int res)
{
	log_msg(GRAFT_LOG_TRACE, r->conn->door->name, "%s #%" PRIu64 " node %" PRIx64 " = %d",
		op_name(r->header.opcode), r->header.unique, r->header.nodeid, res);
}

/* A waiting request that was cancelled because its mount went away. */
static int result_of(const struct request *r, int res)
{
	bool gone = r->sm && atomic_load_explicit(&r->sm->fading, memory_order_relaxed);

	return gone && res == -EINTR ? -ESTALE : res;
}

/* File data that a READ or WRITE moved. */
static uint64_t moved(const struct request *r, uint64_t used)
{
	if (r->op->payload == OP_PAYLOAD_FILE)
		return ((const struct fuse_write_out *)(const void *)r->out)->size;
	return used > sizeof(struct fuse_out_header) ? used - sizeof(struct fuse_out_header) : 0;
}

/* Bytes of those requests that move file data. */
static void count_data(const struct request *r, struct op_stats *stats, uint64_t used, uint64_t ns)
{
	uint64_t bytes = moved(r, used);

	if (r->header.opcode == FUSE_READ)
		op_stats_count_read(stats, r->shard, bytes, ns);
	else
		op_stats_count_bytes(stats, r->shard, r->header.opcode, bytes);
}

/* Writes the reply and lets go of all but the transport's request itself. *ended: when. */
static uint64_t answer(struct request *r, int res, uint64_t *ended)
{
	struct session_mount *sm = r->sm;
	struct op_stats *stats = sm ? sm->mount->stats : r->conn->server->stats;

	if (r->conn->kind == GRAFT_DEV_FUSE)
		request_lands(r);
	res = result_of(r, res);
	uint64_t used = reply_write(r, res);
	*ended = clock_ns(CLOCK_MONOTONIC);
	op_stats_count(stats, r->shard, counter_index(r), res != 0, *ended - r->began);
	if (!res && r->op->flags & OP_OFFSET)
		count_data(r, stats, used, *ended - r->began);
	if (log_level() >= GRAFT_LOG_TRACE)
		trace(r, res);
	arena_reset(&r->arena);
	r->sm = NULL;
	conn_leave(r->conn, r);
	if (r->entered)
		session_mount_leave(sm);
	return used;
}

struct request *serve_request_new(void)
{
	struct request *r = aligned_alloc(64, (sizeof(*r) + 63) & ~(size_t)63);

	if (!r)
		return NULL;
	request_init(r);
	memset(&r->req, 0, sizeof(r->req));
	r->alloc_left = ALLOC_MAX;
	r->on_worker = true;
	sem_init(&r->answered, 0, 0);
	return r;
}

void serve_request_free(struct request *r)
{
	if (!r)
		return;
	sem_destroy(&r->answered);
	arena_reset(&r->arena);
	free(r);
}

void async_finished(struct async_state *a, int res)
{
	struct request *r = (struct request *)((char *)a - offsetof(struct request, async));
	struct transport_request *t = r->transport;
	uint64_t ended;

	if (!t) {
		r->result = res;
		sem_post(&r->answered);
		return;
	}
	transport_complete(t, answer(r, res, &ended));
}

/* An OPEN that is not needed: the client goes on with handle 0 and never asks again. Nor is there anything to flush then. */
static bool needs_no_open(const struct request *r, const struct graft_session *s)
{
	uint32_t opcode = r->header.opcode;

	return ((opcode == FUSE_OPEN || opcode == FUSE_FLUSH) && s->flags & FUSE_NO_OPEN_SUPPORT) ||
	       (opcode == FUSE_OPENDIR && s->flags & FUSE_NO_OPENDIR_SUPPORT);
}

static int handle(struct request *r)
{
	if (r->op->flags & OP_SERVER)
		return control_serve(r);
	const struct view *v = conn_enter(r->conn, r);
	if (!v)
		return -EBADF;
	const struct graft_session *s = &v->session->pub;
	int res = decode_body(r, s);
	if (res)
		return res;
	if (r->op->flags & OP_LOCKS && !(s->flags & (FUSE_POSIX_LOCKS | FUSE_FLOCK_LOCKS)))
		return -ENOSYS;
	r->switch_off = needs_no_open(r, s);
	if (r->switch_off)
		return -ENOSYS;
	if (r->header.opcode == FUSE_FORGET)
		return forget_one(r, v);
	if (r->header.opcode == FUSE_BATCH_FORGET)
		return forget_batch(r, v);
	return router_start(r, v);
}

/* The end of the request before is this one's beginning, where the queue had no rest in between. */
static uint64_t begin(const struct request *r)
{
	uint64_t ended = r->transport->follows && r->queue_ended ? *r->queue_ended : 0;

	return ended ? ended : clock_ns(CLOCK_MONOTONIC);
}

static void start(struct fuse_conn *c, struct request *r, struct transport_request *t)
{
	r->transport = t;
	if (r->conn != c)
		conn_attach(c, r);
	r->shard = r->queue_shard;
	r->began = begin(r);
	r->sm = NULL;
	r->roots = NULL;
	r->entered = r->keep_view = r->switch_off = r->opens = false;
	r->on_worker = false;
	r->alloc_left = ALLOC_MAX;
	r->call.nframes = 0;
	r->call.first = r->call.cur = 0;
	r->call.plus = false;
	r->call.covered = NULL;
	r->call.spare = NULL;
	r->call.put_dst = NULL;
	r->call.put_at = 0;
}

static bool serve(void *conn, struct transport_request *t)
{
	struct request *r = t->priv;

	start(conn, r, t);
	int res = decode_header(r);
	if (r->conn->kind == GRAFT_DEV_FUSE)
		request_takes_off(r);
	async_start(&r->async, &r->conn->async, r->header.unique);
	if (!res)
		res = handle(r);
	uint64_t nowhere, *ended = r->queue_ended ? r->queue_ended : &nowhere;
	if (r->async.pinned) {
		*ended = 0;
		async_exit(&r->async, res);
		return true;
	}
	/* GRAFT_ASYNC without defer, io or cancel before: nobody could complete it. */
	if (res == GRAFT_ASYNC)
		res = blame_member(&r->call, "returned GRAFT_ASYNC without cancel, defer or io, so that nobody can complete its");
	t->used = answer(r, res, ended);
	return false;
}

static void *client_connect(void *user, struct transport *t)
{
	struct fuse_conn *c = conn_new(user, t);

	if (!c || !resume_session(c))
		return c;
	conn_free(c);
	return NULL;
}

static void client_disconnect(void *conn)
{
	conn_free(conn);
}

static void client_reset(void *conn)
{
	conn_reset(conn);
}

static void client_cancel(void *conn)
{
	struct fuse_conn *c = conn;

	async_cancel_all(&c->async);
}

const struct transport_client fuse_client = {
	.request_size = sizeof(struct request),
	.request_init = request_init,
	.request_fini = request_fini,
	.connect = client_connect,
	.disconnect = client_disconnect,
	.reset = client_reset,
	.serve = serve,
	.cancel = client_cancel,
};
