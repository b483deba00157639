/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a text is JSON, and if not, the words and the place that nydusd's reader (serde_json) has for it. */
#include "server/control/json_check.h"

#include <stdbool.h>
#include <string.h>

#define END (-1)

struct scan {
	const char *text;
	size_t len, at;
	const char *error;
	size_t error_at;
};

static int peek(const struct scan *s)
{
	return s->at < s->len ? (unsigned char)s->text[s->at] : END;
}

static int skip_blanks(struct scan *s)
{
	while (s->at < s->len && strchr(" \t\r\n", s->text[s->at]) && s->text[s->at])
		s->at++;
	return peek(s);
}

/* At the byte that is next, or at the end of the text. Always false. */
static bool fail(struct scan *s, const char *error, const char *at_end)
{
	bool end = s->at >= s->len;

	s->error = end ? at_end : error;
	s->error_at = end ? s->len : s->at + 1;
	return false;
}

static bool scan_word(struct scan *s, const char *word)
{
	for (; *word; word++, s->at++)
		if (peek(s) != *word)
			return fail(s, "expected ident", "EOF while parsing a value");
	return true;
}

static bool is_digit(int c)
{
	return c >= '0' && c <= '9';
}

static bool scan_digits(struct scan *s)
{
	if (!is_digit(peek(s)))
		return fail(s, "invalid number", "EOF while parsing a value");
	while (is_digit(peek(s)))
		s->at++;
	return true;
}

static bool scan_number(struct scan *s)
{
	if (peek(s) == '-')
		s->at++;
	bool zero = peek(s) == '0';
	if (zero)
		s->at++;
	if (zero && is_digit(peek(s)))
		return fail(s, "invalid number", NULL);
	if (!zero && !scan_digits(s))
		return false;
	if (peek(s) == '.') {
		s->at++;
		if (!scan_digits(s))
			return false;
	}
	if (peek(s) != 'e' && peek(s) != 'E')
		return true;
	s->at++;
	if (peek(s) == '+' || peek(s) == '-')
		s->at++;
	return scan_digits(s);
}

static bool scan_escape(struct scan *s)
{
	int c = peek(s);

	if (c <= 0 || !strchr("\"\\/bfnrtu", c))
		return fail(s, "invalid escape", "EOF while parsing a string");
	s->at++;
	for (int i = 0; c == 'u' && i < 4; i++, s->at++) {
		int h = peek(s);

		if (h <= 0 || !strchr("0123456789abcdefABCDEF", h))
			return fail(s, "invalid escape", "EOF while parsing a string");
	}
	return true;
}

static bool scan_string(struct scan *s)
{
	for (s->at++; peek(s) != '"';) {
		int c = peek(s);

		if (c == END || c < ' ')
			return fail(s, "control character (\\u0000-\\u001F) found while parsing a string",
				    "EOF while parsing a string");
		s->at++;
		if (c == '\\' && !scan_escape(s))
			return false;
	}
	s->at++;
	return true;
}

/* What is neither object nor array. */
static bool scan_plain(struct scan *s)
{
	int c = peek(s);

	if (c == '"')
		return scan_string(s);
	if (c == '-' || is_digit(c))
		return scan_number(s);
	if (c == 'n')
		return scan_word(s, "null");
	if (c == 't')
		return scan_word(s, "true");
	if (c == 'f')
		return scan_word(s, "false");
	return fail(s, "expected value", "EOF while parsing a value");
}

static bool scan_key(struct scan *s, bool first)
{
	int c = skip_blanks(s);

	if (c != '"')
		return fail(s, c == '}' ? "trailing comma" : "key must be a string",
			    first ? "EOF while parsing an object" : "EOF while parsing a value");
	if (!scan_string(s))
		return false;
	if (skip_blanks(s) != ':')
		return fail(s, "expected `:`", "EOF while parsing an object");
	s->at++;
	return true;
}

/* Behind the opening bracket. *empty: it was closed. False: an error. */
static bool open_bracket(struct scan *s, bool object, bool *empty)
{
	s->at++;
	*empty = skip_blanks(s) == (object ? '}' : ']');
	if (*empty)
		s->at++;
	else if (object)
		return scan_key(s, true);
	else if (peek(s) == END)
		return fail(s, NULL, "EOF while parsing a list");
	return true;
}

/* Behind a value in a bracket. *closed: the bracket ends here, and is passed. False: an error. */
static bool next_in_bracket(struct scan *s, bool object, bool *closed)
{
	int c = skip_blanks(s);

	*closed = c == (object ? '}' : ']');
	if (!*closed && c != ',')
		return object ? fail(s, "expected `,` or `}`", "EOF while parsing an object")
			      : fail(s, "expected `,` or `]`", "EOF while parsing a list");
	s->at++;
	if (*closed)
		return true;
	if (object)
		return scan_key(s, false);
	if (skip_blanks(s) == ']')
		return fail(s, "trailing comma", NULL);
	return true;
}

/* One value and all within it. */
static bool scan_value(struct scan *s)
{
	bool objects[JSON_DEPTH_MAX], done;
	unsigned depth = 0;

	do {
		int c = skip_blanks(s);

		done = true;
		if (c == '{' || c == '[') {
			if (depth == JSON_DEPTH_MAX)
				return fail(s, "recursion limit exceeded", NULL);
			objects[depth++] = c == '{';
			if (!open_bracket(s, c == '{', &done))
				return false;
			depth -= done;
		} else if (!scan_plain(s)) {
			return false;
		}
		while (done && depth) {
			if (!next_in_bracket(s, objects[depth - 1], &done))
				return false;
			depth -= done;
		}
	} while (depth);
	return true;
}

const char *json_check(const char *text, size_t len, size_t *at)
{
	struct scan s = { .text = text, .len = len };

	if (scan_value(&s) && skip_blanks(&s) != END)
		fail(&s, "trailing characters", NULL);
	*at = s.error_at;
	return s.error;
}

int json_find_member(const char *text, size_t len, const char *name, size_t *start, size_t *end)
{
	struct scan s = { .text = text, .len = len };
	bool ended;

	if (skip_blanks(&s) != '{')
		return 0;
	s.at++;
	for (ended = skip_blanks(&s) == '}'; !ended;) {
		size_t key = (skip_blanks(&s), s.at + 1);

		scan_string(&s);
		bool found = s.at - 1 - key == strlen(name) && !memcmp(text + key, name, strlen(name));
		skip_blanks(&s);
		s.at++; /* the colon */
		skip_blanks(&s);
		*start = s.at;
		scan_value(&s);
		*end = s.at;
		if (found)
			return 1;
		ended = skip_blanks(&s) != ',';
		s.at++;
	}
	return 0;
}

int json_find_element(const char *text, size_t len, size_t from, size_t index, size_t *start, size_t *end)
{
	struct scan s = { .text = text, .len = len, .at = from };
	bool ended = skip_blanks(&s) != '[';

	s.at++;
	for (ended = ended || skip_blanks(&s) == ']'; !ended; index--) {
		skip_blanks(&s);
		*start = s.at;
		scan_value(&s);
		*end = s.at;
		if (!index)
			return 1;
		ended = skip_blanks(&s) != ',';
		s.at++;
	}
	return 0;
}
