/* SPDX-License-Identifier: Apache-2.0 */
/* Reads and writes JSON objects by tables of their fields. */
#include "nydus/fields.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MORE " and more"

static const char *join(char full[FIELD_PATH_MAX], const char *path, const char *name)
{
	snprintf(full, FIELD_PATH_MAX, "%.80s%s%.40s", path, path[0] ? "." : "", name);
	return full;
}

static const struct field *find(const struct field *table, const char *name)
{
	const struct field *f = table;

	while (f->name && strcmp(f->name, name) != 0)
		f++;
	return f->name ? f : NULL;
}

void fields_unused(struct field_reader *r, const char *path, const char *name)
{
	size_t room = sizeof(r->unused) - sizeof(MORE) - r->unused_len;
	char full[FIELD_PATH_MAX];
	int n = snprintf(r->unused + r->unused_len, room, "%s%s", r->unused_len ? ", " : "", join(full, path, name));

	if (n <= 0 || (size_t)n >= room) {
		r->unused[r->unused_len] = '\0';
		r->unused_more = true;
		return;
	}
	/* It goes into one line of the log. */
	for (char *p = r->unused + r->unused_len; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
	r->unused_len += (size_t)n;
}

const char *fields_unused_text(struct field_reader *r)
{
	if (r->unused_more)
		memcpy(r->unused + r->unused_len, MORE, sizeof(MORE));
	return r->unused;
}

static int wrong(struct field_reader *r, const char *full, const char *what)
{
	return error_set(r->err, EINVAL, "%s must be %s", full, what);
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

static int read_number(struct field_reader *r, const char *full, const json_t *value, const struct field *f, char *at)
{
	uint64_t v = (uint64_t)json_integer_value(value);

	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return wrong(r, full, "a whole number");
	if (v > f->max)
		return error_set(r->err, EINVAL, "%s must be at most %llu", full, (unsigned long long)f->max);
	memcpy(at, &v, sizeof(v));
	return 0;
}

static int read_texts(struct field_reader *r, const char *full, const json_t *value, char *at)
{
	size_t i;
	const json_t *item;

	if (!json_is_array(value))
		return wrong(r, full, "a list of texts");
	json_array_foreach(value, i, item) if (!json_is_string(item)) return wrong(r, full, "a list of texts");
	if (json_array_size(value))
		memcpy(at, &value, sizeof(value));
	return 0;
}

static int read_object(struct field_reader *r, const char *full, const json_t *value, const struct field *f, char *at)
{
	if (!json_is_object(value))
		return wrong(r, full, "an object");
	*(bool *)(void *)at = true;
	return fields_read(r, value, f->sub, full, at);
}

static int read_field(struct field_reader *r, const struct field *f, const char *path, const json_t *value, char *at)
{
	char full[FIELD_PATH_MAX];

	join(full, path, f->name);
	switch (f->kind) {
	case FIELD_TEXT:
		return read_text(r, full, value, at);
	case FIELD_BOOL:
		return read_bool(r, full, value, at);
	case FIELD_NUMBER:
		return read_number(r, full, value, f, at);
	case FIELD_TEXTS:
		return read_texts(r, full, value, at);
	case FIELD_OBJECT:
		return read_object(r, full, value, f, at);
	case FIELD_VALUE:
	default:
		memcpy(at, &value, sizeof(value));
		return 0;
	}
}

void fields_default(const struct field *table, void *to)
{
	for (const struct field *f = table; f->name; f++) {
		char *at = (char *)to + f->offset;
		const char *text = f->text || (f->flags & FIELD_NULLABLE) ? f->text : "";
		bool b = f->number != 0;

		if (f->kind == FIELD_TEXT)
			memcpy(at, &text, sizeof(text));
		else if (f->kind == FIELD_BOOL)
			memcpy(at, &b, sizeof(b));
		else if (f->kind == FIELD_NUMBER)
			memcpy(at, &f->number, sizeof(f->number));
		else if (f->kind == FIELD_OBJECT && (f->flags & FIELD_ALWAYS))
			fields_default(f->sub, at);
	}
}

/* Texts of a struct that was not given are "", not NULL, for whoever reads them. */
static void fill_texts(const struct field *table, void *to)
{
	for (const struct field *f = table; f->name; f++) {
		char *at = (char *)to + f->offset;
		const char *text = "";

		if (f->kind == FIELD_TEXT && !(f->flags & FIELD_NULLABLE))
			memcpy(at, &text, sizeof(text));
		else if (f->kind == FIELD_OBJECT)
			fill_texts(f->sub, at);
	}
}

/* Recursion is as deep as the tables are. */
int fields_read(struct field_reader *r, const json_t *object, const struct field *table, const char *path, void *to)
{
	char full[FIELD_PATH_MAX];
	const char *name;
	json_t *value;

	fields_default(table, to);
	for (const struct field *f = table; f->name; f++) {
		value = json_object_get(object, f->name);
		if (json_is_null(value) && (f->flags & FIELD_NULLABLE))
			value = NULL;
		if (!value && (f->flags & FIELD_REQUIRED))
			return error_set(r->err, EINVAL, "missing field `%s`", join(full, path, f->name));
		if (!value && f->kind == FIELD_OBJECT && !(f->flags & FIELD_ALWAYS))
			fill_texts(f->sub, (char *)to + f->offset);
		int res = value ? read_field(r, f, path, value, (char *)to + f->offset) : 0;
		if (res < 0)
			return res;
	}
	json_object_foreach((json_t *)object, name, value) if (!find(table, name)) fields_unused(r, path, name);
	return 0;
}

/* "http://user:password@host" without what stands before the host. */
static json_t *bare_url(const char *url)
{
	const char *host = strstr(url, "://"), *at;

	if (!host)
		return json_string(url);
	host += 3;
	/* The last @ before the path, as browsers and curl have it. */
	at = memrchr(host, '@', strcspn(host, "/?#"));
	return at ? json_sprintf("%.*s%s", (int)(host - url), url, at + 1) : json_string(url);
}

static json_t *write_text(const struct field *f, const char *text, bool secrets)
{
	if (!text || (!secrets && (f->flags & FIELD_SECRET)))
		return f->flags & FIELD_NULLABLE ? json_null() : json_string("");
	return !secrets && (f->flags & FIELD_URL) ? bare_url(text) : json_string(text);
}

static json_t *write_field(const struct field *f, const char *at, bool secrets)
{
	const json_t *list;
	const char *text;
	uint64_t number;

	switch (f->kind) {
	case FIELD_TEXT:
		memcpy(&text, at, sizeof(text));
		return write_text(f, text, secrets);
	case FIELD_BOOL:
		return json_boolean(*(const bool *)(const void *)at);
	case FIELD_NUMBER:
		memcpy(&number, at, sizeof(number));
		return json_integer((json_int_t)number);
	case FIELD_TEXTS:
	case FIELD_VALUE:
		memcpy(&list, at, sizeof(list));
		return list ? json_deep_copy(list) : json_array();
	case FIELD_OBJECT:
	default:
		if ((f->flags & FIELD_NULLABLE) && !*(const bool *)(const void *)at)
			return json_null();
		return fields_write(f->sub, at, secrets);
	}
}

json_t *fields_write(const struct field *table, const void *from, bool secrets)
{
	json_t *object = json_object();

	for (const struct field *f = table; object && f->name; f++) {
		if (f->flags & FIELD_UNSHOWN)
			continue;
		/* Takes the value, and fails where there is none. */
		if (json_object_set_new(object, f->name, write_field(f, (const char *)from + f->offset, secrets)) < 0) {
			json_decref(object);
			return NULL;
		}
	}
	return object;
}
