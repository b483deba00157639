/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the JSON of a request. */
#include "server/control/body.h"

#include <stdio.h>
#include <string.h>

/* What is JSON by its form, but not taken: jansson's words, and what nydusd's reader says. */
static void set_refused(struct body_error *e, const char *text, size_t len, const json_error_t *error)
{
	static const char duplicate[] = "duplicate object key near '\"";
	static const struct {
		const char *jansson, *serde;
	} words[] = {
		{ "unable to decode byte", "invalid unicode code point" },
		{ "invalid Unicode '", "unexpected end of hex escape" },
		{ "\\u0000 is not allowed", "a NUL in a string" },
	};
	size_t at = error->position > 0 && (size_t)error->position <= len ? (size_t)error->position : len;

	body_place(text, at, &e->line, &e->column);
	snprintf(e->text, sizeof(e->text), "%s", error->text);
	if (!strncmp(error->text, duplicate, strlen(duplicate))) {
		const char *key = error->text + strlen(duplicate);

		snprintf(e->text, sizeof(e->text), "duplicate field `%.*s`", (int)strcspn(key, "\""), key);
	}
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strncmp(error->text, words[i].jansson, strlen(words[i].jansson)))
			snprintf(e->text, sizeof(e->text), "%s", words[i].serde);
}

json_t *body_parse(const char *text, size_t len, struct body_error *e)
{
	json_error_t error;
	size_t at;
	const char *wrong = json_check(text, len, &at);

	/* jansson recurses as deep as the text goes: so it comes second. */
	if (wrong) {
		body_place(text, at, &e->line, &e->column);
		snprintf(e->text, sizeof(e->text), "%s", wrong);
		return NULL;
	}
	json_t *value = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
	if (!value)
		set_refused(e, text, len, &error);
	return value;
}

void body_place(const char *text, size_t at, int *line, int *column)
{
	*line = 1;
	*column = 0;
	for (size_t i = 0; i < at; i++) {
		*line += text[i] == '\n';
		*column = text[i] == '\n' ? 0 : *column + 1;
	}
}
