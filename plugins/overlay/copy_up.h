/* SPDX-License-Identifier: Apache-2.0 */
/* Copying up: what lies below gets a part above, whole or not at all. */
#ifndef GRAFT_OVERLAY_COPY_UP_H
#define GRAFT_OVERLAY_COPY_UP_H

#include "crew.h"
#include "node.h"

/*
 * On the thread of changes: the node has a part above when this returns 0. GRAFT_ASYNC: its data are being copied by a
 * helper; w->fn runs again, from its beginning, when they are: the step returns that. Or -errno.
 */
int ov_copy_up(struct ov_work *w, struct ov_node *node);

#endif
