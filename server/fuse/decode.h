/* SPDX-License-Identifier: Apache-2.0 */
/* From a client's bytes to a graft_req: everything but file data is copied once, checked, and only the copy is used. */
#ifndef GRAFT_SERVER_FUSE_DECODE_H
#define GRAFT_SERVER_FUSE_DECODE_H

#include "server/request.h"

#define DECODE_MAX_WRITE (1u << 20)               /* bytes of one READ or WRITE (max_write) */
#define DECODE_MAX_LEN (DECODE_MAX_WRITE + 4096u) /* bytes of a request */
#define DECODE_XATTR_MAX 65536u                   /* bytes of an attribute's value (XATTR_SIZE_MAX) */

/*
 * Copies and checks the header; r->header.unique is set whenever 16 bytes came. Sets r->op. 0, -EINVAL, -ENOMEM for a
 * request too long, -ENOSYS for an unknown opcode (then r->op is NULL).
 */
int decode_header(struct request *r);
/*
 * The rest. s: the session, NULL for INIT and what else needs none. Fills r->req but mount, node and state, and sets
 * r->out_size. 0 or -errno.
 */
int decode_body(struct request *r, const struct graft_session *s);

/* Extensions behind the names of what makes an object (ext.c): exactly len bytes. 0, -EINVAL or -ENOMEM. */
int decode_extensions(struct request *r, const unsigned char *bytes, size_t len, uint64_t flags);

#endif
