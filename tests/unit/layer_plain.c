/* SPDX-License-Identifier: Apache-2.0 */
/* A backend that is nothing but a table of operations. */
#include "layer_plain.h"

#include "server_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct graft_inst {
	int unused;
};

const struct graft_host *plain_host;

static int plain_create(const struct graft_host *host, struct graft_slot *slot, const void *set,
			struct graft_inst **inst, struct graft_error *err)
{
	static struct graft_inst none;
	(void)slot;
	(void)set;
	(void)err;
	plain_host = host;
	*inst = &none;
	return 0;
}

static void plain_destroy(struct graft_inst *inst)
{
	(void)inst;
}

struct graft_plugin plain_backend(graft_op *const *ops, void (*features)(struct graft_inst *, struct graft_features *))
{
	return (struct graft_plugin){ .size = sizeof(struct graft_plugin),
				      .abi_major = GRAFT_ABI_MAJOR,
				      .name = "backend",
				      .version = "1",
				      .summary = "test",
				      .kind = GRAFT_BACKEND,
				      .threads = GRAFT_PARALLEL,
				      .nops = GRAFT_OP_COUNT,
				      .ops = ops,
				      .features = features,
				      .create = plain_create,
				      .destroy = plain_destroy };
}

void plain_refuses(const struct graft_plugin *layer, const struct graft_plugin *backend, const char *why)
{
	const struct rig_mount mount = { "web", "/", { layer, backend } };
	struct graft_error err = { 0 };

	assert_null(rig_try(&mount, 1, &err));
	if (!strstr(err.text, why) || strchr(err.text, '\n'))
		fail_msg("\"%s\" does not say \"%s\"", err.text, why);
}
