/* SPDX-License-Identifier: Apache-2.0 */
/* What a daemon in namespaces has done for it outside: a bounded service in the parent, its client in the daemon. */
#ifndef GRAFT_SANDBOX_OUTSIDE_H
#define GRAFT_SANDBOX_OUTSIDE_H

#include "lib/error.h"

#include <stdbool.h>

struct config;
struct fuse_dev_host_ops;

/* Both ends, SOCK_SEQPACKET, cloexec: [0] the parent's, [1] the daemon's. Before the fork. 0 or -errno with err. */
int outside_pair(int fds[2], struct graft_error *err);

/* ---- the parent ---- */

/*
 * The service. The daemon may have been taken over by a guest: whatever it sends, it gets only
 *  - until outside_seal: any file and directory that this process may open (plugins make the configuration's mounts);
 *  - afterwards the same where mounts may come at run time (api-socket or state-dir is set), else no file at all;
 *  - a mount of /dev/fuse on the mountpoint of a [transport fuse] of this configuration, and the end of that mount;
 *  - backing files and further descriptors of connections that are such a mount's.
 * Refusals are logged, at a limited rate. All that may wait (opening, mounting, unmounting) runs in a child of its own,
 * OUTSIDE_CHILDREN at most, which sends the answer itself: the parent's loop never blocks, whatever the daemon does.
 */
#define OUTSIDE_CHILDREN 4

struct outside_service;

/* config is borrowed for the service's life. NULL with err. In a process without threads, as all calls below. */
struct outside_service *outside_service_new(const struct config *config, struct graft_error *err);
/*
 * For a process that may not make mounts in its own mount namespace: the user namespace of the daemon, one that this
 * process made. A descriptor of /proc/PID/ns/user, borrowed; -1 (as after outside_service_new): the process's own
 * rights are used. Before the first answer.
 */
void outside_service_userns(struct outside_service *s, int userns);
/*
 * fd, the parent's end, is readable: takes one request and answers it, or has a child answer it. Never blocks. 0, also
 * for what was refused or was no request; -EPIPE when the other end has gone, -errno when fd is unusable: then close
 * it. Children are waited for by pid, in here and in outside_service_free; a parent that takes them from a waitpid(-1)
 * does no harm.
 */
int outside_answer(struct outside_service *s, int fd);
/*
 * When the daemon has gone, however it went: takes away mounts of /dev/fuse that it left. Waits a second at most. The
 * parent's end must have been closed. NULL is fine.
 */
void outside_service_free(struct outside_service *s);
/*
 * In a child that is to be the daemon, before anything else: what the service and its children share must not be in the
 * memory of a process that a guest may take over. Mounts stay. NULL is fine.
 */
void outside_service_leave(struct outside_service *s);

/* ---- the daemon ---- */

/*
 * The client. Any thread may call what follows, but no queue's thread: each call waits for its answer, after those of
 * other threads, for 30 seconds at most. When the parent has gone, -EPIPE.
 */
struct outside;

/* Takes fd, the daemon's end, when it returns one. NULL with err. */
struct outside *outside_new(int fd, struct graft_error *err);
/* No other thread may be inside. NULL is fine. */
void outside_free(struct outside *o);

/*
 * Opens a path of the host, which is absolute; symbolic links on the way and at its end are the host's. flags: an
 * access mode and any of O_CLOEXEC (always added), O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_NOCTTY, O_PATH, O_DIRECT,
 * O_NOATIME, O_APPEND, O_SYNC, O_DSYNC; others are -EINVAL. Regular files, block devices and directories; anything else
 * is -EACCES.
 *
 * A directory comes as the root of a mount namespace of its own: a recursive clone of what is mounted there, slave to
 * the host's (what is mounted below it later appears), nosuid and nodev. Nothing else is in that namespace, so ".."
 * stays where it is, and no path leads from one directory to another. *tree: what keeps that namespace, the caller's:
 * its /proc/PID/mountinfo, open for reading; once it is closed, what is mounted below the directory is gone from it. -1
 * for a file. (In a chroot the tree stands in no namespace: nothing is mounted into it later, and *tree cannot be
 * read.)
 *
 * A file comes from a clone of its own, too; one open for reading only cannot be opened for writing again, not through
 * /proc/self/fd either, nor a block device at all.
 *
 * Where neither the parent nor its user namespace may make mounts, both are opened as open(2) does, which is logged
 * once.
 *
 * A descriptor, or -errno with err.
 */
int outside_open(struct outside *o, const char *path, int flags, int *tree, struct graft_error *err);

/* Whether what the host mounts below the directory later appears in its tree: not where its mount is private. */
bool outside_tree_hears(int tree);

/*
 * The configuration's mounts stand and no client was served yet: from now on the service is as narrow as the
 * configuration allows. Cannot be undone. 0 or -errno with err.
 */
int outside_seal(struct outside *o, struct graft_error *err);

/*
 * The mount behind a [transport fuse], made outside (transport/fuse_dev.h). arg is an outside_fuse; transport is its
 * index in the configuration's transports. The bounds of the waits are shorter here where stop depends on them.
 */
struct outside_fuse {
	struct outside *outside;
	unsigned int transport;
};
extern const struct fuse_dev_host_ops outside_fuse_ops;

#endif
