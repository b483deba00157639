/* SPDX-License-Identifier: Apache-2.0 */
/* From a transport's request to its reply: decode, find the mount, run the stack, answer. */
#include "server/fuse/serve.h"

#include "server/fuse/control.h"
#include "server/fuse/decode.h"
#include "server/fuse/forget.h"
#include "server/fuse/reply.h"

#include "lib/log.h"

#include <errno.h>
#include <inttypes.h>
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

/* Writes the reply and lets go of all but the transport's request itself. */
static uint64_t answer(struct request *r, int res)
{
	uint64_t used = reply_write(r, res);

	if (log_level() >= GRAFT_LOG_TRACE)
		trace(r, res);
	arena_reset(&r->arena);
	conn_leave(r->conn, r);
	return used;
}

void async_finished(struct async_state *a, int res)
{
	struct request *r = (struct request *)((char *)a - offsetof(struct request, async));
	struct transport_request *t = r->transport;

	if (res)
		atomic_fetch_add_explicit(&r->conn->elsewhere->errors[counter_index(r)], 1, memory_order_relaxed);
	transport_complete(t, answer(r, res));
}

/* The second node of RENAME, LINK and COPY_FILE_RANGE lies in the same mount, or the kernel copies by other means. */
static int set_node2(struct request *r, const struct mount *m)
{
	uint64_t node2;

	if (!(r->op->flags & OP_NODE2))
		return 0;
	memcpy(&node2, r->in + r->op->node2, sizeof(node2));
	const struct mount *other = mount_table_find(&r->conn->server->mounts, node2);
	if (!other)
		return -EBADF;
	if (other != m)
		return -EXDEV;
	r->req.node2 = node2 & MOUNT_NODE_MASK;
	memcpy(r->in + r->op->node2, &r->req.node2, sizeof(node2));
	return 0;
}

static int route(struct request *r, const struct session *s)
{
	struct mount *m = mount_table_find(&r->conn->server->mounts, r->header.nodeid);

	if (!m)
		return -EBADF;
	int res = set_node2(r, m);
	if (res)
		return res;
	r->req.node = r->header.nodeid & MOUNT_NODE_MASK;
	r->call.mount = m;
	r->call.states = s->states[m->slot];
	return stack_start(&r->call);
}

static int handle(struct request *r)
{
	if (r->op->flags & OP_SERVER)
		return control_serve(r);
	struct session *s = conn_enter(r->conn, r);
	if (!s)
		return -EBADF;
	int res = decode_body(r, &s->pub);
	if (res)
		return res;
	if (r->op->flags & OP_LOCKS && !(s->pub.flags & (FUSE_POSIX_LOCKS | FUSE_FLOCK_LOCKS)))
		return -ENOSYS;
	if (r->header.opcode == FUSE_BATCH_FORGET)
		return forget_batch(r, s);
	return route(r, s);
}

static void start(struct fuse_conn *c, struct request *r, struct transport_request *t)
{
	r->transport = t;
	if (r->conn != c)
		conn_attach(c, r);
	r->on_worker = false;
	r->alloc_left = ALLOC_MAX;
	r->call.nframes = 0;
	r->call.first = r->call.cur = 0;
	r->call.plus = false;
	r->call.put_dst = NULL;
	r->call.put_at = 0;
}

static bool serve(void *conn, struct transport_request *t)
{
	struct request *r = t->priv;

	start(conn, r, t);
	int res = decode_header(r);
	async_start(&r->async, &r->conn->async, r->header.unique);
	op_counter_bump(&r->counters->requests[counter_index(r)]);
	if (!res)
		res = handle(r);
	if (r->async.pinned) {
		async_exit(&r->async, res);
		return true;
	}
	/* GRAFT_ASYNC without defer, io or cancel before: nobody could complete it. */
	if (res == GRAFT_ASYNC)
		res = -EIO;
	if (res)
		op_counter_bump(&r->counters->errors[counter_index(r)]);
	t->used = answer(r, res);
	return false;
}

static void *client_connect(void *user, struct transport *t)
{
	return conn_new(user, t->ops->kind);
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
