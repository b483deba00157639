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
	const char *type;       /* of the mount: "fuse.SUBTYPE" or "fuse"; NULL: FUSE_DEV_FSTYPE */
	const char *source;     /* what /proc/mounts shows as the device: the instance's name */
	uint32_t threads;       /* 1..FUSE_DEV_MAX_THREADS, 0: auto */
	bool read_only;         /* the mount, not what is served: the kernel refuses to write */
	/*
	 * Readers share one open file, so that a request they took is not ended with this process while another holds that file: then
	 * another process can serve it.
	 */
	bool shared;
	bool adopts; /* fuse_dev_adopt comes before start: whatever is mounted on the mount point is left alone. With host_ops NULL */
	const struct fuse_dev_host_ops *host_ops; /* NULL: fuse_dev_host_ops with a mount of the transport's own */
	void *host;                               /* borrowed for the transport's life */
};

/*
 * Checks the mount point; a dead mount of ours on it (of this type, ENOTCONN; of the type "fuse" also of this source) is taken away, anything else that is
 * mounted there is left and refused by name. Nothing is mounted before start, which mounts with default_permissions, nosuid,
 * nodev, and allow_other when root: by mount(2), or by fusermount3 where that is not permitted. stop takes no new requests, lets
 * running ones finish, detaches the mount; an unmount or abort from outside ends the transport in order (ended). NULL with err.
 * client and user are borrowed for the transport's life.
 */
struct transport *fuse_dev_new(const struct fuse_dev_config *config, const struct transport_client *client, void *user,
			       struct graft_error *err);

/* What becomes of requests that a process took which is no more. */
enum fuse_dev_drain {
	FUSE_DEV_DRAIN_NONE,
	FUSE_DEV_DRAIN_RESEND, /* the kernel gives them out again */
	FUSE_DEV_DRAIN_FLUSH   /* the kernel ends them (not in mainline kernels) */
};

/*
 * A transport that was made with `adopts` and not started: start goes on with the connection behind fd, which another process mounted
 * and may still serve, in the place of a mount of its own; drain comes first. dev: the device of its file system, major << 20 | minor.
 * Takes fd where it succeeds, and then closes what was adopted before. -EINVAL with err where fd is no open /dev/fuse.
 */
int fuse_dev_adopt(struct transport *t, int fd, uint64_t dev, enum fuse_dev_drain drain, struct graft_error *err);
/* Lets go of what was adopted. Not started. */
void fuse_dev_disown(struct transport *t);
/* A copy of the connection's descriptor, the caller's, and its device. -ENOTCONN: there is none. Any thread. */
int fuse_dev_share(struct transport *t, uint64_t *dev);
/*
 * Ends as stop does, but the mount stays, and with it the connection while another process has its descriptor. join returns when every
 * request that was taken has been answered.
 */
void fuse_dev_leave(struct transport *t);

#endif
