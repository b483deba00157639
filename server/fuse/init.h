/* SPDX-License-Identifier: Apache-2.0 */
/* INIT: which of the client's flags are enabled, and the reply. Pure computation; the flags are a table. */
#ifndef GRAFT_SERVER_FUSE_INIT_H
#define GRAFT_SERVER_FUSE_INIT_H

#include "lib/error.h"
#include "server/config.h"

#include <graftfs/plugin.h>

#define INIT_MINOR_MIN 31 /* Linux 5.4, the first with virtio-fs */
#define INIT_MINOR 45     /* newest protocol we know */

/* What the mounts and the transport's section say. */
struct init_policy {
	uint64_t can, want, need; /* FUSE_*: all mounts can, some want, some need */
	const uint32_t *keys;     /* enum config_flag, by enum config_flag_key */
	bool portable; /* the session may go to nydusd: what that does not know only where it is insisted on */
};

/* Flags that nydusd 2.4 knows, by which a session may go from one daemon to the other. */
#define INIT_PORTABLE UINT64_C(0x825fffffff)

/*
 * Fills the reply and *enabled. 0; 1: only the major version was told, the client asks again; -EPROTO with err, which
 * names the version or the flag that is missing.
 */
int init_negotiate(const struct fuse_init_in *in, const struct init_policy *policy, struct fuse_init_out *out,
		   uint64_t *enabled, struct graft_error *err);

/* "WRITEBACK_CACHE" of a single flag; "?" for one we do not know. */
const char *init_flag_name(uint64_t flag);

#endif
