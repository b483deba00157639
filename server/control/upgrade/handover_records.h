/* SPDX-License-Identifier: Apache-2.0 */
/* What graftfs puts behind nydusd's state: records that only graftfs reads. */
#ifndef GRAFT_CONTROL_UPGRADE_HANDOVER_RECORDS_H
#define GRAFT_CONTROL_UPGRADE_HANDOVER_RECORDS_H

#include "server/control.h"
#include "server/control/upgrade/nydus_state.h"

/* Of struct nydus_state_extra. Records of other tags are left alone. */
enum handover_tag {
	HANDOVER_SESSION =
		1, /* u64 offered, u64 enabled, u32 minor, u32 max_write, u32 max_readahead, u32 next slot, u32 life */
	HANDOVER_MOUNT =
		2, /* u32 slot, text name, u32 n, n times text key, text value; n is 0 where nydusd's list has it all */
};

/* A mount's record, taken apart. Owns its texts. */
struct handover_mount {
	uint32_t slot;
	char *name;
	struct mount_key *keys;
	size_t nkeys;
};

/* 0 or -ENOMEM. keys may be NULL. */
int handover_put_session(struct nydus_state *s, const struct control_connection *c, uint32_t next_slot);
int handover_put_mount(struct nydus_state *s, uint32_t slot, const char *name, const struct mount_key *keys,
		       size_t nkeys);

/* False: there is none, or it is broken; then *c and *next_slot are left as they are. */
bool handover_get_session(const struct nydus_state *s, struct control_connection *c, uint32_t *next_slot);
/* 0, -EINVAL for what is no mount's record, -ENOMEM. */
int handover_get_mount(const struct nydus_state_extra *extra, struct handover_mount *m);
void handover_mount_fini(struct handover_mount *m);

#endif
