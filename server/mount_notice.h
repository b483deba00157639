/* SPDX-License-Identifier: Apache-2.0 */
/* What clients that can be told are told of a change of mounts. Thread of changes. */
#ifndef GRAFT_SERVER_MOUNT_NOTICE_H
#define GRAFT_SERVER_MOUNT_NOTICE_H

#include "server/mount_table.h"

/* Something is mounted on place, and the new views are shown. Places from the id first_new on came with it. */
void mount_notice_added(struct mount_table *t, const struct place *place, uint64_t first_new);
/* Nothing is mounted on p any more, but p and the old view are still there: notes what the client has to be told. */
void mount_notice_plan(struct fuse_conn *c, const struct place *p);
/* Tells it. */
void mount_notice_send(struct fuse_conn *c);
/*
 * Makes clients forget what they cache of the files that they hold of an umounted mount: a list of mount_table_remove,
 * whose views it lets go of. Any thread that may block: the client may hold a page until a READ has ended that is still
 * inside.
 */
void mount_notice_gone(struct session_mount *gone);

#endif
