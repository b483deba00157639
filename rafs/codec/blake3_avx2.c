/* SPDX-License-Identifier: Apache-2.0 */
/* BLAKE3 with AVX2: eight compressions at once. */
#include "blake3_internal.h"

#include <string.h>

#if defined(__x86_64__)
#define LANES  8
#define TARGET __attribute__((target("avx2")))
#define NAME   blake3_lanes8
#include "blake3_lanes.inc"
#endif
