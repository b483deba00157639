/* SPDX-License-Identifier: Apache-2.0 */
/* The file that a mount's config-file names. */
#ifndef GRAFT_NYDUS_RAFS_CONFIG_TEXT_H
#define GRAFT_NYDUS_RAFS_CONFIG_TEXT_H

#include "rafs/blob/backend.h"

/* *text: the file's len bytes and a NUL, the caller's to free. 0, or -errno with err, which names the file. */
int config_text_read(const struct path_opener *opener, const char *path, char **text, size_t *len,
		     struct graft_error *err);

#endif
