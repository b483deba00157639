/* SPDX-License-Identifier: Apache-2.0 */
/* What the black-box tests share: a daemon for each group of tests, a connection for each test, ways to negotiate. */
#ifndef GRAFT_TESTS_VRING_FIXTURE_H
#define GRAFT_TESTS_VRING_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/vring/daemon.h"
#include "tests/vring/frontend.h"
#include "tests/vring/fuse_client.h"

#include <linux/virtio_config.h>

#define FEATURE_EVENT_IDX (1ULL << VIRTIO_RING_F_EVENT_IDX)
#define FEATURE_INDIRECT (1ULL << VIRTIO_RING_F_INDIRECT_DESC)
#define FEATURE_PACKED (1ULL << VIRTIO_F_RING_PACKED)
#define FEATURE_LOG_ALL VU_FEATURE_LOG_ALL

/* Everything but LOG_ALL and PACKED, acknowledgements included. */
#define FIXTURE_FEATURES (FEATURE_EVENT_IDX | FEATURE_INDIRECT)
#define FIXTURE_PROTOCOL \
	(VU_PROTOCOL_MQ | VU_PROTOCOL_LOG_SHMFD | VU_PROTOCOL_REPLY_ACK | VU_PROTOCOL_CONFIG | VU_PROTOCOL_RESET_DEVICE)

/* INIT flags the fuse tests ask for. */
#define FIXTURE_INIT                                                                                              \
	(FUSE_ASYNC_READ | FUSE_ATOMIC_O_TRUNC | FUSE_BIG_WRITES | FUSE_MAX_PAGES | FUSE_DO_READDIRPLUS |         \
	 FUSE_READDIRPLUS_AUTO | FUSE_PARALLEL_DIROPS | FUSE_SUBMOUNTS | FUSE_HAS_IOCTL_DIR | FUSE_ASYNC_DIO | \
	 FUSE_AUTO_INVAL_DATA)

/* The state of a cmocka group; one daemon serves its tests one after the other. */
struct fixture {
	struct daemon_config config;
	struct daemon daemon;
	struct frontend *fe;
	struct fuse_client client; /* on ring 1, where fixture_mount was called */
	bool mounted;
};

/* Runs a group on a fixture whose config is filled in: one daemon, which has to end with status 0 after SIGTERM. The
 * environment's GRAFT_TEST_FILTER, a pattern with '*', picks tests by name. */
int fixture_run(const char *group, const struct CMUnitTest *tests, size_t n, struct fixture *f);
/* A test's set-up (starts the daemon again if a test has killed it) and teardown: the daemon must be alive. */
int fixture_test_up(void **state);
int fixture_test_down(void **state);
#define FIXTURE_TEST(fn, f) {#fn, fn, fixture_test_up, fixture_test_down, f}

/* A way to run rings. */
struct fixture_mode {
	const char *name;
	uint64_t features;
};
#define FIXTURE_MODES 8
extern const struct fixture_mode fixture_modes[FIXTURE_MODES];

/* A front end with these virtio features. */
void fixture_connect(struct fixture *f, uint64_t features);
void fixture_connect_with(struct fixture *f, const struct frontend_config *config);
/* Leaves. */
void fixture_disconnect(struct fixture *f);
/* fixture_connect, a client on ring 1 and INIT. */
void fixture_mount(struct fixture *f, uint64_t features);
/* A client on ring 1 of the present connection, with INIT. */
void fixture_start_client(struct fixture *f, unsigned nslots);
/* Drops the client but not the connection. */
void fixture_stop_client(struct fixture *f);

/* Calls fn once for each mode, on a connection with config and the mode's features. A mode not offered is left out. */
void fixture_each_mode(struct fixture *f, const struct frontend_config *config,
		       void (*fn)(struct fixture *f, const struct fixture_mode *mode));
/* True where the daemon is virtiofsd, whose known faults tests pass by. */
bool fixture_is_peer(const struct fixture *f);
/* virtiofsd as it is installed: GRAFT_PEER, or in the cache folder of scripts/lib.sh. NULL, and a word, where it is not. */
const char *fixture_find_peer(void);

/* A well-formed GETATTR of the root on the client's ring works. */
void fixture_check_alive(struct fixture *f);
/* The daemon lives, does not spin (less than half of the next 200 ms on a processor) and serves a new connection. */
void fixture_check_survived(struct fixture *f);
/* Path of a file in the share, in a static buffer of its own for each of the last four calls. */
const char *fixture_path(const struct fixture *f, const char *name);
/* Makes a file of the share with these bytes. */
void fixture_write_file(const struct fixture *f, const char *name, const void *bytes, size_t len);
/* True if the host's file holds exactly these bytes. */
bool fixture_file_is(const struct fixture *f, const char *name, const void *bytes, size_t len);
/* True if the host's own file system knows this mode of fallocate. */
bool fixture_host_allocates(const struct fixture *f, int mode);
/* Looks a name up in the root and opens it. */
uint64_t fixture_open(struct fixture *f, const char *name, uint32_t flags, uint64_t *fh);
/* READDIRPLUS of an open directory, from its start: how many entries, and how many of them came with a node. */
unsigned fixture_list(struct fixture *f, uint64_t dir, uint64_t fh, unsigned *with_node);

/* CTest or the environment asks for the long runs: GRAFT_FULL=1. */
unsigned fixture_count(unsigned check, unsigned full);

#endif
