/* SPDX-License-Identifier: Apache-2.0 */
/* The tree of mount points: places are mount points and the names on the way to them. Pure data, no plugin is called. */
#ifndef GRAFT_SERVER_NAMESPACE_H
#define GRAFT_SERVER_NAMESPACE_H

#include "lib/error.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mount;

#define PLACE_ROOT_ID 1
#define PLACE_ID_MAX UINT32_MAX /* ids are given once and never again; they are also offsets of a listing */
#define PLACE_PATH_MAX 4096     /* bytes of a path */
#define PLACE_NAME_MAX 255
#define PLACES_MAX 65536 /* that can be restored */

/* Of a mount, implemented by mount.c: its slot. */
uint32_t mount_slot(const struct mount *m);
/* And the node id that clients have of its root. */
uint64_t mount_root_wire(const struct mount *m);

/* An entry of a place that has places below it. */
struct place_child {
	uint64_t id;
	uint32_t slot; /* of the mount that stands there; 0: none, it is on the way to one */
	uint32_t len;  /* bytes of name */
	const char *name;
};

/* The entries below one place. Constant; shared by the tree and every view by reference. */
struct place_list {
	_Atomic uint32_t refs;
	uint32_t n;
	const struct place_child *children; /* ascending ids */
	const uint32_t *by_name;            /* indexes into children, names ascending (strcmp) */
};

void place_list_hold(struct place_list *l);
/* NULL is fine. */
void place_list_release(struct place_list *l);
/* NULL where there is no such name. */
const struct place_child *place_list_find(const struct place_list *l, const char *name);
/* Index of the first child whose id is greater. */
uint32_t place_list_after(const struct place_list *l, uint64_t id);

struct place {
	uint64_t id;
	char *name; /* "" of the root */
	struct place *parent;
	struct mount *mount; /* NULL: on the way to one */
	struct place **children; /* names ascending */
	uint32_t n, room;
	struct place_list *list; /* of children; made again when they change */
	uint64_t since;          /* ns since 1970 */
};

/* A place as it is written down; borrowed. */
struct place_record {
	uint64_t id, parent; /* ids; the root, which is not written down, has PLACE_ROOT_ID */
	const char *name;
};

/* One thread at a time (the server's changes). */
struct namespace {
	struct place root;
	uint64_t last_id;
};

/* For namespace_restore.c: a place of its own with an empty list, and the list of one made anew. NULL, -ENOMEM. */
struct place *place_new(uint64_t id, struct place *parent, const char *name, size_t len);
int place_renew_list(struct place *p);

/* 0 or -ENOMEM. */
int namespace_init(struct namespace *ns);
/* Nothing may be mounted any more. */
void namespace_fini(struct namespace *ns);

/* The place of an absolute, normal path, NULL if there is none. */
struct place *namespace_find(struct namespace *ns, const char *at);
/*
 * The same, made with all that is missing on the way; *made is the topmost place that is new, NULL if none is. -ENOMEM or -ENOSPC
 * (ids) leave the tree as it was.
 */
int namespace_make(struct namespace *ns, const char *at, struct place **place, struct place **made);
/* Puts m (or NULL) on a place: the parent's list shows it. 0, or -ENOMEM and nothing changed. */
int namespace_set(struct place *p, struct mount *m);
/*
 * A tree without any mount becomes the one that was written down, in whatever order; ids beyond last_id are given from
 * then on. -EINVAL: these are no tree (an id twice or of nothing, a name twice or that is none, a path of more than
 * PLACE_PATH_MAX bytes); -ENOSPC: more than PLACES_MAX, or ids beyond PLACE_ID_MAX; -ENOMEM. Then the tree is as it
 * was.
 */
int namespace_restore(struct namespace *ns, const struct place_record *list, size_t n, uint64_t last_id);
/* Calls fn for every place but the root, parents first, until it returns other than 0; returns that. */
int namespace_each(const struct namespace *ns, int (*fn)(const struct place_record *record, void *arg), void *arg);
/* Takes away p and the places above it that have neither a mount nor children; where memory is short one stays, an empty directory. */
void namespace_prune(struct namespace *ns, struct place *p);

#endif
