/* SPDX-License-Identifier: Apache-2.0 */
/* The key `modcaps`: what is changed of the capabilities that the daemon keeps. */
#ifndef GRAFT_SERVER_SANDBOX_MODCAPS_H
#define GRAFT_SERVER_SANDBOX_MODCAPS_H

#include "lib/error.h"

#include <stdint.h>

#define CAPS_BIT(cap) (UINT64_C(1) << (cap))

/* Sets of capabilities, bit N for capability number N. No bit is in both. */
struct caps_change {
	uint64_t add, drop;
};

/* The number of a name of capabilities(7) without CAP_, in either case; -1: there is none. Any thread. */
int caps_number(const char *name);
/*
 * Reads `+cap:-cap:...`; the last word on a capability counts. NULL: no change. 0 or -EINVAL with err: "empty modcap
 * found: ...", "invalid modcap action: ...", "invalid capability 'X': ...". Any thread.
 */
int caps_parse(const char *modcaps, struct caps_change *change, struct graft_error *err);

#endif
