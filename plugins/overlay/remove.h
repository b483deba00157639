/* SPDX-License-Identifier: Apache-2.0 */
/* Taking names away, on the thread of changes. */
#ifndef GRAFT_OVERLAY_REMOVE_H
#define GRAFT_OVERLAY_REMOVE_H

#include "crew.h"
#include "node.h"

/* 1: a name would show what is below in dir, if there were nothing above; 0 or -errno. */
int ov_lower_shows(struct ov_work *w, const struct ov_node *dir, const char *name);
/* A whiteout under that name; over: in exchange for what is there, which is removed then. 0 or -errno. */
int ov_put_whiteout(struct ov_work *w, int dir_fd, const char *name, bool over);
/* Takes a name away in one step, and then all that is in it. */
int ov_discard(struct ov_work *w, int dir_fd, const char *name);
/* Whether a merged directory is empty: 0, or -ENOTEMPTY and other errors. above, stx: of ov_name_exists. */
int ov_check_empty(struct ov_work *w, const struct ov_ref *parent, const char *name, int above,
		   const struct statx *stx);

#endif
