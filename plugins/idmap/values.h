/* SPDX-License-Identifier: Apache-2.0 */
/* Extended attributes whose values hold ids: POSIX ACLs, and the root user of a file capability. */
#ifndef GRAFT_PLUGIN_IDMAP_VALUES_H
#define GRAFT_PLUGIN_IDMAP_VALUES_H

#include "map.h"

#define VALUE_NOBODY 65534u /* the kernel's overflow id: who in an access list is nobody of the guest's */

enum value_kind {
	VALUE_OTHER = 0, /* no ids that this layer knows of */
	VALUE_ACL = 1,
	VALUE_CAPABILITY = 2
};

enum value_kind value_kind(const char *name);
/*
 * Translates the ids in a value in place; it keeps its length. What is no such value is refused as the kernel refuses
 * to set it, -EINVAL or -EOPNOTSUPP (an access list of another version); -EPERM for an id that is forbidden. An empty
 * access list, and a capability without a root user, are left as they are.
 */
int value_translate(enum value_kind kind, const struct idmap_dir *uids, const struct idmap_dir *gids, void *value,
		    size_t len);

#endif
