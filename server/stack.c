/* SPDX-License-Identifier: Apache-2.0 */
/* The way of a request through a mount's members. After GRAFT_ASYNC nothing here touches the request. */
#include "server/stack.h"

#include "server/blame.h"
#include "server/fallback.h"
#include "server/fuse/conn.h"
#include "server/fuse/opcodes.h"
#include "server/request.h"
#include "server/server.h"

#include <errno.h>
#include <string.h>

static struct stack_call *call_of(struct graft_req *req)
{
	return request_head(req)->call;
}

/* What complete gave: the end, so GRAFT_ASYNC is none. */
static int final_result(const struct stack_call *call, int res)
{
	if (res == GRAFT_ASYNC)
		return blame_member(call, "completed with GRAFT_ASYNC");
	return blame_result(call, res);
}

bool stack_push(struct stack_call *call, uint8_t member, graft_up *up, void *cookie)
{
	if (call->nframes >= call->mount->nmembers + 1u)
		return false;
	call->frames[call->nframes++] = (struct stack_frame){ up, cookie, member };
	return true;
}

void stack_return_to(struct stack_call *call, uint8_t member)
{
	call->cur = member;
	call->req->state = call->states[member];
}

int stack_descend(struct stack_call *call, uint32_t from)
{
	struct mount *m = call->mount;
	struct graft_req *req = call->req;
	struct mount_route route = m->routes[from][req->opcode];

	if (route.opcode != req->opcode)
		return fallback_run(call, from, route.opcode);
	if (route.member == MOUNT_ABSENT)
		return fallback_absent(req);
	struct mount_member *member = &m->members[route.member];
	stack_return_to(call, route.member);
	int res = member->desc->ops[req->opcode](member->inst, req);
	return blame_valid(res) ? res : blame_result(call, res);
}

/* Before the running member's work goes on elsewhere. */
static void leave_thread(struct stack_call *call)
{
	request_pin(call->root);
	atomic_store_explicit(&call->root->async.who, stack_member(call)->desc, memory_order_relaxed);
}

/* The same on the way back, when what is below has ended: what it named for cancel has ended too. */
static void back_to(struct stack_call *call, uint8_t member)
{
	stack_return_to(call, member);
	if (!call->root->async.pinned)
		return;
	atomic_store_explicit(&call->root->async.who, stack_member(call)->desc, memory_order_relaxed);
	async_keep_cancel(&call->root->async, stack_member(call)->inst);
}

int stack_next(struct graft_req *req, graft_up *up, void *cookie)
{
	struct stack_call *call = call_of(req);
	uint8_t me = call->cur;

	if (up && !stack_push(call, me, up, cookie))
		return up(stack_member(call)->inst, req, -EIO, cookie);
	int res = stack_descend(call, me + 1u);
	if (res == GRAFT_ASYNC)
		return res;
	back_to(call, me);
	if (!up)
		return res;
	call->nframes--;
	return up(stack_member(call)->inst, req, res, cookie);
}

/* A thread may run a serial mount's members only on its strand. */
static bool elsewhere(const struct stack_call *call)
{
	return call->mount->strand && !strand_is_current(call->mount->strand);
}

static void call_run(struct work *w);

/* Leaves this thread; the call may be over when it returns. */
static int post(struct stack_call *call, int (*step)(struct stack_call *))
{
	request_pin(call->root);
	call->step = step;
	call->work.fn = call_run;
	if (call->mount->strand)
		strand_post(call->mount->strand, &call->work);
	else
		workers_post(call->mount->server->workers, &call->work);
	return GRAFT_ASYNC;
}

static int step_start(struct stack_call *call)
{
	return stack_descend(call, call->first);
}

static int step_op(struct stack_call *call)
{
	return call->arg.op(stack_member(call)->inst, call->req);
}

static int step_result(struct stack_call *call)
{
	atomic_store_explicit(&call->completing, false, memory_order_relaxed);
	return call->arg.res;
}

static void leave_child(struct stack_call *call)
{
	struct request *root = call->root;

	request_head(call->req)->call = NULL;
	if (call->entered)
		session_mount_leave(call->entered);
	/* What it took is given back, or a member could not ask as often as it needs. */
	if (!root->async.pinned || !async_cancelling(&root->async)) {
		arena_release(&root->arena, call->mark);
		root->alloc_left = call->alloc_left;
	}
	call->parent->spare = call;
}

/* A child made by the member of `parent` that runs ended with res. */
static int child_done(struct stack_call *parent, struct stack_call *child, int res)
{
	leave_child(child);
	back_to(parent, parent->cur);
	if (!child->up)
		return res;
	return blame_result(parent, child->up(stack_member(parent)->inst, parent->req, res, child->cookie));
}

static int step_child(struct stack_call *call)
{
	return child_done(call, call->arg.child, call->arg.child->arg.res);
}

/* The running operation of call ended with res: goes up until something waits again, or to the root's result. */
static int unwind(struct stack_call *call, int res)
{
	for (;;) {
		while (call->nframes) {
			struct stack_frame f = call->frames[--call->nframes];

			back_to(call, f.member);
			res = blame_result(call, f.up(stack_member(call)->inst, call->req, res, f.cookie));
			if (res == GRAFT_ASYNC)
				return res;
		}
		struct stack_call *parent = call->parent;
		if (!parent)
			return res;
		if (elsewhere(parent)) {
			call->arg.res = res;
			parent->arg.child = call;
			return post(parent, step_child);
		}
		res = child_done(parent, call, res);
		if (res == GRAFT_ASYNC)
			return res;
		call = parent;
	}
}

static void take_step(struct stack_call *call, bool on_worker)
{
	struct request *root = call->root;

	/* Ended by a complete that came in between: a fault of the plugin, said then. */
	if (!async_enter(&root->async))
		return;
	root->on_worker = on_worker;
	/* A call that went ASYNC may be over: only what is no result still needs it. */
	int res = call->step(call);
	if (!blame_valid(res))
		res = blame_result(call, res);
	if (res != GRAFT_ASYNC)
		res = unwind(call, res);
	async_exit(&root->async, res);
}

/* What a worker does with a posted call. */
static void call_run(struct work *w)
{
	take_step((struct stack_call *)((char *)w - offsetof(struct stack_call, work)), true);
}

/* An open that may ask another process for a backing file. */
static bool opens_and_waits(const struct request *r)
{
	return r->op && r->op->flags & OP_OPENS && r->header.opcode != FUSE_OPENDIR && r->conn &&
	       atomic_load_explicit(&r->conn->opens_wait, memory_order_relaxed);
}

int stack_start(struct stack_call *call)
{
	if (elsewhere(call) || ((call->mount->blocking || opens_and_waits(call->root)) && !call->root->on_worker))
		return post(call, step_start);
	return stack_descend(call, call->first);
}

void stack_complete(struct graft_req *req, int res)
{
	struct stack_call *call = call_of(req);
	struct request *root = call->root;

	/* Never pinned: the operation did not announce that it would wait, so its own result counts. */
	if (!root->async.pinned || !async_enter(&root->async)) {
		blame_complete(call);
		return;
	}
	atomic_store_explicit(&root->async.completer, stack_member(call)->desc, memory_order_relaxed);
	res = final_result(call, res);
	if (elsewhere(call)) {
		if (!atomic_exchange_explicit(&call->completing, true, memory_order_relaxed)) {
			call->arg.res = res;
			post(call, step_result);
		} else {
			blame_complete(call);
		}
		async_exit(&root->async, GRAFT_ASYNC);
		return;
	}
	root->on_worker = false;
	res = unwind(call, res);
	async_exit(&root->async, res);
}

void stack_cancel(struct graft_req *req, void (*fn)(struct graft_inst *, struct graft_req *))
{
	struct stack_call *call = call_of(req);
	struct async_cancel cancel = { fn, stack_member(call)->inst, req, call->mount->strand };

	leave_thread(call);
	async_set_cancel(&call->root->async, &cancel);
}

int stack_defer(struct graft_req *req, graft_op *fn)
{
	struct stack_call *call = call_of(req);

	leave_thread(call);
	call->arg.op = fn;
	call->step = step_op;
	call->work.fn = call_run;
	if (call->mount->strand)
		strand_post(call->mount->strand, &call->work);
	else if (!workers_try(call->mount->server->workers, &call->work))
		return -EAGAIN;
	return GRAFT_ASYNC;
}

static int step_io_done(struct stack_call *call)
{
	return call->arg.io.done(stack_member(call)->inst, call->req, call->arg.io.res, call->arg.io.cookie);
}

/* The transfer itself needs no strand, only what follows it; nor may what follows block the thread of the ring. */
static void io_end(struct io_op *op, int64_t res)
{
	struct stack_call *call = (struct stack_call *)((char *)op - offsetof(struct stack_call, io));

	call->arg.io.res = res;
	if (call->mount->strand || (call->mount->blocking && !op->on_worker)) {
		post(call, step_io_done);
		return;
	}
	call->step = step_io_done;
	take_step(call, op->on_worker);
}

static void io_cancel(struct graft_inst *inst, struct graft_req *req)
{
	struct stack_call *call = call_of(req);

	(void)inst;
	io_engine_cancel(call->mount->server->io, &call->io);
}

int stack_io(struct graft_req *req, const struct graft_io *io, graft_io_done *done, void *cookie)
{
	struct stack_call *call = call_of(req);
	struct async_cancel cancel = { io_cancel, stack_member(call)->inst, req, NULL };

	leave_thread(call);
	call->io.what = *io;
	call->io.what.kind &= ~(uint32_t)GRAFT_IO_CANCEL;
	call->io.end = io_end;
	call->arg.io.done = done;
	call->arg.io.cookie = cookie;
	/* Here, as the transfer may have ended, and the request with it, when post returns. */
	if (io->kind & GRAFT_IO_CANCEL)
		async_set_cancel(&call->root->async, &cancel);
	return io_engine_post(call->mount->server->io, &call->io) ? -EAGAIN : GRAFT_ASYNC;
}

/* A call for a child request, its frames behind it. */
static struct stack_call *new_child(struct stack_call *parent, struct graft_req *req, struct mount *m)
{
	const size_t bytes = sizeof(struct stack_call) + (m->nmembers + 1) * sizeof(struct stack_frame);
	struct stack_call *call = parent->spare;

	if (call && call->mount->nmembers >= m->nmembers) {
		parent->spare = NULL;
		memset(call, 0, bytes);
	} else {
		call = request_alloc(parent->root, bytes);
	}
	if (!call)
		return NULL;
	call->req = req;
	call->mount = m;
	call->root = parent->root;
	call->frames = (struct stack_frame *)(call + 1);
	call->parent = parent;
	call->depth = parent->depth + 1;
	call->mark = arena_mark(&call->root->arena);
	call->alloc_left = call->root->alloc_left;
	return call;
}

static void inherit(struct graft_req *child, const struct graft_req *parent)
{
	child->size = sizeof(*child);
	child->unique = 0;
	child->uid = parent->uid;
	child->gid = parent->gid;
	child->pid = parent->pid;
	child->ngroups = parent->ngroups;
	child->has_groups = parent->has_groups;
	child->groups = parent->groups;
	child->session = parent->session;
}

/* Below the caller: the same session's view of the same mount. Another mount is used until the child ends. */
static int find_states(struct stack_call *call, const struct stack_call *parent, const struct graft_slot *to)
{
	call->states = parent->states;
	if (!to || to->mount == parent->mount)
		return 0;
	call->entered = mount_table_enter(&to->mount->server->mounts, to->mount, parent->req->session);
	if (!call->entered)
		return -ESTALE;
	call->states = call->entered->states;
	return 0;
}

static int run_child(struct stack_call *parent, struct graft_req *req, struct graft_slot *to, graft_up *up,
		     void *cookie)
{
	struct mount *m = to ? to->mount : parent->mount;
	struct request_head *head = request_head(req);
	const struct op_info *op = op_find(req->opcode);

	if (parent->depth >= STACK_SUB_DEPTH)
		return -ELOOP;
	if (head->call || head->bytes < sizeof(*req) || !op || op->flags & OP_SERVER)
		return -EINVAL;
	struct stack_call *call = new_child(parent, req, m);
	if (!call)
		return -ENOMEM;
	int found = find_states(call, parent, to);
	if (found)
		return found;
	call->first = call->cur = to ? 0 : parent->cur + 1;
	call->up = up;
	call->cookie = cookie;
	head->call = call;
	inherit(req, parent->req);
	int res = stack_start(call);
	if (res != GRAFT_ASYNC)
		leave_child(call);
	return res;
}

static int ask(struct stack_call *parent, struct graft_req *child, struct graft_slot *to, graft_up *up, void *cookie)
{
	int res = run_child(parent, child, to, up, cookie);

	if (res == GRAFT_ASYNC)
		return res;
	back_to(parent, parent->cur);
	return up ? up(stack_member(parent)->inst, parent->req, res, cookie) : res;
}

int stack_sub(struct graft_req *parent_req, struct graft_req *child, struct graft_slot *to, graft_up *up, void *cookie)
{
	struct stack_call *parent = call_of(parent_req);
	struct request *root = parent->root;

	/* On a thread of the plugin's own, after cancel, this is a stretch by itself: nothing is cancelled before it has returned. */
	if (!root->async.pinned)
		return ask(parent, child, to, up, cookie);
	if (!async_enter(&root->async)) {
		blame_complete(parent);
		return GRAFT_ASYNC;
	}
	int res = ask(parent, child, to, up, cookie);
	async_exit(&root->async, GRAFT_ASYNC);
	return res;
}
