/* SPDX-License-Identifier: Apache-2.0 */
/* What may stand in a configuration that could be read. */
#ifndef GRAFT_NYDUS_CHECK_H
#define GRAFT_NYDUS_CHECK_H

#include "nydus/config.h"

/* Results: 0 or -EINVAL with err. */
int nydus_check(const struct nydus_config *c, struct graft_error *err);
/* A list of {patch, type, config}, the first and the last objects of texts. */
int nydus_check_externals(const json_t *list, struct graft_error *err);
/* [inside, outside, count] or NULL. */
int nydus_check_idmap(const json_t *list, struct nydus_idmap *map, struct graft_error *err);

#endif
