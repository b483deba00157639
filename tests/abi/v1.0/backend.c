/* SPDX-License-Identifier: Apache-2.0 */
/* A backend of ABI 1.0, compiled with the header as it was then: one file of five bytes. Never changed again. */
#include <graftfs/plugin.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_NODE 2

_Static_assert(GRAFT_ABI_MINOR == 0, "the header is not the frozen one");

struct settings {
	const char *text;
	uint64_t size;
};

struct graft_inst {
	const struct graft_host *host;
	const struct settings *set;
	uint64_t reads;
};

static void fill(struct fuse_attr *attr, uint64_t node)
{
	attr->ino = node;
	attr->mode = node == FILE_NODE ? S_IFREG | 0644 : S_IFDIR | 0755;
	attr->nlink = 1;
	attr->size = node == FILE_NODE ? 5 : 0;
}

static int op_lookup(struct graft_inst *inst, struct graft_req *req)
{
	struct fuse_entry_out *out = req->out;

	(void)inst;
	if (req->size < sizeof(*req) || req->session->size < sizeof(*req->session) || !req->state)
		return -EPROTO;
	if (req->node != GRAFT_ROOT_NODE || strcmp(req->name, "file") != 0)
		return -ENOENT;
	out->nodeid = FILE_NODE;
	fill(&out->attr, FILE_NODE);
	return 0;
}

static int op_getattr(struct graft_inst *inst, struct graft_req *req)
{
	(void)inst;
	fill(&((struct fuse_attr_out *)req->out)->attr, req->node);
	return 0;
}

static int read_late(struct graft_inst *inst, struct graft_req *req)
{
	inst->reads++;
	return inst->host->put(req, inst->set->text, strlen(inst->set->text));
}

static int op_read(struct graft_inst *inst, struct graft_req *req)
{
	return inst->host->defer(req, read_late);
}

static int op_forget(struct graft_inst *inst, struct graft_req *req)
{
	(void)inst;
	(void)req;
	return 0;
}

static int create(const struct graft_host *host, struct graft_slot *slot, const void *settings, struct graft_inst **inst,
		  struct graft_error *err)
{
	struct graft_inst *made = calloc(1, sizeof(*made));

	if (!made || host->size < sizeof(*host) || host->abi_major != 1)
		return host->fail(err, EPROTO, "a server of another ABI");
	made->host = host;
	made->set = settings;
	if (!made->set->text || made->set->size != 5)
		return host->fail(err, EINVAL, "settings that are not the table's");
	host->metric(slot, "reads", "count", &made->reads);
	*inst = made;
	return 0;
}

static void features(struct graft_inst *inst, struct graft_features *f)
{
	(void)inst;
	if (f->size >= sizeof(*f))
		f->can = UINT64_MAX;
}

static int session_open(struct graft_inst *inst, const struct graft_session *session, void **state)
{
	*state = inst;
	return session->size >= sizeof(*session) ? 0 : -EPROTO;
}

static void session_close(struct graft_inst *inst, void *state)
{
	(void)inst;
	(void)state;
}

static void destroy(struct graft_inst *inst)
{
	free(inst);
}

static graft_op *const ops[] = {
	[FUSE_LOOKUP] = op_lookup, [FUSE_FORGET] = op_forget, [FUSE_GETATTR] = op_getattr, [FUSE_READ] = op_read,
};

static const struct graft_opt options[] = {
	{ .key = "text", .dflt = "hello", .help = "what the file holds", .type = GRAFT_OPT_STRING,
	  .offset = offsetof(struct settings, text) },
	{ .key = "size", .dflt = "5", .help = "bytes", .type = GRAFT_OPT_U64, .offset = offsetof(struct settings, size) },
	{ .key = NULL },
};

GRAFT_PLUGIN_EXPORT extern const struct graft_plugin graft_plugin_v1;
const struct graft_plugin graft_plugin_v1 = {
	.size = sizeof(struct graft_plugin),
	.abi_major = GRAFT_ABI_MAJOR,
	.abi_minor = GRAFT_ABI_MINOR,
	.name = "abi-v1-0",
	.version = "1",
	.summary = "one file",
	.kind = GRAFT_BACKEND,
	.threads = GRAFT_PARALLEL,
	.opts = options,
	.settings_size = sizeof(struct settings),
	.nops = sizeof(ops) / sizeof(ops[0]),
	.ops = ops,
	.create = create,
	.features = features,
	.session_open = session_open,
	.session_close = session_close,
	.destroy = destroy,
};
