/* SPDX-License-Identifier: Apache-2.0 */
/* What an image's backend, cache and prefetch counted, for the control API. */
#ifndef GRAFT_NYDUS_RAFS_FIGURES_H
#define GRAFT_NYDUS_RAFS_FIGURES_H

#include "instance.h"

/* Puts a JSON object; server/control/nydus_figures.h says what its members mean. 0 or -ENOMEM. */
int figures_tell(const struct graft_inst *inst, graft_ask_put *put, void *arg);

#endif
