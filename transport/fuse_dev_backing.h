/* SPDX-License-Identifier: Apache-2.0 */
/* Backing files: what the kernel reads and writes by itself for files of a /dev/fuse mount (Linux 6.9). */
#ifndef GRAFT_TRANSPORT_FUSE_DEV_BACKING_H
#define GRAFT_TRANSPORT_FUSE_DEV_BACKING_H

/* Whether this thread may name backing files: 0, or -EPERM without CAP_SYS_ADMIN. */
int fuse_dev_backing_able(void);
/*
 * Makes the regular file behind fd a backing file of the connection that dev, a descriptor of /dev/fuse, belongs to. The kernel
 * opens and writes it as this thread is, but without CAP_FSETID: it would keep set-user-id bits at a write. An id above
 * 0, or -errno: -EPERM (not negotiated, or no right), -ENOTTY (older kernel), -ELOOP (a stacked file system), -ENOMEM ...
 */
int fuse_dev_backing_open(int dev, int fd);
/* The same for another process, which has fewer rights than this one: with CAP_SYS_ADMIN only, without which there is no id. */
int fuse_dev_backing_open_bare(int dev, int fd);
/* Gives an id back; files that are open by it stay so. */
void fuse_dev_backing_close(int dev, int id);

#endif
