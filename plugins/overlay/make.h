/* SPDX-License-Identifier: Apache-2.0 */
/* Making objects above, as the caller, where there may be a whiteout in the way. */
#ifndef GRAFT_OVERLAY_MAKE_H
#define GRAFT_OVERLAY_MAKE_H

#include "crew.h"
#include "node.h"

/* What is to be made under req->name in req->node. */
struct ov_recipe {
	mode_t type, mode;
	dev_t dev;
	int flags; /* S_IFREG: of the descriptor */
};

/* What was made, until ov_made_end. */
struct ov_made {
	struct ov_node *parent; /* in use */
	const char *name;
	int fd;   /* O_PATH; whoever takes it sets -1 */
	int real; /* S_IFREG: open by the recipe's flags; owned by the caller where ov_make succeeds */
};

/* On the thread of changes. 0, GRAFT_ASYNC as ov_copy_up, or -errno: nothing was made. */
int ov_make(struct ov_work *w, const struct ov_recipe *recipe, struct ov_made *made);
void ov_made_end(struct ov_work *w, struct ov_made *made);

/* What the merged directory has under a name: above in *above, *stx; then below. 1: there is such a name, 0: none, or
 * -errno. */
int ov_name_exists(struct ov_work *w, const struct ov_ref *dir, const char *name, int *above, struct statx *stx);
/* The directory of a change: in use, with a part above. As ov_copy_up. */
int ov_change_dir(struct ov_work *w, uint64_t id, struct ov_ref *dir);

#endif
