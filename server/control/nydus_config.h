/* SPDX-License-Identifier: Apache-2.0 */
/* How nydusd's API shows the configuration of an image: as version 2, whatever it was given as. */
#ifndef GRAFT_SERVER_CONTROL_NYDUS_CONFIG_H
#define GRAFT_SERVER_CONTROL_NYDUS_CONFIG_H

#include "server/mounts.h"

#include <jansson.h>

/*
 * From the keys of a mount of type nydus-rafs, its JSON text among them, with every field that nydusd shows, as its
 * clients insist on them. The caller's to drop; NULL when out of memory.
 */
json_t *nydus_rafs_config(const struct mount_info *info);

#endif
