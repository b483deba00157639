/* SPDX-License-Identifier: Apache-2.0 */
/* The least a backend can be: an empty directory. Built against the installed headers alone by tests/install/run. */
#include <graftfs/plugin.h>

#include <stdint.h>
#include <sys/stat.h>

struct hello_settings {
	uint64_t size; /* bytes the root claims to have */
};

struct graft_inst {
	uint64_t size;
};

static struct graft_inst the_instance;

static const struct graft_opt hello_options[] = {
	{.key = "size", .dflt = "4K", .help = "Size that the root directory shows", .type = GRAFT_OPT_U64,
	 .offset = offsetof(struct hello_settings, size), .min = 1, .max = 1 << 20},
	{.key = NULL},
};

static int hello_getattr(struct graft_inst *inst, struct graft_req *req)
{
	struct fuse_attr_out *out = (struct fuse_attr_out *)req->out;

	out->attr.ino = GRAFT_ROOT_NODE;
	out->attr.mode = S_IFDIR | 0555;
	out->attr.nlink = 2;
	out->attr.size = inst->size;
	return 0;
}

static int hello_create(const struct graft_host *host, struct graft_slot *slot, const void *settings,
			struct graft_inst **inst, struct graft_error *err)
{
	(void)host;
	(void)slot;
	(void)err;
	the_instance.size = ((const struct hello_settings *)settings)->size;
	*inst = &the_instance;
	return 0;
}

static void hello_destroy(struct graft_inst *inst)
{
	inst->size = 0;
}

static graft_op *const hello_ops[] = {
	[FUSE_GETATTR] = hello_getattr,
};

GRAFT_PLUGIN_EXPORT extern const struct graft_plugin graft_plugin_v1;

const struct graft_plugin graft_plugin_v1 = {
	.size = sizeof(struct graft_plugin),
	.abi_major = GRAFT_ABI_MAJOR,
	.abi_minor = GRAFT_ABI_MINOR,
	.name = "hello",
	.version = "1",
	.summary = "An empty directory",
	.kind = GRAFT_BACKEND,
	.threads = GRAFT_SERIAL_INSTANCE,
	.opts = hello_options,
	.settings_size = sizeof(struct hello_settings),
	.nops = sizeof(hello_ops) / sizeof(hello_ops[0]),
	.ops = hello_ops,
	.create = hello_create,
	.destroy = hello_destroy,
};
