/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of TOML that know nothing of tables. */
#include "nydus/toml_value.h"

#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define WORD_MAX 64

int toml_wrong(struct toml_text *t, const char *what)
{
	size_t line = 1;

	for (const char *p = t->start; p < t->at; p++)
		line += *p == '\n';
	return error_set(t->err, EINVAL, "%s at line %zu", what, line);
}

bool toml_take(struct toml_text *t, const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(t->end - t->at) < len || memcmp(t->at, word, len) != 0)
		return false;
	t->at += len;
	return true;
}

void toml_skip_blanks(struct toml_text *t)
{
	while (t->at < t->end && (*t->at == ' ' || *t->at == '\t'))
		t->at++;
}

static bool is_control(char c)
{
	return ((unsigned char)c < ' ' && c != '\t') || c == 0x7f;
}

static bool take_newline(struct toml_text *t)
{
	return toml_take(t, "\n") || toml_take(t, "\r\n");
}

/* Blanks and a comment, up to the end of the line. */
static int skip_comment(struct toml_text *t)
{
	toml_skip_blanks(t);
	if (t->at == t->end || *t->at != '#')
		return 0;
	while (t->at < t->end && *t->at != '\n' && !(*t->at == '\r' && t->at + 1 < t->end && t->at[1] == '\n')) {
		if (is_control(*t->at))
			return toml_wrong(t, "a control character in a comment");
		t->at++;
	}
	return 0;
}

int toml_end_line(struct toml_text *t)
{
	int res = skip_comment(t);

	if (res < 0 || t->at == t->end || take_newline(t))
		return res;
	return toml_wrong(t, "something stands behind the value");
}

int toml_skip_lines(struct toml_text *t)
{
	int res;

	do {
		res = skip_comment(t);
	} while (res == 0 && take_newline(t));
	return res;
}

static size_t put_utf8(char *to, uint32_t c)
{
	if (c < 0x80) {
		to[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		to[0] = (char)(0xc0 | c >> 6);
		to[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		to[0] = (char)(0xe0 | c >> 12);
		to[1] = (char)(0x80 | (c >> 6 & 0x3f));
		to[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	to[0] = (char)(0xf0 | c >> 18);
	to[1] = (char)(0x80 | (c >> 12 & 0x3f));
	to[2] = (char)(0x80 | (c >> 6 & 0x3f));
	to[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

/* The digits behind \u or \U: 4 or 8. What they make is shorter than they are. */
static int unescape_code(struct toml_text *t, size_t digits, size_t *len)
{
	uint32_t code = 0;

	for (size_t i = 0; i < digits; i++, t->at++) {
		if (t->at == t->end || !isxdigit((unsigned char)*t->at))
			return toml_wrong(t, "a wrong escape in a text");
		code = code << 4 |
		       (uint32_t)(isdigit((unsigned char)*t->at) ? *t->at - '0' : (*t->at | 0x20) - 'a' + 10);
	}
	if (!code || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
		return toml_wrong(t, "a wrong escape in a text");
	*len += put_utf8(t->room + *len, code);
	return 0;
}

/* Behind a backslash that is the last of its line: blanks and ends of lines up to the next text. */
static bool skip_continuation(struct toml_text *t)
{
	const char *p = t->at;

	while (p < t->end && (*p == ' ' || *p == '\t'))
		p++;
	if (p < t->end && *p == '\r')
		p++;
	if (p == t->end || *p != '\n')
		return false;
	while (p < t->end && strchr(" \t\r\n", *p) && *p)
		p++;
	t->at = p;
	return true;
}

static int unescape(struct toml_text *t, bool multi, size_t *len)
{
	static const char letters[] = "btnfr\"\\", meant[] = "\b\t\n\f\r\"\\";
	const char *letter;

	if (multi && skip_continuation(t))
		return 0;
	if (toml_take(t, "u"))
		return unescape_code(t, 4, len);
	if (toml_take(t, "U"))
		return unescape_code(t, 8, len);
	letter = t->at < t->end && *t->at ? strchr(letters, *t->at) : NULL;
	if (!letter)
		return toml_wrong(t, "a wrong escape in a text");
	t->room[(*len)++] = meant[letter - letters];
	t->at++;
	return 0;
}

/* Up to two quotes may stand right before the three that end a text of several lines. */
static bool at_end(struct toml_text *t, const char *quote, size_t *len)
{
	if (!toml_take(t, quote))
		return false;
	for (int i = 0; quote[1] && i < 2 && t->at < t->end && *t->at == *quote; i++, t->at++)
		t->room[(*len)++] = *quote;
	return true;
}

static int quoted_byte(struct toml_text *t, bool escapes, bool multi, size_t *len)
{
	if (escapes && toml_take(t, "\\"))
		return unescape(t, multi, len);
	if (multi && take_newline(t)) {
		t->room[(*len)++] = '\n';
		return 0;
	}
	if (is_control(*t->at))
		return toml_wrong(t, "a control character in a text");
	t->room[(*len)++] = *t->at++;
	return 0;
}

int toml_quoted(struct toml_text *t, bool multi, size_t *len)
{
	const char *quote = *t->at == '"' ? "\"\"\"" : "'''";
	bool escapes = *t->at == '"';
	int res = 0;

	*len = 0;
	if (!multi || !toml_take(t, quote)) {
		multi = false;
		quote += 2;
		t->at++;
	} else {
		take_newline(t);
	}
	while (t->at < t->end && res == 0) {
		if (at_end(t, quote, len))
			return 0;
		res = quoted_byte(t, escapes, multi, len);
	}
	return res < 0 ? res : toml_wrong(t, "a text without an end");
}

int toml_key(struct toml_text *t, size_t *len)
{
	*len = 0;
	if (t->at < t->end && (*t->at == '"' || *t->at == '\''))
		return toml_quoted(t, false, len);
	while (t->at < t->end && (isalnum((unsigned char)*t->at) || *t->at == '-' || *t->at == '_'))
		t->room[(*len)++] = *t->at++;
	return *len ? 0 : toml_wrong(t, "a key is missing");
}

/* Digits of a base with single _ between them, as one number in `digits`; how many bytes of word they take. */
static size_t take_digits(const char *word, const char *of, char digits[WORD_MAX])
{
	size_t i = 0, n = 0;

	while (word[i] && (strchr(of, word[i]) ||
			   (word[i] == '_' && i && word[i - 1] != '_' && word[i + 1] && strchr(of, word[i + 1])))) {
		if (word[i] != '_')
			digits[n++] = word[i];
		i++;
	}
	digits[n] = '\0';
	return i;
}

static json_t *integer(const char *digits, int base, bool minus)
{
	char text[WORD_MAX + 2];
	long long value;

	text[0] = '-';
	strcpy(text + 1, digits);
	errno = 0;
	value = strtoll(minus ? text : digits, NULL, base);
	return errno ? NULL : json_integer(value);
}

/* NULL where the word is none, or one beyond 64 bits. */
static json_t *based_number(const char *word)
{
	static const struct {
		const char *prefix, *digits;
		int base;
	} forms[] = { { "0x", "0123456789abcdefABCDEF", 16 }, { "0o", "01234567", 8 }, { "0b", "01", 2 } };
	char digits[WORD_MAX];

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
		if (!strncmp(word, forms[i].prefix, 2)) {
			size_t n = take_digits(word + 2, forms[i].digits, digits);

			return n && !word[2 + n] ? integer(digits, forms[i].base, false) : NULL;
		}
	return NULL;
}

/* Fraction and exponent behind the whole part: their values do not matter. */
static bool is_float_tail(const char *word)
{
	static const char decimal[] = "0123456789";
	char digits[WORD_MAX];
	size_t n;

	if (*word == '.') {
		n = take_digits(++word, decimal, digits);
		if (!n)
			return false;
		word += n;
	}
	if ((*word | 0x20) == 'e') {
		word++;
		word += *word == '+' || *word == '-';
		n = take_digits(word, decimal, digits);
		if (!n)
			return false;
		word += n;
	}
	return !*word;
}

static json_t *number(const char *word)
{
	bool sign = *word == '+' || *word == '-';
	const char *body = word + sign;
	char digits[WORD_MAX];
	size_t n;

	if (!strcmp(body, "inf") || !strcmp(body, "nan"))
		return json_real(0);
	if (!sign && body[0] == '0' && body[1] && strchr("xob", body[1]))
		return based_number(word);
	n = take_digits(body, "0123456789", digits);
	if (!n || (digits[0] == '0' && digits[1]))
		return NULL;
	if (!body[n])
		return integer(digits, 10, *word == '-');
	return is_float_tail(body + n) ? json_real(0) : NULL;
}

/* By its form: 2026-11-22, with a time or without, or 07:32:00. */
static bool is_date(const char *word)
{
	static const char *const forms[] = { "0000-00-00", "00:00:00" };

	for (size_t f = 0; f < sizeof(forms) / sizeof(forms[0]); f++) {
		size_t i = 0;

		while (forms[f][i] && (forms[f][i] == '0' ? isdigit((unsigned char)word[i]) : word[i] == forms[f][i]))
			i++;
		if (!forms[f][i])
			return word[i + strspn(word + i, "0123456789:.+-TtZz ")] == '\0';
	}
	return false;
}

static bool is_word_byte(const struct toml_text *t, const char *p)
{
	if (isalnum((unsigned char)*p) || (*p && strchr("+-_.:", *p)))
		return true;
	/* A date may have a blank before its time. */
	return *p == ' ' && p - t->at == 10 && t->at[4] == '-' && p + 1 < t->end && isdigit((unsigned char)p[1]);
}

int toml_word(struct toml_text *t, json_t **value)
{
	const char *p = t->at;
	char word[WORD_MAX];
	size_t len;

	while (p < t->end && is_word_byte(t, p))
		p++;
	len = (size_t)(p - t->at);
	if (!len || len >= sizeof(word))
		return toml_wrong(t, "no value");
	memcpy(word, t->at, len);
	word[len] = '\0';
	if (!strcmp(word, "true") || !strcmp(word, "false"))
		*value = json_boolean(word[0] == 't');
	else
		*value = is_date(word) ? json_real(0) : number(word);
	if (!*value)
		return toml_wrong(t, "no value");
	t->at = p;
	return 0;
}
