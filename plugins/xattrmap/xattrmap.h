/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the xattrmap layer share: settings, instance, session. */
#ifndef GRAFT_PLUGIN_XATTRMAP_XATTRMAP_H
#define GRAFT_PLUGIN_XATTRMAP_XATTRMAP_H

#include <graftfs/plugin.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "xattrmap/rules.h"

#define XM_MARKS 1024 /* of a session; a power of 2 */

/* Filled by the server. */
struct xm_settings {
	struct graft_list map; /* rules, the lines one after the other, or one path of a file */
};

/* One layer. Constant after create, but capability_sets. */
struct graft_inst {
	const struct graft_host *host;
	struct graft_slot *slot;
	struct xattrmap *map;
	/* security.capability's name on the host where it has another; NULL: the host's kernel sees to it */
	char *capability;
	/* How often a client has set it: what was removed before must be looked at again. */
	_Atomic uint64_t capability_sets;
};

/* One session (graft_req.state); only where the capability is mapped. */
struct xm_session {
	/*
	 * Open files of which the capability was removed and not set since, each by one number made of node, handle and
	 * capability_sets, at the place that node and handle give. What was pushed out costs one more removal.
	 */
	_Atomic uint64_t marks[XM_MARKS];
};

/* names.c: requests with names, and lists of them */
graft_op xm_op_getxattr, xm_op_setxattr, xm_op_removexattr, xm_op_listxattr, xm_op_create;

/* capability.c: what a kernel does by itself for security.capability, for the name it has on the host */
graft_op xm_op_write, xm_op_fallocate, xm_op_copy_file_range, xm_op_setattr, xm_op_open;
/* Goes on with `then` after the capability is gone if the request's node is a regular file. */
int xm_clear_regular(struct graft_inst *inst, struct graft_req *req, graft_op *then);
/* A handle the backend just gave may be a number that was another file's. */
void xm_forget_handle(const struct graft_req *req, uint64_t node, uint64_t fh);

#endif
