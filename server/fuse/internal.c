/* SPDX-License-Identifier: Apache-2.0 */
/* Requests of the server's own: the same stack and the same rules as a client's, with nobody to reply to. */
#include "server/fuse/internal.h"

#include "lib/clock.h"
#include "server/fuse/conn.h"
#include "server/fuse/serve.h"

#include <semaphore.h>
#include <sys/stat.h>

/* Sends what is filled into r->req. Its result. */
static int call(struct request *r, struct session_mount *sm, uint32_t opcode, uint64_t node)
{
	r->op = &op_table[opcode];
	r->header.opcode = opcode;
	r->sm = sm;
	r->req.size = sizeof(r->req);
	r->req.opcode = opcode;
	r->req.node = node;
	r->req.session = &sm->session->pub;
	r->req.in = r->in;
	r->req.out = r->out;
	r->call.mount = sm->mount;
	r->call.states = sm->states;
	r->began = clock_ns(CLOCK_MONOTONIC);
	async_start(&r->async, &r->conn->async, 0);
	int res = stack_start(&r->call);
	if (!r->async.pinned)
		return res;
	async_exit(&r->async, res);
	while (sem_wait(&r->answered))
		continue;
	return r->result;
}

static struct request *new_request(struct session_mount *sm)
{
	struct request *r = serve_request_new();

	if (r)
		r->conn = sm->session->conn;
	return r;
}

uint64_t internal_lookup_dir(struct session_mount *sm, uint64_t dir, const char *name)
{
	struct request *r = new_request(sm);
	uint64_t node = 0;

	if (!r)
		return 0;
	const struct fuse_entry_out *entry = (const void *)r->out;
	r->req.name = name;
	if (!call(r, sm, FUSE_LOOKUP, dir) && entry->nodeid && entry->nodeid <= MOUNT_NODE_MASK) {
		node = entry->nodeid;
		if (!S_ISDIR(entry->attr.mode)) {
			internal_forget(sm, node);
			node = 0;
		}
	}
	serve_request_free(r);
	return node;
}

void internal_forget(struct session_mount *sm, uint64_t node)
{
	struct request *r = new_request(sm);

	/* Without memory the node stays until the session ends. */
	if (!r || node == GRAFT_ROOT_NODE) {
		serve_request_free(r);
		return;
	}
	((struct fuse_forget_in *)(void *)r->in)->nlookup = 1;
	call(r, sm, FUSE_FORGET, node);
	serve_request_free(r);
}
