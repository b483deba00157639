/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies at nydusd's addresses: what their members must be, and nydusd's words where they are not. */
#include "server/control/nydus_body.h"

#include "lib/cleanup.h"
#include "server/control/body.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where a value stands in the body. */
struct span {
	size_t start, end;
};

/* Says what serde, nydusd's reader, would say. */
static void refuse(struct request *req, const char *text, int line, int column)
{
	char tail[64];

	snprintf(tail, sizeof(tail), ", line: %d, column: %d))", line, column);
	answer_nydus(&req->answer, 400, "ParseBody(Error(", text ? text : "", tail);
}

static void write_value(FILE *to, const struct request *req, const json_t *value, const struct span *at)
{
	int len = (int)(at->end - at->start);

	switch (json_typeof(value)) {
	case JSON_NULL:
		fputs("null", to);
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		fprintf(to, "boolean `%.*s`", len, req->body + at->start);
		break;
	case JSON_INTEGER:
		fprintf(to, "integer `%.*s`", len, req->body + at->start);
		break;
	case JSON_REAL:
		fprintf(to, "floating point `%.*s`", len, req->body + at->start);
		break;
	case JSON_STRING:
		fputs("string ", to);
		answer_quote(to, json_string_value(value));
		break;
	case JSON_ARRAY:
		fputs("sequence", to);
		break;
	case JSON_OBJECT:
		fputs("map", to);
		break;
	}
}

/* A list or an object is refused before it is read, anything else behind it. */
static void refuse_type(struct request *req, const json_t *value, const struct span *at, const char *expected)
{
	bool before = json_is_array(value) || json_is_object(value);
	auto_free char *text = NULL;
	size_t len = 0;
	int line, column;
	FILE *to = open_memstream(&text, &len);

	if (to) {
		fputs("invalid type: ", to);
		write_value(to, req, value, at);
		fprintf(to, ", expected %s", expected);
		fclose(to);
	}
	body_place(req->body, before ? at->start : at->end, &line, &column);
	refuse(req, text, line, column);
}

static bool check_texts(struct request *req, const json_t *list, const struct span *at)
{
	struct span one;
	size_t i;
	const json_t *item;

	if (json_is_null(list))
		return true;
	if (!json_is_array(list)) {
		refuse_type(req, list, at, "a sequence");
		return false;
	}
	json_array_foreach(list, i, item) {
		if (json_is_string(item))
			continue;
		if (json_find_element(req->body, req->body_len, at->start, i, &one.start, &one.end))
			refuse_type(req, item, &one, "a string");
		return false;
	}
	return true;
}

static bool check_kind(struct request *req, enum nydus_kind kind, const json_t *value, const struct span *at)
{
	if (kind == NYDUS_TEXTS)
		return check_texts(req, value, at);
	if (kind == NYDUS_OBJECT && (json_is_object(value) || json_is_null(value)))
		return true;
	if (kind != NYDUS_OBJECT && (json_is_string(value) || (kind == NYDUS_TEXT_OR_OBJECT && json_is_object(value))))
		return true;
	refuse_type(req, value, at, kind == NYDUS_OBJECT ? "a map" : "a string");
	return false;
}

/* NYDUS_TEXT where all members are texts; NULL where it is none that counts. */
static const struct nydus_member *member_of(const struct nydus_shape *form, const char *name)
{
	static const struct nydus_member any = { NULL, NYDUS_TEXT, false };

	for (size_t i = 0; i < form->n; i++)
		if (!strcmp(form->members[i].name, name))
			return &form->members[i];
	return form->members ? NULL : &any;
}

static bool check_members(struct request *req, const struct nydus_shape *form, json_t *body)
{
	const char *name;
	json_t *value;

	json_object_foreach(body, name, value) {
		const struct nydus_member *member = member_of(form, name);
		struct span at = { 0 };

		/* A name with an escape in it is not found: then the place is wrong, no more. */
		json_find_member(req->body, req->body_len, name, &at.start, &at.end);
		if (member && !check_kind(req, member->kind, value, &at))
			return false;
	}
	return true;
}

static bool check_required(struct request *req, const struct nydus_shape *form, const json_t *body)
{
	char text[128];
	size_t len = req->body_len;
	int line, column;

	for (size_t i = 0; i < form->n; i++) {
		if (!form->members[i].required || json_object_get(body, form->members[i].name))
			continue;
		while (len && strchr(" \t\r\n", req->body[len - 1]))
			len--;
		body_place(req->body, len, &line, &column);
		snprintf(text, sizeof(text), "missing field `%s`", form->members[i].name);
		refuse(req, text, line, column);
		return false;
	}
	return true;
}

json_t *nydus_body(struct request *req, const struct nydus_shape *form)
{
	struct body_error e;
	json_t *body = body_parse(req->body, req->body_len, &e);
	const struct span all = { strspn(req->body, " \t\r\n"), req->body_len };

	if (!body)
		refuse(req, e.text, e.line, e.column);
	else if (!json_is_object(body))
		refuse_type(req, body, &all, form->name);
	else if (check_members(req, form, body) && check_required(req, form, body))
		return body;
	json_decref(body);
	return NULL;
}
