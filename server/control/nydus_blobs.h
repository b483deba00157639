/* SPDX-License-Identifier: Apache-2.0 */
/* Entries of nydusd's /api/v2/blobs: bootstraps that a daemon without mounts keeps. Kept and answered, nothing more. */
#ifndef GRAFT_SERVER_CONTROL_NYDUS_BLOBS_H
#define GRAFT_SERVER_CONTROL_NYDUS_BLOBS_H

#include "lib/error.h"

#include <jansson.h>
#include <stdbool.h>

#define NYDUS_BLOBS_MAX 4096

/* Any thread. */
struct nydus_blobs;

struct nydus_blobs *nydus_blobs_new(void);
void nydus_blobs_free(struct nydus_blobs *b);

/*
 * Takes an entry: an object with texts type and id, and config or config_v2. -EBADMSG: its configuration is none; otherwise -errno with
 * nydusd's words in err. Opens the bootstrap: may block.
 */
int nydus_blobs_add(struct nydus_blobs *b, const json_t *entry, struct graft_error *err);
/* Whether an entry's configuration can be read. */
bool nydus_blobs_good(const json_t *entry);
/* One entry, or (id "") all of a domain. -ENOENT. */
int nydus_blobs_remove(struct nydus_blobs *b, const char *domain, const char *id);
/* A list of entries of a domain, of one id where that is not ""; no secrets. The caller's to drop; NULL when out of memory. */
json_t *nydus_blobs_list(struct nydus_blobs *b, const char *domain, const char *id);

#endif
