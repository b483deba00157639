/* SPDX-License-Identifier: Apache-2.0 */
/* A backend that notes what it was called with. */
#include "server_probe.h"

#include "lib/iov.h"

#include <errno.h>
#include <string.h>

struct probe probe;
_Atomic uint32_t probe_sessions;
struct graft_features probe_features;

struct graft_inst {
	const struct graft_host *host;
};

static struct graft_inst instance;

void probe_reset(void)
{
	probe = (struct probe){ 0 };
}

static void copy_string(char *to, size_t room, const char *from)
{
	if (from)
		strncpy(to, from, room - 1);
}

static void copy_bytes(void *to, size_t room, const void *from, size_t len)
{
	if (from)
		memcpy(to, from, len < room ? len : room);
}

static int probe_op(struct graft_inst *inst, struct graft_req *req)
{
	struct iov_cursor src = iov_cursor(req->src, req->nsrc);

	probe.calls++;
	probe.req = *req;
	probe.session_flags = req->session->flags;
	copy_string(probe.name, sizeof(probe.name), req->name);
	copy_string(probe.name2, sizeof(probe.name2), req->name2);
	copy_string(probe.secctx_name, sizeof(probe.secctx_name), req->secctx_name);
	copy_bytes(probe.in, 88, req->in, 88);
	copy_bytes(probe.data, sizeof(probe.data), req->data, req->data_len);
	copy_bytes(probe.secctx, sizeof(probe.secctx), req->secctx, req->secctx_len);
	copy_bytes(probe.groups, sizeof(probe.groups), req->groups, req->ngroups * sizeof(uint32_t));
	iov_read(&src, probe.src, sizeof(probe.src));
	if (probe.out)
		memcpy(req->out, probe.out, probe.out_len);
	if (probe.put)
		probe.put_result = inst->host->put(req, probe.put, strlen(probe.put));
	return probe.result;
}

static int probe_create(const struct graft_host *host, struct graft_slot *slot, const void *settings,
			struct graft_inst **inst, struct graft_error *err)
{
	(void)slot;
	(void)settings;
	(void)err;
	instance.host = host;
	*inst = &instance;
	return 0;
}

static void features(struct graft_inst *inst, struct graft_features *f)
{
	(void)inst;
	f->can = probe_features.can;
	f->want = probe_features.want;
	f->need = probe_features.need;
	f->blocking = probe_features.blocking;
}

static int probe_session_open(struct graft_inst *inst, const struct graft_session *s, void **state)
{
	(void)inst;
	(void)s;
	*state = &probe;
	probe_sessions++;
	return 0;
}

static void probe_session_close(struct graft_inst *inst, void *state)
{
	(void)inst;
	(void)state;
	probe_sessions--;
}

static void probe_destroy(struct graft_inst *inst)
{
	(void)inst;
}

#define P probe_op
static graft_op *const all[GRAFT_OP_COUNT] = {
	NULL, P, P, P, P, P, P, NULL, P, P, P, P, P, P, P, P, P, P, P, NULL, P, P, P, P, P, P, P,
	P,    P, P, P, P, P, P, P,    P, P, P, P, P, P, P, P, P, P, P, P,    P, P, P, P, P, P, P,
};
#undef P

#define PLUGIN(plugin_name, table, n)                                                                                  \
	{                                                                                                              \
		.size = sizeof(struct graft_plugin), .abi_major = GRAFT_ABI_MAJOR, .name = plugin_name,                \
		.version = "1", .summary = "test", .kind = GRAFT_BACKEND, .threads = GRAFT_PARALLEL, .nops = n,        \
		.ops = table, .create = probe_create, .features = features, .session_open = probe_session_open,        \
		.session_close = probe_session_close, .destroy = probe_destroy,                                        \
	}

const struct graft_plugin probe_plugin = PLUGIN("probe", all, GRAFT_OP_COUNT);
const struct graft_plugin empty_plugin = PLUGIN("empty", all, 0);
