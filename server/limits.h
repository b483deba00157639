/* SPDX-License-Identifier: Apache-2.0 */
/* Limits of the process. */
#ifndef GRAFT_SERVER_LIMITS_H
#define GRAFT_SERVER_LIMITS_H

#include "lib/error.h"

#include <stdint.h>

/* Sets RLIMIT_NOFILE's soft limit to wanted, raising the hard one if need be; 0: to the hard limit. *got: what holds
 * now. */
int limits_nofile(uint64_t wanted, uint64_t *got, struct graft_error *err);

#endif
