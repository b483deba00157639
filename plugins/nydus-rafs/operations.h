/* SPDX-License-Identifier: Apache-2.0 */
/* The operations, by file, and the nodes they go by. Results: 0, -errno or GRAFT_ASYNC. */
#ifndef GRAFT_NYDUS_RAFS_OPERATIONS_H
#define GRAFT_NYDUS_RAFS_OPERATIONS_H

#include "instance.h"

/*
 * Node ids are computed, not given out: the root is 1, other inodes their number + 1. Numbers begin with 1 and are far
 * below 2^47 (they count entries or 32-byte slots of a file of at most 2 GiB), so no inode but the root has node 1.
 * What a client sends is looked up anew each time and checked like everything else in an image.
 */
/* -ESTALE: no inode can be there. -EUCLEAN, -EIO as rafs_inode_get. */
int node_get(const struct graft_inst *inst, uint64_t node, struct rafs_inode *inode);
/* The inode that the request goes to, and the request counted for it where that is wanted: first in each operation,
 * once. */
int node_of_req(const struct graft_inst *inst, const struct graft_req *req, struct rafs_inode *inode);
/* 0: the image's number has no node id. */
uint64_t node_of(const struct graft_inst *inst, uint64_t ino);
void node_attr(const struct graft_inst *inst, const struct rafs_inode *inode, struct fuse_attr *attr);
/* Node id, attributes and timeouts. -EUCLEAN for a number that has no node id. */
int node_entry(const struct graft_inst *inst, const struct rafs_inode *inode, struct fuse_entry_out *out);
/* With validate = full compares a v5 inode with its digest, which reads much: workers only. 0, -EIO, once logged. */
int node_verify(const struct graft_inst *inst, const struct rafs_inode *inode);
/* Runs fn on a worker where digests of inodes are to be checked or `slow` is set, at once otherwise. */
int node_run(struct graft_inst *inst, struct graft_req *req, bool slow, graft_op *fn);

/* node.c */
graft_op nr_op_lookup;
/* attr.c; nothing: 0; readonly: -EROFS */
graft_op nr_op_getattr, nr_op_access, nr_op_readlink, nr_op_statfs, nr_op_release, nr_op_nothing, nr_op_readonly;
/* dir.c */
graft_op nr_op_opendir, nr_op_readdir;
/* data.c */
graft_op nr_op_open, nr_op_read, nr_op_lseek;
/* xattr.c: GETXATTR and LISTXATTR */
graft_op nr_op_xattr;

#endif
