/* SPDX-License-Identifier: Apache-2.0 */
/* What clients of nydusd's API change of a running mount: PUT /api/v1/config. Kept in memory only, as there are passwords in it. */
#ifndef GRAFT_SERVER_CONTROL_NYDUS_VALUES_H
#define GRAFT_SERVER_CONTROL_NYDUS_VALUES_H

#include "server/control/api.h"

#define NYDUS_VALUES_MAX (8u << 20) /* bytes of all names and values */

/* By id, a mount point as it was given. Any thread. */
struct nydus_values;

struct nydus_values *nydus_values_new(void);
void nydus_values_free(struct nydus_values *v);

/* Sets what texts holds for an id. 0; -EINVAL: a name that there is not; -ENOSPC, -ENOMEM; then nothing has changed. */
int nydus_values_put(struct nydus_values *v, const char *id, const json_t *texts);
/* Forgets all of an id. */
void nydus_values_drop(struct nydus_values *v, const char *id);
/* All of an id by name; with id NULL everything, by "ID:NAME", passwords as "". The caller's to drop; NULL when out of memory. */
json_t *nydus_values_get(struct nydus_values *v, const char *id);

/* Tells what was put for an id to the mount at a path (graft_plugin.ask by the value's name). May block. */
void nydus_values_tell(const struct api *api, const char *at, const char *id);

#endif
