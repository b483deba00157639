/* SPDX-License-Identifier: Apache-2.0 */
/* TOML as JSON values: tables, keys and what they hold. */
#include "nydus/toml.h"

#include "lib/cleanup.h"
#include "nydus/toml_value.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* How a table came to be, which says who may add to it. */
enum table_kind {
	TABLE_PATH,   /* by a header on its way to another: a header of its own may still come */
	TABLE_HEADER, /* by its header */
	TABLE_DOTTED, /* by dotted keys: these may add */
	TABLE_INLINE, /* whole as it stands */
	TABLE_LIST    /* an array whose last element [[headers]] mean */
};

struct known_table {
	const json_t *value;
	enum table_kind kind;
};

struct toml {
	struct toml_text text; /* first */
	unsigned depth;
	size_t ntables;
	struct known_table tables[TOML_TABLES_MAX];
};

static int no_memory(struct toml *t)
{
	return error_set(t->text.err, ENOMEM, "out of memory");
}

static struct known_table *known(struct toml *t, const json_t *value)
{
	for (size_t i = t->ntables; i-- > 0;)
		if (t->tables[i].value == value)
			return &t->tables[i];
	return NULL;
}

/* A new table or list; NULL with err. What holds it is the caller's to say. */
static json_t *new_table(struct toml *t, enum table_kind kind)
{
	json_t *value;

	if (t->ntables == TOML_TABLES_MAX) {
		toml_wrong(&t->text, "too many tables");
		return NULL;
	}
	value = kind == TABLE_LIST ? json_array() : json_object();
	if (value)
		t->tables[t->ntables++] = (struct known_table){ value, kind };
	else
		no_memory(t);
	return value;
}

/* A new table in `in` under the key in the text's room. */
static json_t *add_table(struct toml *t, json_t *in, size_t len, enum table_kind kind)
{
	json_t *value = new_table(t, kind);

	if (value && json_object_setn_new(in, t->text.room, len, value) < 0) {
		no_memory(t);
		return NULL;
	}
	return value;
}

/* From `in` to what its member of the key in room is; made as `kind` where it is missing. NULL with err. */
static json_t *step_into(struct toml *t, json_t *in, size_t len, enum table_kind kind)
{
	json_t *value = json_object_getn(in, t->text.room, len);
	const struct known_table *table = value ? known(t, value) : NULL;

	if (!value)
		return add_table(t, in, len, kind);
	if (table && kind == TABLE_PATH && table->kind == TABLE_LIST)
		return json_array_get(value, json_array_size(value) - 1);
	if (table && (kind == TABLE_PATH ? table->kind != TABLE_INLINE : table->kind == TABLE_DOTTED))
		return value;
	toml_wrong(&t->text, "a key that is taken");
	return NULL;
}

/*
 * All parts of a key but the last, from `in` on; tables on the way are made as `kind`. *in becomes the table of the
 * last part, which is in the text's room, *len bytes.
 */
static int walk_key(struct toml *t, json_t **in, enum table_kind kind, size_t *len)
{
	for (unsigned parts = 1;; parts++) {
		int res;

		toml_skip_blanks(&t->text);
		res = toml_key(&t->text, len);
		if (res < 0)
			return res;
		toml_skip_blanks(&t->text);
		if (!toml_take(&t->text, "."))
			return 0;
		if (parts == TOML_DEPTH_MAX)
			return toml_wrong(&t->text, "a key of too many parts");
		*in = step_into(t, *in, *len, kind);
		if (!*in)
			return -EINVAL;
	}
}

static int read_value(struct toml *t, json_t **value);

/* KEY = VALUE, in the table `in`. */
static int read_pair(struct toml *t, json_t *in)
{
	auto_free char *name = NULL;
	json_t *value;
	size_t len;
	int res = walk_key(t, &in, TABLE_DOTTED, &len);

	if (res < 0)
		return res;
	if (json_object_getn(in, t->text.room, len))
		return toml_wrong(&t->text, "a key that is taken");
	if (!toml_take(&t->text, "="))
		return toml_wrong(&t->text, "'=' is missing");
	/* The value needs the room. */
	name = strndup(t->text.room, len);
	if (!name)
		return no_memory(t);
	toml_skip_blanks(&t->text);
	res = read_value(t, &value);
	if (res == 0 && json_object_setn_new(in, name, len, value) < 0)
		res = no_memory(t);
	return res;
}

/* Behind '{'. */
static int read_inline(struct toml *t, json_t *table)
{
	int res = 0;

	toml_skip_blanks(&t->text);
	if (toml_take(&t->text, "}"))
		return 0;
	while (res == 0) {
		res = read_pair(t, table);
		if (res < 0)
			return res;
		toml_skip_blanks(&t->text);
		if (toml_take(&t->text, "}"))
			return 0;
		if (!toml_take(&t->text, ","))
			res = toml_wrong(&t->text, "'}' is missing");
	}
	return res;
}

/* Behind '['. */
static int read_list(struct toml *t, json_t *list)
{
	for (;;) {
		json_t *value;
		int res = toml_skip_lines(&t->text);

		if (res < 0 || toml_take(&t->text, "]"))
			return res;
		res = read_value(t, &value);
		if (res == 0 && json_array_append_new(list, value) < 0)
			res = no_memory(t);
		if (res == 0)
			res = toml_skip_lines(&t->text);
		if (res < 0 || toml_take(&t->text, "]"))
			return res;
		if (!toml_take(&t->text, ","))
			return toml_wrong(&t->text, "']' is missing");
	}
}

static int read_nested(struct toml *t, bool table, json_t **value)
{
	int res;

	if (t->depth == TOML_DEPTH_MAX)
		return toml_wrong(&t->text, "values nested too deep");
	*value = table ? new_table(t, TABLE_INLINE) : json_array();
	if (!*value)
		return table ? -EINVAL : no_memory(t);
	t->depth++;
	res = table ? read_inline(t, *value) : read_list(t, *value);
	t->depth--;
	if (res < 0)
		json_decref(*value);
	return res;
}

/* *value is the caller's where the result is 0. */
static int read_value(struct toml *t, json_t **value)
{
	struct toml_text *text = &t->text;
	size_t len;
	int res;

	if (toml_take(text, "{"))
		return read_nested(t, true, value);
	if (toml_take(text, "["))
		return read_nested(t, false, value);
	if (text->at == text->end || (*text->at != '"' && *text->at != '\''))
		return toml_word(text, value);
	res = toml_quoted(text, true, &len);
	if (res < 0)
		return res;
	*value = json_stringn(text->room, len);
	return *value ? 0 : no_memory(t);
}

/* The table that a header means, which its path leads to. */
static int open_table(struct toml *t, json_t *in, size_t len, json_t **current)
{
	json_t *value = json_object_getn(in, t->text.room, len);
	struct known_table *table = value ? known(t, value) : NULL;

	if (value && (!table || table->kind != TABLE_PATH))
		return toml_wrong(&t->text, "a table that is there already");
	if (table)
		table->kind = TABLE_HEADER;
	*current = value ? value : add_table(t, in, len, TABLE_HEADER);
	return *current ? 0 : -EINVAL;
}

static int open_element(struct toml *t, json_t *in, size_t len, json_t **current)
{
	json_t *list = json_object_getn(in, t->text.room, len);
	const struct known_table *table = list ? known(t, list) : NULL;

	if (list && (!table || table->kind != TABLE_LIST))
		return toml_wrong(&t->text, "a key that is taken");
	if (!list)
		list = add_table(t, in, len, TABLE_LIST);
	*current = list ? new_table(t, TABLE_HEADER) : NULL;
	if (!*current)
		return -EINVAL;
	return json_array_append_new(list, *current) < 0 ? no_memory(t) : 0;
}

/* Behind '['. */
static int read_header(struct toml *t, json_t *root, json_t **current)
{
	bool list = toml_take(&t->text, "[");
	json_t *in = root;
	size_t len;
	int res = walk_key(t, &in, TABLE_PATH, &len);

	if (res < 0)
		return res;
	if (!toml_take(&t->text, list ? "]]" : "]"))
		return toml_wrong(&t->text, "']' is missing");
	return list ? open_element(t, in, len, current) : open_table(t, in, len, current);
}

static int read_document(struct toml *t, json_t *root)
{
	json_t *current = root;
	int res = toml_skip_lines(&t->text);

	while (res == 0 && t->text.at < t->text.end) {
		res = toml_take(&t->text, "[") ? read_header(t, root, &current) : read_pair(t, current);
		if (res == 0)
			res = toml_end_line(&t->text);
		if (res == 0)
			res = toml_skip_lines(&t->text);
	}
	return res;
}

/* Texts are cut out of the document, so that all of them are UTF-8 if it is. */
static int check_encoding(const char *text, size_t len, struct graft_error *err)
{
	json_t *whole = json_stringn(text, len);

	if (!whole)
		return error_set(err, EINVAL, "it is not UTF-8");
	json_decref(whole);
	return 0;
}

json_t *toml_read(const char *text, size_t len, struct graft_error *err)
{
	auto_free struct toml *t = calloc(1, sizeof(*t));
	auto_free char *room = malloc(len + 1);
	json_t *root = json_object();
	int res;

	if (!t || !room || !root) {
		json_decref(root);
		error_set(err, ENOMEM, "out of memory");
		return NULL;
	}
	t->text = (struct toml_text){ .at = text, .end = text + len, .start = text, .room = room, .err = err };
	toml_take(&t->text, "\xef\xbb\xbf");
	res = check_encoding(text, len, err);
	if (res == 0)
		res = read_document(t, root);
	if (res == 0)
		return root;
	json_decref(root);
	return NULL;
}
