/* SPDX-License-Identifier: Apache-2.0 */
/* What statx(2) told of a file, as FUSE's replies carry it. */
#include "lib/fuse_attr.h"

/* As new_encode_dev of the kernel. */
static uint32_t encode_dev(uint32_t major, uint32_t minor)
{
	return (minor & 0xff) | (major & 0xfff) << 8 | (minor & ~0xffu) << 12;
}

void fuse_attr_fill(const struct statx *stx, struct fuse_attr *attr)
{
	*attr = (struct fuse_attr){
		.ino = stx->stx_ino,
		.size = stx->stx_size,
		.blocks = stx->stx_blocks,
		.atime = (uint64_t)stx->stx_atime.tv_sec,
		.mtime = (uint64_t)stx->stx_mtime.tv_sec,
		.ctime = (uint64_t)stx->stx_ctime.tv_sec,
		.atimensec = stx->stx_atime.tv_nsec,
		.mtimensec = stx->stx_mtime.tv_nsec,
		.ctimensec = stx->stx_ctime.tv_nsec,
		.mode = stx->stx_mode,
		.nlink = stx->stx_nlink,
		.uid = stx->stx_uid,
		.gid = stx->stx_gid,
		.rdev = encode_dev(stx->stx_rdev_major, stx->stx_rdev_minor),
		.blksize = stx->stx_blksize,
	};
}

static struct fuse_sx_time sx_time(const struct statx_timestamp *t)
{
	return (struct fuse_sx_time){ .tv_sec = t->tv_sec, .tv_nsec = t->tv_nsec };
}

void fuse_statx_fill(const struct statx *stx, struct fuse_statx *out)
{
	*out = (struct fuse_statx){
		.mask = stx->stx_mask & (STATX_BASIC_STATS | STATX_BTIME),
		.blksize = stx->stx_blksize,
		.attributes = stx->stx_attributes,
		.nlink = stx->stx_nlink,
		.uid = stx->stx_uid,
		.gid = stx->stx_gid,
		.mode = stx->stx_mode,
		.ino = stx->stx_ino,
		.size = stx->stx_size,
		.blocks = stx->stx_blocks,
		.attributes_mask = stx->stx_attributes_mask,
		.atime = sx_time(&stx->stx_atime),
		.btime = sx_time(&stx->stx_btime),
		.ctime = sx_time(&stx->stx_ctime),
		.mtime = sx_time(&stx->stx_mtime),
		.rdev_major = stx->stx_rdev_major,
		.rdev_minor = stx->stx_rdev_minor,
		.dev_major = stx->stx_dev_major,
		.dev_minor = stx->stx_dev_minor,
	};
}
