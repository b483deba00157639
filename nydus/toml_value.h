/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of TOML that know nothing of tables: the place in the text, keys, texts, numbers, dates. */
#ifndef GRAFT_NYDUS_TOML_VALUE_H
#define GRAFT_NYDUS_TOML_VALUE_H

#include "lib/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* Where the reader is. Results below: 0 or -errno with err. */
struct toml_text {
	const char *at, *end;
	const char *start;
	char *room; /* for a text being unescaped: as much as the document has */
	struct graft_error *err;
};

/* Sets err: what, and the line of the place. */
int toml_wrong(struct toml_text *t, const char *what);
bool toml_take(struct toml_text *t, const char *word);
void toml_skip_blanks(struct toml_text *t);
/* Behind a value or a header: blanks, a comment, the end of the line or of the text. */
int toml_end_line(struct toml_text *t);
/* Blanks, comments and ends of lines. */
int toml_skip_lines(struct toml_text *t);
/* A text in quotes of any of the four forms, multi: also those of several lines; in t->room, len bytes. */
int toml_quoted(struct toml_text *t, bool multi, size_t *len);
/* One part of a key, bare or quoted, in t->room. */
int toml_key(struct toml_text *t, size_t *len);
/* true, false, a number, a date or a time. */
int toml_word(struct toml_text *t, json_t **value);

#endif
