/* SPDX-License-Identifier: Apache-2.0 */
/* The overlay layer: its plugin object, instances and sessions. */
#include "crew.h"
#include "handle.h"
#include "lib/cleanup.h"
#include "upper.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HELPERS 2

static const struct graft_opt options[] = {
	{ .key = "upper-dir",
	  .help = "folder of this host that takes what is written",
	  .type = GRAFT_OPT_PATH,
	  .offset = offsetof(struct ov_settings, upper_dir) },
	{ .key = "work-dir",
	  .help = "folder beside it, on the same file system, for what is not finished",
	  .type = GRAFT_OPT_PATH,
	  .offset = offsetof(struct ov_settings, work_dir) },
	{ .key = NULL },
};

static void ov_destroy(struct graft_inst *inst)
{
	ov_dirs_close(inst);
	free(inst);
}

static int ov_create(const struct graft_host *host, struct graft_slot *slot, const void *settings,
		     struct graft_inst **inst, struct graft_error *err)
{
	struct graft_inst *i = calloc(1, sizeof(*i));

	if (!i)
		return host->fail(err, ENOMEM, "out of memory");
	i->host = host;
	i->slot = slot;
	i->upper_fd = i->temp_fd = i->pen_fd = i->proc_fd = -1;
	int res = ov_dirs_open(i, settings, err);
	if (res < 0) {
		ov_destroy(i);
		return res;
	}
	host->metric(slot, "nodes", "", (const uint64_t *)&i->nodes);
	host->metric(slot, "copied-up", "", (const uint64_t *)&i->copies);
	host->metric(slot, "copied-up-bytes", "bytes", (const uint64_t *)&i->copied_bytes);
	*inst = i;
	return 0;
}

static int ov_start(struct graft_inst *inst, struct graft_error *err)
{
	int res = ov_crew_start(&inst->changers, "overlay", 1);

	if (res == 0)
		res = ov_crew_start(&inst->helpers, "overlay-help", HELPERS);
	if (res == 0)
		return 0;
	ov_crew_stop(inst->changers);
	inst->changers = NULL;
	return inst->host->fail(err, -res, "threads: %s", strerror(-res));
}

static void ov_quiesce(struct graft_inst *inst)
{
	ov_crew_stop(inst->changers);
	ov_crew_stop(inst->helpers);
	inst->changers = inst->helpers = NULL;
}

/*
 * Locks stay with the client's kernel, which is the only one to change these files. A file may move from below to above
 * while it is open, so its data are not left to the client, and no open goes without a handle.
 */
static void ov_features(struct graft_inst *inst, struct graft_features *f)
{
	const uint64_t cannot =
		FUSE_POSIX_LOCKS | FUSE_FLOCK_LOCKS | FUSE_PASSTHROUGH | FUSE_NO_OPEN_SUPPORT | FUSE_NO_OPENDIR_SUPPORT;
	(void)inst;

	f->can = UINT64_MAX & ~cannot;
}

static void ov_session_close(struct graft_inst *inst, void *state)
{
	struct ov_session *s = state;

	(void)inst;
	if (s->handles)
		ov_handles_free(s);
	if (s->nodes)
		ov_nodes_free(s);
	free(s);
}

static int ov_session_open(struct graft_inst *inst, const struct graft_session *session, void **state)
{
	struct ov_session *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->inst = inst;
	s->session = session;
	int res = ov_nodes_new(s);
	if (res == 0)
		res = ov_handles_new(s);
	if (res < 0) {
		ov_session_close(inst, s);
		return res;
	}
	*state = s;
	return 0;
}

static int ov_reach(const void *settings, graft_reach_add *add, void *arg)
{
	auto_free char *parent = NULL;
	const char *upper, *work;

	if (ov_common_parent(settings, &parent, &upper, &work) < 0)
		return -EOPNOTSUPP;
	add(arg, parent, GRAFT_REACH_READ | GRAFT_REACH_WRITE);
	return 0;
}

static int nothing(struct graft_inst *inst, struct graft_req *req)
{
	(void)inst;
	(void)req;
	return 0;
}

/* What goes by a node or a handle must not reach those below, who know others. */
static int not_here(struct graft_inst *inst, struct graft_req *req)
{
	(void)inst;
	(void)req;
	return -EOPNOTSUPP;
}

static int no_tty(struct graft_inst *inst, struct graft_req *req)
{
	(void)inst;
	(void)req;
	return -ENOTTY;
}

static graft_op *const operations[GRAFT_OP_COUNT] = {
	[FUSE_LOOKUP] = ov_op_lookup,
	[FUSE_FORGET] = ov_op_forget,
	[FUSE_BATCH_FORGET] = ov_op_batch_forget,
	[FUSE_GETATTR] = ov_op_getattr,
	[FUSE_SETATTR] = ov_op_setattr,
	[GRAFT_OP_STATX] = ov_op_statx,
	[FUSE_ACCESS] = ov_op_access,
	[FUSE_READLINK] = ov_op_readlink,
	[FUSE_MKDIR] = ov_op_mkdir,
	[FUSE_MKNOD] = ov_op_mknod,
	[FUSE_SYMLINK] = ov_op_symlink,
	[FUSE_LINK] = ov_op_link,
	[FUSE_UNLINK] = ov_op_unlink,
	[FUSE_RMDIR] = ov_op_rmdir,
	[FUSE_RENAME] = ov_op_rename,
	[FUSE_RENAME2] = ov_op_rename,
	[FUSE_OPEN] = ov_op_open,
	[FUSE_CREATE] = ov_op_create,
	[FUSE_TMPFILE] = ov_op_tmpfile,
	[FUSE_RELEASE] = ov_op_release,
	[FUSE_FLUSH] = nothing,
	[FUSE_FSYNC] = ov_op_fsync,
	[FUSE_READ] = ov_op_read,
	[FUSE_WRITE] = ov_op_write,
	[FUSE_FALLOCATE] = ov_op_fallocate,
	[FUSE_LSEEK] = ov_op_lseek,
	[FUSE_COPY_FILE_RANGE] = ov_op_copy_file_range,
	[GRAFT_OP_COPY_FILE_RANGE_64] = ov_op_copy_file_range,
	[FUSE_OPENDIR] = ov_op_opendir,
	[FUSE_READDIR] = ov_op_readdir,
	[FUSE_READDIRPLUS] = ov_op_readdir,
	[FUSE_RELEASEDIR] = ov_op_releasedir,
	[FUSE_FSYNCDIR] = ov_op_fsyncdir,
	[FUSE_SETXATTR] = ov_op_setxattr,
	[FUSE_GETXATTR] = ov_op_getxattr,
	[FUSE_LISTXATTR] = ov_op_listxattr,
	[FUSE_REMOVEXATTR] = ov_op_removexattr,
	[FUSE_GETLK] = not_here,
	[FUSE_SETLK] = not_here,
	[FUSE_SETLKW] = not_here,
	[FUSE_IOCTL] = no_tty,
	[FUSE_STATFS] = ov_op_statfs,
	[FUSE_SYNCFS] = ov_op_syncfs,
};

/* What it takes beyond memory, threads and a transport. */
/* clang-format off */
static const char *const system_calls[] = {
	"capget", "capset", "copy_file_range", "fallocate", "fchdir", "fchmod", "fchmodat", "fchown", "fchownat", "fdatasync", "flock", "fstat",
	"fstatfs", "fsync", "ftruncate", "getdents64", "getegid", "geteuid", "getgroups", "getrandom", "getxattr", "linkat", "listxattr",
	"lseek", "mkdirat", "mknodat", "newfstatat", "openat", "openat2", "preadv2", "pwrite64", "pwritev2", "readlinkat", "removexattr",
	"renameat2", "setgroups", "setresgid", "setresuid", "setxattr", "statx", "symlinkat", "syncfs", "umask", "unlinkat", "utimensat",
	NULL,
};
static const char *const capabilities[] = {
	"chown", "dac_override", "fowner", "fsetid", "setgid", "setuid", "mknod", "setfcap", NULL,
};
/* clang-format on */

extern const struct graft_plugin graft_plugin_v1;

GRAFT_PLUGIN_EXPORT const struct graft_plugin graft_plugin_v1 = {
	.size = sizeof(struct graft_plugin),
	.abi_major = GRAFT_ABI_MAJOR,
	.abi_minor = GRAFT_ABI_MINOR,
	.name = "overlay",
	.version = GRAFT_VERSION,
	.summary = "a folder that takes what is written, over what is below, as overlayfs",
	.kind = GRAFT_LAYER,
	.threads = GRAFT_PARALLEL,
	.flags = GRAFT_OWN_NOFLUSH,
	.opts = options,
	.settings_size = sizeof(struct ov_settings),
	.syscalls = system_calls,
	.capabilities = capabilities,
	.nops = GRAFT_OP_COUNT,
	.ops = operations,
	.dirent = ov_dirent,
	.create = ov_create,
	.start = ov_start,
	.features = ov_features,
	.session_open = ov_session_open,
	.session_close = ov_session_close,
	.quiesce = ov_quiesce,
	.destroy = ov_destroy,
	.reach = ov_reach,
};
