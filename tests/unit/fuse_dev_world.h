/* SPDX-License-Identifier: Apache-2.0 */
/* A world for tests of the /dev/fuse transport: a mount point, and a small server that answers the kernel. */
#ifndef GRAFT_TESTS_UNIT_FUSE_DEV_WORLD_H
#define GRAFT_TESTS_UNIT_FUSE_DEV_WORLD_H

#include "transport/fuse_dev.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define WORLD_TEXT "answered by a test\n" /* of the file "hello" */
#define WORLD_BIG (8u << 20)              /* bytes of the file "big": byte i of it is world_byte(i) */
#define WORLD_SLOW 3                      /* node of the file "slow": its READs wait for world_release */

/* One at a time. */
struct world {
	char dir[32]; /* the mount point */
	struct transport *t;
	_Atomic uint32_t connects, disconnects, ended, cancels;
	_Atomic uint32_t made, freed; /* request objects */
	_Atomic uint32_t inits, lookups, getattrs, reads, writes, opens, forgets;
	_Atomic uint64_t written; /* bytes of all WRITEs that held what they should */
	_Atomic uint32_t served_by; /* bit i: reader i served a READ */
	_Atomic bool deaf_to_cancel, defer_all;

	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* protected by lock */
	struct parked *parked; /* requests that wait */
	uint32_t nparked;
};
extern struct world w;

/*
 * Where somebody else than the transport shall mount, set before main: begin, in world_setup, gives the operations and *host; end comes
 * in world_teardown.
 */
struct world_elsewhere {
	const struct fuse_dev_host_ops *(*begin)(const char *dir, void **host);
	void (*end)(void);
};
extern const struct world_elsewhere *world_elsewhere;

/* For main: a mount namespace of its own. False, with a line that begins with SKIP: this machine cannot. */
bool world_possible(void);
/* cmocka's setup and teardown: the mount point; the end of what still runs. */
int world_setup(void **state);
int world_teardown(void **state);

struct fuse_dev_config world_config(void);
/* Makes the transport, which must succeed. */
void world_make(const struct fuse_dev_config *config);
/* Makes and starts the transport, which must succeed. */
void world_start(uint32_t threads);
/* stop, join, free; returns what join did. */
int world_stop(void);

const char *world_path(const char *name);
uint8_t world_byte(uint64_t at);
/* Waits until n requests are parked. */
void world_wait_parked(uint32_t n);
/* Answers all that are parked, from this thread. */
void world_release(void);
/* Waits until *counter is at least n; fails the test after 10 s. */
void world_wait(_Atomic uint32_t *counter, uint32_t n);
/* The number of mounts on the mount point, by mountinfo; *line: the last one's, if not NULL. */
int world_mounts(char line[512]);

#endif
