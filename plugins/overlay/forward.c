/* SPDX-License-Identifier: Apache-2.0 */
/* Requests about what lies below only. */
#include "forward.h"

#include <errno.h>
#include <string.h>

struct ov_forward *ov_forward_new(struct graft_inst *inst, struct graft_req *req, struct ov_node *node, size_t in_len)
{
	struct ov_forward *f = inst->host->alloc(req, sizeof(*f));

	if (!f) {
		ov_node_put(ov_session(req), node);
		return NULL;
	}
	f->node = node;
	f->id = req->node;
	f->in = req->in;
	if (in_len)
		memcpy(f->copy, req->in, in_len < sizeof(f->copy) ? in_len : sizeof(f->copy));
	return f;
}

static int came_back(struct graft_inst *inst, struct graft_req *req, int res, void *cookie)
{
	struct ov_forward *f = cookie;

	req->node = f->id;
	req->in = f->in;
	if (f->after)
		res = f->after(inst, req, res, f);
	if (f->h)
		ov_handle_put(ov_session(req), f->h);
	ov_node_put(ov_session(req), f->node);
	return res;
}

int ov_forward(struct graft_inst *inst, struct graft_req *req, struct ov_forward *f)
{
	req->node = f->node->lower;
	req->in = f->copy;
	return inst->host->next(req, came_back, f);
}
