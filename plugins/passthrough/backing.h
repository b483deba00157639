/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the data of a node's open files move: through this server, or through the client's kernel by itself (FUSE
 * passthrough). The kernel takes no open of another way, nor by another backing id, while one is open.
 */
#ifndef GRAFT_PASSTHROUGH_BACKING_H
#define GRAFT_PASSTHROUGH_BACKING_H

#include "passthrough.h"

struct backing; /* of one node that is open */

/*
 * For a regular file that was just opened as fd: joins the way of the node's other open files, or chooses one. *b is
 * for backing_leave; NULL where the kernel does nothing by itself in this session. open_flags (FOPEN_*) and the
 * backing id of out are changed to it. direct: the client opened it with O_DIRECT, which fd may not have. 0; -EINVAL
 * where the file system cannot do O_DIRECT and the kernel would; -ENOMEM. Any thread.
 */
int backing_join(const struct graft_req *req, uint64_t node, int fd, bool direct, struct fuse_open_out *out,
		 struct backing **b);
/* A file that joined was released; before its descriptor is closed, which may take longer. NULL is fine. */
void backing_leave(struct pt_session *s, struct backing *b);

#endif
