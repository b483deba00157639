/* SPDX-License-Identifier: Apache-2.0 */
/* What a look-up answers: entries and attributes of nodes. */
#ifndef GRAFT_OVERLAY_LOOKUP_H
#define GRAFT_OVERLAY_LOOKUP_H

#include "crew.h"
#include "node.h"

/* A directory of both: nobody counted its subdirectories. */
static inline bool ov_merged(const struct ov_node *node)
{
	return S_ISDIR(node->type) && node->lower;
}
/* Attributes of a node's part above; those of its part below, as the overlay shows them. */
void ov_fill_attr(const struct ov_node *node, const struct statx *stx, struct fuse_attr *attr);
void ov_fix_attr(const struct ov_node *node, struct fuse_attr *attr);
/* All of an entry but the attributes. */
void ov_fill_entry(const struct ov_node *node, struct fuse_entry_out *out);
/* LOOKUP on a crew's thread, which waits: one look-up for the client. 0 or -errno. */
int ov_lookup_now(struct ov_work *w, const struct ov_ref *dir, const char *name, struct fuse_entry_out *out);
/* Makes an entry of a finding that has a part above. 0 or -errno. */
int ov_enter_upper(struct ov_session *s, struct ov_found *f, struct fuse_entry_out *out);

#endif
