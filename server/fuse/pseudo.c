/* SPDX-License-Identifier: Apache-2.0 */
/* Pseudo directories. */
#include "server/fuse/pseudo.h"

#include "server/fallback.h"
#include "server/fuse/conn.h"
#include "server/fuse/router.h"
#include "server/server.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#define INO_TAG 0xffffull /* stands where inode numbers of mounts have their slot */

uint64_t pseudo_ino(const struct request *r, uint64_t place)
{
	/* Where every mount's have their slot, that of the router is none. */
	return server_nydusd_ids(r->conn->server) ? place : INO_TAG << GRAFT_NODE_BITS | place;
}

static struct fuse_attr attr_of(const struct request *r, const struct view_dir *dir)
{
	uint64_t sec = dir->since / 1000000000;
	uint32_t nsec = (uint32_t)(dir->since % 1000000000);

	return (struct fuse_attr){
		.ino = pseudo_ino(r, dir->place),
		.mode = S_IFDIR | (server_nydusd_ids(r->conn->server) ? 0777 : 0755),
		.nlink = 2 + dir->list->n,
		.blksize = 4096,
		.atime = sec,
		.mtime = sec,
		.ctime = sec,
		.atimensec = nsec,
		.mtimensec = nsec,
		.ctimensec = nsec,
	};
}

/*
 * With nydusd's ids for ever, as in nydusd: its successor looks at the mount point before it serves it, and nobody would answer that. What
 * changes a directory tells the kernel.
 */
static uint64_t attr_timeout(const struct request *r)
{
	return server_nydusd_ids(r->conn->server) && r->conn->transport->ops->send ? UINT64_C(1) << 32 : router_timeout(r);
}

int pseudo_entry(struct request *r, const struct view_dir *dir)
{
	struct fuse_entry_out *entry = (void *)r->out;

	r->sm = NULL;
	*entry = (struct fuse_entry_out){ .nodeid = dir->place,
					  .entry_valid = router_timeout(r),
					  .attr_valid = attr_timeout(r),
					  .attr = attr_of(r, dir) };
	return 0;
}

static int getattr(struct request *r, const struct view_dir *dir)
{
	struct fuse_attr_out out = { .attr_valid = attr_timeout(r), .attr = attr_of(r, dir) };

	if (r->header.opcode == GRAFT_OP_STATX)
		fallback_statx(&out, (void *)r->out);
	else
		*(struct fuse_attr_out *)(void *)r->out = out;
	return 0;
}

static int statfs(struct request *r)
{
	struct fuse_statfs_out *out = (void *)r->out;

	out->st.bsize = out->st.frsize = 4096;
	out->st.namelen = 255;
	return 0;
}

int pseudo_serve(struct request *r, const struct view_dir *dir)
{
	const struct fuse_access_in *access = (const void *)r->in;

	switch (r->header.opcode) {
	case FUSE_GETATTR:
	case GRAFT_OP_STATX:
		return getattr(r, dir);
	case FUSE_STATFS:
		return statfs(r);
	case FUSE_ACCESS:
		return access->mask & W_OK ? -EROFS : 0;
	case FUSE_OPENDIR:
	case FUSE_RELEASEDIR:
	case FUSE_FSYNCDIR:
	case FUSE_SYNCFS:
	case FUSE_LISTXATTR:
		return 0;
	case FUSE_GETXATTR:
		return -ENODATA;
	case FUSE_READLINK:
	case FUSE_LSEEK:
		return -EINVAL;
	case FUSE_IOCTL:
		return -ENOTTY;
	case FUSE_OPEN:
	case FUSE_READ:
	case FUSE_WRITE:
	case FUSE_FALLOCATE:
	case FUSE_COPY_FILE_RANGE:
	case GRAFT_OP_COPY_FILE_RANGE_64:
		return -EISDIR;
	case FUSE_FLUSH:
	case FUSE_FSYNC:
	case FUSE_RELEASE:
	case FUSE_GETLK:
	case FUSE_SETLK:
	case FUSE_SETLKW:
		return -EBADF;
	default:
		return -EROFS;
	}
}
