/* SPDX-License-Identifier: Apache-2.0 */
/* The server's statistics as numbers. */
#include "ctl/stats_model.h"

#include "ctl/command.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int not_stats(const char *what, struct graft_error *err)
{
	return error_set(err, EPROTO, "the server's statistics have no proper %s", what);
}

static int read_bounds(struct stats *s, const json_t *bounds, struct graft_error *err)
{
	size_t i;
	json_t *bound;
	if (!json_is_array(bounds) || json_array_size(bounds) == 0 || json_array_size(bounds) > STATS_BUCKETS_MAX)
		return not_stats("bounds_ns", err);
	json_array_foreach(bounds, i, bound) s->bounds[i] =
		json_is_integer(bound) ? (uint64_t)json_integer_value(bound) : UINT64_MAX;
	s->nbounds = json_array_size(bounds);
	return 0;
}

static int add_row(struct stats *s, const char *at, const json_t *op, struct graft_error *err)
{
	const json_t *buckets = json_object_get(op, "buckets");
	if (s->n == s->room) {
		size_t room = s->room > 0 ? s->room * 2 : 64;
		struct stats_row *rows = realloc(s->rows, room * sizeof(*rows));
		if (!rows)
			return error_set(err, ENOMEM, "out of memory");
		s->rows = rows;
		s->room = room;
	}
	struct stats_row *row = &s->rows[s->n++];
	*row = (struct stats_row){
		.at = at,
		.op = ctl_text(op, "op"),
		.count = ctl_number(op, "count"),
		.errors = ctl_number(op, "errors"),
		.total_ns = ctl_number(op, "total_ns"),
		.bytes = ctl_number(op, "bytes"),
	};
	for (size_t i = 0; i < s->nbounds && i < json_array_size(buckets); i++) {
		json_int_t n = json_integer_value(json_array_get(buckets, i));
		row->buckets[i] = n > 0 ? (uint64_t)n : 0;
	}
	return 0;
}

static int add_rows(struct stats *s, const char *at, const json_t *ops, struct graft_error *err)
{
	size_t i;
	json_t *op;
	if (!json_is_array(ops))
		return not_stats("operations", err);
	json_array_foreach(ops, i, op)
	{
		int res = add_row(s, at, op, err);
		if (res != 0)
			return res;
	}
	return 0;
}

int stats_read(struct stats *s, json_t *json, struct graft_error *err)
{
	const json_t *server = json_object_get(json, "server"), *mounts = json_object_get(json, "mounts");
	size_t i;
	json_t *mount;
	s->json = json;
	int res = read_bounds(s, json_object_get(json, "bounds_ns"), err);
	if (res == 0 && !json_is_array(mounts))
		res = not_stats("mounts", err);
	if (res != 0)
		return res;
	json_array_foreach(mounts, i, mount)
	{
		res = add_rows(s, ctl_text(mount, "at"), json_object_get(mount, "ops"), err);
		if (res != 0)
			return res;
	}
	return server ? add_rows(s, NULL, server, err) : 0;
}

void stats_free(struct stats *s)
{
	json_decref(s->json);
	free(s->rows);
	*s = (struct stats){ 0 };
}

/* By path and operation; those of no mount last. */
static int by_name(const void *a, const void *b)
{
	const struct stats_row *x = *(const struct stats_row *const *)a, *y = *(const struct stats_row *const *)b;
	if (!x->at != !y->at)
		return x->at ? -1 : 1;
	int order = x->at ? strcmp(x->at, y->at) : 0;
	return order != 0 ? order : strcmp(x->op, y->op);
}

static int by_row(const void *a, const void *b)
{
	const struct stats_row *x = a, *y = b;
	return by_name(&x, &y);
}

static int by_count(const void *a, const void *b)
{
	const struct stats_row *x = a, *y = b;
	if (!x->at != !y->at)
		return x->at ? -1 : 1;
	if (x->count != y->count)
		return x->count > y->count ? -1 : 1;
	return by_name(&x, &y);
}

static void subtract(uint64_t *now, uint64_t before)
{
	*now = *now > before ? *now - before : 0;
}

/* The server adds to one field after the other: a later reading may be behind in some of them by what is on its way. */
static void subtract_row(struct stats_row *now, const struct stats_row *before, size_t nbounds)
{
	if (now->count < before->count)
		return;
	subtract(&now->count, before->count);
	subtract(&now->errors, before->errors);
	subtract(&now->total_ns, before->total_ns);
	subtract(&now->bytes, before->bytes);
	for (size_t i = 0; i < nbounds; i++)
		subtract(&now->buckets[i], before->buckets[i]);
}

/* The rows of s by name; the caller frees them. NULL when out of memory. */
static const struct stats_row **sort_rows(const struct stats *s)
{
	const struct stats_row **sorted = calloc(s->n + 1, sizeof(struct stats_row *));
	for (size_t i = 0; sorted && i < s->n; i++)
		sorted[i] = &s->rows[i];
	if (sorted)
		qsort(sorted, s->n, sizeof(struct stats_row *), by_name);
	return sorted;
}

int stats_since(const struct stats *now, const struct stats *before, struct stats *since, struct graft_error *err)
{
	const struct stats_row **known = sort_rows(before);
	*since = *now;
	since->json = json_incref(now->json);
	since->n = 0;
	since->rows = calloc(now->n + 1, sizeof(*since->rows));
	if (!known || !since->rows) {
		free(known);
		return error_set(err, ENOMEM, "out of memory");
	}
	for (size_t i = 0; i < now->n; i++) {
		struct stats_row row = now->rows[i];
		const struct stats_row *key = &row;
		const struct stats_row *const *found =
			bsearch(&key, known, before->n, sizeof(struct stats_row *), by_name);
		if (found)
			subtract_row(&row, *found, now->nbounds);
		if (row.count > 0)
			since->rows[since->n++] = row;
	}
	free(known);
	qsort(since->rows, since->n, sizeof(*since->rows), by_count);
	return 0;
}

/* A server may say anything: no sum wraps around. */
static uint64_t sum(uint64_t a, uint64_t b)
{
	return a <= UINT64_MAX - b ? a + b : UINT64_MAX;
}

static void add_up(struct stats_row *to, const struct stats_row *row)
{
	to->count = sum(to->count, row->count);
	to->errors = sum(to->errors, row->errors);
	to->total_ns = sum(to->total_ns, row->total_ns);
	to->bytes = sum(to->bytes, row->bytes);
	for (size_t i = 0; i < STATS_BUCKETS_MAX; i++)
		to->buckets[i] = sum(to->buckets[i], row->buckets[i]);
}

int stats_group(const struct stats *s, enum stats_by by, struct stats *to, struct graft_error *err)
{
	*to = *s;
	to->json = json_incref(s->json);
	to->rows = calloc(s->n + 1, sizeof(*to->rows));
	to->n = 0;
	if (!to->rows)
		return error_set(err, ENOMEM, "out of memory");
	for (size_t i = 0; i < s->n; i++) {
		to->rows[i] = s->rows[i];
		if (by == STATS_BY_OP || by == STATS_BY_NONE)
			to->rows[i].at = NULL;
		if (by == STATS_BY_MOUNT || by == STATS_BY_NONE)
			to->rows[i].op = "";
	}
	qsort(to->rows, s->n, sizeof(*to->rows), by_row);
	for (size_t i = 0; i < s->n; i++) {
		if (to->n > 0 && by_row(&to->rows[to->n - 1], &to->rows[i]) == 0)
			add_up(&to->rows[to->n - 1], &to->rows[i]);
		else
			to->rows[to->n++] = to->rows[i];
	}
	return 0;
}

uint64_t stats_mean(const struct stats_row *row)
{
	return row->count > 0 ? row->total_ns / row->count : 0;
}

static uint64_t figure(const struct stats_row *row, enum stats_order order)
{
	const uint64_t figures[] = {
		[STATS_ORDER_RATE] = row->count,
		[STATS_ORDER_LATENCY] = stats_mean(row),
		[STATS_ORDER_ERRORS] = row->errors,
		[STATS_ORDER_BYTES] = row->bytes,
	};
	return figures[order];
}

static int by_figure(const void *a, const void *b, void *order)
{
	const struct stats_row *x = a, *y = b;
	uint64_t first = figure(x, *(const enum stats_order *)order),
		 second = figure(y, *(const enum stats_order *)order);
	if (first != second)
		return first > second ? -1 : 1;
	if (x->count != y->count)
		return x->count > y->count ? -1 : 1;
	return by_name(&x, &y);
}

void stats_sort(struct stats *s, enum stats_order order)
{
	qsort_r(s->rows, s->n, sizeof(*s->rows), by_figure, &order);
}

size_t stats_percentile(const struct stats *s, const struct stats_row *row, double p)
{
	uint64_t all = 0, seen = 0;
	for (size_t i = 0; i < s->nbounds; i++)
		all = sum(all, row->buckets[i]);
	for (size_t i = 0; i < s->nbounds && all > 0; i++) {
		seen = sum(seen, row->buckets[i]);
		if ((double)seen >= p * (double)all)
			return i;
	}
	return s->nbounds;
}
