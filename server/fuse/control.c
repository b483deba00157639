/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that the server answers itself. INIT and DESTROY are changes of what a client sees. */
#include "server/fuse/control.h"

#include "server/fuse/backing.h"
#include "server/fuse/decode.h"
#include "server/fuse/init.h"
#include "server/fuse/resume.h"

#include "lib/log.h"

#include <errno.h>
#include <inttypes.h>

/* A session for the client, open in every mount, as *out of INIT says. */
static int open_session(struct fuse_conn *c, const struct fuse_init_out *out, uint64_t flags)
{
	struct graft_session pub = {
		.size = sizeof(pub),
		.minor = out->minor,
		.id = atomic_fetch_add_explicit(&c->server->sessions, 1, memory_order_relaxed) + 1,
		.flags = flags,
		.max_write = out->max_write,
		.transport = c->kind,
	};
	int res = mount_table_join(&c->server->mounts, c, &pub);

	if (!res)
		log_dbg(c->door->name, "session %" PRIu64 ": FUSE 7.%u, flags 0x%" PRIx64, pub.id, pub.minor, flags);
	return res;
}

/*
 * A client that learned that files need no OPEN never sends one again: a mount that needs it could not come later, so
 * that has to be asked for by key. It also keeps listings then, and a change of our own directories it must be told of.
 */
static void forgo_no_open(struct init_policy *policy, uint32_t kind)
{
	policy->want &= ~(uint64_t)(FUSE_NO_OPEN_SUPPORT | FUSE_NO_OPENDIR_SUPPORT);
	if (kind != GRAFT_DEV_FUSE)
		policy->can &= ~(uint64_t)FUSE_NO_OPENDIR_SUPPORT;
}

/* Every INIT ends the session before it, also one that is refused. */
static int run_init(struct request *r)
{
	struct fuse_conn *c = r->conn;
	struct mount_table *mounts = &c->server->mounts;
	struct init_policy policy = { .keys = c->door->keys, .portable = c->door->keep != NULL };
	struct fuse_init_out *out = (void *)r->out;
	struct graft_error err = { 0 };
	uint64_t flags;

	mount_table_leave(mounts, c);
	mount_table_features(mounts, &policy.can, &policy.want, &policy.need);
	/* Mount points are submounts, and that is the server's own to serve. */
	policy.can |= FUSE_SUBMOUNTS;
	policy.want |= FUSE_SUBMOUNTS;
	backing_offer(c, &policy);
	if (!c->server->fixed)
		forgo_no_open(&policy, c->kind);
	int res = init_negotiate((const void *)r->in, &policy, out, &flags, &err);
	if (res == 1)
		return 0;
	if (!res)
		res = open_session(c, out, flags);
	if (!res) {
		backing_settle(c, &policy, flags);
		init_keep_set(c->door->keep, (const void *)r->in, out, flags);
	}
	if (!err.code && res)
		error_set(&err, -res, "INIT failed: no session could be opened");
	if (res)
		log_warn(c->door->name, "%s", err.text);
	return res;
}

static void control_run(struct work *w)
{
	struct request *r = (struct request *)((char *)w - offsetof(struct request, call.work));
	int res = 0;

	(void)async_enter(&r->async); /* nobody else completes it */
	if (r->header.opcode == FUSE_INIT)
		res = run_init(r);
	else
		mount_table_leave(&r->conn->server->mounts, r->conn);
	async_exit(&r->async, res);
}

static int post_control(struct request *r)
{
	request_pin(r);
	r->call.work.fn = control_run;
	workers_post(r->conn->server->changes, &r->call.work);
	return GRAFT_ASYNC;
}

int control_serve(struct request *r)
{
	const struct fuse_interrupt_in *interrupt = (const void *)r->in;
	uint32_t opcode = r->header.opcode;

	if (opcode != FUSE_INIT && opcode != FUSE_DESTROY && opcode != FUSE_INTERRUPT)
		return r->op->absent;
	int res = decode_body(r, NULL);
	if (res)
		return res;
	if (opcode != FUSE_INTERRUPT)
		return post_control(r);
	async_interrupt(&r->conn->async, interrupt->unique);
	return 0;
}
