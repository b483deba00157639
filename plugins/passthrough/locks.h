/* SPDX-License-Identifier: Apache-2.0 */
/* File locks of one session: what the other operations on a handle tell them. */
#ifndef GRAFT_PASSTHROUGH_LOCKS_H
#define GRAFT_PASSTHROUGH_LOCKS_H

#include "passthrough.h"

/*
 * A guest process closed a descriptor of the node: its POSIX locks there go (FLUSH, RELEASE with FUSE_RELEASE_FLUSH).
 * Does nothing where locks are off or that owner has none. Callable from any thread; does not block.
 */
void locks_drop_owner(struct pt_session *s, uint64_t node, uint64_t owner);
/* A lock of this session may have gone some other way: whoever waits tries again. */
void locks_changed(struct pt_session *s);

#endif
