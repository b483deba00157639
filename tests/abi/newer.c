/* SPDX-License-Identifier: Apache-2.0 */
/* A layer as a later release of the same major version might be: longer structs, operations and services that this server lacks. */
#include <graftfs/plugin.h>

#include <errno.h>

#define NEWER_OPS (GRAFT_OP_COUNT + 40)

/* The structs as that release has them. */
struct newer_plugin {
	struct graft_plugin known;
	int (*later)(struct graft_inst *);
	uint64_t words[16];
};

struct newer_host {
	struct graft_host known;
	int (*later)(struct graft_req *);
};

struct newer_features {
	struct graft_features known;
	uint64_t later;
};

struct graft_inst {
	const struct graft_host *host;
};

static struct graft_inst the_instance;

/* What every plugin does that is made for a newer server than it may meet: it looks at the size before the service. */
static int up(struct graft_inst *inst, struct graft_req *req, int res, void *cookie)
{
	(void)cookie;
	if (inst->host->size >= offsetof(struct newer_host, later) + sizeof(void *))
		return ((const struct newer_host *)inst->host)->later(req);
	if (!res)
		((struct fuse_attr_out *)req->out)->attr.gid += 5000;
	return res;
}

static int op_getattr(struct graft_inst *inst, struct graft_req *req)
{
	return inst->host->next(req, up, NULL);
}

static int op_never(struct graft_inst *inst, struct graft_req *req)
{
	(void)inst;
	(void)req;
	return -EPROTO;
}

static int create(const struct graft_host *host, struct graft_slot *slot, const void *settings, struct graft_inst **inst,
		  struct graft_error *err)
{
	(void)slot;
	(void)settings;
	(void)err;
	the_instance.host = host;
	*inst = &the_instance;
	return 0;
}

static void features(struct graft_inst *inst, struct graft_features *f)
{
	(void)inst;
	f->can = UINT64_MAX;
	if (f->size >= sizeof(struct newer_features))
		((struct newer_features *)f)->later = 1;
}

static int later(struct graft_inst *inst)
{
	(void)inst;
	return -EPROTO;
}

static void destroy(struct graft_inst *inst)
{
	inst->host = NULL;
}

/* clang-format off */
static graft_op *const ops[NEWER_OPS] = {
	[FUSE_GETATTR] = op_getattr,
	[GRAFT_OP_COUNT] = op_never,
	[NEWER_OPS - 1] = op_never,
};
/* clang-format on */

GRAFT_PLUGIN_EXPORT extern const struct newer_plugin graft_plugin_v1;
const struct newer_plugin graft_plugin_v1 = {
	.known = {
		.size = sizeof(struct newer_plugin),
		.abi_major = GRAFT_ABI_MAJOR,
		.abi_minor = GRAFT_ABI_MINOR + 1,
		.name = "abi-newer",
		.version = "2",
		.summary = "adds 5000 to groups",
		.kind = GRAFT_LAYER,
		.threads = GRAFT_PARALLEL,
		.flags = GRAFT_PASS_UNKNOWN,
		.nops = NEWER_OPS,
		.ops = ops,
		.create = create,
		.features = features,
		.destroy = destroy,
	},
	.later = later,
	.words = { 1, 2, 3 },
};
