/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the JSON of a request. */
#include "server/control/body.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* jansson recurses 2048 deep: too much for a worker's stack. Counts brackets; what is no JSON is found later. */
static bool too_deep(const char *text, size_t len)
{
	int depth = 0;
	bool quoted = false;

	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (c == '"')
			quoted = !quoted;
		else if (quoted && c == '\\')
			i++;
		else if (!quoted && (c == '{' || c == '['))
			depth++;
		else if (!quoted && (c == '}' || c == ']'))
			depth--;
		if (depth > BODY_DEPTH_MAX)
			return true;
	}
	return false;
}

/* Where the word begins that jansson did not expect; it says where that ends. */
static int word_column(const json_error_t *error)
{
	const char *near = strstr(error->text, " near '");

	if (!near)
		return error->column;
	int len = (int)strlen(near + strlen(" near '")) - 1;
	return len > 0 && error->column >= len ? error->column - len + 1 : error->column;
}

static void set_error(struct body_error *e, const json_error_t *error)
{
	static const struct {
		const char *jansson, *serde;
	} words[] = {
		{ "string or '}' expected", "key must be a string" },
		{ "duplicate object key", "duplicate field" },
		{ "unable to decode byte", "invalid unicode code point" },
		{ "\\u0000 is not allowed", "a NUL in a string" },
	};

	e->line = error->line > 0 ? error->line : 1;
	e->column = word_column(error);
	snprintf(e->text, sizeof(e->text), "%s", error->text);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strncmp(error->text, words[i].jansson, strlen(words[i].jansson)))
			snprintf(e->text, sizeof(e->text), "%s", words[i].serde);
	if (json_error_code(error) == json_error_premature_end_of_input)
		snprintf(e->text, sizeof(e->text), "EOF while parsing a value");
}

json_t *body_parse(const char *text, size_t len, struct body_error *e)
{
	json_error_t error;

	if (too_deep(text, len)) {
		*e = (struct body_error){ 1, 0, "recursion limit exceeded" };
		return NULL;
	}
	json_t *value = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
	if (!value)
		set_error(e, &error);
	return value;
}

void body_end(const char *text, size_t len, int *line, int *column)
{
	*line = 1;
	*column = 0;
	while (len && strchr(" \t\r\n", text[len - 1]))
		len--;
	for (size_t i = 0; i < len; i++) {
		*line += text[i] == '\n';
		*column = text[i] == '\n' ? 0 : *column + 1;
	}
}
