/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's FUSE protocol types, and what is newer than the <linux/fuse.h> of the oldest system we build on. */
#ifndef GRAFT_INCLUDE_FUSE_H
#define GRAFT_INCLUDE_FUSE_H

#include <linux/fuse.h>
#include <stdint.h>

/*
 * <linux/fuse.h> of Debian 12 speaks 7.38. The names below came with 7.38's CREATE_SUPP_GROUP up to 7.45 and are
 * defined here only where the system's header is older. Values: Linux include/uapi/linux/fuse.h.
 */
#ifndef FUSE_CREATE_SUPP_GROUP
#define FUSE_CREATE_SUPP_GROUP (1ULL << 34)
#define FUSE_EXT_GROUPS 32 /* enum fuse_ext_type: supplementary groups of the caller */

struct fuse_supp_groups {
	uint32_t nr_groups;
	/* nr_groups ids follow, the whole extension is padded to 8 bytes */
};
#endif

#ifndef FUSE_DIRECT_IO_ALLOW_MMAP
#define FUSE_DIRECT_IO_ALLOW_MMAP (1ULL << 36)
#endif
#ifndef FUSE_PASSTHROUGH
#define FUSE_PASSTHROUGH (1ULL << 37)
#endif
#ifndef FUSE_NO_EXPORT_SUPPORT
#define FUSE_NO_EXPORT_SUPPORT (1ULL << 38)
#endif
#ifndef FUSE_HAS_RESEND
#define FUSE_HAS_RESEND (1ULL << 39)
#endif
#ifndef FUSE_ALLOW_IDMAP
#define FUSE_ALLOW_IDMAP (1ULL << 40)
#endif
#ifndef FUSE_OVER_IO_URING
#define FUSE_OVER_IO_URING (1ULL << 41)
#endif
#ifndef FUSE_REQUEST_TIMEOUT
#define FUSE_REQUEST_TIMEOUT (1ULL << 42)
#endif

/* Opcodes 52 and 53 are enumerators in newer headers, so they have names of our own here. */
enum graft_opcode {
	GRAFT_OP_STATX = 52,              /* FUSE_STATX, 7.39 */
	GRAFT_OP_COPY_FILE_RANGE_64 = 53, /* FUSE_COPY_FILE_RANGE_64, 7.45 */
	GRAFT_OP_COUNT = 54               /* one more than the newest opcode this release knows */
};

#if FUSE_KERNEL_MINOR_VERSION < 39
struct fuse_sx_time {
	int64_t tv_sec;
	uint32_t tv_nsec;
	int32_t __reserved;
};

struct fuse_statx {
	uint32_t mask;
	uint32_t blksize;
	uint64_t attributes;
	uint32_t nlink;
	uint32_t uid;
	uint32_t gid;
	uint16_t mode;
	uint16_t __spare0[1];
	uint64_t ino;
	uint64_t size;
	uint64_t blocks;
	uint64_t attributes_mask;
	struct fuse_sx_time atime;
	struct fuse_sx_time btime;
	struct fuse_sx_time ctime;
	struct fuse_sx_time mtime;
	uint32_t rdev_major;
	uint32_t rdev_minor;
	uint32_t dev_major;
	uint32_t dev_minor;
	uint64_t __spare2[14];
};

struct fuse_statx_in {
	uint32_t getattr_flags; /* FUSE_GETATTR_FH: fh is valid */
	uint32_t reserved;
	uint64_t fh;
	uint32_t sx_flags; /* AT_STATX_* */
	uint32_t sx_mask;  /* STATX_* wanted */
};

struct fuse_statx_out {
	uint64_t attr_valid; /* seconds */
	uint32_t attr_valid_nsec;
	uint32_t flags;
	uint64_t spare[2];
	struct fuse_statx stat;
};
#endif

/* Reply of COPY_FILE_RANGE_64 (FUSE_COPY_FILE_RANGE's own is fuse_write_out, of 32 bits). */
struct graft_copy_file_range_out {
	uint64_t bytes_copied;
};

#endif
