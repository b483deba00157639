/* SPDX-License-Identifier: Apache-2.0 */
/* The /dev/fuse transport: mounts a directory of this host and answers its kernel. */
#ifndef GRAFT_TRANSPORT_FUSE_DEV_H
#define GRAFT_TRANSPORT_FUSE_DEV_H

#include "transport/transport.h"

#include <limits.h>

#define FUSE_DEV_MAX_THREADS 64
#define FUSE_DEV_FSTYPE "fuse.graftfs" /* as /proc/self/mountinfo shows it */

struct fuse_dev_config;

/*
 * What a transport needs of the host, which a process in namespaces of its own has somebody else do. May block; any thread. 0 or
 * -errno where nothing else is said.
 */
struct fuse_dev_host_ops {
	bool waits; /* all of them: for another process */
	/* fuse_dev_mount_look on the configuration's mount point; dir: the directory without symbolic links. */
	int (*look)(void *host, const struct fuse_dev_config *config, char dir[PATH_MAX], struct graft_error *err);
	int (*mount)(void *host, struct graft_error *err); /* fuse_dev_mount_make: a descriptor */
	bool (*stands)(void *host);
	void (*sync)(void *host);
	int (*detach)(void *host, bool abort);
	int (*abort)(void *host);
	int (*clone)(void *host, int dev); /* another descriptor of the connection, with a queue of its own */
	/* fuse_dev_backing.h */
	int (*backing_able)(void *host);
	int (*backing_open)(void *host, int dev, int fd);
	void (*backing_close)(void *host, int dev, int id);
};

/* By this process itself; host is a struct fuse_dev_mount. */
extern const struct fuse_dev_host_ops fuse_dev_host_ops;

/* Settings; copied. */
struct fuse_dev_config {
	const char *name;       /* of the section, for the log */
	const char *mountpoint; /* absolute path of a directory */
	const char *source;     /* what /proc/mounts shows as the device: the instance's name */
	uint32_t threads;       /* 1..FUSE_DEV_MAX_THREADS, 0: auto */
	bool read_only;         /* the mount, not what is served: the kernel refuses to write */
	const struct fuse_dev_host_ops *host_ops; /* NULL: fuse_dev_host_ops with a mount of the transport's own */
	void *host;                               /* borrowed for the transport's life */
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
