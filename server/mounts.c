/* SPDX-License-Identifier: Apache-2.0 */
/* Mount, umount and remount: the instance is made on the caller's thread, the change on the thread of changes. */
#include "server/mounts.h"

#include "lib/cleanup.h"
#include "server/makings.h"
#include "server/mount_end.h"
#include "server/mount_notice.h"
#include "server/server.h"

#include <errno.h>
#include <semaphore.h>
#include <stddef.h>
#include <string.h>

struct change {
	struct work work; /* first */
	struct mount_table *table;
	struct mount *mount; /* add, replace */
	const char *at;      /* remove */
	bool flag;           /* add: replace; remove: strict */
	struct mount_end *end; /* remove: for whoever wants to know; NULL: nobody */
	bool awaited;          /* remove: the mount will tell it */
	struct session_mount *gone; /* remove: see mount_table_remove */
	struct graft_error *err;
	int res;
	sem_t done;
};

static void add_run(struct work *w)
{
	struct change *c = (struct change *)w;

	c->res = mount_table_add(c->table, c->mount, c->flag, c->err);
	sem_post(&c->done);
}

static void remove_run(struct work *w)
{
	struct change *c = (struct change *)w;
	const struct place *p = namespace_find(&c->table->ns, c->at);
	struct mount *m = p ? p->mount : NULL;

	c->awaited = m && c->end;
	if (c->awaited)
		m->awaited = mount_end_hold(c->end);
	c->res = mount_table_remove(c->table, c->at, c->flag, &c->gone, c->err);
	if (c->res && c->awaited) {
		m->awaited = NULL;
		mount_end_put(c->end);
	}
	sem_post(&c->done);
}

/* One of the tree of places. */
struct tree_change {
	struct change change; /* first */
	int (*fn)(const struct place_record *record, void *arg);
	void *arg;
	const struct place_record *list;
	size_t n;
	uint64_t last_id; /* each: what it is */
};

static void each_run(struct work *w)
{
	struct tree_change *c = (struct tree_change *)w;
	const struct namespace *ns = &c->change.table->ns;

	c->last_id = ns->last_id;
	c->change.res = c->fn ? namespace_each(ns, c->fn, c->arg) : 0;
	sem_post(&c->change.done);
}

static void restore_run(struct work *w)
{
	struct tree_change *c = (struct tree_change *)w;

	c->change.res = mount_table_restore(c->change.table, c->list, c->n, c->last_id, c->change.err);
	sem_post(&c->change.done);
}

/* The slot that comes next. */
struct slot_change {
	struct change change; /* first */
	uint32_t slot;        /* get: what it is */
};

static void next_slot_run(struct work *w)
{
	struct slot_change *c = (struct slot_change *)w;

	c->slot = mount_table_next_slot(c->change.table);
	sem_post(&c->change.done);
}

static void set_next_slot_run(struct work *w)
{
	struct slot_change *c = (struct slot_change *)w;

	c->change.res = mount_table_set_next_slot(c->change.table, c->slot, c->change.err);
	sem_post(&c->change.done);
}

static int run(struct server *s, struct change *c, void (*fn)(struct work *))
{
	c->table = &s->mounts;
	c->work.fn = fn;
	sem_init(&c->done, 0, 0);
	workers_post(s->changes, &c->work);
	while (sem_wait(&c->done) && errno == EINTR)
		continue;
	sem_destroy(&c->done);
	return c->res;
}

/* Before an instance is made that could not be used. The change looks again. */
static int check_taken(struct server *s, const struct mount_config *config, bool replace, struct graft_error *err)
{
	LOCK_SCOPE(&s->mounts.lock);
	const struct mount *m = s->mounts.first;
	while (m && strcmp(m->at, config->at) != 0)
		m = m->next;
	if (m && !replace)
		return error_set(err, EEXIST, "[mount %s]: %s is taken by mount %s", config->name, m->at, m->name);
	if (!m && replace)
		return error_set(err, ENOENT, "[mount %s]: nothing is mounted at %s", config->name, config->at);
	return 0;
}

static int make(struct server *s, struct mount_config *config, bool replace, struct graft_error *err)
{
	struct mount *m = NULL;

	if (check_taken(s, config, replace, err)) {
		config_mount_free(config);
		return -err->code;
	}
	int res = makings_make(s, config, &m, err);
	if (res)
		return res;
	struct change c = { .mount = m, .flag = replace, .err = err };
	res = run(s, &c, add_run);
	if (res)
		mount_release(m);
	return res;
}

int mounts_add(struct server *s, struct mount_config *config, struct graft_error *err)
{
	return make(s, config, false, err);
}

int mounts_replace(struct server *s, struct mount_config *config, struct graft_error *err)
{
	return make(s, config, true, err);
}

int mounts_remove(struct server *s, const char *at, bool strict, struct graft_error *err)
{
	return mounts_remove_await(s, at, strict, 0, err);
}

int mounts_remove_await(struct server *s, const char *at, bool strict, int ms, struct graft_error *err)
{
	struct change c = { .at = at, .flag = strict, .end = ms ? mount_end_new() : NULL, .err = err };

	int res = run(s, &c, remove_run);
	mount_notice_gone(c.gone);
	if (!res && c.awaited)
		mount_end_wait(c.end, ms);
	mount_end_put(c.end);
	return res;
}

int mounts_each(struct server *s, int (*fn)(const struct mount_info *info, void *arg), void *arg)
{
	int res = 0;

	LOCK_SCOPE(&s->mounts.lock);
	for (const struct mount *m = s->mounts.first; m && !res; m = m->next) {
		struct mount_info info = {
			.name = m->name,
			.at = m->at,
			.type = m->members[m->nmembers - 1].desc->name,
			.keys = m->keys,
			.nkeys = m->nkeys,
			.slot = m->slot,
			.since = m->since,
			.stats = m->stats,
		};

		mount_table_usage(m, &info.nodes, &info.handles);
		res = fn(&info, arg);
	}
	return res;
}

int mounts_pseudo_each(struct server *s, int (*fn)(const struct place_record *record, void *arg), void *arg)
{
	struct tree_change c = { .fn = fn, .arg = arg };

	return run(s, &c.change, each_run);
}

uint64_t mounts_pseudo_last(struct server *s)
{
	struct tree_change c = { .fn = NULL };

	run(s, &c.change, each_run);
	return c.last_id;
}

int mounts_pseudo_restore(struct server *s, const struct place_record *list, size_t n, uint64_t last_id,
			  struct graft_error *err)
{
	struct tree_change c = { .change.err = err, .list = list, .n = n, .last_id = last_id };

	return run(s, &c.change, restore_run);
}

static struct mount *hold_at(struct server *s, const char *at)
{
	LOCK_SCOPE(&s->mounts.lock);
	struct mount *m = s->mounts.first;

	while (m && strcmp(m->at, at) != 0)
		m = m->next;
	if (m)
		mount_hold(m);
	return m;
}

int mounts_ask(struct server *s, const char *at, const char *what, const char *in, graft_ask_put *put, void *arg)
{
	struct mount *m = hold_at(s, at);
	int res = -EOPNOTSUPP;

	if (!m)
		return -ENOENT;
	for (uint32_t i = 0; i < m->nmembers && res == -EOPNOTSUPP; i++) {
		struct mount_member *member = &m->members[i];

		if (member->desc->ask)
			res = member->desc->ask(member->inst, what, in, put, arg);
	}
	mount_release(m);
	return res > 0 ? -EIO : res;
}

uint32_t mounts_next_slot(struct server *s)
{
	struct slot_change c = { .slot = 0 };

	run(s, &c.change, next_slot_run);
	return c.slot;
}

int mounts_set_next_slot(struct server *s, uint32_t slot, struct graft_error *err)
{
	struct slot_change c = { .change.err = err, .slot = slot };

	return run(s, &c.change, set_next_slot_run);
}
