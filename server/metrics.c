/* SPDX-License-Identifier: Apache-2.0 */
/* Counters: the registry and the sums over the queues' blocks. */
#include "server/metrics.h"

#include "lib/cleanup.h"
#include "lib/log.h"

#include <errno.h>
#include <inttypes.h>
#include <search.h>
#include <string.h>

struct metric {
	struct metric *next;
	const uint64_t *value;
	const char *name, *unit; /* in text */
	char text[];
};

/* An owner's counters. Found by owner, walked in the order of making. */
struct group {
	const void *owner; /* first: the key of the tree */
	struct group *next, *prev;
	struct metric *first, **last;
	uint32_t count;
	char object[];
};

struct metrics {
	pthread_mutex_t lock;
	/* protected by lock */
	void *tree; /* of tsearch */
	struct group *first, *last;
	uint32_t count;
};

struct metrics *metrics_new(void)
{
	struct metrics *m = calloc(1, sizeof(*m));

	if (m)
		pthread_mutex_init(&m->lock, NULL);
	return m;
}

static int compare(const void *a, const void *b)
{
	uintptr_t x = (uintptr_t)((const struct group *)a)->owner, y = (uintptr_t)((const struct group *)b)->owner;

	return x < y ? -1 : x > y;
}

static struct group *find_group(struct metrics *m, const void *owner)
{
	struct group key = { .owner = owner };
	struct group **at = tfind(&key, &m->tree, compare);

	return at ? *at : NULL;
}

static struct group *make_group(struct metrics *m, const void *owner, const char *object)
{
	size_t len = strlen(object) + 1;
	struct group *g = malloc(sizeof(*g) + len);

	if (!g)
		return NULL;
	*g = (struct group){ .owner = owner, .prev = m->last, .last = &g->first };
	memcpy(g->object, object, len);
	if (!tsearch(g, &m->tree, compare)) {
		free(g);
		return NULL;
	}
	if (m->last)
		m->last->next = g;
	else
		m->first = g;
	m->last = g;
	return g;
}

static void drop_group(struct metrics *m, struct group *g)
{
	tdelete(g, &m->tree, compare);
	if (g->prev)
		g->prev->next = g->next;
	else
		m->first = g->next;
	if (g->next)
		g->next->prev = g->prev;
	else
		m->last = g->prev;
	m->count -= g->count;
	while (g->first) {
		struct metric *row = g->first;

		g->first = row->next;
		free(row);
	}
	free(g);
}

void metrics_free(struct metrics *m)
{
	if (!m)
		return;
	while (m->first)
		drop_group(m, m->first);
	pthread_mutex_destroy(&m->lock);
	free(m);
}

static int add_row(struct metrics *m, struct group *g, const char *name, const char *unit, const uint64_t *counter)
{
	size_t name_len = strlen(name) + 1, unit_len = strlen(unit) + 1;

	for (struct metric *row = g->first; row; row = row->next) {
		if (!strcmp(row->name, name))
			return -EEXIST;
	}
	if (m->count >= METRICS_MAX || g->count >= METRICS_OWNER_MAX)
		return -ENOSPC;
	struct metric *row = malloc(sizeof(*row) + name_len + unit_len);
	if (!row)
		return -ENOMEM;
	memcpy(row->text, name, name_len);
	memcpy(row->text + name_len, unit, unit_len);
	row->next = NULL;
	row->value = counter;
	row->name = row->text;
	row->unit = row->text + name_len;
	*g->last = row;
	g->last = &row->next;
	g->count++;
	m->count++;
	return 0;
}

int metrics_add(struct metrics *m, const void *owner, const char *object, const char *name, const char *unit,
		const uint64_t *counter)
{
	LOCK_SCOPE(&m->lock);
	struct group *g = find_group(m, owner);

	if (!g)
		g = make_group(m, owner, object);
	if (!g)
		return -ENOMEM;
	int res = add_row(m, g, name, unit, counter);
	if (!g->count)
		drop_group(m, g);
	return res;
}

void metrics_remove(struct metrics *m, const void *owner)
{
	LOCK_SCOPE(&m->lock);
	struct group *g = find_group(m, owner);

	if (g)
		drop_group(m, g);
}

int metrics_each(struct metrics *m,
		 int (*fn)(const char *object, const char *name, const char *unit, uint64_t value, void *arg),
		 void *arg)
{
	int res = 0;

	LOCK_SCOPE(&m->lock);
	for (struct group *g = m->first; g && !res; g = g->next) {
		for (struct metric *row = g->first; row && !res; row = row->next)
			res = fn(g->object, row->name, row->unit, __atomic_load_n(row->value, __ATOMIC_RELAXED), arg);
	}
	return res;
}

static int log_metric(const char *object, const char *name, const char *unit, uint64_t value, void *arg)
{
	(void)arg;
	log_info("metric", "%s.%s = %" PRIu64 "%s%s", object, name, value, unit[0] ? " " : "", unit);
	return 0;
}

void metrics_log(struct metrics *m)
{
	metrics_each(m, log_metric, NULL);
}
