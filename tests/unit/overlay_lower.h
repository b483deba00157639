/* SPDX-License-Identifier: Apache-2.0 */
/* What lies below the overlay in its tests: a small constant tree that counts look-ups, waits and fails as it is told.
 */
#ifndef GRAFT_TESTS_UNIT_OVERLAY_LOWER_H
#define GRAFT_TESTS_UNIT_OVERLAY_LOWER_H

#include <graftfs/plugin.h>
#include <stdbool.h>

#define LOWER_SIZE 3000000u /* bytes of "file" */

enum lower_node {
	LOWER_ROOT = 1,
	LOWER_DIR,      /* dir */
	LOWER_FILE,     /* file */
	LOWER_HARD,     /* one and two: two names */
	LOWER_LINK,     /* link -> file */
	LOWER_INNER,    /* dir/inner */
	LOWER_WHITEOUT, /* gone: a device 0/0 */
	LOWER_NODES
};

extern struct lower {
	bool later; /* answers come from a worker */
	int fail;   /* opcode that fails */
	int error;  /* with that */
	_Atomic int64_t lookups[LOWER_NODES];
	_Atomic int64_t opens;   /* not released */
	_Atomic int64_t strange; /* requests about nodes or handles that were never given */
} lower;

extern graft_op *const lower_ops[GRAFT_OP_COUNT];
unsigned char lower_byte(uint64_t at);

#endif
