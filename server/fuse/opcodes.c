/* SPDX-License-Identifier: Apache-2.0 */
/* The one table of FUSE operations. Sizes: Linux include/uapi/linux/fuse.h, protocol 7.31 to 7.45. */
#include "server/fuse/opcodes.h"

#include <errno.h>
#include <stddef.h>

/* Name, flags, sizes of the in and the out struct; what else a row says stands behind them by name. */
#define ROW(row_name, row_flags, in, out, ...)                                                                         \
	{                                                                                                              \
		.name = row_name, .flags = OP_KNOWN | (row_flags), .in_size = in, .out_size = out, __VA_ARGS__         \
	}

#define ENTRY_OUT sizeof(struct fuse_entry_out)
#define ATTR_OUT sizeof(struct fuse_attr_out)
#define OPEN_OUT sizeof(struct fuse_open_out)
#define WRITE_OUT sizeof(struct fuse_write_out)
#define CREATE_OUT (ENTRY_OUT + OPEN_OUT)
#define CREATE_IN sizeof(struct fuse_create_in)
#define FSYNC_IN sizeof(struct fuse_fsync_in)
#define READ_IN sizeof(struct fuse_read_in)
#define RELEASE_IN sizeof(struct fuse_release_in)
#define XATTR_OUT sizeof(struct fuse_getxattr_out)
#define LK_IN sizeof(struct fuse_lk_in)
#define COPY_IN sizeof(struct fuse_copy_file_range_in)

_Static_assert(sizeof(struct fuse_setattr_in) == OP_IN_MAX, "largest in struct");
_Static_assert(sizeof(struct fuse_statx_out) == OP_OUT_MAX, "largest out struct");
_Static_assert(CREATE_OUT == 144 && ENTRY_OUT == 128, "wire format");

#define INIT_IN_OLD 16 /* before 7.36 */

const struct op_info op_table[GRAFT_OP_COUNT] = {
	[FUSE_LOOKUP] = ROW("LOOKUP", OP_ENTRY, 0, ENTRY_OUT, .names = OP_NAMES_ONE, .absent = -ENOENT),
	[FUSE_FORGET] = ROW("FORGET", OP_NO_REPLY, sizeof(struct fuse_forget_in), 0, .absent = 0),
	[FUSE_GETATTR] = ROW("GETATTR", OP_ATTR, sizeof(struct fuse_getattr_in), ATTR_OUT, .absent = -EOPNOTSUPP),
	[FUSE_SETATTR] = ROW("SETATTR", OP_ATTR, sizeof(struct fuse_setattr_in), ATTR_OUT, .absent = -EROFS),
	[FUSE_READLINK] = ROW("READLINK", 0, 0, 0, .dst = OP_DST_REST, .absent = -EINVAL),
	[FUSE_SYMLINK] =
		ROW("SYMLINK", OP_ENTRY | OP_EXTENDS, 0, ENTRY_OUT, .names = OP_NAMES_TARGET, .absent = -EROFS),
	[FUSE_MKNOD] = ROW("MKNOD", OP_ENTRY | OP_EXTENDS, sizeof(struct fuse_mknod_in), ENTRY_OUT,
			   .names = OP_NAMES_ONE, .absent = -EROFS),
	[FUSE_MKDIR] = ROW("MKDIR", OP_ENTRY | OP_EXTENDS, sizeof(struct fuse_mkdir_in), ENTRY_OUT,
			   .names = OP_NAMES_ONE, .absent = -EROFS),
	[FUSE_UNLINK] = ROW("UNLINK", 0, 0, 0, .names = OP_NAMES_ONE, .absent = -EROFS),
	[FUSE_RMDIR] = ROW("RMDIR", 0, 0, 0, .names = OP_NAMES_ONE, .absent = -EROFS),
	[FUSE_RENAME] = ROW("RENAME", OP_NODE2, sizeof(struct fuse_rename_in), 0, .names = OP_NAMES_TWO,
			    .node2 = offsetof(struct fuse_rename_in, newdir), .absent = -EROFS),
	[FUSE_LINK] = ROW("LINK", OP_ENTRY | OP_NODE2, sizeof(struct fuse_link_in), ENTRY_OUT, .names = OP_NAMES_ONE,
			  .node2 = offsetof(struct fuse_link_in, oldnodeid), .absent = -EROFS),
	[FUSE_OPEN] = ROW("OPEN", OP_OPENS, sizeof(struct fuse_open_in), OPEN_OUT, .absent = 0),
	[FUSE_READ] = ROW("READ", OP_OFFSET, READ_IN, 0, .dst = OP_DST_SIZE, .absent = -EOPNOTSUPP),
	[FUSE_WRITE] = ROW("WRITE", OP_OFFSET, sizeof(struct fuse_write_in), WRITE_OUT, .payload = OP_PAYLOAD_FILE,
			   .absent = -EROFS),
	[FUSE_STATFS] = ROW("STATFS", 0, 0, sizeof(struct fuse_statfs_out), .absent = 0),
	[FUSE_RELEASE] = ROW("RELEASE", OP_RELEASES, RELEASE_IN, 0, .absent = 0),
	[FUSE_FSYNC] = ROW("FSYNC", 0, FSYNC_IN, 0, .absent = 0),
	[FUSE_SETXATTR] =
		ROW("SETXATTR", 0, sizeof(struct fuse_setxattr_in), 0, .names = OP_NAMES_XATTR,
		    .payload = OP_PAYLOAD_VALUE, .in_old = FUSE_COMPAT_SETXATTR_IN_SIZE, .absent = -EOPNOTSUPP),
	[FUSE_GETXATTR] = ROW("GETXATTR", 0, sizeof(struct fuse_getxattr_in), XATTR_OUT, .names = OP_NAMES_XATTR,
			      .dst = OP_DST_XATTR, .absent = -EOPNOTSUPP),
	[FUSE_LISTXATTR] = ROW("LISTXATTR", 0, sizeof(struct fuse_getxattr_in), XATTR_OUT, .dst = OP_DST_XATTR,
			       .absent = -EOPNOTSUPP),
	[FUSE_REMOVEXATTR] = ROW("REMOVEXATTR", 0, 0, 0, .names = OP_NAMES_XATTR, .absent = -EOPNOTSUPP),
	[FUSE_FLUSH] = ROW("FLUSH", 0, sizeof(struct fuse_flush_in), 0, .absent = 0),
	[FUSE_INIT] = ROW("INIT", OP_SERVER | OP_NO_NODE | OP_LONGER, sizeof(struct fuse_init_in),
			  sizeof(struct fuse_init_out), .in_old = INIT_IN_OLD, .absent = -ENOSYS),
	[FUSE_OPENDIR] = ROW("OPENDIR", OP_OPENS, sizeof(struct fuse_open_in), OPEN_OUT, .absent = 0),
	[FUSE_READDIR] = ROW("READDIR", 0, READ_IN, 0, .dst = OP_DST_SIZE, .absent = -ENOTDIR),
	[FUSE_RELEASEDIR] = ROW("RELEASEDIR", OP_RELEASES, RELEASE_IN, 0, .absent = 0),
	[FUSE_FSYNCDIR] = ROW("FSYNCDIR", 0, FSYNC_IN, 0, .absent = 0),
	[FUSE_GETLK] = ROW("GETLK", OP_LOCKS, LK_IN, sizeof(struct fuse_lk_out), .absent = -EOPNOTSUPP),
	[FUSE_SETLK] = ROW("SETLK", OP_LOCKS, LK_IN, 0, .absent = -EOPNOTSUPP),
	[FUSE_SETLKW] = ROW("SETLKW", OP_LOCKS, LK_IN, 0, .absent = -EOPNOTSUPP),
	[FUSE_ACCESS] = ROW("ACCESS", 0, sizeof(struct fuse_access_in), 0, .absent = 0),
	[FUSE_CREATE] =
		ROW("CREATE", OP_ENTRY | OP_EXTENDS | OP_OPENS, CREATE_IN, CREATE_OUT, .names = OP_NAMES_ONE, .absent = -EROFS),
	[FUSE_INTERRUPT] = ROW("INTERRUPT", OP_SERVER | OP_NO_REPLY | OP_NO_NODE, sizeof(struct fuse_interrupt_in), 0,
			       .absent = 0),
	[FUSE_BMAP] =
		ROW("BMAP", OP_SERVER, sizeof(struct fuse_bmap_in), sizeof(struct fuse_bmap_out), .absent = -ENOSYS),
	[FUSE_DESTROY] = ROW("DESTROY", OP_SERVER | OP_NO_REPLY | OP_NO_NODE, 0, 0, .absent = 0),
	[FUSE_IOCTL] = ROW("IOCTL", 0, sizeof(struct fuse_ioctl_in), sizeof(struct fuse_ioctl_out),
			   .payload = OP_PAYLOAD_IOCTL, .dst = OP_DST_IOCTL, .absent = -ENOTTY),
	[FUSE_POLL] =
		ROW("POLL", OP_SERVER, sizeof(struct fuse_poll_in), sizeof(struct fuse_poll_out), .absent = -ENOSYS),
	[FUSE_NOTIFY_REPLY] =
		ROW("NOTIFY_REPLY", OP_SERVER | OP_NO_NODE, 0, 0, .payload = OP_PAYLOAD_ANY, .absent = -ENOSYS),
	[FUSE_BATCH_FORGET] =
		ROW("BATCH_FORGET", OP_NO_REPLY | OP_NO_NODE | OP_OVERTAKES, sizeof(struct fuse_batch_forget_in), 0,
		    .payload = OP_PAYLOAD_FORGETS, .fallback = FUSE_FORGET, .absent = 0),
	[FUSE_FALLOCATE] = ROW("FALLOCATE", 0, sizeof(struct fuse_fallocate_in), 0, .absent = -EOPNOTSUPP),
	[FUSE_READDIRPLUS] = ROW("READDIRPLUS", OP_OVERTAKES, READ_IN, 0, .dst = OP_DST_SIZE, .fallback = FUSE_READDIR,
				 .absent = -ENOTDIR),
	[FUSE_RENAME2] =
		ROW("RENAME2", OP_NODE2 | OP_OVERTAKES, sizeof(struct fuse_rename2_in), 0, .names = OP_NAMES_TWO,
		    .node2 = offsetof(struct fuse_rename2_in, newdir), .fallback = FUSE_RENAME, .absent = -EROFS),
	[FUSE_LSEEK] = ROW("LSEEK", 0, sizeof(struct fuse_lseek_in), sizeof(struct fuse_lseek_out),
			   .fallback = FUSE_GETATTR, .absent = -EINVAL),
	[FUSE_COPY_FILE_RANGE] =
		ROW("COPY_FILE_RANGE", OP_NODE2, COPY_IN, WRITE_OUT,
		    .node2 = offsetof(struct fuse_copy_file_range_in, nodeid_out), .absent = -EOPNOTSUPP),
	[FUSE_SETUPMAPPING] = ROW("SETUPMAPPING", OP_SERVER, 0, 0, .payload = OP_PAYLOAD_ANY, .absent = -ENOSYS),
	[FUSE_REMOVEMAPPING] = ROW("REMOVEMAPPING", OP_SERVER, 0, 0, .payload = OP_PAYLOAD_ANY, .absent = -ENOSYS),
	[FUSE_SYNCFS] = ROW("SYNCFS", 0, sizeof(struct fuse_syncfs_in), 0, .absent = 0),
	[FUSE_TMPFILE] = ROW("TMPFILE", OP_ENTRY | OP_EXTENDS | OP_OPENS, CREATE_IN, CREATE_OUT, .names = OP_NAMES_IGNORED,
			     .absent = -EOPNOTSUPP),
	[GRAFT_OP_STATX] = ROW("STATX", OP_OVERTAKES, sizeof(struct fuse_statx_in), sizeof(struct fuse_statx_out),
			       .fallback = FUSE_GETATTR, .absent = -EOPNOTSUPP),
	[GRAFT_OP_COPY_FILE_RANGE_64] =
		ROW("COPY_FILE_RANGE_64", OP_NODE2 | OP_OVERTAKES, COPY_IN, sizeof(struct graft_copy_file_range_out),
		    .node2 = offsetof(struct fuse_copy_file_range_in, nodeid_out), .fallback = FUSE_COPY_FILE_RANGE,
		    .absent = -EOPNOTSUPP),
};

const char *op_name(uint32_t opcode)
{
	const struct op_info *op = op_find(opcode);

	return op ? op->name : "unknown";
}
