/* SPDX-License-Identifier: Apache-2.0 */
/* BLAKE3 with SSE4.1: four compressions at once. */
#include "blake3_internal.h"

#include <string.h>

#if defined(__x86_64__)
#define LANES  4
#define TARGET __attribute__((target("sse4.1")))
#define NAME   blake3_lanes4
#include "blake3_lanes.inc"
#endif
