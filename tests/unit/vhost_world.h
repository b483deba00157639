/* SPDX-License-Identifier: Apache-2.0 */
/* Fixture of the vhost-user tests: a transport in a folder of its own, a client that echoes, and a front end. */
#ifndef GRAFT_TESTS_UNIT_VHOST_WORLD_H
#define GRAFT_TESTS_UNIT_VHOST_WORLD_H

#include "transport/vhost_user.h"

#include "vhost_front.h"

#define BASIC (VIRTIO_F_VERSION_1 | VIRTIO_F_PROTOCOL_FEATURES | VIRTIO_F_INDIRECT_DESC)
#define EVENTS (BASIC | VIRTIO_F_EVENT_IDX)
#define PACKED (BASIC | VIRTIO_F_RING_PACKED)

#define WORLD_KINDS 4

extern const uint64_t world_kinds[WORLD_KINDS]; /* features of each kind of ring */

struct world {
	char dir[32], path[64];
	struct vhost_user_listener listener; /* for world_start to give away */
	struct fake_client client;
	struct transport *t;
	struct front front;
};

extern struct world w;
extern _Atomic uint32_t world_lines; /* of the log */

/* cmocka fixtures: the folder only; with a transport that runs, and the front end connected to it. */
int world_setup(void **state);
int world_teardown(void **state);
int world_connected_setup(void **state);
int world_connected_teardown(void **state);

struct vhost_user_config world_config(void);
/* Makes w.listener at w.path. */
void world_listen(void);
/* Makes and starts the transport, at w.path where no listener was made before. */
void world_start(const struct vhost_user_config *config);
void world_stop(void);
/* The front end leaves and comes again. */
void world_reconnect(void);
void world_sleep_ms(long ms);

#define WORLD_CONNECTED(test) cmocka_unit_test_setup_teardown(test, world_connected_setup, world_connected_teardown)
#define WORLD_ALONE(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)

#endif
