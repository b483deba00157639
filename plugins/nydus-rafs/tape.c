/* SPDX-License-Identifier: Apache-2.0 */
/* A ring of nodes, and an open-addressed index to it that is never cleaned: what it says is checked against the ring. */
#include "tape.h"

#include <stdlib.h>

#define PROBES 8 /* places looked at for a node */

static uint32_t *place(const struct tape *t, uint64_t node, uint32_t i)
{
	return &t->places[((node * UINT64_C(0x9e3779b97f4a7c15) >> 32) + i) & (2 * t->room - 1)];
}

/* The position that an entry of the index means. False: it is none, or no longer there. */
static bool position(const struct tape *t, uint32_t said, uint64_t *at)
{
	uint32_t back = (uint32_t)t->end - (said - 1);

	*at = t->end - back;
	return said && back && back <= t->end && back <= t->room;
}

static void index_node(struct tape *t, uint64_t node, uint64_t at)
{
	uint32_t *to = NULL;
	uint64_t there;

	for (uint32_t i = 0; i < PROBES; i++) {
		to = place(t, node, i);
		if (!position(t, *to, &there) || there == at || tape_node(t, there) == node)
			break;
	}
	*to = (uint32_t)at + 1; /* 0 for every 2^32nd, which is not found */
}

/* Twice the room, or the first. What cannot be had is done without. */
static void grow(struct tape *t)
{
	struct tape new = { .room = t->room ? 2 * t->room : TAPE_FIRST, .end = t->end };

	/* 0, no node: after a failure there is more room than was kept. */
	new.nodes = calloc(new.room, sizeof(*new.nodes));
	new.places = calloc(2 * (size_t)new.room, sizeof(*new.places));
	if (!new.nodes || !new.places) {
		tape_free(&new);
		return;
	}
	for (uint64_t at = tape_begin(t); at < t->end; at++)
		new.nodes[at % new.room] = t->nodes[at % t->room];
	for (uint64_t at = tape_begin(t); at < t->end; at++)
		index_node(&new, tape_node(t, at), at);
	free(t->nodes);
	free(t->places);
	*t = new;
}

void tape_free(struct tape *t)
{
	free(t->nodes);
	free(t->places);
	*t = (struct tape){ .end = 0 };
}

void tape_add(struct tape *t, uint64_t node)
{
	if (node > TAPE_NODE_MAX)
		return;
	if (t->end >= t->room && t->room < TAPE_MAX)
		grow(t);
	if (!t->room)
		return;
	uint64_t at = t->end++;
	t->nodes[at % t->room] = (uint32_t)node;
	index_node(t, node, at);
}

bool tape_find(const struct tape *t, uint64_t node, uint64_t *at)
{
	for (uint32_t i = 0; t->room && i < PROBES; i++) {
		if (position(t, *place(t, node, i), at) && tape_node(t, *at) == node)
			return true;
	}
	return false;
}
