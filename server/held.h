/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which nodes of a mount a client holds, and how many look-ups of each. Kept only for clients that can be told of what
 * is gone (/dev/fuse), so that an umount tells them exactly that.
 */
#ifndef GRAFT_SERVER_HELD_H
#define GRAFT_SERVER_HELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HELD_SHARDS 16
#define HELD_SHARD_MAX (1u << 17) /* places of a shard, three quarters of them used: 1.5 million nodes in all, 16 MiB */
#define HELD_COUNT_MAX 0xffffu    /* look-ups that are counted; beyond, a node stays until all are taken back at a time */

struct held;

/* NULL when out of memory. */
struct held *held_new(void);
/* NULL is fine. */
void held_free(struct held *h);
/* Any thread: one more look-up of a node below 2^48, not 0. Beyond the bound, or without memory, it is not kept. */
void held_give(struct held *h, uint64_t node);
/* Any thread: n fewer; of what is not there nothing happens. */
void held_take(struct held *h, uint64_t node, uint64_t n);
/* Calls fn for every node, while others come and go; fn may block, and no lock is held. False: memory was short, and
 * some were left out. */
bool held_each(struct held *h, void (*fn)(void *arg, uint64_t node), void *arg);
/* Nodes now, and bytes for them. */
size_t held_count(struct held *h, size_t *bytes);

#endif
