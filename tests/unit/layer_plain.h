/* SPDX-License-Identifier: Apache-2.0 */
/* What stands below a layer that is tested in the real stack: a backend without a state, and what refuses bad settings. */
#ifndef GRAFT_TESTS_UNIT_LAYER_PLAIN_H
#define GRAFT_TESTS_UNIT_LAYER_PLAIN_H

#include <graftfs/plugin.h>

/* What the backend was given when it was made last. */
extern const struct graft_host *plain_host;

/* A backend that serves ops (GRAFT_OP_COUNT of them); ops stays the caller's. */
struct graft_plugin plain_backend(graft_op *const *ops, void (*features)(struct graft_inst *, struct graft_features *));
/* The layer, with the settings it has now, must be refused above that backend, in one line that says why. */
void plain_refuses(const struct graft_plugin *layer, const struct graft_plugin *backend, const char *why);

#endif
