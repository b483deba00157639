/* SPDX-License-Identifier: Apache-2.0 */
/* Open files and directories of a session: above, below, or opened below and since then copied up. */
#ifndef GRAFT_OVERLAY_HANDLE_H
#define GRAFT_OVERLAY_HANDLE_H

#include "node.h"

struct ov_list; /* list.h */

struct ov_handle {
	/* Constant. */
	uint64_t fh;
	struct ov_node *node; /* a reference */
	uint64_t lower_fh;
	bool lower; /* lower_fh is one */
	bool dir;
	bool sync; /* writes wait for the disk */
	int flags; /* of its opening */

	_Atomic int fd;       /* real, above; -1: none, or not yet */
	struct ov_list *list; /* protected by the table's lock: a merged listing, a reference */
	uint32_t refs;        /* likewise; one is the table's */
};

int ov_handles_new(struct ov_session *s);
void ov_handles_free(struct ov_session *s);
/*
 * Makes one. h is copied: its fd and its place among the descriptors become the handle's, node is held once more. 0,
 * -ENFILE or -ENOMEM: nothing was taken.
 */
int ov_handle_new(struct ov_session *s, const struct ov_handle *h, uint64_t *fh);
/* NULL: the session has no such handle of that node. */
struct ov_handle *ov_handle_get(struct ov_session *s, uint64_t fh, uint64_t node);
void ov_handle_put(struct ov_session *s, struct ov_handle *h);
/* Takes it out of the table: the caller has the table's reference then. NULL: there is none. */
struct ov_handle *ov_handle_take(struct ov_session *s, uint64_t fh, uint64_t node);

/* A descriptor above: the handle's own, or one that is opened now, where the file was copied up since. -1: it lies
 * below; -errno. */
int ov_handle_fd(struct ov_session *s, struct ov_handle *h);

/* The handle's listing, with a reference; NULL: none. */
struct ov_list *ov_handle_list(struct ov_session *s, struct ov_handle *h);
/* Gives it another one, whose reference it takes. */
void ov_handle_set_list(struct ov_session *s, struct ov_handle *h, struct ov_list *list);
void ov_list_put(struct ov_session *s, struct ov_list *list);

#endif
