/* SPDX-License-Identifier: Apache-2.0 */
/* The xattrmap layer: its plugin object, instances and sessions. */
#include "xattrmap.h"

#include "lib/cleanup.h"

#include <fcntl.h>
#include <string.h>

static const char capability[] = "security.capability";

static const struct graft_opt options[] = {
	{ .key = "map",
	  .help = "rules for names of extended attributes, or the absolute path of a file of them",
	  .type = GRAFT_OPT_LIST,
	  .offset = offsetof(struct xm_settings, map) },
	{ .key = NULL },
};

/* The lines of the key in one text; the caller frees it. */
static char *join(const struct graft_list *list)
{
	char *text = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);

	if (!to)
		return NULL;
	for (size_t i = 0; i < list->count; i++)
		fprintf(to, "%s%s", i ? " " : "", list->items[i]);
	if (fclose(to) == 0)
		return text;
	free(text);
	return NULL;
}

static int read_file(struct graft_inst *inst, const char *path, struct graft_error *err)
{
	struct graft_error why = { 0 };
	auto_close int fd = inst->host->open(inst->slot, path, O_RDONLY | O_NONBLOCK, err);

	if (fd < 0)
		return inst->host->fail(err, -fd, "map: %s cannot be opened: %s (a path, since no rule begins with it)",
					path, strerror(-fd));
	inst->map = xattrmap_read(fd, path, &why);
	return inst->map ? 0 : inst->host->fail(err, why.code, "%s", why.text);
}

static int read_map(struct graft_inst *inst, const struct graft_list *list, struct graft_error *err)
{
	static const struct xattrmap_source key = { "map", false };
	struct graft_error why = { 0 };
	auto_free char *text = join(list);

	if (!text)
		return inst->host->fail(err, ENOMEM, "out of memory");
	for (size_t i = 0; i < list->count; i++) {
		if (!xattrmap_is_path(list->items[i]))
			continue;
		if (list->count > 1)
			return inst->host->fail(err, EINVAL,
						"map: the file %s stands beside other rules; give it alone",
						list->items[i]);
		return read_file(inst, list->items[i], err);
	}
	inst->map = xattrmap_parse_rules(text, strlen(text), &key, &why);
	return inst->map ? 0 : inst->host->fail(err, why.code, "%s", why.text);
}

/* security.capability's name on the host, if a client's has another there. */
static int find_capability(struct graft_inst *inst, struct graft_error *err)
{
	const struct xattrmap_rule *rule =
		xattrmap_find(inst->map, XATTRMAP_CLIENT, capability, sizeof(capability) - 1);

	if (rule->type != XATTRMAP_PREFIX || !rule->prepend_len ||
	    rule->prepend_len + sizeof(capability) - 1 > XATTRMAP_NAME_MAX)
		return 0;
	if (asprintf(&inst->capability, "%s%s", rule->prepend, capability) >= 0)
		return 0;
	inst->capability = NULL;
	return inst->host->fail(err, ENOMEM, "out of memory");
}

static void xm_destroy(struct graft_inst *inst)
{
	xattrmap_free(inst->map);
	free(inst->capability);
	free(inst);
}

static int xm_create(const struct graft_host *host, struct graft_slot *slot, const void *settings,
		     struct graft_inst **inst, struct graft_error *err)
{
	const struct xm_settings *set = settings;
	struct graft_inst *i = calloc(1, sizeof(*i));

	if (!i)
		return host->fail(err, ENOMEM, "out of memory");
	i->host = host;
	i->slot = slot;
	int res = read_map(i, &set->map, err);
	if (res == 0)
		res = find_capability(i, err);
	if (res < 0) {
		xm_destroy(i);
		return res;
	}
	*inst = i;
	return 0;
}

static void leave_out(struct graft_features *f, uint32_t opcode)
{
	f->leaves[opcode / 64] |= UINT64_C(1) << opcode % 64;
}

static void xm_features(struct graft_inst *inst, struct graft_features *f)
{
	static const uint32_t changes[] = { FUSE_WRITE,           FUSE_FALLOCATE,
					    FUSE_COPY_FILE_RANGE, GRAFT_OP_COPY_FILE_RANGE_64,
					    FUSE_SETATTR,         FUSE_OPEN };

	f->can = UINT64_MAX;
	if (inst->capability) {
		/* Without OPEN all files have handle 0. */
		f->can &= ~(uint64_t)FUSE_NO_OPEN_SUPPORT;
		return;
	}
	if (f->size < offsetof(struct graft_features, leaves) + sizeof(f->leaves))
		return;
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++)
		leave_out(f, changes[i]);
}

static int xm_session_open(struct graft_inst *inst, const struct graft_session *session, void **state)
{
	(void)session;
	if (!inst->capability)
		return 0;
	*state = calloc(1, sizeof(struct xm_session));
	return *state ? 0 : -ENOMEM;
}

static void xm_session_close(struct graft_inst *inst, void *state)
{
	(void)inst;
	free(state);
}

static graft_op *const operations[GRAFT_OP_COUNT] = {
	[FUSE_GETXATTR] = xm_op_getxattr,
	[FUSE_SETXATTR] = xm_op_setxattr,
	[FUSE_REMOVEXATTR] = xm_op_removexattr,
	[FUSE_LISTXATTR] = xm_op_listxattr,
	[FUSE_CREATE] = xm_op_create,
	[FUSE_TMPFILE] = xm_op_create,
	[FUSE_MKDIR] = xm_op_create,
	[FUSE_MKNOD] = xm_op_create,
	[FUSE_SYMLINK] = xm_op_create,
	/* left alone unless security.capability is mapped: see xm_features */
	[FUSE_WRITE] = xm_op_write,
	[FUSE_FALLOCATE] = xm_op_fallocate,
	[FUSE_COPY_FILE_RANGE] = xm_op_copy_file_range,
	[GRAFT_OP_COPY_FILE_RANGE_64] = xm_op_copy_file_range,
	[FUSE_SETATTR] = xm_op_setattr,
	[FUSE_OPEN] = xm_op_open,
};

/* All it does to files it asks of those below. */
static const char *const capabilities[] = { NULL };

static int xm_reach(const void *settings, graft_reach_add *add, void *arg)
{
	const struct xm_settings *set = settings;

	for (size_t i = 0; i < set->map.count; i++) {
		if (xattrmap_is_path(set->map.items[i]))
			add(arg, set->map.items[i], GRAFT_REACH_READ);
	}
	return 0;
}

extern const struct graft_plugin graft_plugin_v1;

/* No state to save: a mark that is missing costs one removal. */
GRAFT_PLUGIN_EXPORT const struct graft_plugin graft_plugin_v1 = {
	.size = sizeof(struct graft_plugin),
	.abi_major = GRAFT_ABI_MAJOR,
	.abi_minor = GRAFT_ABI_MINOR,
	.name = "xattrmap",
	.version = GRAFT_VERSION,
	.summary = "names of extended attributes, mapped by rules",
	.kind = GRAFT_LAYER,
	.threads = GRAFT_PARALLEL,
	.flags = GRAFT_PASS_UNKNOWN,
	.opts = options,
	.settings_size = sizeof(struct xm_settings),
	.capabilities = capabilities,
	.nops = GRAFT_OP_COUNT,
	.ops = operations,
	.create = xm_create,
	.features = xm_features,
	.session_open = xm_session_open,
	.session_close = xm_session_close,
	.destroy = xm_destroy,
	.reach = xm_reach,
};
