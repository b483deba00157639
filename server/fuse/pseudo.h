/* SPDX-License-Identifier: Apache-2.0 */
/* Pseudo directories: the names on the way to mounts where no mount has a directory. Read-only, owned by root. */
#ifndef GRAFT_SERVER_FUSE_PSEUDO_H
#define GRAFT_SERVER_FUSE_PSEUDO_H

#include "server/request.h"

/* A LOOKUP's reply. */
int pseudo_entry(struct request *r, const struct view_dir *dir);
/* Every request on it but LOOKUP and listings. 0 or -errno. */
int pseudo_serve(struct request *r, const struct view_dir *dir);
/* Inode number of a place that the router itself shows. */
uint64_t pseudo_ino(const struct request *r, uint64_t place);

#endif
