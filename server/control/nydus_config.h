/* SPDX-License-Identifier: Apache-2.0 */
/* How nydusd's API shows the configuration of an image: as version 2, whatever it was given as. */
#ifndef GRAFT_SERVER_CONTROL_NYDUS_CONFIG_H
#define GRAFT_SERVER_CONTROL_NYDUS_CONFIG_H

#include "server/control.h"

#include <jansson.h>

/*
 * The texts of nydusd's configuration of mounts that have theirs in a file (config-file), by mount point. Asks the
 * mounts, so not within each_mount. The caller's to drop; NULL when out of memory, which is as good as none.
 */
json_t *nydus_texts(const struct control_host *host);

/*
 * From the keys of a mount of type nydus-rafs, its text among them or in texts (which may be NULL), with every field
 * that nydusd shows, as its clients insist on them. secrets: with passwords, keys and tokens, otherwise blanked. The
 * caller's to drop; NULL when out of memory.
 */
json_t *nydus_rafs_config(const struct mount_info *info, const json_t *texts, bool secrets);

/*
 * A text of nydusd's configuration without its secrets, as version 2 then, or as it is where it has none. The caller's to
 * drop; NULL when out of memory.
 */
json_t *nydus_blanked(const char *text);

/* See control_module. */
int nydus_layers(const char *text, size_t len,
		 int (*add)(void *arg, const char *name, const char *value, struct graft_error *err), void *arg,
		 struct graft_error *err);

#endif
