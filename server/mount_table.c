/* SPDX-License-Identifier: Apache-2.0 */
/* The mounts of a server: the list, the slots, and what any thread may ask. */
#include "server/mount_table.h"
#include "server/mount_table_internal.h"

#include "lib/cleanup.h"
#include "server/fuse/conn.h"
#include "server/fuse/notify.h"
#include "server/server.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

int mount_table_init(struct mount_table *t, struct server *server)
{
	*t = (struct mount_table){ .server = server, .nslots = 1, .sweep.fn = mount_change_sweep };
	t->holders = calloc(MOUNT_TABLE_SLOTS, sizeof(*t->holders));
	if (!t->holders || namespace_init(&t->ns)) {
		free(t->holders);
		return -ENOMEM;
	}
	pthread_mutex_init(&t->lock, NULL);
	return 0;
}

void mount_table_append(struct mount_table *t, struct mount *m)
{
	LOCK_SCOPE(&t->lock);
	m->prev = t->last;
	m->next = NULL;
	if (t->last)
		t->last->next = m;
	else
		t->first = m;
	t->last = m;
	t->n++;
}

void mount_table_drop(struct mount_table *t, struct mount *m)
{
	LOCK_SCOPE(&t->lock);
	if (m->next)
		m->next->prev = m->prev;
	else
		t->last = m->prev;
	if (m->prev)
		m->prev->next = m->next;
	else
		t->first = m->next;
	t->n--;
}

void mount_table_fini(struct mount_table *t)
{
	while (t->last) {
		struct mount *m = t->last;

		mount_table_drop(t, m);
		mount_release(m);
	}
	namespace_fini(&t->ns);
	free(t->holders);
	pthread_mutex_destroy(&t->lock);
}

static uint32_t slots_end(const struct mount_table *t)
{
	return server_nydusd_ids(t->server) ? MOUNT_TABLE_SLOTS_NYDUSD : MOUNT_TABLE_SLOTS;
}

/* The first slot from one on that neither the tree nor a session counts; 0 if there is none. */
static uint32_t free_slot(const struct mount_table *t, uint32_t slot)
{
	while (slot < t->nslots && t->holders[slot])
		slot++;
	return slot < slots_end(t) ? slot : 0;
}

/* The lowest; of nydusd's few in turn, which leaves those that went as much time as there is. */
static uint32_t choose_slot(struct mount_table *t)
{
	uint32_t slot = t->next_slot ? free_slot(t, t->next_slot) : 0;

	/* From the start again. */
	if (!slot)
		slot = free_slot(t, 1);
	if (slot && server_nydusd_ids(t->server))
		t->next_slot = slot + 1;
	return slot;
}

static int no_slot(const struct mount_table *t, const struct mount *m, struct graft_error *err)
{
	/* The very text that clients of nydusd know. */
	if (server_nydusd_ids(t->server))
		return error_set(err, ENOSPC,
				 "VFS failed to handle request, FsIndex(Custom { kind: Other, error: \"vfs maximum "
				 "mountpoints reached\" })");
	return error_set(err, ENOSPC, "[mount %s]: there are %u mounts; no more are possible", m->name, t->n);
}

void mount_table_take_slot(struct mount_table *t, uint32_t slot, uint32_t holders)
{
	t->holders[slot] = holders;
	if (slot >= t->nslots)
		t->nslots = slot + 1;
}

uint32_t mount_table_next_slot(const struct mount_table *t)
{
	return server_nydusd_ids(t->server) && !t->next_slot ? 1 : t->next_slot;
}

int mount_table_set_next_slot(struct mount_table *t, uint32_t slot, struct graft_error *err)
{
	if (!server_nydusd_ids(t->server))
		return error_set(err, EOPNOTSUPP, "slots are given in turn only with node-ids = nydusd");
	if (slot > MOUNT_TABLE_SLOTS_NYDUSD)
		return error_set(err, EINVAL, "%u is no slot of a mount", slot);
	t->next_slot = slot;
	return 0;
}

int mount_table_find_room(struct mount_table *t, struct mount *m, bool replace, struct place **place,
			  struct place **made, struct graft_error *err)
{
	*made = NULL;
	*place = namespace_find(&t->ns, m->at);
	if (replace && !(*place && (*place)->mount))
		return error_set(err, ENOENT, "[mount %s]: nothing is mounted at %s", m->name, m->at);
	if (!replace && *place && (*place)->mount)
		return error_set(err, EEXIST, "[mount %s]: %s is taken by mount %s", m->name, m->at, (*place)->mount->name);
	if (m->slot && (m->slot >= slots_end(t) || t->holders[m->slot]))
		return error_set(err, EBUSY, "[mount %s]: there is no slot %u to give", m->name, m->slot);
	if (!m->slot && t->n < MOUNTS_MAX)
		m->slot = choose_slot(t);
	if (!m->slot || t->n >= MOUNTS_MAX)
		return no_slot(t, m, err);
	int res = *place ? 0 : namespace_make(&t->ns, m->at, place, made);
	if (res)
		return error_set(err, -res, "[mount %s]: %s", m->name, strerror(-res));
	m->place = (*place)->id;
	return 0;
}

int mount_table_add_first(struct mount_table *t, struct mount *m, struct graft_error *err)
{
	struct place *place, *made;
	int res = mount_table_find_room(t, m, false, &place, &made, err);

	if (res)
		return res;
	if (namespace_set(place, m)) {
		namespace_prune(&t->ns, place);
		return error_set(err, ENOMEM, "[mount %s]: no memory", m->name);
	}
	mount_table_take_slot(t, m->slot, 1);
	mount_table_append(t, m);
	return 0;
}

int mount_table_start(struct mount_table *t, struct graft_error *err)
{
	for (struct mount *m = t->first; m; m = m->next) {
		int res = mount_start(m, err);

		if (res)
			return res;
	}
	return 0;
}

void mount_table_features(struct mount_table *t, uint64_t *can, uint64_t *want, uint64_t *need)
{
	*can = UINT64_MAX;
	*want = *need = 0;
	for (const struct mount *m = t->first; m; m = m->next) {
		*can &= m->can;
		*want |= m->want;
		*need |= m->need;
	}
}

void mount_table_sweep(struct mount_table *t)
{
	if (!atomic_exchange_explicit(&t->sweeping, true, memory_order_acq_rel))
		workers_post(t->server->changes, &t->sweep);
}

void mount_table_link(struct mount_table *t, struct session_mount *sm)
{
	LOCK_SCOPE(&t->lock);
	sm->prev = NULL;
	sm->next = sm->mount->sessions;
	if (sm->next)
		sm->next->prev = sm;
	sm->mount->sessions = sm;
}

void mount_table_unlink(struct mount_table *t, struct session_mount *sm)
{
	LOCK_SCOPE(&t->lock);
	if (sm->next)
		sm->next->prev = sm->prev;
	if (sm->prev)
		sm->prev->next = sm->next;
	else
		sm->mount->sessions = sm->next;
}

/* Where users came to 0 a worker is closing it, though it is still on the list. */
static bool enter_open(struct session_mount *sm)
{
	uint32_t users = atomic_load_explicit(&sm->users, memory_order_relaxed);

	while (users) {
		if (atomic_compare_exchange_weak_explicit(&sm->users, &users, users + 1, memory_order_relaxed,
							  memory_order_relaxed))
			return true;
	}
	return false;
}

struct session_mount *mount_table_enter(struct mount_table *t, struct mount *m, const struct graft_session *session)
{
	LOCK_SCOPE(&t->lock);
	for (struct session_mount *sm = m->sessions; sm; sm = sm->next) {
		if (&sm->session->pub == session)
			return enter_open(sm) ? sm : NULL;
	}
	return NULL;
}

int mount_table_invalidate(struct mount_table *t, const struct mount *m, uint64_t node, const char *name)
{
	int res = -ENOTSUP;

	LOCK_SCOPE(&t->lock);
	for (struct session_mount *sm = m->sessions; sm; sm = sm->next) {
		struct fuse_conn *c = sm->session->conn;
		bool root = node == GRAFT_ROOT_NODE && strcmp(m->at, "/") == 0;
		uint64_t wire = root ? PLACE_ROOT_ID : mount_wire(m, node);

		if (!c->transport->ops->send)
			continue;
		int one = name ? notify_entry(c, wire, name, 0) : notify_inode(c, wire);
		res = res == -ENOTSUP || one ? one : res;
	}
	return res;
}

int mount_table_store(struct mount_table *t, struct mount *m, const struct graft_session *session, uint64_t node, uint64_t off,
		      const struct iovec *iov, uint32_t niov)
{
	struct session_mount *sm = mount_table_enter(t, m, session);

	if (!sm)
		return -ENOTCONN;
	int res = notify_store(sm->session->conn, mount_wire(m, node), off, iov, niov);
	session_mount_leave(sm);
	return res;
}

void mount_table_usage(const struct mount *m, uint64_t *nodes, uint64_t *handles)
{
	*nodes = *handles = 0;
	for (const struct session_mount *sm = m->sessions; sm; sm = sm->next) {
		*nodes += session_mount_held(sm, SESSION_NODES);
		*handles += session_mount_held(sm, SESSION_HANDLES);
	}
}
