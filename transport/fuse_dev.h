/* SPDX-License-Identifier: Apache-2.0 */
/* The /dev/fuse transport: mounts a directory of this host and answers its kernel. */
#ifndef GRAFT_TRANSPORT_FUSE_DEV_H
#define GRAFT_TRANSPORT_FUSE_DEV_H

#include "transport/transport.h"

#define FUSE_DEV_MAX_THREADS 64
#define FUSE_DEV_FSTYPE "fuse.graftfs" /* as /proc/self/mountinfo shows it */

/* Settings; copied. */
struct fuse_dev_config {
	const char *name;       /* of the section, for the log */
	const char *mountpoint; /* absolute path of a directory */
	const char *source;     /* what /proc/mounts shows as the device: the instance's name */
	uint32_t threads;       /* 1..FUSE_DEV_MAX_THREADS, 0: auto */
	bool read_only;         /* the mount, not what is served: the kernel refuses to write */
};

/*
 * Checks the mount point; a dead mount of ours on it (type fuse.graftfs, ENOTCONN) is taken away, anything else that is
 * mounted there is left and refused by name. Nothing is mounted before start, which mounts with default_permissions, nosuid,
 * nodev, and allow_other when root: by mount(2), or by fusermount3 where that is not permitted. stop takes no new requests, lets
 * running ones finish, detaches the mount; an unmount or abort from outside ends the transport in order (ended). NULL with err.
 * client and user are borrowed for the transport's life.
 */
struct transport *fuse_dev_new(const struct fuse_dev_config *config, const struct transport_client *client, void *user,
			       struct graft_error *err);

#endif
