/* SPDX-License-Identifier: Apache-2.0 */
/* Option tables: the object that owns a settings struct and fills it key by key. */
#include "lib/options.h"
#include "lib/options_internal.h"

#include "lib/cleanup.h"

#include <string.h>

struct options *options_new(const struct graft_opt *table, size_t size)
{
	struct options *o = calloc(1, sizeof(*o));
	if (!o)
		return NULL;
	o->table = table;
	while (table[o->n].key)
		o->n++;
	o->settings = calloc(1, size > 0 ? size : 1);
	o->rows = calloc(o->n + 1, sizeof(*o->rows));
	if (!o->settings || !o->rows) {
		options_free(o);
		return NULL;
	}
	return o;
}

void options_free(struct options *o)
{
	if (!o)
		return;
	for (size_t i = 0; o->rows && i < o->n; i++) {
		for (size_t k = 0; k < o->rows[i].count; k++)
			free(o->rows[i].items[k]);
		free(o->rows[i].items);
		free(o->rows[i].where);
	}
	free(o->rows);
	free(o->settings);
	free(o);
}

static size_t find(const struct options *o, const char *key)
{
	size_t i = 0;
	while (i < o->n && strcmp(o->table[i].key, key) != 0)
		i++;
	return i;
}

static int no_memory(struct graft_error *err)
{
	return error_set(err, ENOMEM, "out of memory");
}

/* On failure the items that the settings already point to stay where they are. */
static int add_item(struct option_row *row, const char *text, struct graft_error *err)
{
	if (row->count == OPTION_LIST_MAX)
		return error_set(err, EINVAL, "more than %d values", OPTION_LIST_MAX);
	auto_free char *copy = strdup(text);
	if (!copy)
		return no_memory(err);
	if (row->count == row->room) {
		size_t room = row->room > 0 ? row->room * 2 : 1;
		char **items = realloc(row->items, room * sizeof(*items));
		if (!items)
			return no_memory(err);
		row->items = items;
		row->room = room;
	}
	row->items[row->count++] = steal_ptr(copy);
	return 0;
}

/* Puts a value of row i where its offset says. */
static void put(struct options *o, size_t i, const union option_value *v)
{
	char *at = o->settings + o->table[i].offset;
	const struct option_row *row = &o->rows[i];

	switch (o->table[i].type) {
	case GRAFT_OPT_STRING:
	case GRAFT_OPT_PATH:
		memcpy(at, &row->items[0], sizeof(char *));
		break;
	case GRAFT_OPT_LIST: {
		struct graft_list list = { .items = (const char *const *)row->items, .count = row->count };
		memcpy(at, &list, sizeof(list));
		break;
	}
	case GRAFT_OPT_BOOL:
		memcpy(at, &v->b, sizeof(v->b));
		break;
	case GRAFT_OPT_ENUM:
		memcpy(at, &v->index, sizeof(v->index));
		break;
	default:
		memcpy(at, &v->u64, sizeof(v->u64));
		break;
	}
}

/* given: by the file, whose words options_each_set tells again; a default is kept as text only where it is one. */
static int store(struct options *o, size_t i, const char *text, bool given, struct graft_error *err)
{
	union option_value v = { 0 };
	int res = option_parse(&o->table[i], text, &v, err);
	if (res == 0 && (given || option_is_text(&o->table[i]))) {
		res = add_item(&o->rows[i], text, err);
		if (res != 0)
			error_wrap(err, "%s", o->table[i].key);
	}
	if (res != 0)
		return res;
	put(o, i, &v);
	o->rows[i].has_value = true;
	return 0;
}

static int unknown_key(const struct options *o, const char *key, struct graft_error *err)
{
	const char *known[OPTIONS_ROWS_MAX];
	size_t n = o->n < OPTIONS_ROWS_MAX ? o->n : OPTIONS_ROWS_MAX;
	for (size_t i = 0; i < n; i++)
		known[i] = o->table[i].key;
	const char *near = options_nearest(key, known, n);
	if (near)
		return error_set(err, EINVAL, "unknown key '" OPTION_SHOWN "'; did you mean '%s'?", key, near);
	return error_set(err, EINVAL, "unknown key '" OPTION_SHOWN "'", key);
}

static int given_twice(const char *key, const char *first, const char *second, struct graft_error *err)
{
	if (strcmp(first, second) == 0)
		return error_set(err, EINVAL, "key '%s' is given twice", key);
	return error_set(err, EINVAL, "key '%s' is given twice; first at %s", key, first);
}

int options_set(struct options *o, const char *key, const char *value, const char *where, struct graft_error *err)
{
	size_t i = find(o, key);
	if (i == o->n)
		return unknown_key(o, key, err);
	struct option_row *row = &o->rows[i];
	if (row->where && o->table[i].type != GRAFT_OPT_LIST)
		return given_twice(key, row->where, where, err);

	auto_free char *place = strdup(where);
	if (!place)
		return no_memory(err);
	int res = store(o, i, value, true, err);
	if (res == 0 && !row->where)
		row->where = steal_ptr(place);
	return res;
}

static bool may_be_absent(const struct graft_opt *opt)
{
	return opt->optional && opt->type != GRAFT_OPT_BOOL && opt->type != GRAFT_OPT_ENUM;
}

int options_finish(struct options *o, struct graft_error *err)
{
	for (size_t i = 0; i < o->n; i++) {
		const struct graft_opt *opt = &o->table[i];
		int res = 0;
		if (o->rows[i].has_value)
			continue;
		if (opt->dflt)
			res = store(o, i, opt->dflt, false, err);
		else if (!may_be_absent(opt))
			res = error_set(err, EINVAL, "key '%s' is missing", opt->key);
		else if (!option_is_text(opt))
			put(o, i, &(union option_value){ .u64 = UINT64_MAX });
		if (res != 0)
			return res;
	}
	return 0;
}

const void *options_settings(const struct options *o)
{
	return o->settings;
}

const char *options_where(const struct options *o, const char *key)
{
	size_t i = find(o, key);
	return i < o->n ? o->rows[i].where : NULL;
}

int options_each_set(const struct options *o, int (*fn)(const char *key, const char *text, void *arg), void *arg)
{
	for (size_t i = 0; i < o->n; i++) {
		const struct option_row *row = &o->rows[i];
		for (size_t k = 0; row->where && k < row->count; k++) {
			int res = fn(o->table[i].key, row->items[k], arg);
			if (res != 0)
				return res;
		}
	}
	return 0;
}
