/* SPDX-License-Identifier: Apache-2.0 */
/* The nydus-rafs backend: its plugin object and what the server asks of it. */
#include "figures.h"
#include "operations.h"
#include "push.h"
#include "rafs/cache/sqlite.h"
#include "rafs/codec/crypto.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#define WANTED                                                                                                         \
	(FUSE_ASYNC_READ | FUSE_BIG_WRITES | FUSE_AUTO_INVAL_DATA | FUSE_ASYNC_DIO | FUSE_PARALLEL_DIROPS |            \
	 FUSE_MAX_PAGES | FUSE_INIT_EXT | FUSE_CACHE_SYMLINKS | FUSE_SUBMOUNTS | FUSE_ALLOW_IDMAP |              \
	 FUSE_DO_READDIRPLUS)
#define NO_OPENS (FUSE_NO_OPEN_SUPPORT | FUSE_NO_OPENDIR_SUPPORT)

static int plugin_create(const struct graft_host *host, struct graft_slot *slot, const void *settings,
			 struct graft_inst **inst, struct graft_error *err)
{
	return instance_new(inst, host, slot, settings, err);
}

/*
 * It can everything: what only matters to those who write must stay possible for other mounts of the connection. An OPEN
 * does nothing here but to verify, where that is asked for. Listings always bring attributes: they lie beside the names.
 */
static void plugin_features(struct graft_inst *inst, struct graft_features *f)
{
	f->blocking = 0;
	f->can = UINT64_MAX & ~(uint64_t)(FUSE_EXPORT_SUPPORT | (inst->verify ? NO_OPENS : 0));
	f->want = WANTED | (inst->verify ? 0 : NO_OPENS);
	f->need = 0;
	if (f->size >= offsetof(struct graft_features, root) + sizeof(f->root))
		f->root = inst->super->root;
}

static int plugin_session_open(struct graft_inst *inst, const struct graft_session *session, void **state)
{
	*state = push_new(inst, session);
	return 0;
}

static void plugin_session_close(struct graft_inst *inst, void *state)
{
	(void)inst;
	push_free(state);
}

/* What still runs is prefetch, which destroy ends. */
static void plugin_quiesce(struct graft_inst *inst)
{
	(void)inst;
}

static graft_op *const operations[GRAFT_OP_COUNT] = {
	[FUSE_LOOKUP] = nr_op_lookup,
	[FUSE_FORGET] = nr_op_nothing,
	[FUSE_BATCH_FORGET] = nr_op_nothing,
	[FUSE_GETATTR] = nr_op_getattr,
	[FUSE_ACCESS] = nr_op_access,
	[FUSE_READLINK] = nr_op_readlink,
	[FUSE_STATFS] = nr_op_statfs,
	[FUSE_OPEN] = nr_op_open,
	[FUSE_READ] = nr_op_read,
	[FUSE_LSEEK] = nr_op_lseek,
	[FUSE_FLUSH] = nr_op_nothing,
	[FUSE_FSYNC] = nr_op_nothing,
	[FUSE_RELEASE] = nr_op_release,
	[FUSE_OPENDIR] = nr_op_opendir,
	[FUSE_READDIR] = nr_op_readdir,
	[FUSE_READDIRPLUS] = nr_op_readdir,
	[FUSE_FSYNCDIR] = nr_op_nothing,
	[FUSE_RELEASEDIR] = nr_op_nothing,
	[FUSE_SYNCFS] = nr_op_nothing,
	[FUSE_GETXATTR] = nr_op_xattr,
	[FUSE_LISTXATTR] = nr_op_xattr,
	/* all that changes something */
	[FUSE_SETATTR] = nr_op_readonly,
	[FUSE_MKNOD] = nr_op_readonly,
	[FUSE_MKDIR] = nr_op_readonly,
	[FUSE_SYMLINK] = nr_op_readonly,
	[FUSE_LINK] = nr_op_readonly,
	[FUSE_UNLINK] = nr_op_readonly,
	[FUSE_RMDIR] = nr_op_readonly,
	[FUSE_RENAME] = nr_op_readonly,
	[FUSE_RENAME2] = nr_op_readonly,
	[FUSE_CREATE] = nr_op_readonly,
	[FUSE_TMPFILE] = nr_op_readonly,
	[FUSE_WRITE] = nr_op_readonly,
	[FUSE_FALLOCATE] = nr_op_readonly,
	[FUSE_COPY_FILE_RANGE] = nr_op_readonly,
	[GRAFT_OP_COPY_FILE_RANGE_64] = nr_op_readonly,
	[FUSE_SETXATTR] = nr_op_readonly,
	[FUSE_REMOVEXATTR] = nr_op_readonly,
};

/* What finding, mapping, reading and keeping files needs beyond memory, threads and the transport. */
/* clang-format off */
static const char *const system_calls[] = {
	"clock_nanosleep", "fadvise64", "fallocate", "fchmod", "fchown", "fcntl:F_ADD_SEALS", "fcntl:F_GETLK",
	"fcntl:F_SETLK", "fdatasync", "flock", "fstat", "ftruncate", "getcwd", "getdents64", "getegid",
	"geteuid", "getrandom", "ioctl:BLKGETSIZE64", "ioctl:BLKSSZGET", "linkat", "lseek", "memfd_create",
	"mkdirat", "newfstatat", "openat", "pread64", "preadv", "preadv2", "pwrite64", "readlinkat",
	"renameat", "sched_getaffinity", "unlinkat", "utimensat",
	NULL,
};
/* clang-format on */

/* Blobs and the cache folder may be another user's. */
static const char *const capabilities[] = {"dac_override", "fowner", NULL};

/* What a mount needs of them is not known before it is made. Where a library is missing, such a mount says so. */
static void load_libraries(void)
{
	crypto_get(NULL);
	sqlite_get(NULL);
}

static int plugin_ask(struct graft_inst *inst, const char *what, const char *in, graft_ask_put *put, void *arg)
{
	static const struct {
		const char *what;
		enum file_stats_what stats;
	} files[] = { { "files", FILE_STATS_COUNTS },
		      { "pattern", FILE_STATS_PATTERN },
		      { "latest", FILE_STATS_LATEST } };
	char text[RAFS_SUPER_JSON];

	(void)in;
	if (!strcmp(what, "figures"))
		return figures_tell(inst, put, arg);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (!strcmp(what, files[i].what))
			return file_stats_tell(inst->files, files[i].stats, put, arg);
	/* What config-file held; a config is among the mount's keys. */
	if (!strcmp(what, "config") && inst->text) {
		put(arg, inst->text, inst->text_len);
		return 0;
	}
	if (strcmp(what, "superblock") != 0)
		return -EOPNOTSUPP;
	int len = rafs_super_json(inst->image, text, sizeof(text));
	if (len < 0)
		return len;
	put(arg, text, (size_t)len);
	return 0;
}

extern const struct graft_plugin graft_plugin_v1;

GRAFT_PLUGIN_EXPORT const struct graft_plugin graft_plugin_v1 = {
	.size = sizeof(struct graft_plugin),
	.abi_major = GRAFT_ABI_MAJOR,
	.abi_minor = GRAFT_ABI_MINOR,
	.name = "nydus-rafs",
	.version = GRAFT_VERSION,
	.summary = "a nydus image (RAFS v5 or v6), its data on local blobs",
	.kind = GRAFT_BACKEND,
	.threads = GRAFT_PARALLEL,
	.opts = nr_options,
	.settings_size = sizeof(struct nr_settings),
	.syscalls = system_calls,
	.capabilities = capabilities,
	.before_sandbox = load_libraries,
	.nops = GRAFT_OP_COUNT,
	.ops = operations,
	.create = plugin_create,
	.start = instance_start,
	.features = plugin_features,
	.session_open = plugin_session_open,
	.session_close = plugin_session_close,
	.quiesce = plugin_quiesce,
	.destroy = instance_free,
	.ask = plugin_ask,
};
