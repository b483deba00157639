/* SPDX-License-Identifier: Apache-2.0 */
/* Requests about what lies below only: on their way with the node, and the handle, that those below know. */
#ifndef GRAFT_OVERLAY_FORWARD_H
#define GRAFT_OVERLAY_FORWARD_H

#include "handle.h"

/* What was exchanged, in the request's memory. */
struct ov_forward {
	struct ov_node *node; /* in use until the answer */
	struct ov_handle *h;  /* likewise; NULL: none */
	uint64_t id;
	const void *in;
	/* Called when all is as it was; NULL: nothing. */
	int (*after)(struct graft_inst *inst, struct graft_req *req, int res, struct ov_forward *f);
	_Alignas(8) unsigned char copy[128]; /* of in, to be changed */
};

/* For a node in use, whose reference it takes: before ov_forward. in_len: bytes of req->in to be copied. NULL: no
 * memory. */
struct ov_forward *ov_forward_new(struct graft_inst *inst, struct graft_req *req, struct ov_node *node, size_t in_len);
/* Sends it on. An operation's result. */
int ov_forward(struct graft_inst *inst, struct graft_req *req, struct ov_forward *f);

#endif
