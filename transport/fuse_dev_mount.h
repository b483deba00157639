/* SPDX-License-Identifier: Apache-2.0 */
/* The mount behind a /dev/fuse transport: look at the mount point, mount, tell it from others, take it away. */
#ifndef GRAFT_TRANSPORT_FUSE_DEV_MOUNT_H
#define GRAFT_TRANSPORT_FUSE_DEV_MOUNT_H

#include "lib/error.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#define FUSE_DEV_SOURCE_MAX 128
#define FUSE_DEV_TYPE_MAX   64

/* Set by look and mount, constant afterwards. */
struct fuse_dev_mount {
	char dir[PATH_MAX]; /* without symbolic links */
	char type[FUSE_DEV_TYPE_MAX]; /* "fuse" or "fuse.SUBTYPE" */
	char source[FUSE_DEV_SOURCE_MAX];
	uint64_t below; /* id of the mount that dir lies in */
	uint64_t id;    /* ours, as in mountinfo; 0: not mounted */
	unsigned int major, minor;
	bool read_only; /* to be mounted so; set between look and make */
};

/* Finds the directory, whatever is mounted on it: fuse_dev_mount_adopt comes in the place of make. 0 or -errno with err. */
int fuse_dev_mount_point(struct fuse_dev_mount *m, const char *mountpoint, struct graft_error *err);
/* A FUSE file system, anybody's, is mounted on the directory. Asks nobody who may serve it. */
bool fuse_dev_mount_there(const char *mountpoint);
/* The mount of that device (major << 20 | minor) is ours now. -ENOENT: this process does not see it. */
int fuse_dev_mount_adopt(struct fuse_dev_mount *m, uint64_t dev);

/*
 * Finds the directory and looks what is there: dead mounts of ours are taken away, any other is an error. May block
 * for a few seconds where a mount of ours does not answer. type NULL: FUSE_DEV_FSTYPE. 0 or -errno with err.
 */
int fuse_dev_mount_look(struct fuse_dev_mount *m, const char *mountpoint, const char *type, const char *source,
			struct graft_error *err);
/* Mounts. A descriptor of /dev/fuse (blocking, the caller's), or -errno with err and nothing mounted. */
int fuse_dev_mount_make(struct fuse_dev_mount *m, struct graft_error *err);

/* Of the file system, as fuse_dev_mount_adopt takes it. */
static inline uint64_t fuse_dev_mount_device(const struct fuse_dev_mount *m)
{
	return (uint64_t)m->major << 20 | m->minor;
}

/* The mount is there, perhaps covered by another. */
bool fuse_dev_mount_stands(const struct fuse_dev_mount *m);
/* Has the kernel write what it keeps of open files. Blocks until that was answered, or the connection ends. */
void fuse_dev_mount_sync(const struct fuse_dev_mount *m);
/*
 * Detaches the mount where it still stands. abort: ends the connection first, so that all who wait for an answer get
 * ENOTCONN. Without it, blocks while the kernel writes back, if nobody has a file open. 0, -EBUSY where another mount
 * covers it, -errno.
 */
int fuse_dev_mount_detach(const struct fuse_dev_mount *m, bool abort);
/* Ends the connection without the mount point, by the kernel's fusectl file system. 0 or -errno (-ENOENT: none). */
int fuse_dev_mount_abort(const struct fuse_dev_mount *m);

#endif
