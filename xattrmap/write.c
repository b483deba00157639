/* SPDX-License-Identifier: Apache-2.0 */
/* Rules on their way out: as virtiofsd's syntax, and as XML. */
#include "xattrmap/rules.h"

#include <errno.h>
#include <string.h>

/* Any character will do; those that look like one come first. A blank would be skipped, '<' might look like XML. */
static const char delimiters[] = ":/|,;!%@#^~&*+=_?$\"'`-.()[]{}>0123456789"
				 "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

bool xattrmap_rule_text(const struct xattrmap_rule *rule, char *to)
{
	const char *type = xattrmap_types[rule->type];

	for (const char *d = delimiters; *d; d++) {
		const char *scope = rule->type == XATTRMAP_MAP ? "" : xattrmap_scopes[rule->scope];
		if (strchr(rule->key, *d) || strchr(rule->prepend, *d) || strchr(type, *d) || strchr(scope, *d))
			continue;
		char between[2] = { *scope ? *d : '\0', '\0' };
		snprintf(to, XATTRMAP_LINE_MAX, "%c%s%s%s%c%s%c%s%c", *d, type, between, scope, *d, rule->key, *d,
			 rule->prepend, *d);
		return true;
	}
	return false;
}

int xattrmap_write_rules(const struct xattrmap *map, FILE *to, struct graft_error *err)
{
	char line[XATTRMAP_LINE_MAX];

	for (size_t i = 0; i < map->nwritten; i++) {
		if (!xattrmap_rule_text(&map->written[i], line))
			return error_set(err, EINVAL, "rule %zu: its names leave no character to be the delimiter",
					 i + 1);
		fprintf(to, "%s\n", line);
	}
	return 0;
}

/* Bytes of a name as an attribute's value: what is not plain ASCII as \xHH. */
static void write_value(FILE *to, const char *name, const char *bytes)
{
	fprintf(to, " %s=\"", name);
	for (; *bytes; bytes++) {
		unsigned char c = (unsigned char)*bytes;
		if (c == '\\')
			fputs("\\\\", to);
		else if (c < 0x20 || c > 0x7e || strchr("\"&<>", c))
			fprintf(to, "\\x%02x", c);
		else
			fputc(c, to);
	}
	fputc('"', to);
}

void xattrmap_write_xml(const struct xattrmap *map, FILE *to)
{
	fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<xattrmap>\n\t<rules>\n", to);
	for (size_t i = 0; i < map->nwritten; i++) {
		const struct xattrmap_rule *rule = &map->written[i];

		fprintf(to, "\t\t<%s", xattrmap_types[rule->type]);
		if (rule->scope != XATTRMAP_ALL)
			fprintf(to, " scope=\"%s\"", xattrmap_scopes[rule->scope]);
		if (rule->key_len)
			write_value(to, "key", rule->key);
		if (rule->prepend_len)
			write_value(to, "prepend", rule->prepend);
		fputs("/>\n", to);
	}
	fputs("\t</rules>\n</xattrmap>\n", to);
}
