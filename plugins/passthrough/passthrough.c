/* SPDX-License-Identifier: Apache-2.0 */
/* The passthrough backend: its plugin object, instances and sessions. */
#include "passthrough.h"

#include "fd_budget.h"
#include "fhandle.h"
#include "lib/cleanup.h"
#include "mount_fds.h"
#include "open.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#define NS UINT64_C(1000000000)

#define ACL_FLAGS  (FUSE_POSIX_ACL | FUSE_DONT_MASK | FUSE_SETXATTR_EXT)
#define PLUS_FLAGS (FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO)
#define LOCK_FLAGS (FUSE_POSIX_LOCKS | FUSE_FLOCK_LOCKS)

/* What every mount profits from (reference 4.1). */
#define BASE_FLAGS                                                                                          \
	(FUSE_ASYNC_READ | FUSE_ATOMIC_O_TRUNC | FUSE_BIG_WRITES | FUSE_HAS_IOCTL_DIR | FUSE_AUTO_INVAL_DATA | \
	 FUSE_ASYNC_DIO | FUSE_PARALLEL_DIROPS | FUSE_MAX_PAGES | FUSE_INIT_EXT | FUSE_ALLOW_IDMAP | FUSE_PASSTHROUGH)
/* What it can serve when asked to. */
#define MORE_FLAGS                                                                                           \
	(ACL_FLAGS | PLUS_FLAGS | LOCK_FLAGS | FUSE_WRITEBACK_CACHE | FUSE_CACHE_SYMLINKS | FUSE_SUBMOUNTS | \
	 FUSE_HANDLE_KILLPRIV_V2 | FUSE_SECURITY_CTX | FUSE_DIRECT_IO_ALLOW_MMAP)

/* An instance with what only this file needs. */
struct box {
	struct graft_inst inst; /* first */
	struct pt_settings set; /* the server's, with what options imply */
	int source_fd;          /* real, of the source: what file handles are opened on */
	int mountinfo_fd;       /* or -1 */
};

static struct box *box_of(struct graft_inst *inst)
{
	return (struct box *)(void *)inst;
}

static void settle(struct box *b, const struct pt_settings *set)
{
	static const uint64_t timeouts[] = {
		[PT_CACHE_AUTO] = NS,
		[PT_CACHE_ALWAYS] = 86400 * NS,
		[PT_CACHE_METADATA] = 86400 * NS,
		[PT_CACHE_NEVER] = 0,
	};
	uint64_t timeout = timeouts[set->cache];

	b->set = *set;
	b->set.xattr = set->xattr || set->posix_acl != PT_NEVER || set->security_label != PT_NEVER;
	b->inst.set = &b->set;
	b->inst.entry_timeout = set->entry_timeout == UINT64_MAX ? timeout : set->entry_timeout;
	b->inst.attr_timeout = set->attr_timeout == UINT64_MAX ? timeout : set->attr_timeout;
}

static int open_source(struct box *b, struct graft_error *err)
{
	const struct graft_host *host = b->inst.host;
	const char *source = b->set.source;
	int fd = host->open(b->inst.slot, source, O_RDONLY | O_DIRECTORY | O_NONBLOCK, err);

	switch (fd) {
	case -ENOENT:
		return host->fail(err, ENOENT, "source %s does not exist", source);
	case -ENOTDIR:
		return host->fail(err, ENOTDIR, "source %s is not a directory", source);
	case -EACCES:
	case -EPERM:
		return host->fail(err, -fd, "source %s cannot be read: %s", source, strerror(-fd));
	default:
		break;
	}
	if (fd < 0)
		return fd;
	b->source_fd = fd;
	open_probe(&b->inst, fd);
	if (b->inst.no_openat2)
		host->log(b->inst.slot, GRAFT_LOG_INFO, "no openat2: names are opened with openat");
	b->inst.root_fd = open_name(&b->inst, fd, ".", O_PATH | O_DIRECTORY, 0);
	if (b->inst.root_fd < 0)
		return host->fail(err, -b->inst.root_fd, "source %s cannot be searched: %s", source,
				  strerror(-b->inst.root_fd));
	return 0;
}

/* True for file systems on which any call may wait for a network or another process. */
static bool is_blocking(int fd)
{
	static const uint32_t types[] = {NFS_SUPER_MAGIC,  CIFS_SUPER_MAGIC, SMB2_SUPER_MAGIC,
					 CEPH_SUPER_MAGIC, FUSE_SUPER_MAGIC, V9FS_MAGIC};
	struct statfs st;

	if (fstatfs(fd, &st) < 0)
		return false;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if ((uint32_t)st.f_type == types[i])
			return true;
	}
	return false;
}

/* Whether the source's own handle can be had and opened again. 0 or -errno. */
static int try_handles(const struct box *b, uint64_t root_mount)
{
	struct fhandle h;
	uint64_t mount;
	int res = fhandle_of(b->source_fd, "", &h, &mount);

	if (res < 0)
		return res;
	if (mount != root_mount)
		return -EOPNOTSUPP; /* a kernel that does not tell mount ids */
	res = fhandle_open(b->source_fd, &h);
	if (res < 0)
		return res;
	close(res);
	return 0;
}

static int choose_handles(struct box *b, uint64_t root_mount, struct graft_error *err)
{
	struct graft_inst *inst = &b->inst;
	int res;

	/* Where the server is confined, file handles could not be used anyway (pt_reach). */
	if (b->set.file_handles == PT_HANDLES_NEVER || inst->host->confined(inst->slot))
		return 0;
	res = try_handles(b, root_mount);
	inst->handles = !res;
	if (res < 0 && b->set.file_handles == PT_HANDLES_MANDATORY)
		return inst->host->fail(err, -res, "inode-file-handles = mandatory, but they do not work on %s: %s",
					b->set.source, strerror(-res));
	if (res < 0)
		inst->host->log(inst->slot, GRAFT_LOG_INFO, "no file handles on %s (%s): each node holds a descriptor",
				b->set.source, strerror(-res));
	return 0;
}

static int set_up(struct box *b, struct graft_error *err)
{
	struct graft_inst *inst = &b->inst;
	uint64_t root_mount = 0;
	struct statx stx;
	int res = open_source(b, err);

	if (res < 0)
		return res;
	inst->proc_fd = inst->host->open(inst->slot, "/proc/self/fd", O_PATH | O_DIRECTORY, err);
	if (inst->proc_fd < 0)
		return inst->proc_fd;
	b->mountinfo_fd = inst->host->open(inst->slot, "/proc/self/mountinfo", O_RDONLY, NULL);
	if (statx(inst->root_fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_MNT_ID, &stx) < 0)
		return inst->host->fail(err, errno, "source %s: %s", b->set.source, strerror(errno));
	if (stx.stx_mask & STATX_MNT_ID)
		root_mount = stx.stx_mnt_id;
	inst->blocking = is_blocking(b->source_fd);
	inst->foreign = !mount_fds_own(root_mount);
	res = choose_handles(b, root_mount, err);
	if (res < 0)
		return res;
	inst->mounts = mount_fds_new(root_mount, b->source_fd, inst->proc_fd, b->mountinfo_fd);
	inst->budget = fd_budget_new();
	return inst->mounts && inst->budget ? 0 : inst->host->fail(err, ENOMEM, "out of memory");
}

static void pt_destroy(struct graft_inst *inst)
{
	struct box *b = box_of(inst);

	mount_fds_free(inst->mounts);
	fd_budget_free(inst->budget);
	cleanup_close(&inst->root_fd);
	cleanup_close(&inst->proc_fd);
	cleanup_close(&b->source_fd);
	cleanup_close(&b->mountinfo_fd);
	free(b);
}

static void show_counters(struct graft_inst *inst)
{
	const struct graft_host *host = inst->host;

	host->metric(inst->slot, "nodes", "", (const uint64_t *)&inst->count.nodes);
	host->metric(inst->slot, "node-descriptors", "", (const uint64_t *)&inst->count.node_fds);
	host->metric(inst->slot, "open-files", "", (const uint64_t *)&inst->count.handles);
	host->metric(inst->slot, "evicted-descriptors", "", (const uint64_t *)&inst->count.evicted_fds);
}

static int pt_create(const struct graft_host *host, struct graft_slot *slot, const void *settings,
		     struct graft_inst **inst, struct graft_error *err)
{
	struct box *b = calloc(1, sizeof(*b));
	int res;

	if (!b)
		return host->fail(err, ENOMEM, "out of memory");
	b->inst.host = host;
	b->inst.slot = slot;
	b->inst.root_fd = b->inst.proc_fd = b->source_fd = b->mountinfo_fd = -1;
	settle(b, settings);
	res = set_up(b, err);
	if (res < 0) {
		pt_destroy(&b->inst);
		return res;
	}
	show_counters(&b->inst);
	*inst = &b->inst;
	return 0;
}

/* Nothing runs but requests. */
static int pt_start(struct graft_inst *inst, struct graft_error *err)
{
	(void)inst;
	(void)err;
	return 0;
}

static void pt_quiesce(struct graft_inst *inst)
{
	(void)inst;
}

/* Of the first 32, this thread has it in effect. */
static bool has_cap(uint32_t cap)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	return syscall(SYS_capget, &head, data) == 0 && (data[0].effective & CAP_TO_MASK(cap));
}

/* What a file handle opens has no path. Without the capability they do not work (open_by_handle_at(2)). */
static int pt_reach(const void *settings, graft_reach_add *add, void *arg)
{
	const struct pt_settings *set = settings;

	if (set->file_handles == PT_HANDLES_MANDATORY)
		return -EOPNOTSUPP;
	if (set->file_handles == PT_HANDLES_PREFER && has_cap(CAP_DAC_READ_SEARCH))
		return -EOPNOTSUPP;
	add(arg, set->source, GRAFT_REACH_READ | (set->readonly ? 0 : GRAFT_REACH_WRITE));
	return 0;
}

static void pt_features(struct graft_inst *inst, struct graft_features *f)
{
	const struct pt_settings *set = inst->set;
	/* Supplementary groups can only be taken on with CAP_SETGID. */
	uint64_t groups = has_cap(CAP_SETGID) ? FUSE_CREATE_SUPP_GROUP : 0;
	uint64_t want = BASE_FLAGS | groups;

	f->blocking = inst->blocking;
	f->can = BASE_FLAGS | MORE_FLAGS | groups;
	f->need = 0;
	if (set->posix_acl != PT_NEVER)
		want |= ACL_FLAGS;
	if (set->posix_acl == PT_ALWAYS)
		f->need |= ACL_FLAGS;
	if (set->security_label != PT_NEVER)
		want |= FUSE_SECURITY_CTX;
	if (set->security_label == PT_ALWAYS)
		f->need |= FUSE_SECURITY_CTX;
	if (set->writeback)
		want |= FUSE_WRITEBACK_CACHE;
	if (set->killpriv_v2 == PT_KILLPRIV_TRUE || (set->killpriv_v2 == PT_KILLPRIV_AUTO && !inst->blocking))
		want |= FUSE_HANDLE_KILLPRIV_V2;
	if (set->readdirplus && set->cache != PT_CACHE_NEVER)
		want |= PLUS_FLAGS;
	if (set->locks)
		want |= LOCK_FLAGS;
	if (set->allow_mmap)
		want |= FUSE_DIRECT_IO_ALLOW_MMAP;
	if (set->cache == PT_CACHE_ALWAYS)
		want |= FUSE_CACHE_SYMLINKS;
	if (set->submounts)
		want |= FUSE_SUBMOUNTS;
	f->want = want;
}

static void pt_session_close(struct graft_inst *inst, void *state)
{
	struct pt_session *s = state;

	(void)inst;
	if (s->locks)
		lock_table_free(s);
	if (s->handles)
		handle_table_free(s);
	if (s->backings)
		backing_table_free(s);
	if (s->nodes)
		node_table_free(s);
	free(s);
}

static int pt_session_open(struct graft_inst *inst, const struct graft_session *session, void **state)
{
	struct pt_session *s = calloc(1, sizeof(*s));
	int res;

	if (!s)
		return -ENOMEM;
	s->inst = inst;
	s->session = session;
	res = node_table_new(s);
	if (!res)
		res = handle_table_new(s);
	if (!res && session->flags & FUSE_PASSTHROUGH)
		res = backing_table_new(s);
	if (!res && inst->set->locks)
		res = lock_table_new(s);
	if (res < 0) {
		pt_session_close(inst, s);
		return res;
	}
	*state = s;
	return 0;
}

static graft_op *const operations[GRAFT_OP_COUNT] = {
	[FUSE_LOOKUP] = pt_op_lookup,
	[FUSE_FORGET] = pt_op_forget,
	[FUSE_BATCH_FORGET] = pt_op_batch_forget,
	[FUSE_GETATTR] = pt_op_getattr,
	[FUSE_SETATTR] = pt_op_setattr,
	[GRAFT_OP_STATX] = pt_op_statx,
	[FUSE_ACCESS] = pt_op_access,
	[FUSE_MKDIR] = pt_op_mkdir,
	[FUSE_MKNOD] = pt_op_mknod,
	[FUSE_SYMLINK] = pt_op_symlink,
	[FUSE_LINK] = pt_op_link,
	[FUSE_UNLINK] = pt_op_unlink,
	[FUSE_RMDIR] = pt_op_rmdir,
	[FUSE_RENAME] = pt_op_rename,
	[FUSE_RENAME2] = pt_op_rename,
	[FUSE_READLINK] = pt_op_readlink,
	[FUSE_OPEN] = pt_op_open,
	[FUSE_CREATE] = pt_op_create,
	[FUSE_TMPFILE] = pt_op_tmpfile,
	[FUSE_RELEASE] = pt_op_release,
	[FUSE_FLUSH] = pt_op_flush,
	[FUSE_FSYNC] = pt_op_fsync,
	[FUSE_READ] = pt_op_read,
	[FUSE_WRITE] = pt_op_write,
	[FUSE_FALLOCATE] = pt_op_fallocate,
	[FUSE_LSEEK] = pt_op_lseek,
	[FUSE_COPY_FILE_RANGE] = pt_op_copy_file_range,
	[GRAFT_OP_COPY_FILE_RANGE_64] = pt_op_copy_file_range,
	[FUSE_OPENDIR] = pt_op_opendir,
	[FUSE_READDIR] = pt_op_readdir,
	[FUSE_READDIRPLUS] = pt_op_readdir,
	[FUSE_RELEASEDIR] = pt_op_releasedir,
	[FUSE_FSYNCDIR] = pt_op_fsyncdir,
	[FUSE_SETXATTR] = pt_op_setxattr,
	[FUSE_GETXATTR] = pt_op_getxattr,
	[FUSE_LISTXATTR] = pt_op_listxattr,
	[FUSE_REMOVEXATTR] = pt_op_removexattr,
	[FUSE_GETLK] = pt_op_getlk,
	[FUSE_SETLK] = pt_op_setlk,
	[FUSE_SETLKW] = pt_op_setlkw,
	[FUSE_IOCTL] = pt_op_ioctl,
	[FUSE_STATFS] = pt_op_statfs,
	[FUSE_SYNCFS] = pt_op_syncfs,
};

/* What a file server needs beyond memory, threads and its transport. */
/* clang-format off */
static const char *const system_calls[] = {
	"capget", "capset", "copy_file_range", "fallocate", "fchdir", "fchmod", "fchmodat", "fchownat",
	"fcntl:F_OFD_GETLK", "fcntl:F_OFD_SETLK", "fdatasync", "fgetxattr", "flistxattr", "flock", "fremovexattr", "fsetxattr", "fstat",
	"fstatfs", "fsync", "ftruncate", "getdents64", "getegid", "geteuid", "getgroups", "getxattr",
	"ioctl:FS_IOC_FSGETXATTR", "ioctl:FS_IOC_FSSETXATTR", "ioctl:FS_IOC_GETFLAGS", "ioctl:FS_IOC_SETFLAGS",
	"linkat", "listxattr", "lseek", "mkdirat", "mknodat", "name_to_handle_at", "newfstatat",
	"open_by_handle_at", "openat", "openat2", "pread64", "preadv2", "pwritev2", "readlinkat", "removexattr", "renameat", "renameat2",
	"setgroups", "setresgid", "setresuid", "setxattr", "statx", "symlinkat", "syncfs", "umask", "unlinkat",
	"utimensat",
	NULL,
};
static const char *const capabilities[] = {
	"chown", "dac_override", "dac_read_search", "fowner", "fsetid", "setgid", "setuid", "mknod", "setfcap", NULL,
};
/* clang-format on */

extern const struct graft_plugin graft_plugin_v1;

GRAFT_PLUGIN_EXPORT const struct graft_plugin graft_plugin_v1 = {
	.size = sizeof(struct graft_plugin),
	.abi_major = GRAFT_ABI_MAJOR,
	.abi_minor = GRAFT_ABI_MINOR,
	.name = "passthrough",
	.version = GRAFT_VERSION,
	.summary = "a directory of this host",
	.kind = GRAFT_BACKEND,
	.threads = GRAFT_PARALLEL,
	.opts = pt_options,
	.settings_size = sizeof(struct pt_settings),
	.syscalls = system_calls,
	.capabilities = capabilities,
	.nops = GRAFT_OP_COUNT,
	.ops = operations,
	.create = pt_create,
	.start = pt_start,
	.features = pt_features,
	.session_open = pt_session_open,
	.session_close = pt_session_close,
	.quiesce = pt_quiesce,
	.destroy = pt_destroy,
	.reach = pt_reach,
};
