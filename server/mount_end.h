/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting, for a bounded time, for the end of a mount that was taken out of the tree. */
#ifndef GRAFT_SERVER_MOUNT_END_H
#define GRAFT_SERVER_MOUNT_END_H

/* Counted: by who waits and by the mount, each of which may be the last. */
struct mount_end;

struct mount_end *mount_end_new(void); /* one count; NULL when out of memory */
struct mount_end *mount_end_hold(struct mount_end *e);
void mount_end_put(struct mount_end *e); /* NULL: nothing */
/* Nothing is left of the mount. Any thread, once; gives a count back. NULL: nobody waits. */
void mount_end_tell(struct mount_end *e);
/* Until it was told, or ms milliseconds went by. */
void mount_end_wait(struct mount_end *e, int ms);

#endif
