/* SPDX-License-Identifier: Apache-2.0 */
/* Limits of the process: how many descriptors it may have, how many of them it needs itself. */
#ifndef GRAFT_SERVER_LIMITS_H
#define GRAFT_SERVER_LIMITS_H

#include "lib/error.h"
#include "server/config.h"

#include <stdint.h>

#define LIMITS_FILES_ENOUGH 1000000 /* a soft limit from here on is left alone */
#define LIMITS_FILES_LEAST 16       /* descriptors that must be left for plugins */
#define LIMITS_FILES_FEW 128        /* fewer for plugins are warned of */

/*
 * Sets RLIMIT_NOFILE, both limits. wanted 0: a soft limit of LIMITS_FILES_ENOUGH is left alone, otherwise that many, at most
 * nr_open; where that is refused, as many as the hard limit allows, with a warning. Else exactly wanted, which may be less than
 * there are; more than nr_open is an error. *got: what holds now. Before the sandbox: reads nr_open, and wants to raise. 0 or -errno
 * with err.
 */
int limits_nofile(uint64_t wanted, uint64_t *got, struct graft_error *err);

/* Descriptors that the server needs itself for this configuration, one in use by each thread included. */
uint32_t limits_own_files(const struct config *c);

/* limits_nofile for a configuration. *plugins: what is left for its plugins. -EMFILE where the limit is too small. */
int limits_files(const struct config *c, uint32_t *plugins, struct graft_error *err);

#endif
