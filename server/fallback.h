/* SPDX-License-Identifier: Apache-2.0 */
/* What happens where a mount lacks an operation: a plain result, or another operation in its place. */
#ifndef GRAFT_SERVER_FALLBACK_H
#define GRAFT_SERVER_FALLBACK_H

#include "server/stack.h"

/* The table's result for an operation nobody below has. Never -ENOSYS: a client remembers that for all mounts. */
int fallback_absent(struct graft_req *req);
/*
 * Runs `opcode` for call->req's from member `from` on and turns the result into what the request asked for:
 * BATCH_FORGET by FORGET, RENAME2 by RENAME, READDIRPLUS by READDIR, COPY_FILE_RANGE_64 by COPY_FILE_RANGE, STATX and
 * LSEEK by GETATTR. Returns like an operation.
 */
int fallback_run(struct stack_call *call, uint32_t from, uint32_t opcode);

/* What GETATTR said, as STATX says it. */
void fallback_statx(const struct fuse_attr_out *in, struct fuse_statx_out *out);

#endif
