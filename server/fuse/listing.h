/* SPDX-License-Identifier: Apache-2.0 */
/* Listings of directories that have mounts below: the backend's entries, less those covered, then the mounts and the ways to them. */
#ifndef GRAFT_SERVER_FUSE_LISTING_H
#define GRAFT_SERVER_FUSE_LISTING_H

#include "server/fuse/router.h"

/* One listing while it goes through the backend; stack_call.covered. */
struct listing {
	const struct view *v;
	const struct view_dir *dir;
};

/* READDIR and READDIRPLUS. Returns like an operation. */
int listing_serve(struct request *r, const struct view *v, const struct router_spot *spot);
/* A backend's entry of this name is not shown. */
bool listing_hides(const struct listing *l, const char *name);

#endif
