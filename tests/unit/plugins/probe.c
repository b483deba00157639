/* SPDX-License-Identifier: Apache-2.0 */
/* A plugin that does nothing but be loaded. Compiled several times: PROBE_* make it right, or wrong in one way. */
#include <graftfs/plugin.h>

#include <errno.h>
#include <stdbool.h>

#ifndef PROBE_NAME
#define PROBE_NAME "probe"
#endif
#ifndef PROBE_MAJOR
#define PROBE_MAJOR GRAFT_ABI_MAJOR
#endif
#ifndef PROBE_SIZE
#define PROBE_SIZE sizeof(struct graft_plugin)
#endif
#ifndef PROBE_KIND
#define PROBE_KIND GRAFT_BACKEND
#endif
#ifndef PROBE_THREADS
#define PROBE_THREADS GRAFT_PARALLEL
#endif
#ifndef PROBE_DESTROY
#define PROBE_DESTROY probe_destroy
#endif
#ifndef PROBE_CACHE_DEFAULT
#define PROBE_CACHE_DEFAULT "auto"
#endif
#ifndef PROBE_NOPS
#define PROBE_NOPS 0
#endif
#ifndef PROBE_SETTINGS
#define PROBE_SETTINGS sizeof(struct probe_settings)
#endif

struct probe_settings {
	const char *source, *label;
	uint64_t nodes, spare, timeout;
	uint32_t cache;
	bool readonly;
	struct graft_list maps;
};

#define AT(field) .offset = offsetof(struct probe_settings, field)

static const char *const caches[] = { "auto", "always", "metadata", "never", NULL };

static const struct graft_opt probe_options[] = {
	{ .key = "source", .type = GRAFT_OPT_PATH, AT(source), .help = "a required path" },
	{ .key = "label", .type = GRAFT_OPT_STRING, AT(label), .optional = 1, .help = "a text that may be absent" },
	{ .key = "nodes", .dflt = "1M", .type = GRAFT_OPT_U64, AT(nodes), .min = 1, .max = 1 << 30,
	  .help = "a number" },
	{ .key = "spare", .type = GRAFT_OPT_U64, AT(spare), .optional = 1, .help = "a number that may be absent" },
	{ .key = "timeout", .dflt = "1", .type = GRAFT_OPT_SECONDS, AT(timeout), .help = "a time" },
	{ .key = "cache", .dflt = PROBE_CACHE_DEFAULT, .type = GRAFT_OPT_ENUM, AT(cache), .choices = caches,
	  .help = "a choice" },
	{ .key = "readonly", .dflt = "false", .type = GRAFT_OPT_BOOL, AT(readonly), .help = "a switch" },
	{ .key = "map", .type = GRAFT_OPT_LIST, AT(maps), .optional = 1, .help = "a list" },
#ifdef PROBE_EXTRA_KEY
	{ .key = PROBE_EXTRA_KEY, .type = GRAFT_OPT_STRING, AT(label), .optional = 1, .help = "one too many" },
#endif
	{ .key = NULL },
};

static int probe_create(const struct graft_host *host, struct graft_slot *slot, const void *settings,
			struct graft_inst **inst, struct graft_error *err)
{
	(void)slot;
	(void)settings;
	*inst = NULL;
	return host->fail(err, ENOTSUP, "a probe serves nothing");
}

__attribute__((unused)) static void probe_destroy(struct graft_inst *inst)
{
	(void)inst;
}

#ifdef PROBE_NEWER
/* As a later release of the same major version would lay it out. */
struct probe_plugin {
	struct graft_plugin known;
	uint64_t later[8];
};
#define PROBE_BEGIN .known = {
#define PROBE_END }, .later = { 1, 2, 3, 4, 5, 6, 7, 8 }
#undef PROBE_SIZE
#define PROBE_SIZE sizeof(struct probe_plugin)
#else
#define PROBE_BEGIN
#define PROBE_END
#define probe_plugin graft_plugin
#endif

#ifndef PROBE_SYMBOL
#define PROBE_SYMBOL graft_plugin_v1
#endif

/* clang-format off */
GRAFT_PLUGIN_EXPORT extern const struct probe_plugin PROBE_SYMBOL;
const struct probe_plugin PROBE_SYMBOL = {
	PROBE_BEGIN
	.size = PROBE_SIZE,
	.abi_major = PROBE_MAJOR,
	.abi_minor = GRAFT_ABI_MINOR,
	.name = PROBE_NAME,
	.version = "1",
	.summary = "test object of the loader",
	.kind = PROBE_KIND,
	.threads = PROBE_THREADS,
#ifndef PROBE_NO_OPTIONS
	.opts = probe_options,
	.settings_size = PROBE_SETTINGS,
#endif
	.nops = PROBE_NOPS,
	.create = probe_create,
	.destroy = PROBE_DESTROY,
	PROBE_END
};
/* clang-format on */
