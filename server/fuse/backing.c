/* SPDX-License-Identifier: Apache-2.0 */
/* Backing files: asked for by plugins, made by the transport. */
#include "server/fuse/backing.h"

#include "lib/log.h"
#include "server/fuse/conn.h"
#include "server/session.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

void backing_offer(const struct fuse_conn *c, struct init_policy *policy)
{
	const struct transport_ops *ops = c->transport->ops;

	if (ops->backing_open && !ops->backing_able(c->transport))
		policy->can |= FUSE_PASSTHROUGH;
	else
		policy->can &= ~FUSE_PASSTHROUGH;
}

static void tell(const struct fuse_conn *c, const struct init_policy *policy, uint64_t enabled)
{
	const char *why = "the kernel does not offer it";

	if (!c->transport->ops->backing_open || enabled & FUSE_PASSTHROUGH || !(policy->want & FUSE_PASSTHROUGH) ||
	    policy->keys[CONFIG_KEY_PASSTHROUGH] == CONFIG_FLAG_NEVER)
		return;
	if (!(policy->can & FUSE_PASSTHROUGH))
		why = "it takes CAP_SYS_ADMIN";
	else if (enabled & FUSE_WRITEBACK_CACHE)
		why = "it excludes the writeback cache";
	log_info(c->door->name, "no passthrough of files: %s", why);
}

void backing_settle(struct fuse_conn *c, const struct init_policy *policy, uint64_t enabled)
{
	atomic_store_explicit(&c->opens_wait, c->transport->backing_waits && enabled & FUSE_PASSTHROUGH, memory_order_relaxed);
	tell(c, policy, enabled);
}

/* Some member above the caller would miss data that do not come by any more. */
static bool is_watched(const struct stack_call *call)
{
	static const uint32_t ops[] = { FUSE_READ, FUSE_WRITE };

	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		if (call->mount->routes[0][ops[i]].member < call->cur)
			return true;
	}
	return false;
}

/* One line for a connection. Without the right, no file will ever have one. */
static void refused(struct fuse_conn *c, int res)
{
	if (res == -EPERM || res == -ENOTTY)
		atomic_store_explicit(&c->backing_refused, true, memory_order_relaxed);
	if (!atomic_exchange_explicit(&c->backing_told, true, memory_order_relaxed))
		log_info(c->door->name, "files without passthrough: %s",
			 res == -ELOOP ? "they lie on a file system that is itself stacked" : strerror(-res));
}

int backing_open(struct graft_req *req, int fd)
{
	const struct stack_call *call = request_head(req)->call;
	struct fuse_conn *c = call->root->conn;

	if (!(req->session->flags & FUSE_PASSTHROUGH) || is_watched(call) ||
	    atomic_load_explicit(&c->backing_refused, memory_order_relaxed))
		return -EOPNOTSUPP;
	int res = c->transport->ops->backing_open(c->transport, fd);
	if (res < 0)
		refused(c, res);
	return res;
}

void backing_end(struct fuse_conn *c, int id)
{
	if (c->transport->ops->backing_close)
		c->transport->ops->backing_close(c->transport, id);
}

void backing_close(const struct graft_session *session, int id)
{
	const struct session *s = (const struct session *)((const char *)session - offsetof(struct session, pub));

	if (id > 0 && !session_mount_keep_backing(id))
		backing_end(s->conn, id);
}
