/* SPDX-License-Identifier: Apache-2.0 */
/* A ring with both its sides, for the unit tests of transport/vring. */
#ifndef GRAFT_TESTS_UNIT_VRING_RIG_H
#define GRAFT_TESTS_UNIT_VRING_RIG_H

#include "tests/unit/vring_driver.h"
#include "transport/transport.h"
#include "transport/vring.h"

#define SIZE 16
#define MEMORY (4U << 20)
#define DATA (DRIVER_GPA + DRIVER_DATA)

struct rig {
	struct driver_memory memory;
	struct driver driver;
	struct guest_memory *mem;
	struct vring ring;
	struct iovec iov[2 * TRANSPORT_MAX_IOV];
	struct vring_chain chain;
};

struct variant {
	bool packed, event_idx;
	uint32_t size;
};

#define NVARIANTS 8
extern const struct variant variants[NVARIANTS];

/* A fresh ring over `memory` bytes. */
struct rig *rig_new_sized(const struct variant *v, uint64_t memory);
struct rig *rig_new(const struct variant *v);
void rig_free(struct rig *g);
/* How rig_new set the ring up. */
struct vring_config rig_config(const struct rig *g);

enum vring_result pop(struct rig *g);
/* Gives the last chain back and sees that the driver gets exactly that. */
void give_back(struct rig *g, int id, uint32_t len);
/* A good chain goes through: the ring is alive. */
void assert_alive(struct rig *g);

#endif
