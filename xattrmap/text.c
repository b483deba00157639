/* SPDX-License-Identifier: Apache-2.0 */
/* virtiofsd's syntax: D TYPE D SCOPE D KEY D PREPEND D, or D map D KEY D PREPEND D; D is any character. */
#include "xattrmap/rules.h"

#include "lib/cleanup.h"

#include <errno.h>
#include <string.h>

#define FORMS "%.*sTYPE%.*sSCOPE%.*sKEY%.*sPREPEND%.*s or %.*smap%.*sKEY%.*sPREPEND%.*s"
#define D(s) (int)(s)->d_len, (s)->d
#define FORMS_OF(s) D(s), D(s), D(s), D(s), D(s), D(s), D(s), D(s), D(s)

/* A text on its way. */
struct scan {
	const char *at, *end;
	const char *d; /* the delimiter of the rule that is read: one character of UTF-8, or one byte that is none */
	size_t d_len;
	uint32_t line;       /* that `at` is in */
	const char *counted; /* up to here */
};

struct field {
	const char *at;
	size_t len;
};

static bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r' && c != '\v');
}

/* Bytes of the character at s. */
static size_t character(const char *s, const char *end)
{
	unsigned char first = (unsigned char)*s;
	size_t len = first >= 0xf0 && first < 0xf8 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 1;

	if (first >= 0xf8 || len > (size_t)(end - s))
		return 1;
	for (size_t i = 1; i < len; i++) {
		if (((unsigned char)s[i] & 0xc0) != 0x80)
			return 1;
	}
	return len;
}

static uint32_t line_of(struct scan *s, const char *at)
{
	for (; s->counted < at; s->counted++)
		s->line += *s->counted == '\n';
	return s->line;
}

/* A field up to the delimiter behind it; false where the text ends before. */
static bool take(struct scan *s, struct field *f)
{
	const char *d = memmem(s->at, (size_t)(s->end - s->at), s->d, s->d_len);

	if (!d)
		return false;
	f->at = s->at;
	f->len = (size_t)(d - s->at);
	s->at = d + s->d_len;
	return true;
}

static int incomplete(const struct scan *s, const char *field, struct graft_error *err)
{
	return error_set(err, EINVAL, "it ends in its %s, without '%.*s' behind it; right is " FORMS, field, D(s),
			 FORMS_OF(s));
}

/* Number of the word that the field is, -1 if it is none. An empty word is none. */
static int word(const char *const *words, const struct field *f)
{
	for (int i = 0; words[i]; i++) {
		if (f->len && strlen(words[i]) == f->len && memcmp(words[i], f->at, f->len) == 0)
			return i;
	}
	return -1;
}

static int take_type(struct scan *s, struct xattrmap_rule *rule, struct graft_error *err)
{
	struct field type, scope;

	if (!take(s, &type))
		return incomplete(s, "TYPE", err);
	int found = word(xattrmap_types, &type);
	if (found < 0)
		return error_set(err, EINVAL, "type '%.*s' is none of prefix, ok, bad, unsupported and map",
				 (int)(type.len < 40 ? type.len : 40), type.at);
	rule->type = (uint32_t)found;
	rule->scope = XATTRMAP_ALL;
	if (rule->type == XATTRMAP_MAP)
		return 0;
	if (!take(s, &scope))
		return incomplete(s, "SCOPE", err);
	found = word(xattrmap_scopes, &scope);
	if (found < 0)
		return error_set(err, EINVAL, "scope '%.*s' is none of client, server and all",
				 (int)(scope.len < 40 ? scope.len : 40), scope.at);
	rule->scope = (uint32_t)found;
	return 0;
}

static int take_rule(struct scan *s, struct xattrmap_rule *rule, struct graft_error *err)
{
	struct field key, prepend;

	s->d = s->at;
	s->d_len = character(s->at, s->end);
	s->at += s->d_len;
	int res = take_type(s, rule, err);
	if (res < 0)
		return res;
	if (!take(s, &key))
		return incomplete(s, "KEY", err);
	if (!take(s, &prepend))
		return incomplete(s, "PREPEND", err);
	rule->key = key.at;
	rule->key_len = (uint32_t)key.len;
	rule->prepend = prepend.at;
	rule->prepend_len = (uint32_t)prepend.len;
	return 0;
}

/* The place of the rule that was begun at `start` before err's text. */
static int at_rule(struct scan *s, const char *start, size_t number, const struct xattrmap_source *from,
		   struct graft_error *err)
{
	error_wrap(err, "rule %zu", number);
	if (from->file)
		return error_wrap(err, "%s:%u", from->name, line_of(s, start));
	return error_wrap(err, "%s", from->name);
}

static int take_all(struct scan *s, struct xattrmap *map, const struct xattrmap_source *from, struct graft_error *err)
{
	while (s->at < s->end) {
		struct xattrmap_rule rule = { 0 };
		const char *start = s->at;
		if (is_blank(*start)) {
			s->at++;
			continue;
		}
		/* virtiofsd looks no further than the map, whatever follows. */
		int res = map->done ? 0 : take_rule(s, &rule, err);
		rule.line = from->file ? line_of(s, start) : 0;
		if (res == 0)
			res = xattrmap_add(map, &rule, err);
		if (res < 0)
			return at_rule(s, start, map->nwritten + 1, from, err);
	}
	int res = xattrmap_end(map, err);
	return res < 0 ? error_wrap(err, "%s", from->name) : 0;
}

struct xattrmap *xattrmap_parse_rules(const char *text, size_t len, const struct xattrmap_source *from,
				      struct graft_error *err)
{
	struct scan s = { .at = text, .end = text + len, .line = 1, .counted = text };
	struct xattrmap *map;

	if (len > XATTRMAP_FILE_MAX) {
		error_set(err, EFBIG, "%s: rules of more than %d bytes", from->name, XATTRMAP_FILE_MAX);
		return NULL;
	}
	const char *nul = len ? memchr(text, 0, len) : NULL;
	if (nul) {
		error_set(err, EINVAL, "%s: byte %zu is a NUL, which no name can hold", from->name,
			  (size_t)(nul - text));
		return NULL;
	}
	/* As there, vertical tabs are blanks around the rules only. */
	while (s.at < s.end && (is_blank(*s.at) || *s.at == '\v'))
		s.at++;
	while (s.end > s.at && (is_blank(s.end[-1]) || s.end[-1] == '\v'))
		s.end--;
	map = xattrmap_new();
	if (!map)
		error_set(err, ENOMEM, "out of memory");
	if (map && take_all(&s, map, from, err) == 0)
		return map;
	xattrmap_free(map);
	xattrmap_one_line(err);
	return NULL;
}

/* Whether a text begins with "D TYPE D". */
static bool begins_as_rule(const char *text, size_t len)
{
	struct scan s = { .d = text, .at = text, .end = text + len };
	struct field type;

	if (!len)
		return false;
	s.d_len = character(text, s.end);
	s.at += s.d_len;
	return take(&s, &type) && word(xattrmap_types, &type) >= 0;
}

bool xattrmap_is_path(const char *text)
{
	return text[0] == '/' && !begins_as_rule(text, strlen(text));
}

bool xattrmap_is_xml(const char *text, size_t len)
{
	/* The mark of UTF-8 that some editors put first. */
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		return true;
	while (len && is_blank(*text))
		text++, len--;
	return len && *text == '<' && !begins_as_rule(text, len);
}
