/* SPDX-License-Identifier: Apache-2.0 */
/* Steps of a look-up that creating operations take one by one. */
#ifndef GRAFT_PASSTHROUGH_LOOKUP_H
#define GRAFT_PASSTHROUGH_LOOKUP_H

#include "passthrough.h"

/* As pt_lookup_fd, but takes fd, which must be O_PATH, whatever the result. */
int lookup_take(struct pt_session *s, const struct node_ref *parent, int fd, struct fuse_entry_out *out);
/* As pt_lookup_fd, for a file that was just made under that name (NULL: under none), open as fd. Who puts another in its place
 * meanwhile changes nothing but the cost. */
int lookup_made(struct pt_session *s, const struct node_ref *parent, const char *name, int fd,
		struct fuse_entry_out *out);

#endif
