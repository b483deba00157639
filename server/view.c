/* SPDX-License-Identifier: Apache-2.0 */
/* Making views: a walk over the tree of places, with the directories on the way looked up in the mounts above. */
#include "server/view.h"

#include "server/fuse/conn.h"
#include "server/fuse/internal.h"
#include "server/server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Where a place lies in this session: a directory of a mount, or (sm NULL) a pseudo directory. */
struct spot {
	struct session_mount *sm;
	uint64_t node;
};

struct walk {
	struct session *s;
	struct view *v;
	struct session_pin *pins;
	uint32_t npins, room;
};

static uint64_t wire(const struct session_mount *sm, uint64_t node)
{
	return sm->wire | session_mount_number(sm, node);
}

static int compare_pins(const void *a, const void *b)
{
	const struct session_pin *x = a, *y = b;

	return x->place < y->place ? -1 : x->place > y->place;
}

static const struct session_pin *find_pin(const struct session *s, uint64_t place)
{
	const struct session_pin key = { .place = place };

	return s->npins ? bsearch(&key, s->pins, s->npins, sizeof(key), compare_pins) : NULL;
}

static struct session_pin *add_pin(struct walk *w)
{
	if (w->npins == w->room) {
		uint32_t room = w->room ? w->room * 2 : 16;
		struct session_pin *pins = realloc(w->pins, room * sizeof(*pins));

		if (!pins)
			return NULL;
		w->pins = pins;
		w->room = room;
	}
	return &w->pins[w->npins++];
}

/* Whether the mount above has a directory here was decided when the place came, and stays until that mount goes. */
static int resolve(struct walk *w, const struct place *p, const struct spot *parent, struct spot *out)
{
	const struct session_pin *old = find_pin(w->s, p->id);
	struct session_pin *pin = add_pin(w);

	if (!pin)
		return -ENOMEM;
	if (old && old->sm == parent->sm) {
		*pin = *old;
		pin->fresh = false;
	} else {
		*pin = (struct session_pin){ .place = p->id, .sm = parent->sm, .fresh = true };
		pin->node = internal_lookup_dir(parent->sm, parent->node, p->name);
	}
	*out = pin->node ? (struct spot){ parent->sm, pin->node } : (struct spot){ NULL, 0 };
	return 0;
}

static int add_dir(struct view *v, uint64_t key, const struct place *p)
{
	if (v->ndirs == v->room) {
		uint32_t room = v->room ? v->room * 2 : 16;
		struct view_dir *dirs = realloc(v->dirs, room * sizeof(*dirs));

		if (!dirs)
			return -ENOMEM;
		v->dirs = dirs;
		v->room = room;
	}
	place_list_hold(p->list);
	v->dirs[v->ndirs++] = (struct view_dir){ .key = key,
						 .place = p->id,
						 .parent = p->parent ? p->parent->id : p->id,
						 .since = p->since,
						 .list = p->list };
	return 0;
}

/* The root is node 1 whoever serves it, and by its mount's own number too. */
static int add_dirs(struct walk *w, const struct place *p, const struct spot *spot)
{
	struct view *v = w->v;
	int res = 0;

	if (!p->n && spot->sm)
		return 0;
	if (spot->sm) {
		v->slots[spot->sm->slot].dirs = true;
		res = add_dir(v, wire(spot->sm, spot->node), p);
	}
	if (!res && (!spot->sm || !p->parent))
		res = add_dir(v, p->id, p);
	return res;
}

/* As deep as the longest path has parts. */
static int walk_place(struct walk *w, const struct place *p, const struct spot *parent)
{
	struct spot spot = { NULL, 0 };
	int res = 0;

	if (p->mount)
		spot = (struct spot){ w->s->slots[mount_slot(p->mount)].sm, GRAFT_ROOT_NODE };
	else if (parent->sm)
		res = resolve(w, p, parent, &spot);
	if (!res)
		res = add_dirs(w, p, &spot);
	for (uint32_t i = 0; i < p->n && !res; i++) {
		const struct place *child = p->children[i];

		if (child->n || !child->mount)
			res = walk_place(w, child, &spot);
	}
	return res;
}

static uint32_t hash_of(uint64_t key)
{
	return (uint32_t)((key * 0x9e3779b97f4a7c15ull) >> 32);
}

static int make_hash(struct view *v)
{
	uint32_t size = 4;

	while (size < v->ndirs * 2)
		size *= 2;
	v->hash = calloc(size, sizeof(*v->hash));
	if (!v->hash)
		return -ENOMEM;
	v->mask = size - 1;
	for (uint32_t i = 0; i < v->ndirs; i++) {
		uint32_t at = hash_of(v->dirs[i].key) & v->mask;

		while (v->hash[at])
			at = (at + 1) & v->mask;
		v->hash[at] = i + 1;
	}
	return 0;
}

static int copy_slots(struct view *v, const struct session *s)
{
	v->slots = calloc(s->nslots ? s->nslots : 1, sizeof(*v->slots));
	if (!v->slots)
		return -ENOMEM;
	v->nslots = s->nslots;
	for (uint32_t i = 0; i < s->nslots; i++) {
		struct session_mount *sm = s->slots[i].sm;

		if (!sm)
			continue;
		v->slots[i] = (struct view_slot){ .sm = sm, .live = s->slots[i].live };
		session_mount_hold(sm);
		if (s->slots[i].live)
			session_mount_enter(sm);
	}
	return 0;
}

/* Lets go of what only one of two lists has: looked up for a change that failed, or of no more use. */
static void forget_pins(struct session *s, const struct session_pin *pins, uint32_t n, bool fresh)
{
	for (uint32_t i = 0; i < n; i++) {
		const struct session_pin *pin = &pins[i];

		if (!pin->node)
			continue;
		const struct session_pin *kept = fresh ? NULL : find_pin(s, pin->place);
		if (fresh ? !pin->fresh : kept && kept->sm == pin->sm)
			continue;
		if (s->slots[pin->sm->slot].sm == pin->sm && s->slots[pin->sm->slot].live)
			internal_forget(pin->sm, pin->node);
	}
}

static void take_pins(struct walk *w)
{
	struct session *s = w->s;
	struct session_pin *old = s->pins;
	uint32_t nold = s->npins;

	if (w->npins)
		qsort(w->pins, w->npins, sizeof(*w->pins), compare_pins);
	s->pins = w->pins;
	s->npins = w->npins;
	forget_pins(s, old, nold, false);
	free(old);
}

struct view *view_new(struct session *s, const struct place *root)
{
	struct view *v = calloc(1, sizeof(*v));
	struct walk w = { .s = s, .v = v };
	const struct spot nowhere = { NULL, 0 };

	if (!v)
		return NULL;
	v->session = s;
	v->node_bits = s->conn->server->node_bits;
	v->node_mask = ((uint64_t)1 << v->node_bits) - 1;
	session_hold(s);
	int res = copy_slots(v, s);
	if (!res)
		res = walk_place(&w, root, &nowhere);
	if (!res)
		res = make_hash(v);
	if (res) {
		forget_pins(s, w.pins, w.npins, true);
		free(w.pins);
		view_free(v);
		return NULL;
	}
	if (root->mount)
		v->root = s->slots[mount_slot(root->mount)].sm;
	take_pins(&w);
	return v;
}

void view_free(struct view *v)
{
	if (!v)
		return;
	for (uint32_t i = 0; i < v->nslots; i++) {
		if (!v->slots[i].sm)
			continue;
		if (v->slots[i].live)
			session_mount_leave(v->slots[i].sm);
		session_mount_release(v->slots[i].sm);
	}
	for (uint32_t i = 0; i < v->ndirs; i++)
		place_list_release(v->dirs[i].list);
	free(v->slots);
	free(v->dirs);
	free(v->hash);
	session_release(v->session);
	free(v);
}

const struct view_dir *view_find(const struct view *v, uint64_t key)
{
	for (uint32_t at = hash_of(key) & v->mask; v->hash[at]; at = (at + 1) & v->mask) {
		const struct view_dir *d = &v->dirs[v->hash[at] - 1];

		if (d->key == key)
			return d;
	}
	return NULL;
}

uint64_t view_key(const struct view *v, const struct place *p)
{
	if (!p->parent)
		return PLACE_ROOT_ID;
	if (p->mount)
		return mount_root_wire(p->mount);
	for (uint32_t i = 0; i < v->ndirs; i++) {
		if (v->dirs[i].place == p->id)
			return v->dirs[i].key;
	}
	return 0;
}
