/* SPDX-License-Identifier: Apache-2.0 */
/* Reads JSON objects by tables of their fields. */
#include "config_fields.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

const char *field_path(char full[FIELD_PATH_MAX], const char *path, const char *name)
{
	snprintf(full, FIELD_PATH_MAX, "%.60s%s%.32s", path, path[0] ? "." : "", name);
	return full;
}

static const struct field *find(const struct field *table, const char *name)
{
	const struct field *f = table;

	while (f->name && strcmp(f->name, name) != 0)
		f++;
	return f->name ? f : NULL;
}

static void note_unknown(struct field_reader *r, const char *full)
{
	size_t room = sizeof(r->unknown) - r->unknown_len;
	int n = snprintf(r->unknown + r->unknown_len, room, "%s%s", r->unknown_len ? ", " : "", full);

	if (n > 0 && (size_t)n < room) {
		/* It goes into one line of the log. */
		for (char *p = r->unknown + r->unknown_len; *p; p++)
			if ((unsigned char)*p < ' ' || *p == 0x7f)
				*p = '?';
		r->unknown_len += (size_t)n;
		return;
	}
	r->unknown[r->unknown_len] = '\0';
	r->unknown_more = true;
}

static int wrong(struct field_reader *r, const char *full, const char *what)
{
	return error_set(r->err, EINVAL, "%s must be %s", full, what);
}

static bool says_no(const json_t *value)
{
	return json_is_false(value) || (json_is_string(value) && !json_string_length(value)) ||
	       (json_is_object(value) && !json_object_size(value)) || (json_is_array(value) && !json_array_size(value));
}

static int read_text(struct field_reader *r, const char *full, const json_t *value, char *at)
{
	const char *text = json_string_value(value);

	if (!text)
		return wrong(r, full, "a text");
	memcpy(at, &text, sizeof(text));
	return 0;
}

static int read_bool(struct field_reader *r, const char *full, const json_t *value, char *at)
{
	bool b = json_is_true(value);

	if (!json_is_boolean(value))
		return wrong(r, full, "true or false");
	memcpy(at, &b, sizeof(b));
	return 0;
}

static int read_number(struct field_reader *r, const char *full, const json_t *value, char *at)
{
	uint64_t v = (uint64_t)json_integer_value(value);

	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return wrong(r, full, "a whole number");
	memcpy(at, &v, sizeof(v));
	return 0;
}

static int read_object(struct field_reader *r, const char *full, const json_t *value, const struct field *f, void *to)
{
	if (!json_is_object(value))
		return wrong(r, full, "an object");
	if (f->offset != FIELD_NOWHERE)
		*((bool *)(void *)((char *)to + f->offset)) = true;
	return fields_read(r, value, f->sub, full, to);
}

static int read_field(struct field_reader *r, const struct field *f, const char *path, const json_t *value, void *to)
{
	char full[FIELD_PATH_MAX], *at = f->offset == FIELD_NOWHERE ? NULL : (char *)to + f->offset;

	field_path(full, path, f->name);
	switch (f->kind) {
	case FIELD_TEXT:
		return read_text(r, full, value, at);
	case FIELD_BOOL:
		return read_bool(r, full, value, at);
	case FIELD_NUMBER:
		return read_number(r, full, value, at);
	case FIELD_OBJECT:
		return read_object(r, full, value, f, to);
	case FIELD_VALUE:
		memcpy(at, &value, sizeof(value));
		return 0;
	case FIELD_NO:
		return says_no(value) ? 0 : error_set(r->err, EINVAL, "%s: %s", full, f->why);
	case FIELD_NOTHING:
	default:
		return 0;
	}
}

/* Recursion is as deep as the tables are. */
int fields_read(struct field_reader *r, const json_t *object, const struct field *table, const char *path, void *to)
{
	char full[FIELD_PATH_MAX];
	const char *name;
	json_t *value;
	int res;

	json_object_foreach((json_t *)object, name, value)
	{
		const struct field *f = find(table, name);

		if (!f) {
			note_unknown(r, field_path(full, path, name));
			continue;
		}
		res = json_is_null(value) ? 0 : read_field(r, f, path, value, to);
		if (res < 0)
			return res;
	}
	for (const struct field *f = table; f->name; f++) {
		value = json_object_get(object, f->name);
		if (f->required && (!value || json_is_null(value)))
			return error_set(r->err, EINVAL, "missing field `%s`", field_path(full, path, f->name));
	}
	return 0;
}
