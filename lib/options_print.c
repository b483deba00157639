/* SPDX-License-Identifier: Apache-2.0 */
/* Option tables: settings as lines of an INI file, and the help text of a table. */
#include "lib/options_internal.h"

#include <errno.h>
#include <string.h>

const char *option_seconds(uint64_t ns, char *buf)
{
	unsigned long long whole = ns / 1000000000, part = ns % 1000000000;
	if (part == 0) {
		snprintf(buf, 32, "%llu", whole);
		return buf;
	}
	int len = snprintf(buf, 32, "%llu.%09llu", whole, part);
	while (buf[len - 1] == '0')
		buf[--len] = '\0';
	return buf;
}

/* An INI reader drops blanks at both ends, and what stands behind a blank and a semicolon; lines cannot be joined. */
static bool ini_carries(const char *text)
{
	size_t len = strlen(text);
	if (len == 0 || text[0] == ';' || strchr(" \t", text[0]) || strchr(" \t", text[len - 1]))
		return false;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];
		if ((c < ' ' && c != '\t') || c == 0x7f)
			return false;
		if (c == ';' && strchr(" \t", text[i - 1]))
			return false;
	}
	return true;
}

static int dump_text(const struct graft_opt *opt, const struct option_row *row, const char *prefix, FILE *to,
		     struct graft_error *err)
{
	for (size_t i = 0; i < row->count; i++) {
		if (!ini_carries(row->items[i]))
			return error_set(err, EINVAL,
					 "%s%s: an INI file cannot carry this value (a line end, a control character, "
					 "a blank at an end, or a semicolon behind a blank)",
					 prefix, opt->key);
		fprintf(to, "%s%s = %s\n", prefix, opt->key, row->items[i]);
	}
	return 0;
}

static void dump_value(const struct graft_opt *opt, const char *at, const char *prefix, FILE *to)
{
	union option_value v = { 0 };
	char buf[32];

	memcpy(&v, at, option_width(opt->type));
	fprintf(to, "%s%s = ", prefix, opt->key);
	if (opt->type == GRAFT_OPT_BOOL)
		fprintf(to, "%s\n", v.b ? "true" : "false");
	else if (opt->type == GRAFT_OPT_ENUM)
		fprintf(to, "%s\n", opt->choices[v.index]);
	else if (opt->type == GRAFT_OPT_SECONDS)
		fprintf(to, "%s\n", option_seconds(v.u64, buf));
	else
		fprintf(to, "%llu\n", (unsigned long long)v.u64);
}

int options_dump(const struct options *o, const char *prefix, FILE *to, struct graft_error *err)
{
	for (size_t i = 0; i < o->n; i++) {
		const struct graft_opt *opt = &o->table[i];
		int res = 0;
		if (!o->rows[i].has_value)
			continue;
		if (option_is_text(opt))
			res = dump_text(opt, &o->rows[i], prefix, to, err);
		else
			dump_value(opt, o->settings + opt->offset, prefix, to);
		if (res != 0)
			return res;
	}
	return 0;
}

static void help_values(const struct graft_opt *opt, FILE *to)
{
	static const char *const words[] = {
		[GRAFT_OPT_STRING] = "TEXT", [GRAFT_OPT_PATH] = "/PATH", [GRAFT_OPT_BOOL] = "true|false",
		[GRAFT_OPT_U64] = "NUMBER", [GRAFT_OPT_SECONDS] = "SECONDS", [GRAFT_OPT_LIST] = "TEXT",
	};
	char low[32], high[32];

	if (opt->type == GRAFT_OPT_ENUM) {
		for (size_t i = 0; opt->choices[i]; i++)
			fprintf(to, "%s%s", i > 0 ? "|" : "", opt->choices[i]);
		return;
	}
	fputs(words[opt->type], to);
	if (opt->min == 0 && opt->max == 0)
		return;
	if (opt->type == GRAFT_OPT_U64)
		fprintf(to, " from %llu to %llu", (unsigned long long)opt->min, (unsigned long long)opt->max);
	if (opt->type == GRAFT_OPT_SECONDS)
		fprintf(to, " from %s to %s", option_seconds(opt->min, low), option_seconds(opt->max, high));
}

void options_help(const struct graft_opt *table, const char *prefix, FILE *to)
{
	for (const struct graft_opt *opt = table; opt->key; opt++) {
		fprintf(to, "  %s%s = ", prefix, opt->key);
		help_values(opt, to);
		if (opt->dflt)
			fprintf(to, "   (default %s)", opt->dflt);
		else if (!opt->optional)
			fputs("   (required)", to);
		if (opt->type == GRAFT_OPT_LIST)
			fputs("   (may repeat)", to);
		fprintf(to, "\n        %s\n", opt->help);
	}
}
