/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the idmap layer share: settings, instance, operations. */
#ifndef GRAFT_PLUGIN_IDMAP_IDMAP_H
#define GRAFT_PLUGIN_IDMAP_IDMAP_H

#include "map.h"

#include <graftfs/plugin.h>

/* Filled by the server. */
struct im_settings {
	struct graft_list uid, gid; /* rules */
	const char *subid;          /* a user of /etc/subuid and /etc/subgid, or NULL */
	const char *squash_to;      /* UID:GID, or NULL */
};

/* One layer. Constant after create. */
struct graft_inst {
	const struct graft_host *host;
	struct graft_slot *slot;
	struct idmap uids, gids;
};

/* settings.c: all rules of the settings, in inst->uids and inst->gids. 0, or -errno with err. */
int im_read_settings(struct graft_inst *inst, const struct im_settings *set, struct graft_error *err);

/* attr.c: owners in replies, and who a client is when it makes or changes something */
graft_op im_op_getattr, im_op_setattr, im_op_entry, im_op_create, im_op_statx, im_op_access;
int im_dirent(struct graft_inst *inst, struct graft_req *req, struct fuse_direntplus *e, const char *name);

/* xattr.c: values that hold ids */
graft_op im_op_getxattr, im_op_setxattr;

#endif
