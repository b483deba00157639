/* SPDX-License-Identifier: Apache-2.0 */
/* Option tables: one value from its text, the check of a foreign table, and the nearest known word. */
#include "lib/options_internal.h"

#include <errno.h>
#include <string.h>

#define WORD_MAX 64 /* bytes of a word that is compared with others */

bool option_is_text(const struct graft_opt *opt)
{
	return opt->type == GRAFT_OPT_STRING || opt->type == GRAFT_OPT_PATH || opt->type == GRAFT_OPT_LIST;
}

size_t option_width(uint32_t type)
{
	static const size_t width[] = {
		[GRAFT_OPT_STRING] = sizeof(char *), [GRAFT_OPT_PATH] = sizeof(char *),
		[GRAFT_OPT_BOOL] = sizeof(bool), [GRAFT_OPT_U64] = sizeof(uint64_t),
		[GRAFT_OPT_SECONDS] = sizeof(uint64_t), [GRAFT_OPT_ENUM] = sizeof(uint32_t),
		[GRAFT_OPT_LIST] = sizeof(struct graft_list),
	};
	return type < sizeof(width) / sizeof(width[0]) ? width[type] : 0;
}

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t low = a < b ? a : b;
	return low < c ? low : c;
}

/* Edit distance in which two swapped neighbours count once; SIZE_MAX for words too long to be worth it. */
static size_t distance(const char *a, const char *b)
{
	size_t na = strlen(a), nb = strlen(b);
	size_t rows[3][WORD_MAX + 1];
	if (na > WORD_MAX || nb > WORD_MAX)
		return SIZE_MAX;
	for (size_t j = 0; j <= nb; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= na; i++) {
		size_t *now = rows[i % 3], *last = rows[(i - 1) % 3], *before = rows[(i + 1) % 3];
		now[0] = i;
		for (size_t j = 1; j <= nb; j++) {
			now[j] = min3(last[j] + 1, now[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    before[j - 2] + 1 < now[j])
				now[j] = before[j - 2] + 1;
		}
	}
	return rows[na % 3][nb];
}

const char *options_nearest(const char *word, const char *const *candidates, size_t n)
{
	size_t len = strlen(word);
	size_t limit = len / 3 > 2 ? len / 3 : 2;
	/* Two short words of nothing in common are within 2 as well. */
	size_t best = len <= limit ? len : limit + 1;
	const char *nearest = NULL;

	for (size_t i = 0; i < n; i++) {
		size_t d = distance(word, candidates[i]);
		if (d < best) {
			best = d;
			nearest = candidates[i];
		}
	}
	return nearest;
}

static int bad_value(const struct graft_opt *opt, const char *text, const char *right, struct graft_error *err)
{
	return error_set(err, EINVAL, "%s = " OPTION_SHOWN ": must be %s", opt->key, text, right);
}

static int parse_bool(const struct graft_opt *opt, const char *text, bool *b, struct graft_error *err)
{
	static const char *const words[] = { "false", "true", "no", "yes", "off", "on", "0", "1" };
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(text, words[i]) == 0) {
			*b = i % 2 == 1;
			return 0;
		}
	}
	return bad_value(opt, text, "true or false (yes no on off 1 0 will do)", err);
}

/* Reads digits, at least one; false if there are none or the number overflows. */
static bool digits(const char **text, uint64_t *value)
{
	const char *p = *text;
	uint64_t v = 0;
	for (; *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, (uint64_t)(*p - '0'), &v))
			return false;
	if (p == *text)
		return false;
	*text = p;
	*value = v;
	return true;
}

static bool bounded(const struct graft_opt *opt)
{
	return opt->min != 0 || opt->max != 0;
}

static bool in_range(const struct graft_opt *opt, uint64_t v)
{
	return !bounded(opt) || (v >= opt->min && v <= opt->max);
}

static int parse_u64(const struct graft_opt *opt, const char *text, uint64_t *v, struct graft_error *err)
{
	const char *p = text;
	bool good = digits(&p, v);
	if (good && *p) {
		unsigned shift = *p == 'K' ? 10 : *p == 'M' ? 20 : *p == 'G' ? 30 : 0;
		good = shift > 0 && p[1] == '\0' && !__builtin_mul_overflow(*v, UINT64_C(1) << shift, v);
	}
	if (good && in_range(opt, *v))
		return 0;
	if (bounded(opt))
		return error_set(err, EINVAL, "%s = " OPTION_SHOWN ": must be a whole number from %llu to %llu",
				 opt->key, text, (unsigned long long)opt->min, (unsigned long long)opt->max);
	return bad_value(opt, text, "a whole number, with K, M or G behind it for powers of 1024", err);
}

/* Nanoseconds of a unit; 0 for an unknown one. */
static uint64_t unit_ns(const char *unit)
{
	static const struct {
		const char *word;
		uint64_t ns;
	} units[] = {
		{ "", 1000000000 },   { "s", 1000000000 },    { "ms", 1000000 },
		{ "m", 60000000000 }, { "h", 3600000000000 },
	};
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (strcmp(unit, units[i].word) == 0)
			return units[i].ns;
	return 0;
}

/* "12", "0.5s", "250ms"; false for anything else, what overflows, or what is finer than a nanosecond. */
static bool seconds(const char *text, uint64_t *ns)
{
	const char *p = text;
	if (!digits(&p, ns))
		return false;
	const char *fraction = *p == '.' ? p + 1 : "";
	size_t len = strspn(fraction, "0123456789");
	if (*p == '.' && len == 0)
		return false;
	uint64_t unit = unit_ns(len > 0 ? fraction + len : p);
	if (unit == 0 || __builtin_mul_overflow(*ns, unit, ns))
		return false;
	for (size_t i = 0; i < len; i++) {
		if (unit % 10 != 0)
			return false;
		unit /= 10;
		if (__builtin_add_overflow(*ns, (uint64_t)(fraction[i] - '0') * unit, ns))
			return false;
	}
	return true;
}

static int parse_seconds(const struct graft_opt *opt, const char *text, uint64_t *ns, struct graft_error *err)
{
	char low[32], high[32];
	if (seconds(text, ns) && in_range(opt, *ns))
		return 0;
	if (bounded(opt))
		return error_set(err, EINVAL,
				 "%s = " OPTION_SHOWN ": must be seconds from %s to %s, such as 1, 0.5, 250ms or 24h",
				 opt->key, text, option_seconds(opt->min, low), option_seconds(opt->max, high));
	return bad_value(opt, text, "seconds, such as 1, 0.5, 250ms or 24h", err);
}

static int parse_enum(const struct graft_opt *opt, const char *text, uint32_t *index, struct graft_error *err)
{
	char all[512] = "";
	size_t len = 0, n = 0;
	for (; opt->choices[n]; n++) {
		if (strcmp(text, opt->choices[n]) == 0) {
			*index = (uint32_t)n;
			return 0;
		}
		int part = snprintf(all + len, sizeof(all) - len, " %s", opt->choices[n]);
		if (part > 0 && (size_t)part < sizeof(all) - len)
			len += (size_t)part;
	}
	const char *near = options_nearest(text, opt->choices, n);
	return error_set(err, EINVAL, "%s = " OPTION_SHOWN ": must be one of:%s%s%s%s", opt->key, text, all,
			 near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

int option_parse(const struct graft_opt *opt, const char *text, union option_value *v, struct graft_error *err)
{
	if (*text == '\0')
		return error_set(err, EINVAL, "key '%s' has no value", opt->key);
	switch (opt->type) {
	case GRAFT_OPT_PATH:
		if (*text != '/')
			return bad_value(opt, text, "an absolute path", err);
		if (strlen(text) > OPTION_PATH_MAX)
			return bad_value(opt, text, "a path of at most 4095 bytes", err);
		return 0;
	case GRAFT_OPT_BOOL:
		return parse_bool(opt, text, &v->b, err);
	case GRAFT_OPT_U64:
		return parse_u64(opt, text, &v->u64, err);
	case GRAFT_OPT_SECONDS:
		return parse_seconds(opt, text, &v->u64, err);
	case GRAFT_OPT_ENUM:
		return parse_enum(opt, text, &v->index, err);
	default: /* STRING and LIST take any text */
		return 0;
	}
}

static bool good_key(const char *key)
{
	size_t len = strspn(key, "abcdefghijklmnopqrstuvwxyz0123456789-");
	return len > 0 && len <= OPTION_KEY_MAX && key[len] == '\0' && key[0] != '-';
}

/* Why a row is no good, NULL if it is. */
static const char *row_fault(const struct graft_opt *opt, size_t size, struct graft_error *err)
{
	size_t width = option_width(opt->type);
	size_t align = opt->type == GRAFT_OPT_LIST ? sizeof(void *) : width;
	union option_value v;

	if (!good_key(opt->key))
		return "its key is not a lower-case word";
	if (width == 0)
		return "its type is unknown";
	if (opt->offset > size || width > size - opt->offset || opt->offset % align != 0)
		return "its offset is outside the settings";
	if (!opt->help)
		return "it has no help";
	if (opt->min > opt->max)
		return "its range is empty";
	if (opt->type == GRAFT_OPT_ENUM && (!opt->choices || !opt->choices[0]))
		return "it has no choices";
	return opt->dflt && option_parse(opt, opt->dflt, &v, err) != 0 ? "its default is not a legal value" : NULL;
}

int options_check(const struct graft_opt *table, size_t size, struct graft_error *err)
{
	for (size_t i = 0; table[i].key; i++) {
		if (i == OPTIONS_ROWS_MAX)
			return error_set(err, EINVAL, "option table of more than %d rows", OPTIONS_ROWS_MAX);
		const char *fault = row_fault(&table[i], size, err);
		for (size_t k = 0; !fault && k < i; k++)
			if (strcmp(table[i].key, table[k].key) == 0)
				fault = "its key stands there twice";
		if (fault)
			return error_set(err, EINVAL, "option table, row %zu, '" OPTION_SHOWN "': %s", i + 1,
					 table[i].key, fault);
	}
	return 0;
}
