/* SPDX-License-Identifier: Apache-2.0 */
/* The idmap layer: its plugin object and instances. */
#include "idmap.h"

#include "lib/error.h"

#include <errno.h>
#include <stdlib.h>

static const struct graft_opt options[] = {
	{ .key = "uid",
	  .help = "rule for users, as TYPE:n:n:n of virtiofsd's --translate-uid; may repeat",
	  .type = GRAFT_OPT_LIST,
	  .offset = offsetof(struct im_settings, uid),
	  .optional = 1 },
	{ .key = "gid",
	  .help = "rule for groups, in the same way",
	  .type = GRAFT_OPT_LIST,
	  .offset = offsetof(struct im_settings, gid),
	  .optional = 1 },
	{ .key = "subid",
	  .help = "user whose ranges in /etc/subuid and /etc/subgid are the guest's ids from 0 on, and all there are",
	  .type = GRAFT_OPT_STRING,
	  .offset = offsetof(struct im_settings, subid),
	  .optional = 1 },
	{ .key = "squash-to",
	  .help = "UID:GID that all of the guest's users and groups are on the host",
	  .type = GRAFT_OPT_STRING,
	  .offset = offsetof(struct im_settings, squash_to),
	  .optional = 1 },
	{ .key = NULL },
};

static void im_destroy(struct graft_inst *inst)
{
	idmap_fini(&inst->uids);
	idmap_fini(&inst->gids);
	free(inst);
}

static int im_create(const struct graft_host *host, struct graft_slot *slot, const void *settings,
		     struct graft_inst **inst, struct graft_error *err)
{
	struct graft_error why = { 0 };
	struct graft_inst *i = calloc(1, sizeof(*i));

	if (!i)
		return host->fail(err, ENOMEM, "out of memory");
	i->host = host;
	i->slot = slot;
	if (im_read_settings(i, settings, &why) < 0) {
		im_destroy(i);
		return host->fail(err, why.code, "%s", why.text);
	}
	*inst = i;
	return 0;
}

static graft_op *const operations[GRAFT_OP_COUNT] = {
	[FUSE_LOOKUP] = im_op_entry,    [FUSE_GETATTR] = im_op_getattr,   [FUSE_SETATTR] = im_op_setattr,
	[FUSE_LINK] = im_op_entry,      [FUSE_CREATE] = im_op_create,     [FUSE_TMPFILE] = im_op_create,
	[FUSE_MKDIR] = im_op_create,    [FUSE_MKNOD] = im_op_create,      [FUSE_SYMLINK] = im_op_create,
	[FUSE_ACCESS] = im_op_access,   [FUSE_SETXATTR] = im_op_setxattr, [FUSE_GETXATTR] = im_op_getxattr,
	[GRAFT_OP_STATX] = im_op_statx,
};

static void leave_out(struct graft_features *f, const uint32_t *opcodes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		f->leaves[opcodes[i] / 64] |= UINT64_C(1) << opcodes[i] % 64;
}

/* Rules of one direction leave the other's operations alone. */
static void im_features(struct graft_inst *inst, struct graft_features *f)
{
	static const uint32_t shown[] = { FUSE_LOOKUP, FUSE_GETATTR,  FUSE_LINK,
					  FUSE_ACCESS, FUSE_GETXATTR, GRAFT_OP_STATX };
	static const uint32_t given[] = { FUSE_SETXATTR };

	f->can = UINT64_MAX;
	if (f->size < offsetof(struct graft_features, leaves) + sizeof(f->leaves))
		return;
	if (!inst->uids.to_guest.n && !inst->gids.to_guest.n)
		leave_out(f, shown, sizeof(shown) / sizeof(shown[0]));
	if (!inst->uids.to_host.n && !inst->gids.to_host.n)
		leave_out(f, given, sizeof(given) / sizeof(given[0]));
}

/* All it does to files it asks of those below. */
static const char *const capabilities[] = { NULL };

static int im_reach(const void *settings, graft_reach_add *add, void *arg)
{
	static const char *const files[] = { "/etc/passwd", "/etc/subuid", "/etc/subgid" };
	const struct im_settings *set = settings;

	for (size_t i = 0; set->subid && i < sizeof(files) / sizeof(files[0]); i++)
		add(arg, files[i], GRAFT_REACH_READ);
	return 0;
}

extern const struct graft_plugin graft_plugin_v1;

/* No state to save: all there is are the settings. */
GRAFT_PLUGIN_EXPORT const struct graft_plugin graft_plugin_v1 = {
	.size = sizeof(struct graft_plugin),
	.abi_major = GRAFT_ABI_MAJOR,
	.abi_minor = GRAFT_ABI_MINOR,
	.name = "idmap",
	.version = GRAFT_VERSION,
	.summary = "users and groups of a guest as others on the host",
	.kind = GRAFT_LAYER,
	.threads = GRAFT_PARALLEL,
	.flags = GRAFT_PASS_UNKNOWN,
	.opts = options,
	.settings_size = sizeof(struct im_settings),
	.capabilities = capabilities,
	.nops = GRAFT_OP_COUNT,
	.ops = operations,
	.dirent = im_dirent,
	.create = im_create,
	.features = im_features,
	.destroy = im_destroy,
	.reach = im_reach,
};
