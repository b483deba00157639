/* SPDX-License-Identifier: Apache-2.0 */
/* Counters: the registry and the sums over the queues' blocks. */
#include "server/metrics.h"

#include "lib/cleanup.h"
#include "lib/log.h"
#include "server/fuse/opcodes.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

struct metric {
	char *object, *name, *unit;
	const uint64_t *value;
};

struct metrics {
	pthread_mutex_t lock;
	/* protected by lock; the numbers in the blocks are atomic */
	struct metric *rows;
	uint32_t nrows, room;
	struct op_counters *blocks;
	struct op_counters ended;
};

struct metrics *metrics_new(void)
{
	struct metrics *m = calloc(1, sizeof(*m));

	if (m)
		pthread_mutex_init(&m->lock, NULL);
	return m;
}

static void metric_fini(struct metric *row)
{
	free(row->object);
	free(row->name);
	free(row->unit);
}

void metrics_free(struct metrics *m)
{
	if (!m)
		return;
	while (m->nrows)
		metric_fini(&m->rows[--m->nrows]);
	while (m->blocks) {
		struct op_counters *c = m->blocks;

		m->blocks = c->next;
		free(c);
	}
	free(m->rows);
	pthread_mutex_destroy(&m->lock);
	free(m);
}

static int reserve(struct metrics *m)
{
	uint32_t room = m->room ? m->room * 2 : 16;

	if (m->nrows < m->room)
		return 0;
	if (m->nrows >= METRICS_MAX)
		return -ENOSPC;
	struct metric *rows = realloc(m->rows, room * sizeof(*rows));
	if (!rows)
		return -ENOMEM;
	m->rows = rows;
	m->room = room;
	return 0;
}

int metrics_add(struct metrics *m, const char *object, const char *name, const char *unit, const uint64_t *counter)
{
	LOCK_SCOPE(&m->lock);
	for (uint32_t i = 0; i < m->nrows; i++) {
		if (!strcmp(m->rows[i].object, object) && !strcmp(m->rows[i].name, name))
			return -EEXIST;
	}
	int res = reserve(m);
	if (res)
		return res;
	struct metric row = { strdup(object), strdup(name), strdup(unit), counter };
	if (!row.object || !row.name || !row.unit) {
		metric_fini(&row);
		return -ENOMEM;
	}
	m->rows[m->nrows++] = row;
	return 0;
}

void metrics_remove(struct metrics *m, const char *object)
{
	LOCK_SCOPE(&m->lock);
	uint32_t kept = 0;
	for (uint32_t i = 0; i < m->nrows; i++) {
		if (strcmp(m->rows[i].object, object))
			m->rows[kept++] = m->rows[i];
		else
			metric_fini(&m->rows[i]);
	}
	m->nrows = kept;
}

struct op_counters *metrics_counters_new(struct metrics *m)
{
	struct op_counters *c = aligned_alloc(64, (sizeof(*c) + 63) & ~(size_t)63);

	if (!c)
		return NULL;
	memset(c, 0, sizeof(*c));
	LOCK_SCOPE(&m->lock);
	c->next = m->blocks;
	m->blocks = c;
	return c;
}

static void add_counters(struct op_counters *to, struct op_counters *from, uint32_t op)
{
	uint64_t n = atomic_load_explicit(&from->requests[op], memory_order_relaxed);
	uint64_t bad = atomic_load_explicit(&from->errors[op], memory_order_relaxed);

	atomic_fetch_add_explicit(&to->requests[op], n, memory_order_relaxed);
	atomic_fetch_add_explicit(&to->errors[op], bad, memory_order_relaxed);
}

void metrics_counters_end(struct metrics *m, struct op_counters *c)
{
	if (!c)
		return;
	LOCK_SCOPE(&m->lock);
	struct op_counters **at = &m->blocks;
	while (*at && *at != c)
		at = &(*at)->next;
	if (*at)
		*at = c->next;
	for (uint32_t op = 0; op < GRAFT_OP_COUNT; op++)
		add_counters(&m->ended, c, op);
	free(c);
}

void metrics_ops(struct metrics *m, uint32_t opcode, uint64_t *requests, uint64_t *errors)
{
	struct op_counters sum = { 0 };

	LOCK_SCOPE(&m->lock);
	add_counters(&sum, &m->ended, opcode);
	for (struct op_counters *c = m->blocks; c; c = c->next)
		add_counters(&sum, c, opcode);
	*requests = atomic_load_explicit(&sum.requests[opcode], memory_order_relaxed);
	*errors = atomic_load_explicit(&sum.errors[opcode], memory_order_relaxed);
}

static void log_op(struct metrics *m, uint32_t opcode)
{
	uint64_t requests, errors;
	const char *name = op_name(opcode);

	metrics_ops(m, opcode, &requests, &errors);
	if (requests)
		log_info("metric", "op.%s.requests = %" PRIu64 " count", name, requests);
	if (errors)
		log_info("metric", "op.%s.errors = %" PRIu64 " count", name, errors);
}

void metrics_log(struct metrics *m)
{
	for (uint32_t op = 0; op < GRAFT_OP_COUNT; op++)
		log_op(m, op);
	LOCK_SCOPE(&m->lock);
	for (uint32_t i = 0; i < m->nrows; i++) {
		const struct metric *row = &m->rows[i];

		log_info("metric", "%s.%s = %" PRIu64 "%s%s", row->object, row->name,
			 __atomic_load_n(row->value, __ATOMIC_RELAXED), row->unit[0] ? " " : "", row->unit);
	}
}
