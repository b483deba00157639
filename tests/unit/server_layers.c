/* SPDX-License-Identifier: Apache-2.0 */
/* Layers and a backend that write down who is called. */
#include "server_layers.h"

#include "server/fuse/opcodes.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct graft_inst {
	struct layer *l;
};

struct layer layers[LAYERS];
graft_op *c_ops[GRAFT_OP_COUNT], *backend_ops[GRAFT_OP_COUNT];
static graft_op *all_ops[2][GRAFT_OP_COUNT];
static struct graft_inst insts[LAYERS];
static pthread_mutex_t trace_lock = PTHREAD_MUTEX_INITIALIZER;
static char trace[1 << 16];

static void note(char kind, const struct layer *l)
{
	pthread_mutex_lock(&trace_lock);
	size_t len = strlen(trace);
	if (len + 16 < sizeof(trace)) {
		char word[] = { len ? ' ' : kind, len ? kind : l->name[0], len ? l->name[0] : 0, 0 };

		strcat(trace, word);
	}
	pthread_mutex_unlock(&trace_lock);
}

const char *layers_trace(void)
{
	return trace;
}

void layers_clear_trace(void)
{
	pthread_mutex_lock(&trace_lock);
	trace[0] = 0;
	pthread_mutex_unlock(&trace_lock);
}

struct pending {
	struct layer *l;
	struct graft_req *req;
	int res;
};

static void *complete_later(void *arg)
{
	struct pending p = *(struct pending *)arg;

	free(arg);
	usleep(1000);
	p.l->host->complete(p.req, p.res);
	return NULL;
}

static void no_cancel(struct graft_inst *inst, struct graft_req *req)
{
	(void)inst;
	(void)req;
}

static int from_thread(struct layer *l, struct graft_req *req, int res)
{
	struct pending *p = malloc(sizeof(*p));
	pthread_t t;

	*p = (struct pending){ l, req, res };
	l->host->cancel(req, no_cancel);
	pthread_create(&t, NULL, complete_later, p);
	pthread_detach(t);
	return GRAFT_ASYNC;
}

static int io_done(struct graft_inst *inst, struct graft_req *req, int64_t res, void *cookie)
{
	(void)req;
	(void)cookie;
	return res < 0 ? (int)res : inst->l->result;
}

static int by_io(struct layer *l, struct graft_req *req)
{
	struct graft_io io = { .kind = GRAFT_IO_READ, .fd = l->io_fd, .iov = req->dst, .niov = req->ndst };

	if (l->io_cancel)
		io.kind |= GRAFT_IO_CANCEL;
	return l->host->io(req, &io, io_done, NULL);
}

/* What a member does that ends the chain. */
static int answer(struct layer *l, struct graft_req *req)
{
	if (req->opcode == FUSE_GETATTR) {
		struct fuse_attr_out *out = req->out;

		out->attr.size = l->size;
		out->attr.uid = 77;
		out->attr.rdev = 0x12345678;
		out->attr.mtime = 5;
	} else if (req->opcode == FUSE_COPY_FILE_RANGE) {
		((struct fuse_write_out *)req->out)->size = 4096;
	}
	return l->result;
}

static int deferred_answer(struct graft_inst *inst, struct graft_req *req)
{
	usleep(200);
	return answer(inst->l, req);
}

static int end_chain(struct graft_inst *inst, struct graft_req *req)
{
	struct layer *l = inst->l;

	switch (l->down) {
	case MODE_DEFER:
		return l->host->defer(req, deferred_answer);
	case MODE_THREAD:
		return from_thread(l, req, answer(l, req));
	case MODE_INSIDE:
		l->host->cancel(req, no_cancel);
		l->host->complete(req, answer(l, req));
		return GRAFT_ASYNC;
	case MODE_IO:
		return by_io(l, req);
	case MODE_UNPINNED:
		return GRAFT_ASYNC;
	case MODE_PLAIN:
	case MODE_NO_NEXT:
	default:
		return answer(l, req);
	}
}

static int deferred_up(struct graft_inst *inst, struct graft_req *req)
{
	(void)inst;
	return (int)req->umask;
}

static int up(struct graft_inst *inst, struct graft_req *req, int res, void *cookie)
{
	struct layer *l = inst->l;

	note('<', l);
	if (cookie != l)
		abort();
	if (req->state != l)
		abort();
	if (res)
		res += l->add;
	req->umask = (uint32_t)res; /* a place that goes with the request */
	if (l->up == MODE_DEFER)
		return l->host->defer(req, deferred_up);
	return l->up == MODE_THREAD ? from_thread(l, req, res) : res;
}

static int deferred_next(struct graft_inst *inst, struct graft_req *req)
{
	return inst->l->host->next(req, up, inst->l);
}

static int layer_op(struct graft_inst *inst, struct graft_req *req)
{
	struct layer *l = inst->l;
	uint32_t inside = __atomic_add_fetch(&l->inside, 1, __ATOMIC_RELAXED);
	int res;

	note('>', l);
	if (req->state != l)
		abort();
	if (inside > __atomic_load_n(&l->most_inside, __ATOMIC_RELAXED))
		__atomic_store_n(&l->most_inside, inside, __ATOMIC_RELAXED);
	if (l == &layers[BACKEND] || l->down == MODE_NO_NEXT)
		res = end_chain(inst, req);
	else if (l->down == MODE_DEFER)
		res = l->host->defer(req, deferred_next);
	else
		res = l->host->next(req, up, l);
	__atomic_sub_fetch(&l->inside, 1, __ATOMIC_RELAXED);
	return res;
}

int layer_op_c(struct graft_inst *inst, struct graft_req *req)
{
	return layer_op(inst, req);
}

int layer_op_backend(struct graft_inst *inst, struct graft_req *req)
{
	return layer_op(inst, req);
}

/* Shows that the hook runs with the layer's own state, and that it may change the entry. */
static int dirent_hook(struct graft_inst *inst, struct graft_req *req, struct fuse_direntplus *e, const char *name)
{
	struct layer *l = inst->l;

	note('=', l);
	if (req->state != l)
		abort();
	if (e->dirent.namelen == 6 && !memcmp(name, "hidden", 6))
		return l->hook_result;
	e->dirent.ino += 100;
	return GRAFT_DIRENT_OK;
}

static int create(uint32_t i, const struct graft_host *host, struct graft_slot *slot, struct graft_inst **inst)
{
	layers[i].host = host;
	layers[i].slot = slot;
	insts[i].l = &layers[i];
	*inst = &insts[i];
	return 0;
}

#define CREATE(letter, i)                                                                                              \
	static int create_##letter(const struct graft_host *host, struct graft_slot *slot, const void *settings,       \
				   struct graft_inst **inst, struct graft_error *err)                                  \
	{                                                                                                              \
		(void)settings;                                                                                        \
		(void)err;                                                                                             \
		return create(i, host, slot, inst);                                                                    \
	}
CREATE(a, 0)
CREATE(b, 1)
CREATE(c, 2)
CREATE(backend, BACKEND)

static int open_session(struct graft_inst *inst, const struct graft_session *s, void **state)
{
	(void)s;
	__atomic_add_fetch(&inst->l->sessions, 1, __ATOMIC_RELAXED);
	*state = inst->l;
	return 0;
}

static void close_session(struct graft_inst *inst, void *state)
{
	if (state != inst->l)
		abort();
	__atomic_sub_fetch(&inst->l->sessions, 1, __ATOMIC_RELAXED);
}

static void destroy(struct graft_inst *inst)
{
	(void)inst;
}

#define PLUGIN(plugin_name, of_kind, table, make)                                                                      \
	{                                                                                                              \
		.size = sizeof(struct graft_plugin), .abi_major = GRAFT_ABI_MAJOR, .name = plugin_name,                \
		.version = "1", .summary = "test", .kind = of_kind, .threads = GRAFT_PARALLEL, .nops = GRAFT_OP_COUNT, \
		.ops = table, .create = make, .session_open = open_session, .session_close = close_session,            \
		.destroy = destroy,                                                                                    \
	}

struct graft_plugin plugin_a, plugin_b, plugin_c, plugin_backend;

void layers_reset(void)
{
	static const char *const names[LAYERS] = { "a", "b", "c", "z" };

	memset(layers, 0, sizeof(layers));
	for (uint32_t i = 0; i < LAYERS; i++)
		layers[i].name = names[i];
	for (uint32_t op = 0; op < GRAFT_OP_COUNT; op++) {
		bool routed = op_find(op) && !(op_table[op].flags & OP_SERVER);

		all_ops[0][op] = all_ops[1][op] = routed ? layer_op : NULL;
		c_ops[op] = routed ? layer_op_c : NULL;
		backend_ops[op] = routed ? layer_op_backend : NULL;
	}
	plugin_a = (struct graft_plugin)PLUGIN("a", GRAFT_LAYER, all_ops[0], create_a);
	plugin_b = (struct graft_plugin)PLUGIN("b", GRAFT_LAYER, all_ops[1], create_b);
	plugin_c = (struct graft_plugin)PLUGIN("c", GRAFT_LAYER, c_ops, create_c);
	plugin_backend = (struct graft_plugin)PLUGIN("backend", GRAFT_BACKEND, backend_ops, create_backend);
	plugin_a.dirent = plugin_c.dirent = dirent_hook;
	layers_clear_trace();
}
