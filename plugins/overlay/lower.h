/* SPDX-License-Identifier: Apache-2.0 */
/* Questions to what is below, on a crew's thread: each sends requests and waits. Node ids are those of below. */
#ifndef GRAFT_OVERLAY_LOWER_H
#define GRAFT_OVERLAY_LOWER_H

#include "crew.h"

/* LOOKUP; nobody keeps the node afterwards. 1: there is such a name, *attr says what; 0: none; -errno. */
int lower_has(struct ov_work *w, uint64_t dir, const char *name, struct fuse_attr *attr);
/* LOOKUP, of which the look-up stays. 0, -ENOENT, -errno. */
int lower_lookup(struct ov_work *w, uint64_t dir, const char *name, struct fuse_entry_out *out);
int lower_getattr(struct ov_work *w, uint64_t node, struct fuse_attr *attr);
/* OPEN or OPENDIR, by opcode; *fh. */
int lower_open(struct ov_work *w, uint32_t opcode, uint64_t node, uint64_t *fh);
void lower_release(struct ov_work *w, uint32_t opcode, uint64_t node, uint64_t fh);
/* READ or READDIR at off: bytes, 0 at the end, -errno. */
ssize_t lower_read(struct ov_work *w, uint32_t opcode, uint64_t node, uint64_t fh, uint64_t off, void *buf, size_t len);
/* Bytes or -errno. */
ssize_t lower_readlink(struct ov_work *w, uint64_t node, char *buf, size_t len);
ssize_t lower_list_xattr(struct ov_work *w, uint64_t node, char *names, size_t len);
ssize_t lower_get_xattr(struct ov_work *w, uint64_t node, const char *name, void *value, size_t len);

#endif
