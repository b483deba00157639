/* SPDX-License-Identifier: Apache-2.0 */
/* A layer of ABI 1.0, compiled with the header as it was then: adds 1000 to owners. Never changed again. */
#include <graftfs/plugin.h>

#include <errno.h>

_Static_assert(GRAFT_ABI_MINOR == 0, "the header is not the frozen one");

struct graft_inst {
	const struct graft_host *host;
};

static struct graft_inst the_instance;

static int up(struct graft_inst *inst, struct graft_req *req, int res, void *cookie)
{
	struct fuse_attr *attr = req->opcode == FUSE_LOOKUP ? &((struct fuse_entry_out *)req->out)->attr :
							      &((struct fuse_attr_out *)req->out)->attr;

	(void)inst;
	if (cookie != &the_instance)
		return -EPROTO;
	if (!res)
		attr->uid += 1000;
	return res;
}

static int op(struct graft_inst *inst, struct graft_req *req)
{
	return inst->host->next(req, up, &the_instance);
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

static void destroy(struct graft_inst *inst)
{
	inst->host = NULL;
}

static graft_op *const ops[] = { [FUSE_LOOKUP] = op, [FUSE_GETATTR] = op };

GRAFT_PLUGIN_EXPORT extern const struct graft_plugin graft_plugin_v1;
const struct graft_plugin graft_plugin_v1 = {
	.size = sizeof(struct graft_plugin),
	.abi_major = GRAFT_ABI_MAJOR,
	.abi_minor = GRAFT_ABI_MINOR,
	.name = "abi-v1-0-layer",
	.version = "1",
	.summary = "adds 1000 to owners",
	.kind = GRAFT_LAYER,
	.threads = GRAFT_PARALLEL,
	.flags = GRAFT_PASS_UNKNOWN,
	.nops = sizeof(ops) / sizeof(ops[0]),
	.ops = ops,
	.create = create,
	.destroy = destroy,
};
