/* SPDX-License-Identifier: Apache-2.0 */
/* A merged listing: names above, then names below that are not hidden. */
#ifndef GRAFT_OVERLAY_LIST_H
#define GRAFT_OVERLAY_LIST_H

#include "crew.h"

struct ov_entry {
	uint64_t ino;
	uint32_t at;  /* of the name, in names */
	uint8_t type; /* DT_* */
	bool hidden;
};

/* Constant when it is complete; counted by the table of handles. */
struct ov_list {
	uint32_t refs;
	struct graft_inst *inst;
	struct ov_entry *entries;
	uint32_t n, room;
	char *names;
	uint64_t len, names_room; /* bytes */
};

struct ov_ref;

/* On a crew's thread. 0 or -errno; -ENOMEM as well where listings take too much memory already. */
int ov_list_make(struct ov_work *w, const struct ov_ref *dir, struct ov_list **list);
void ov_list_free(struct ov_list *list);
/* 1: there is nothing but "." and ".." in a directory; 0 or -errno. */
int ov_list_is_empty(struct ov_work *w, const struct ov_ref *dir);

#endif
