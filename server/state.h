/* SPDX-License-Identifier: Apache-2.0 */
/* Saved state: each instance's tagged records, framed by plugin name and state version. */
#ifndef GRAFT_SERVER_STATE_H
#define GRAFT_SERVER_STATE_H

#include "lib/error.h"

#include <graftfs/plugin.h>

/*
 * Layout, all numbers little-endian: "GRAFTST1", u32 instances; for each instance: u32 version, u16 length of the
 * plugin's name, name, u64 length of its records, records; a record: u32 tag, u32 length, bytes.
 */
#define STATE_RECORD_MAX (64u << 20) /* bytes of one record */
#define STATE_TOTAL_MAX (1ull << 30) /* bytes of a saved mount */

/* A growing buffer; all zero is empty. */
struct state_buf {
	unsigned char *bytes;
	size_t len, room;
};

void state_buf_fini(struct state_buf *b);

/* One instance's part while it saves or loads; on the caller's stack. */
struct graft_stream {
	struct state_buf *to;          /* saving; NULL: loading */
	const unsigned char *at, *end; /* loading */
};

struct mount;

/* Saves every member of a quiesced mount. -ENOTSUP names a member that has no state. On failure to is emptied. */
int mount_save(struct mount *m, struct state_buf *to, struct graft_error *err);
/*
 * Loads what mount_save wrote into a mount that was created and not started. Refused: not our bytes, cut short, other
 * members than this mount has, a newer state version than the plugin's, bytes left over.
 */
int mount_load(struct mount *m, const void *bytes, size_t len, struct graft_error *err);

/* The services. */
int state_put(struct graft_stream *s, uint32_t tag, const void *bytes, size_t len);
int state_get(struct graft_stream *s, uint32_t *tag, const void **bytes, size_t *len);

#endif
