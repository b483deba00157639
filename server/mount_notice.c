/* SPDX-License-Identifier: Apache-2.0 */
/* Which entry a change of mounts makes wrong for a client. */
#include "server/mount_notice.h"

#include "lib/log.h"
#include "server/fuse/notify.h"

#include <stdlib.h>
#include <string.h>

static bool is_pseudo(const struct view *v, const struct place *p)
{
	return p->parent && view_key(v, p) == p->id;
}

/*
 * The topmost of the places that come or go with p and that the router answers for: p, or a pseudo directory above it. Those above
 * are as before for the client.
 */
static const struct place *topmost(const struct view *v, const struct place *p,
				   bool (*moves)(const struct place *p, uint64_t arg), uint64_t arg)
{
	while (p->parent && is_pseudo(v, p->parent) && moves(p->parent, arg))
		p = p->parent;
	return p;
}

static bool is_new(const struct place *p, uint64_t first)
{
	return p->id >= first;
}

static bool ends_with_child(const struct place *p, uint64_t unused)
{
	(void)unused;
	return p->n == 1;
}

/* Where "/" itself changed. */
static void tell_all(struct fuse_conn *c)
{
	notify_epoch(c);
	notify_inode(c, PLACE_ROOT_ID);
}

/* Tells a client that an entry is another one now. gone: node id of what was there, 0: unknown. */
static void tell(struct fuse_conn *c, uint64_t parent, const char *name, uint64_t gone)
{
	notify_entry(c, parent, name, gone);
	notify_inode(c, parent);
}

void mount_notice_added(struct mount_table *t, const struct place *place, uint64_t first_new)
{
	for (struct fuse_conn *c = t->conns; c; c = c->next) {
		const struct place *top = topmost(conn_view(c), place, is_new, first_new);

		if (top->parent)
			tell(c, view_key(conn_view(c), top->parent), top->name, 0);
		else
			tell_all(c);
	}
}

void mount_notice_plan(struct fuse_conn *c, const struct place *p)
{
	const struct view *v = conn_view(c);
	const struct place *top = topmost(v, p, ends_with_child, 0);

	c->notice.parent = top->parent ? view_key(v, top->parent) : 0;
	c->notice.gone = view_key(v, top);
	c->notice.name = top->parent ? strdup(top->name) : NULL;
}

void mount_notice_send(struct fuse_conn *c)
{
	if (!c->notice.parent)
		tell_all(c);
	else if (c->notice.name)
		tell(c, c->notice.parent, c->notice.name, c->notice.gone);
	free(c->notice.name);
	c->notice.name = NULL;
}

/* What is not held any more the client does not know, and says so. */
static void tell_node(void *arg, uint64_t number)
{
	const struct session_mount *sm = arg;

	notify_inode_now(sm->session->conn, sm->wire | number);
}

void mount_notice_gone(struct session_mount *gone)
{
	while (gone) {
		struct session_mount *sm = gone;

		gone = sm->next_gone;
		if (!held_each(sm->held, tell_node, sm))
			log_warn(sm->session->conn->door->name, "no memory to tell the client of all files that went");
		session_mount_release(sm);
	}
}
