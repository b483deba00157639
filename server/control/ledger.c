/* SPDX-License-Identifier: Apache-2.0 */
/* The records of mounts made at run time: the list and the file change together. */
#include "server/control/ledger.h"

#include "lib/cleanup.h"

#include <string.h>

void ledger_init(struct ledger *l)
{
	*l = (struct ledger){ 0 };
	pthread_mutex_init(&l->saving, NULL);
	pthread_mutex_init(&l->lock, NULL);
	pthread_cond_init(&l->left, NULL);
}

void ledger_fini(struct ledger *l)
{
	records_free(l->records, l->n);
	pthread_cond_destroy(&l->left);
	pthread_mutex_destroy(&l->lock);
	pthread_mutex_destroy(&l->saving);
}

int ledger_open(struct ledger *l, const struct store *store, struct graft_error *err)
{
	int res = records_read(store, &l->records, &l->n, err);

	l->room = l->n;
	l->store = store;
	return res;
}

/* --- calls */

static bool is_busy(const struct ledger *l, const char *at)
{
	for (const struct ledger_call *c = l->calls; c; c = c->next)
		if (strcmp(c->at, at) == 0)
			return true;
	return false;
}

void ledger_enter(struct ledger *l, struct ledger_call *c, const char *at)
{
	LOCK_SCOPE(&l->lock);
	while (is_busy(l, at))
		pthread_cond_wait(&l->left, &l->lock);
	*c = (struct ledger_call){ .next = l->calls, .at = at };
	l->calls = c;
}

void ledger_leave(struct ledger *l, struct ledger_call *c)
{
	LOCK_SCOPE(&l->lock);
	struct ledger_call **at = &l->calls;
	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	pthread_cond_broadcast(&l->left);
}

static bool has_name(const struct ledger *l, const struct ledger_call *c, const char *name)
{
	for (const struct ledger_call *o = l->calls; o; o = o->next)
		if (o != c && o->name[0] && strcmp(o->name, name) == 0)
			return true;
	for (size_t i = 0; i < l->n; i++) {
		const struct record *r = l->records[i];
		if (r->name && strcmp(r->name, name) == 0 && strcmp(record_at(r), c->at) != 0)
			return true;
	}
	return false;
}

bool ledger_reserve(struct ledger *l, struct ledger_call *c, const char *name)
{
	LOCK_SCOPE(&l->lock);
	bool taken = name && has_name(l, c, name);
	snprintf(c->name, sizeof(c->name), "%s", name && !taken ? name : "");
	return !taken;
}

/* --- the list */

struct record *ledger_find(struct ledger *l, const char *at)
{
	LOCK_SCOPE(&l->lock);
	for (size_t i = 0; i < l->n; i++)
		if (!l->records[i]->hidden && strcmp(record_at(l->records[i]), at) == 0)
			return l->records[i];
	return NULL;
}

static bool list_add(struct ledger *l, struct record *r)
{
	LOCK_SCOPE(&l->lock);
	if (l->n == l->room) {
		size_t room = l->room ? l->room * 2 : 16;
		struct record **more = reallocarray(l->records, room, sizeof(*more));
		if (!more)
			return false;
		l->records = more;
		l->room = room;
	}
	l->records[l->n++] = r;
	return true;
}

static size_t index_of(const struct ledger *l, const struct record *r)
{
	size_t i = 0;

	while (l->records[i] != r)
		i++;
	return i;
}

static void list_remove(struct ledger *l, const struct record *r)
{
	LOCK_SCOPE(&l->lock);
	size_t i = index_of(l, r);
	l->n--;
	memmove(&l->records[i], &l->records[i + 1], (l->n - i) * sizeof(*l->records));
}

static void list_swap(struct ledger *l, const struct record *old, struct record *new)
{
	LOCK_SCOPE(&l->lock);
	l->records[index_of(l, old)] = new;
}

static void hide(struct ledger *l, struct record *r, bool hidden)
{
	LOCK_SCOPE(&l->lock);
	r->hidden = hidden;
}

void ledger_set_why(struct ledger *l, struct record *r, const char *why)
{
	char *copy = why ? strdup(why) : NULL;
	LOCK_SCOPE(&l->lock);
	free(r->why);
	r->why = copy;
	r->failed = why != NULL;
}

int ledger_each(struct ledger *l, int (*fn)(const struct record *r, void *arg), void *arg)
{
	int res = 0;

	LOCK_SCOPE(&l->lock);
	for (size_t i = 0; i < l->n && !res; i++)
		if (!l->records[i]->hidden)
			res = fn(l->records[i], arg);
	return res;
}

/* --- the list and the file */

/* With saving held. */
static int save(struct ledger *l, struct graft_error *err)
{
	int res = l->store ? records_write(l->store, l->records, l->n, err) : 0;

	l->behind = res != 0;
	return res;
}

int ledger_add(struct ledger *l, struct record *r, struct graft_error *err)
{
	LOCK_SCOPE(&l->saving);
	struct record *failed = ledger_find(l, record_at(r));
	if (l->n >= RECORDS_MAX && !failed) /* more would not be read again */
		return error_set(err, ENOSPC, "more than %d mounts made at run time", RECORDS_MAX);
	if (!list_add(l, r))
		return error_set(err, ENOMEM, "out of memory");
	if (failed)
		hide(l, failed, true);
	int res = save(l, err);
	if (res) {
		list_remove(l, r);
		if (failed)
			hide(l, failed, false);
		return res;
	}
	if (failed)
		list_remove(l, failed);
	record_free(failed);
	return 0;
}

int ledger_change(struct ledger *l, struct record *r, struct graft_error *err)
{
	struct record *old = ledger_find(l, record_at(r));

	if (!old)
		return ledger_add(l, r, err);
	LOCK_SCOPE(&l->saving);
	list_swap(l, old, r);
	int res = save(l, err);
	if (res)
		list_swap(l, r, old);
	else
		record_free(old);
	return res;
}

int ledger_take_out(struct ledger *l, struct record *r, struct graft_error *err)
{
	LOCK_SCOPE(&l->saving);
	hide(l, r, true);
	int res = save(l, err);
	if (res)
		hide(l, r, false);
	return res;
}

void ledger_drop(struct ledger *l, struct record *r)
{
	LOCK_SCOPE(&l->saving);
	list_remove(l, r);
	record_free(r);
}

int ledger_put_back(struct ledger *l, struct record *r, struct graft_error *err)
{
	LOCK_SCOPE(&l->saving);
	hide(l, r, false);
	return save(l, err);
}

int ledger_close(struct ledger *l, struct graft_error *err)
{
	LOCK_SCOPE(&l->saving);
	return l->behind ? save(l, err) : 0;
}
